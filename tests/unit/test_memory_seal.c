/* Sealed memory: by the kernel's MDWE, and by the program that stands in for it. */
#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "sandbox/cell/cell.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };

static void *map(int protection)
{
	return mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* In a child: the number of the first try that ended otherwise than it must; 0: none. */
static int try_all(bool has_mdwe, int segment)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	void *before = map(RW);
	if (memory_seal(has_mdwe) < 0)
		return 2;
	void *after = map(RW);
	if (before == MAP_FAILED || after == MAP_FAILED || map(RX) == MAP_FAILED)
		return 3;
	if (map(RW | PROT_EXEC) != MAP_FAILED || errno != EACCES)
		return 4;
	if (mprotect(before, PAGE, RX) == 0 || errno != EACCES)
		return 5;
	if (mprotect(after, PAGE, RX) == 0 || errno != EACCES)
		return 6;
	if (mprotect(after, PAGE, RW | PROT_EXEC) == 0 || errno != EACCES)
		return 7;
	/* ENOSYS: no protection keys in this kernel. */
	if (syscall(SYS_pkey_mprotect, after, PAGE, RX, -1L) == 0 || (errno != EACCES && errno != ENOSYS))
		return 8;
	if (mprotect(after, PAGE, PROT_READ) < 0 || mprotect(after, PAGE, RW) < 0)
		return 9;
	/* ENOSYS: no System V memory in this kernel. */
	if (segment >= 0 && (shmat(segment, NULL, SHM_EXEC) != (void *)-1 || errno != EACCES))
		return 10;
	return 0;
}

static void expect_sealed(bool has_mdwe)
{
	int segment = shmget(IPC_PRIVATE, PAGE, 0600), status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(try_all(has_mdwe, segment));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (segment >= 0)
		(void)shmctl(segment, IPC_RMID, NULL);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "try %d", WEXITSTATUS(status));
}

START_TEST(the_kernel_refuses_to_make_code_of_what_was_written)
{
	struct sandbox_error err = {0};
	struct layers layers;

	ck_assert_int_eq(layers_probe(&layers, &err), 0);
	if (!layers.has_mdwe)
		TEST_SKIP("this kernel has no PR_SET_MDWE");
	expect_sealed(true);
}
END_TEST

START_TEST(the_program_refuses_to_make_code_of_what_was_written)
{
	expect_sealed(false);
}
END_TEST

TEST_PROGRAM("memory_seal", 60, tcase_add_test(tc, the_kernel_refuses_to_make_code_of_what_was_written);
	     tcase_add_test(tc, the_program_refuses_to_make_code_of_what_was_written))
