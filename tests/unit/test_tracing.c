/* The tracing form of a program, and what no trace makes. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "sandbox/policy/tracing.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static const char *const shipped[] = {"native", "compile", "command"};

static struct filter_program load(const char *name)
{
	static const struct filter_calls none;
	struct filter_program program = {0};
	struct sandbox_error err = {0};

	ck_assert_msg(policy_profile_load(DEFAULT_POLICIES_DIR, name, &none, &program, &err) == 0, "%s",
		err.message);
	return program;
}

static struct seccomp_data call(int nr, uint64_t argument)
{
	struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

	for (size_t i = 0; i < ARRAY_SIZE(data.args); i++)
		data.args[i] = argument;
	return data;
}

/* What passes still passes, what is pretended is still pretended, and everything else asks. */
START_TEST(every_refusal_asks_and_nothing_else_changes)
{
	static const uint64_t arguments[] = {0, 1, 2, 4, 5, 16384, 21505, CLONE_NEWUSER, UINT64_MAX};
	struct filter_program program = load(shipped[_i]), form = load(shipped[_i]);

	tracing_rewrite(form.insns, form.len);
	for (int nr = 0; nr < FILTER_NUMBERS; nr++)
		for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
			struct seccomp_data data = call(nr, arguments[i]);
			uint32_t was = filter_evaluate(&program, &data), is = filter_evaluate(&form, &data);
			bool stays = was == SECCOMP_RET_ALLOW || was == SECCOMP_RET_ERRNO;
			ck_assert_msg(is == (stays ? was : SECCOMP_RET_USER_NOTIF), "%d: %#x from %#x", nr,
				is, was);
		}
	filter_free(&form);
	filter_free(&program);
}
END_TEST

static const struct {
	int nr;
	uint64_t args[6];
	bool is_made;
} rows[] = {
	{SYS_inotify_init1, {0}, true},
	{SYS_openat, {0}, true},
	{SYS_mount, {0}, false},
	{SYS_umount2, {0}, false},
	{SYS_pivot_root, {0}, false},
	{SYS_open_tree, {0}, false},
	{467, {0}, false}, /* open_tree_attr */
	{SYS_move_mount, {0}, false},
	{SYS_fsopen, {0}, false},
	{SYS_fsconfig, {0}, false},
	{SYS_fsmount, {0}, false},
	{SYS_mount_setattr, {0}, false},
	{SYS_setns, {0}, false},
	{SYS_unshare, {0}, false},
	{SYS_clone3, {0}, false},
	{SYS_clone, {CLONE_VM | CLONE_THREAD}, true},
	{SYS_clone, {CLONE_NEWUSER}, false},
	{SYS_clone, {CLONE_NEWNET | CLONE_VM}, false},
	{SYS_bpf, {0}, false},
	{SYS_kexec_load, {0}, false},
	{SYS_kexec_file_load, {0}, false},
	{SYS_init_module, {0}, false},
	{SYS_finit_module, {0}, false},
	{SYS_delete_module, {0}, false},
	{SYS_ptrace, {0}, false},
	{SYS_process_vm_readv, {0}, false},
	{SYS_process_vm_writev, {0}, false},
	{SYS_pidfd_getfd, {0}, false},
	{SYS_perf_event_open, {0}, false},
	{SYS_userfaultfd, {0}, false},
	{SYS_io_uring_setup, {0}, false},
	{SYS_io_uring_enter, {0}, false},
	{SYS_io_uring_register, {0}, false},
	{SYS_add_key, {0}, false},
	{SYS_request_key, {0}, false},
	{SYS_keyctl, {0}, false},
	{SYS_reboot, {0}, false},
	{SYS_swapon, {0}, false},
	{SYS_swapoff, {0}, false},
	{SYS_seccomp, {0}, false},
	{SYS_prctl, {PR_SET_SECCOMP}, false},
	{SYS_prctl, {PR_SET_SECCOMP | UINT64_C(1) << 32}, false}, /* the kernel reads an int */
	{SYS_prctl, {PR_SET_TIMERSLACK}, true},
	{SYS_prlimit64, {1, 0, 4096}, false},
	{SYS_prlimit64, {1, 0, 0}, true},
	{SYS_prlimit64, {0, 0, 4096}, true},
	{SYS_personality, {READ_IMPLIES_EXEC}, false},
	{SYS_personality, {ADDR_COMPAT_LAYOUT}, true},
	{SYS_personality, {UINT64_MAX}, true},
	{SYS_ioctl, {0, TIOCSTI}, false},
	{SYS_ioctl, {0, TIOCGPGRP}, true},
	{SYS_socket, {AF_INET6}, true},
	{SYS_socket, {AF_UNIX}, true},
	{SYS_socket, {AF_ALG}, false},
	{SYS_socket, {AF_NETLINK}, false},
	{SYS_socket, {AF_PACKET}, false},
	{SYS_socketpair, {AF_TIPC}, false},
	{SYS_splice, {0}, false},
	{SYS_vmsplice, {0}, false},
	{SYS_tee, {0}, false},
	{SYS_sendfile, {0}, false},
	{SYS_open_by_handle_at, {0}, false},
	{1000, {0}, false},
	{SYS_getpid | 0x40000000, {0}, false},
};

START_TEST(the_worst_calls_are_never_made)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seccomp_data data = {.nr = rows[i].nr, .arch = AUDIT_ARCH_X86_64};
		memcpy(data.args, rows[i].args, sizeof(data.args));
		ck_assert_msg(
			(tracing_never(&data) == NULL) == rows[i].is_made, "row %zu: call %d", i, data.nr);
		data.arch = AUDIT_ARCH_I386;
		ck_assert_ptr_nonnull(tracing_never(&data));
	}
}
END_TEST

/* What the shipped profiles end a run for must not happen because somebody traces it. */
START_TEST(no_call_that_ends_a_run_is_made)
{
	struct filter_program program = load(shipped[_i]);

	for (int nr = 0; nr < FILTER_NUMBERS; nr++) {
		struct seccomp_data data = call(nr, 0);
		if (filter_evaluate(&program, &data) == SECCOMP_RET_USER_NOTIF)
			ck_assert_msg(tracing_never(&data) != NULL, "call %d", nr);
	}
	filter_free(&program);
}
END_TEST

/* The arguments that decide, and no others, tell calls apart. */
START_TEST(what_a_program_looks_at_is_known)
{
	struct filter_program program = load("native");
	struct seccomp_data no_argument = call(SYS_inotify_init1, 0);
	struct seccomp_data first = call(SYS_prctl, 0);
	struct seccomp_data second = call(SYS_fcntl, 9);
	struct seccomp_data both = call(SYS_fcntl, 4); /* F_SETFL: O_DIRECT is looked for */
	unsigned looked = 99;

	ck_assert_uint_eq(filter_explain(&program, &no_argument, &looked), SECCOMP_RET_ERRNO | ENOSYS);
	ck_assert_uint_eq(looked, 0);
	ck_assert_uint_eq(filter_explain(&program, &first, &looked), SECCOMP_RET_ERRNO | EINVAL);
	ck_assert_uint_eq(looked, 1);
	ck_assert_uint_eq(filter_explain(&program, &second, &looked), SECCOMP_RET_ERRNO | EINVAL);
	ck_assert_uint_eq(looked, 2);
	ck_assert_uint_eq(filter_explain(&program, &both, &looked), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(looked, 6);
	ck_assert_uint_eq(tracing_selectors(SYS_socket), 7);
	ck_assert_uint_eq(tracing_selectors(SYS_ioctl), 2);
	ck_assert_uint_eq(tracing_selectors(SYS_read), 0);
	filter_free(&program);
}
END_TEST

TEST_PROGRAM("tracing", 30,
	     tcase_add_loop_test(tc, every_refusal_asks_and_nothing_else_changes, 0, ARRAY_SIZE(shipped));
	     tcase_add_test(tc, the_worst_calls_are_never_made);
	     tcase_add_loop_test(tc, no_call_that_ends_a_run_is_made, 0, ARRAY_SIZE(shipped));
	     tcase_add_test(tc, what_a_program_looks_at_is_known))
