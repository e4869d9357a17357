/* The seccomp profiles of our own processes: what one that was taken over is kept from. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define ALLOW SECCOMP_RET_ALLOW
#define NOTIFY SECCOMP_RET_USER_NOTIF

static const char *const shipped[] = {"native", "compile", "command"};

static const struct filter_calls none;

static struct filter_program load(const char *name, const struct filter_calls *above)
{
	struct filter_program program = {0};
	struct sandbox_error err = {0};

	ck_assert_msg(policy_profile_load(DEFAULT_POLICIES_DIR, name, above, &program, &err) == 0, "%s",
		err.message);
	return program;
}

struct own_call {
	int nr;
	uint64_t args[6];
	uint32_t wanted;
};

static void expect_answers(const struct filter_program *program, const struct own_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct seccomp_data data = {.nr = calls[i].nr, .arch = AUDIT_ARCH_X86_64};
		memcpy(data.args, calls[i].args, sizeof(data.args));
		uint32_t got = filter_evaluate(program, &data);
		ck_assert_msg(got == calls[i].wanted, "call %d (row %zu): %#x, not %#x", calls[i].nr, i, got,
			calls[i].wanted);
	}
}

static const struct own_call service_calls[] = {
	{SYS_read, {0}, ALLOW},
	{SYS_accept4, {0}, ALLOW},
	{SYS_socket, {AF_UNIX}, ALLOW},
	{SYS_socket, {AF_INET6}, ALLOW},
	{SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, ALLOW},
	{SYS_socket, {AF_NETLINK, SOCK_RAW, 12}, ERRNO(EAFNOSUPPORT)},
	{SYS_socket, {AF_ALG}, ERRNO(EAFNOSUPPORT)},
	{SYS_socket, {AF_PACKET}, ERRNO(EAFNOSUPPORT)},
	{SYS_clone, {CLONE_VM | CLONE_THREAD}, ALLOW},
	{SYS_clone, {SIGCHLD}, ERRNO(EPERM)},
	{SYS_clone, {CLONE_NEWUSER}, ERRNO(EPERM)},
	{SYS_clone3, {0}, ERRNO(ENOSYS)},
	{SYS_fork, {0}, ERRNO(EPERM)},
	{SYS_vfork, {0}, ERRNO(EPERM)},
	{SYS_execve, {0}, ERRNO(EPERM)},
	{SYS_unshare, {0}, ERRNO(EPERM)},
	{SYS_setns, {0}, ERRNO(EPERM)},
	{SYS_ptrace, {0}, ERRNO(EPERM)},
	{SYS_process_vm_readv, {0}, ERRNO(EPERM)},
	{SYS_kill, {0}, ERRNO(EPERM)},
	{SYS_bpf, {0}, ERRNO(EPERM)},
	{SYS_mount, {0}, ERRNO(EPERM)},
	{SYS_io_uring_setup, {0}, ERRNO(EPERM)},
	{SYS_add_key, {0}, ERRNO(EPERM)},
	{SYS_userfaultfd, {0}, ERRNO(EPERM)},
	{SYS_perf_event_open, {0}, ERRNO(EPERM)},
	{SYS_symlink, {0}, ERRNO(EPERM)},
	{SYS_mknod, {0}, ERRNO(EPERM)},
	{SYS_prctl, {PR_SET_SECCOMP}, ERRNO(EPERM)},
};

START_TEST(the_service_is_kept_from_what_it_has_no_use_for)
{
	struct filter_program program = load("service", &none);

	expect_answers(&program, service_calls, ARRAY_SIZE(service_calls));
	filter_free(&program);
}
END_TEST

static const struct own_call supervisor_calls[] = {
	{SYS_recvmsg, {0}, ALLOW},
	{SYS_openat, {0, 0, O_WRONLY | O_CLOEXEC}, ALLOW},
	{SYS_openat, {0, 0, O_WRONLY | O_CREAT}, ERRNO(EPERM)},
	{SYS_open, {0}, ERRNO(EPERM)},
	{SYS_mmap, {0, 0, PROT_READ | PROT_WRITE}, ALLOW},
	{SYS_mmap, {0, 0, PROT_READ | PROT_EXEC}, ERRNO(EPERM)},
	{SYS_mprotect, {0, 0, PROT_EXEC}, ERRNO(EPERM)},
	{SYS_sched_setattr, {0}, ALLOW},
	{SYS_sched_setattr, {1}, ERRNO(EPERM)},
	{SYS_sched_setaffinity, {0}, ALLOW},
	{SYS_sched_setaffinity, {1}, ERRNO(EPERM)},
	{SYS_socketpair, {AF_UNIX}, ALLOW},
	{SYS_socketpair, {AF_TIPC}, ERRNO(EPERM)},
	{SYS_socket, {AF_UNIX}, ERRNO(EPERM)},
	{SYS_connect, {0}, ERRNO(EPERM)},
	{SYS_bind, {0}, ERRNO(EPERM)},
	{SYS_fork, {0}, ERRNO(EPERM)},
	{SYS_vfork, {0}, ERRNO(EPERM)},
	{SYS_clone, {SIGCHLD}, ERRNO(EPERM)},
	{SYS_clone, {CLONE_VM | CLONE_THREAD}, ERRNO(EPERM)},
	{SYS_clone3, {0}, ERRNO(EPERM)},
	{SYS_execve, {0}, ERRNO(EPERM)},
	{SYS_execveat, {0}, ERRNO(EPERM)},
	{SYS_unshare, {0}, ERRNO(EPERM)},
	{SYS_setns, {0}, ERRNO(EPERM)},
	{SYS_mount, {0}, ERRNO(EPERM)},
	{SYS_move_mount, {0}, ERRNO(EPERM)},
	{SYS_open_tree, {0}, ERRNO(EPERM)},
	{SYS_fsopen, {0}, ERRNO(EPERM)},
	{SYS_umount2, {0}, ERRNO(EPERM)},
	{SYS_pivot_root, {0}, ERRNO(EPERM)},
	{SYS_mknodat, {0}, ERRNO(EPERM)},
	{SYS_renameat2, {0}, ERRNO(EPERM)},
	{SYS_symlinkat, {0}, ERRNO(EPERM)},
	{SYS_fchmodat, {0}, ERRNO(EPERM)},
	{SYS_setuid, {0}, ERRNO(EPERM)},
	{SYS_capset, {0}, ERRNO(EPERM)},
	{SYS_prctl, {0}, ERRNO(EPERM)},
	{SYS_kill, {0}, ERRNO(EPERM)},
	{SYS_ptrace, {0}, ERRNO(EPERM)},
	{SYS_process_vm_writev, {0}, ERRNO(EPERM)},
	{SYS_pidfd_getfd, {0}, ERRNO(EPERM)},
	{SYS_open_by_handle_at, {0}, ERRNO(EPERM)},
	{SYS_bpf, {0}, ERRNO(EPERM)},
	{SYS_init_module, {0}, ERRNO(EPERM)},
	{SYS_kexec_load, {0}, ERRNO(EPERM)},
	{SYS_io_uring_setup, {0}, ERRNO(EPERM)},
	{SYS_ioctl, {0, FIONREAD}, ALLOW},
	{SYS_ioctl, {0, TIOCSTI}, ERRNO(EPERM)},
};

START_TEST(the_supervisor_is_kept_from_what_it_has_no_use_for)
{
	struct filter_program program = load("supervisor", &none);

	expect_answers(&program, supervisor_calls, ARRAY_SIZE(supervisor_calls));
	filter_free(&program);
}
END_TEST

/* NOTIFY is ENOSYS here, as nobody listens. */
static const struct own_call launcher_calls[] = {
	{SYS_clone3, {0}, ALLOW},
	{SYS_fsopen, {0}, ALLOW},
	{SYS_unshare, {CLONE_NEWUSER}, ALLOW},
	{SYS_unshare, {CLONE_NEWNET}, NOTIFY},
	{SYS_keyctl, {KEYCTL_JOIN_SESSION_KEYRING}, ALLOW},
	{SYS_keyctl, {KEYCTL_LINK}, NOTIFY},
	{SYS_prctl, {PR_SET_MM}, NOTIFY},
	{SYS_socket, {AF_UNIX}, NOTIFY},
	{SYS_connect, {0}, NOTIFY},
	{SYS_fork, {0}, NOTIFY},
	{SYS_execveat, {0}, NOTIFY},
	{SYS_setns, {0}, NOTIFY},
	{SYS_mount, {0}, NOTIFY},
	{SYS_mount_setattr, {0}, NOTIFY},
	{SYS_mknod, {0}, NOTIFY},
	{SYS_mknodat, {0}, NOTIFY},
	{SYS_chroot, {0}, NOTIFY},
	{SYS_ptrace, {0}, NOTIFY},
	{SYS_process_vm_readv, {0}, NOTIFY},
	{SYS_pidfd_getfd, {0}, NOTIFY},
	{SYS_open_by_handle_at, {0}, NOTIFY},
	{SYS_bpf, {0}, NOTIFY},
	{SYS_init_module, {0}, NOTIFY},
	{SYS_finit_module, {0}, NOTIFY},
	{SYS_kexec_load, {0}, NOTIFY},
	{SYS_reboot, {0}, NOTIFY},
	{SYS_swapon, {0}, NOTIFY},
	{SYS_iopl, {0}, NOTIFY},
	{SYS_io_uring_setup, {0}, NOTIFY},
	{SYS_perf_event_open, {0}, NOTIFY},
	{SYS_userfaultfd, {0}, NOTIFY},
	{SYS_add_key, {0}, NOTIFY},
	{1000, {0}, NOTIFY},
};

START_TEST(the_launcher_is_kept_from_what_cells_have_no_use_for)
{
	struct filter_program program = load("launcher", &none);

	expect_answers(&program, launcher_calls, ARRAY_SIZE(launcher_calls));
	filter_free(&program);
}
END_TEST

/* Any other answer of the lower filter could stand above that of a job's own. */
START_TEST(the_launcher_lets_through_what_a_job_may_and_has_no_other_say)
{
	struct filter_program job = load(shipped[_i], &none);
	struct filter_program launcher = load("launcher", &job.passed);

	for (int nr = 0; nr < FILTER_NUMBERS; nr++)
		for (int all = -1; all <= 0; all++) {
			struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
			memset(data.args, all, sizeof(data.args));
			uint32_t under = filter_evaluate(&launcher, &data);
			ck_assert_msg(under == ALLOW || under == NOTIFY, "%d: %#x", nr, under);
			ck_assert_msg(under == ALLOW || filter_evaluate(&job, &data) != ALLOW,
				"%d is taken from the job", nr);
			ck_assert_msg(under == ALLOW || !filter_calls_hold(&job.passed, (uint32_t)nr),
				"%d is taken from the job with some arguments", nr);
		}
	filter_free(&launcher);
	filter_free(&job);
}
END_TEST

TEST_PROGRAM("own_profiles", 60, tcase_add_test(tc, the_service_is_kept_from_what_it_has_no_use_for);
	     tcase_add_test(tc, the_supervisor_is_kept_from_what_it_has_no_use_for);
	     tcase_add_test(tc, the_launcher_is_kept_from_what_cells_have_no_use_for); tcase_add_loop_test(tc,
		     the_launcher_lets_through_what_a_job_may_and_has_no_other_say, 0, ARRAY_SIZE(shipped)))
