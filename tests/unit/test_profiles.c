/* The shipped seccomp profiles: the compiled programs say what the JSON says, and the kernel does what they say; those of
 * cells over that of the launcher, as in every cell. */
#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define ALLOW SECCOMP_RET_ALLOW
#define NOTIFY SECCOMP_RET_USER_NOTIF

enum { NUMBERS = 1024 };

static const char *const shipped[] = {"native", "compile", "command"};

struct shipped_profile {
	json_t *json;
	struct filter_program program;
	struct filter_program launcher; /* what lies under it */
};

static struct filter_program load_launcher(const struct filter_calls *above)
{
	struct filter_program program = {0};
	struct sandbox_error err = {0};

	ck_assert_msg(policy_profile_load(DEFAULT_POLICIES_DIR, "launcher", above, &program, &err) == 0, "%s",
		err.message);
	return program;
}

static struct shipped_profile load(const char *name)
{
	struct shipped_profile profile = {0};
	struct sandbox_error err = {0};
	_cleanup_free_ char *text = NULL;
	char path[512];
	size_t size;

	(void)snprintf(path, sizeof(path), "%s/seccomp/%s.json", DEFAULT_POLICIES_DIR, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_read_all(fd, BOUND_POLICY_BYTES, &text, &size), 0);
	profile.json = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(profile.json);
	ck_assert_msg(filter_compile(name, text, size, &profile.program, &err) == 0, "%s", err.message);
	profile.launcher = load_launcher(&profile.program.passed);
	return profile;
}

static void unload(struct shipped_profile *profile)
{
	json_decref(profile->json);
	filter_free(&profile->program);
	filter_free(&profile->launcher);
}

/* The expectation, straight from the JSON: nothing here is shared with the compiler. */

static bool names_hold(const json_t *entry, const char *name)
{
	const json_t *element;
	size_t i;

	json_array_foreach(json_object_get(entry, "names"), i, element)
	{
		if (strcmp(json_string_value(element), name) == 0)
			return true;
	}
	return false;
}

static bool argument_holds(const json_t *condition, const uint64_t args[6])
{
	uint64_t argument = args[json_integer_value(json_object_get(condition, "index"))];
	uint64_t value = (uint64_t)json_integer_value(json_object_get(condition, "value"));
	uint64_t value_two = (uint64_t)json_integer_value(json_object_get(condition, "valueTwo"));
	const char *op = json_string_value(json_object_get(condition, "op"));

	if (strcmp(op, "SCMP_CMP_EQ") == 0)
		return argument == value;
	ck_assert_str_eq(op, "SCMP_CMP_MASKED_EQ"); /* the shipped profiles need no other */
	return (argument & value) == value_two;
}

/* Conditions on one argument are alternatives; those on several must all hold. */
static bool entry_matches(const json_t *entry, const char *name, const uint64_t args[6])
{
	const json_t *conditions = json_object_get(entry, "args"), *condition;
	const json_t *first = json_object_get(json_array_get(conditions, 0), "index");
	size_t i, held = 0;
	bool are_alternatives = json_array_size(conditions) > 0;

	if (!names_hold(entry, name))
		return false;
	json_array_foreach(conditions, i, condition)
	{
		held += argument_holds(condition, args);
		are_alternatives = are_alternatives && json_equal(json_object_get(condition, "index"), first);
	}
	return are_alternatives ? held > 0 : held == json_array_size(conditions);
}

static uint32_t action_of(const json_t *entry)
{
	const char *action = json_string_value(json_object_get(entry, "action"));

	if (strcmp(action, "SCMP_ACT_ALLOW") == 0)
		return ALLOW;
	if (strcmp(action, "SCMP_ACT_KILL_PROCESS") == 0)
		return NOTIFY;
	ck_assert_str_eq(action, "SCMP_ACT_ERRNO");
	return ERRNO((uint32_t)json_integer_value(json_object_get(entry, "errnoRet")));
}

static uint32_t expected(const json_t *profile, const char *name, const uint64_t args[6])
{
	const json_t *entry;
	size_t i;

	if (name == NULL)
		return ERRNO(ENOSYS);
	json_array_foreach(json_object_get(profile, "syscalls"), i, entry)
	{
		if (entry_matches(entry, name, args))
			return action_of(entry);
	}
	return ERRNO(EPERM);
}

static void compare(const struct shipped_profile *profile, int nr, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

	memcpy(data.args, args, sizeof(data.args));
	uint32_t wanted = expected(profile->json, name, args);
	uint32_t got = filter_evaluate(&profile->program, &data);
	ck_assert_msg(got == wanted, "%d (%s): %#x, not %#x", nr, name ? name : "unknown", got, wanted);
	free(name);
}

START_TEST(answers_every_number_as_the_json_says)
{
	struct shipped_profile profile = load(shipped[_i]);
	static const uint64_t vectors[][6] = {
		{0, 0, 0, 0, 0, 0},
		{1, 1, 1, 1, 1, 1},
		{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
		{0x123456789, 0x123456789, 0x123456789, 0x123456789, 0x123456789, 0x123456789},
	};

	for (int nr = 0; nr < NUMBERS; nr++)
		for (size_t v = 0; v < ARRAY_SIZE(vectors); v++)
			compare(&profile, nr, vectors[v]);
	unload(&profile);
}
END_TEST

/* The value of a condition, its neighbours, and the same with something in the upper half. */
static void compare_around(const struct shipped_profile *profile, int nr, const json_t *condition)
{
	size_t index = (size_t)json_integer_value(json_object_get(condition, "index"));
	uint64_t value = (uint64_t)json_integer_value(json_object_get(condition, "value"));
	uint64_t two = (uint64_t)json_integer_value(json_object_get(condition, "valueTwo"));
	const uint64_t values[] = {value, value - 1, value + 1, value | 1ULL << 32, value | 1ULL << 63, two,
		two - 1, two + 1, two | 1ULL << 32, ~value, value & -value, ~value | two};

	for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
		uint64_t args[6] = {9, 9, 9, 9, 9, 9};
		args[index] = values[v];
		compare(profile, nr, args);
	}
}

START_TEST(answers_around_every_condition_as_the_json_says)
{
	struct shipped_profile profile = load(shipped[_i]);
	const json_t *entry, *name, *condition;
	size_t e, n, c;

	json_array_foreach(json_object_get(profile.json, "syscalls"), e, entry)
	{
		json_array_foreach(json_object_get(entry, "names"), n, name)
		{
			int nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, json_string_value(name));
			json_array_foreach(json_object_get(entry, "args"), c, condition)
			{
				compare_around(&profile, nr, condition);
			}
		}
	}
	unload(&profile);
}
END_TEST

START_TEST(reports_every_foreign_and_x32_number)
{
	struct shipped_profile profile = load(shipped[_i]);

	for (int nr = 0; nr < NUMBERS; nr++) {
		struct seccomp_data i386 = {.nr = nr, .arch = AUDIT_ARCH_I386};
		struct seccomp_data x32 = {.nr = 0x40000000 | nr, .arch = AUDIT_ARCH_X86_64};
		ck_assert_uint_eq(filter_evaluate(&profile.program, &i386), NOTIFY);
		ck_assert_uint_eq(filter_evaluate(&profile.program, &x32), NOTIFY);
	}
	unload(&profile);
}
END_TEST

/* A misspelt name would be skipped like one of a newer kernel. */
START_TEST(names_only_calls_that_exist)
{
	static const char *const newer[] = {
		"mseal", "open_tree_attr"}; /* than the oldest libseccomp we build with */
	struct shipped_profile profile = load(shipped[_i]);
	const json_t *entry, *name;
	size_t e, n;

	json_array_foreach(json_object_get(profile.json, "syscalls"), e, entry)
	{
		json_array_foreach(json_object_get(entry, "names"), n, name)
		{
			const char *text = json_string_value(name);
			bool is_newer = strcmp(text, newer[0]) == 0 || strcmp(text, newer[1]) == 0;
			ck_assert_msg(
				is_newer || seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, text) >= 0,
				"%s", text);
		}
	}
	unload(&profile);
}
END_TEST

/* The kernel's part. */

static void install(const struct filter_program *program, unsigned flags, int *listener)
{
	struct sock_fprog fprog = {.len = program->len, .filter = program->insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(100);
	*listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
	if (*listener < 0)
		_exit(101);
}

/* BODY in a child under the filters; its exit status. */
static int run_filtered(
	const struct shipped_profile *profile, void (*body)(const struct filter_program *program))
{
	int listener, status;
	pid_t pid = fork();

	if (pid == 0) {
		install(&profile->launcher, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &listener);
		install(&profile->program, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &listener);
		body(&profile->program);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* A reported call without a listener fails with ENOSYS. */
static int errno_of(uint32_t ret)
{
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? (int)(ret & SECCOMP_RET_DATA) : ENOSYS;
}

/* Linux 6.14: seccomp lets uretprobe (335), later also uprobe (336), pass unseen; outside of a probe's trampoline they
 * raise SIGILL. */
static bool is_exempt(int nr)
{
	return nr == 335 || nr == 336;
}

static void call_all_refused(const struct filter_program *program)
{
	for (int nr = 0; nr < NUMBERS; nr++) {
		struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
		uint32_t ret = filter_evaluate(program, &data);
		if (ret == ALLOW || is_exempt(nr))
			continue;
		errno = 0;
		(void)syscall(nr, 0, 0, 0, 0, 0, 0);
		if (errno != errno_of(ret)) {
			(void)fprintf(stderr, "%d: errno %d, not %d\n", nr, errno, errno_of(ret));
			_exit(1);
		}
	}
}

START_TEST(makes_the_kernel_refuse_every_number_it_refuses)
{
	struct shipped_profile profile = load(shipped[_i]);

	ck_assert_int_eq(run_filtered(&profile, call_all_refused), 0);
	unload(&profile);
}
END_TEST

struct probe {
	const char *name;
	long nr;
	long args[6];
	int wanted; /* errno; 0: success */
};

#define SHORT "\x7f" /* an address that is mapped */

static const struct probe probes[] = {
	{"personality: query", SYS_personality, {0xffffffff}, 0},
	{"personality: query, sign-extended", SYS_personality, {-1}, 0},
	{"personality: READ_IMPLIES_EXEC", SYS_personality, {0x0400000}, EPERM},
	{"ioctl: TIOCSTI", SYS_ioctl, {0, TIOCSTI, (long)SHORT}, ENOTTY},
	{"ioctl: FICLONE", SYS_ioctl, {0, 0x40049409, 0}, ENOTTY},
	{"ioctl: FIOCLEX", SYS_ioctl, {2, FIOCLEX}, 0},
	{"ioctl: TIOCSTI with an upper half", SYS_ioctl, {0, TIOCSTI | 1L << 32, (long)SHORT}, ENOTTY},
	{"clone3", SYS_clone3, {0, 0}, ENOSYS},
	{"clone: new user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
	{"clone: new network namespace", SYS_clone, {CLONE_NEWNET | SIGCHLD}, EPERM},
	{"unshare", SYS_unshare, {CLONE_NEWUSER}, EPERM},
	{"setns", SYS_setns, {0, 0}, EPERM},
	{"socket: AF_UNIX", SYS_socket, {AF_UNIX, SOCK_STREAM}, EAFNOSUPPORT},
	{"socket: AF_INET", SYS_socket, {AF_INET, SOCK_STREAM}, EAFNOSUPPORT},
	{"socket: AF_NETLINK", SYS_socket, {AF_NETLINK, SOCK_RAW}, EAFNOSUPPORT},
	{"socket: AF_ALG", SYS_socket, {AF_ALG, SOCK_SEQPACKET}, EAFNOSUPPORT},
	{"socket: AF_RXRPC", SYS_socket, {AF_RXRPC, SOCK_DGRAM}, EAFNOSUPPORT},
	{"socket: AF_KEY", SYS_socket, {AF_KEY, SOCK_RAW, 2}, EAFNOSUPPORT},
	{"socket: AF_VSOCK", SYS_socket, {AF_VSOCK, SOCK_STREAM}, EAFNOSUPPORT},
	{"socketpair: AF_TIPC", SYS_socketpair, {AF_TIPC, SOCK_STREAM}, EAFNOSUPPORT},
	{"splice", SYS_splice, {0, 0, 1, 0, 1}, EINVAL},
	{"sendfile", SYS_sendfile, {1, 0, 0, 1}, EINVAL},
	{"io_uring_setup", SYS_io_uring_setup, {1, 0}, ENOSYS},
	{"add_key", SYS_add_key, {0}, EPERM},
	{"userfaultfd", SYS_userfaultfd, {0}, EPERM},
	{"seccomp: a listener", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0},
		EPERM},
	{"prctl: PR_SET_NAME", SYS_prctl, {PR_SET_NAME, (long)"probe"}, 0},
	{"prctl: PR_SET_DUMPABLE", SYS_prctl, {PR_SET_DUMPABLE, 1}, EINVAL},
	{"prctl: PR_SET_MM", SYS_prctl, {PR_SET_MM, 1}, EINVAL},
	{"prctl: PR_SET_SECCOMP", SYS_prctl, {PR_SET_SECCOMP, 1}, EINVAL},
	{"prlimit64: of init", SYS_prlimit64, {1, 7, (long)SHORT, 0}, EPERM},
	{"madvise: MADV_DONTNEED", SYS_madvise, {0, 0, MADV_DONTNEED}, 0},
	{"madvise: MADV_COLLAPSE", SYS_madvise, {0, 0, 25}, EINVAL},
	{"madvise: MADV_MERGEABLE", SYS_madvise, {0, 0, MADV_MERGEABLE}, EINVAL},
	{"madvise: MADV_COLLAPSE and more", SYS_madvise, {0, 0, (1L << 32) | 25}, EINVAL},
	{"fcntl: F_GETFL", SYS_fcntl, {0, F_GETFL}, 0},
	{"fcntl: a record lock", SYS_fcntl, {0, F_SETLK, 0}, ENOLCK},
	{"fcntl: a lease", SYS_fcntl, {0, F_SETLEASE, F_RDLCK}, EINVAL},
	{"mknod: a device", SYS_mknod, {(long)"/dev/null/x", S_IFCHR | 0600, 259}, EPERM},
	{"mknod: a FIFO", SYS_mknod, {(long)"/dev/null/x", S_IFIFO | 0600, 0}, ENOTDIR},
	{"mknodat: a block device", SYS_mknodat, {AT_FDCWD, (long)"/dev/null/x", S_IFBLK | 0600, 259}, EPERM},
	{"sync", SYS_sync, {0}, 0},
	{"getxattr", SYS_getxattr, {0}, EOPNOTSUPP},
	{"sched_setaffinity", SYS_sched_setaffinity, {0}, EPERM},
	{"setuid", SYS_setuid, {0}, EPERM},
	{"chroot", SYS_chroot, {(long)"/"}, EPERM},
	{"a number of the future", 1000, {0}, ENOSYS},
};

static void probe_all(const struct filter_program *program)
{
	int wrong = 0;

	(void)program;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const struct probe *p = &probes[i];
		long r = syscall(
			p->nr, p->args[0], p->args[1], p->args[2], p->args[3], p->args[4], p->args[5]);
		int got = r < 0 ? errno : 0;
		if (got != p->wanted) {
			(void)fprintf(stderr, "%s: errno %d, not %d\n", p->name, got, p->wanted);
			wrong++;
		}
	}
	_exit(wrong);
}

START_TEST(refuses_what_jobs_have_no_use_for)
{
	struct shipped_profile profile = load(shipped[_i]);

	ck_assert_int_eq(run_filtered(&profile, probe_all), 0);
	unload(&profile);
}
END_TEST

/* In a child that shares our descriptors: installs the filter with a listener, tells its number, makes the call. */
static void call_reported(const struct shipped_profile *profile, volatile int *listener, long nr)
{
	int fd;

	install(&profile->launcher, 0, &fd);
	install(&profile->program, SECCOMP_FILTER_FLAG_NEW_LISTENER, &fd);
	*listener = fd;
	(void)syscall(nr, 0, 0, 0, 0, 0);
	_exit(0);
}

static const long tripwires[] = {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_move_mount, SYS_fsopen, SYS_bpf,
	SYS_ptrace, SYS_kexec_load, SYS_init_module, SYS_finit_module, SYS_reboot, SYS_swapon, SYS_iopl,
	0x40000000 | SYS_read};

static void expect_report(const struct shipped_profile *profile, volatile int *listener, long nr)
{
	struct seccomp_notif notification = {0};

	*listener = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		call_reported(profile, listener, nr);
	ck_assert_int_gt(pid, 0);
	while (*listener < 0)
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	ck_assert_int_eq(ioctl(*listener, SECCOMP_IOCTL_NOTIF_RECV, &notification), 0);
	ck_assert_int_eq(notification.data.nr, (int)nr);
	ck_assert_int_eq((int)notification.pid, pid);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	(void)close(*listener);
}

START_TEST(reports_tripwires_to_the_listener)
{
	struct shipped_profile profile = load(shipped[_i]);
	volatile int *listener =
		mmap(NULL, sizeof(*listener), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne((void *)(uintptr_t)listener, MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(tripwires); i++)
		expect_report(&profile, listener, tripwires[i]);
	unload(&profile);
}
END_TEST

#define FOR_EACH_PROFILE(test) tcase_add_loop_test(tc, test, 0, ARRAY_SIZE(shipped))

TEST_PROGRAM("profiles", 60, FOR_EACH_PROFILE(answers_every_number_as_the_json_says);
	     FOR_EACH_PROFILE(answers_around_every_condition_as_the_json_says);
	     FOR_EACH_PROFILE(reports_every_foreign_and_x32_number);
	     FOR_EACH_PROFILE(names_only_calls_that_exist);
	     FOR_EACH_PROFILE(makes_the_kernel_refuse_every_number_it_refuses);
	     FOR_EACH_PROFILE(refuses_what_jobs_have_no_use_for);
	     FOR_EACH_PROFILE(reports_tripwires_to_the_listener))
