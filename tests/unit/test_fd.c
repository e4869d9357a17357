/* test_fd.c: ownership, and reading and writing with bounds. */
#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(a_descriptor_lives_as_long_as_its_scope)
{
	int seen, kept;

	{
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
		seen = fd;
		kept = TAKE_FD(other);
		ck_assert_int_eq(other, -1);
		ck_assert(is_open(seen));
	}
	ck_assert(!is_open(seen));
	ck_assert(is_open(kept));
	errno = EPERM;
	ck_assert_int_eq(fd_close(kept), -1);
	ck_assert_int_eq(fd_close(-1), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert(!is_open(kept));
}
END_TEST

START_TEST(a_pointer_can_be_handed_on)
{
	char *kept;

	{
		_cleanup_free_ char *text = strdup("x");
		kept = TAKE_PTR(text);
		ck_assert_ptr_null(text);
	}
	ck_assert_str_eq(kept, "x");
	free(kept);
}
END_TEST

START_TEST(all_is_read_up_to_the_bound)
{
	for (size_t size = 9998; size <= 10002; size++) {
		_cleanup_free_ char *data = malloc(size);
		_cleanup_free_ char *text = NULL;
		size_t got = 77;
		(void)memset(data, 'x', size);
		_cleanup_close_ int fd = fd_memfd("test", data, size);
		ck_assert_int_ge(fd, 0);
		int r = fd_read_all(fd, 10000, &text, &got);
		if (size > 10000) {
			ck_assert_int_eq(r, -EFBIG);
			ck_assert_ptr_null(text);
			ck_assert_uint_eq(got, 77);
			continue;
		}
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(got, size);
		ck_assert_uint_eq(strlen(text), size);
	}
}
END_TEST

START_TEST(nothing_is_read_as_an_empty_text)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size = 77;

	ck_assert_int_eq(fd_read_all(fd, 0, &text, &size), 0);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(fd_read_all(-1, 10, &text, &size), -EBADF);
}
END_TEST

START_TEST(a_kernel_file_loses_its_newline)
{
	char buf[64], small[4];
	_cleanup_close_ int dir = open("/proc/sys/kernel", O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(fd_read_file(dir, "ostype", buf, sizeof(buf)), 5);
	ck_assert_str_eq(buf, "Linux");
	ck_assert_int_eq(fd_read_file(dir, "ostype", small, sizeof(small)), 3);
	ck_assert_str_eq(small, "Lin");
	ck_assert_int_eq(fd_read_file(dir, "no-such-file", buf, sizeof(buf)), -ENOENT);
}
END_TEST

START_TEST(files_are_not_followed_through_links)
{
	char path[] = "/tmp/cofferdam-fd-XXXXXX", buf[16];

	ck_assert_ptr_nonnull(mkdtemp(path));
	_cleanup_close_ int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int file = openat(dir, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
	int linked = symlinkat("file", dir, "link");
	int wrote = fd_write_file(dir, "file", "text\n");
	int wrote_link = fd_write_file(dir, "link", "text");
	ssize_t got = fd_read_file(dir, "file", buf, sizeof(buf));
	ssize_t got_link = fd_read_file(dir, "link", buf, sizeof(buf));
	(void)unlinkat(dir, "file", 0);
	(void)unlinkat(dir, "link", 0);
	(void)rmdir(path);
	ck_assert_int_eq(linked, 0);
	ck_assert_int_eq(wrote, 0);
	ck_assert_int_eq(wrote_link, -ELOOP);
	ck_assert_int_eq(got, 4);
	ck_assert_int_eq(got_link, -ELOOP);
}
END_TEST

START_TEST(a_memory_file_starts_at_its_beginning)
{
	char buf[8] = {0};
	_cleanup_close_ int fd = fd_memfd("test", "hello", 5);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 5);
	ck_assert_str_eq(buf, "hello");
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}
END_TEST

START_TEST(a_write_that_fails_says_so)
{
	int pair[2];

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(pair[1], "abc", 3), 0);
	(void)close(pair[0]);
	ck_assert_int_eq(fd_write_all(pair[1], "abc", 3), -EPIPE);
	ck_assert_int_eq(fd_write_all(pair[1], "", 0), 0);
	(void)close(pair[1]);
}
END_TEST

TEST_PROGRAM("fd", 30, tcase_add_test(tc, a_descriptor_lives_as_long_as_its_scope);
	     tcase_add_test(tc, a_pointer_can_be_handed_on); tcase_add_test(tc, all_is_read_up_to_the_bound);
	     tcase_add_test(tc, nothing_is_read_as_an_empty_text);
	     tcase_add_test(tc, a_kernel_file_loses_its_newline);
	     tcase_add_test(tc, files_are_not_followed_through_links);
	     tcase_add_test(tc, a_memory_file_starts_at_its_beginning);
	     tcase_add_test(tc, a_write_that_fails_says_so))
