/* How a program says that it is ready: a line to who started it, or a datagram to systemd. */
#include "sandbox/base/fd.h"
#include "sandbox/base/ready.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket as systemd's at ADDRESS, whose first byte may be NUL. */
static int listen_at(const struct sockaddr_un *address, size_t length)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		0);
	return fd;
}

static void expect_ready(int fd)
{
	char text[32] = "";

	ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, 0), 7);
	ck_assert_str_eq(text, "READY=1");
}

START_TEST(systemd_is_told_at_a_path_and_at_an_abstract_address)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct sandbox_error err = {0};
	char path[64];

	(void)snprintf(path, sizeof(path), "/tmp/cofferdam-ready-%d", (int)getpid());
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = listen_at(&address, strlen(path) + 1);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), 0);
	ck_assert_int_eq(unlink(path), 0);
	expect_ready(fd);
	(void)close(fd);

	path[0] = '@';
	memcpy(address.sun_path, path, strlen(path));
	address.sun_path[0] = '\0';
	fd = listen_at(&address, strlen(path));
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), 0);
	expect_ready(fd);
	(void)close(fd);
}
END_TEST

START_TEST(nobody_is_told_where_nobody_asked)
{
	struct sandbox_error err = {0};

	ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "", 1), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), 0);
}
END_TEST

START_TEST(systemd_that_cannot_be_told_is_an_error)
{
	struct sandbox_error err = {0};
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), -ENAMETOOLONG);
	err = (struct sandbox_error){0};
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere/notify", 1), 0);
	ck_assert_int_eq(ready_announce(-1, "READY\n", &err), -ENOENT);
	ck_assert_str_eq(err.stage, "ready.notify");
}
END_TEST

START_TEST(a_child_tells_its_parent_and_not_systemd)
{
	struct sandbox_error err = {0};
	_cleanup_free_ char *text = NULL;
	size_t size;
	int pair[2];

	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere/notify", 1), 0);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_assert_int_eq(ready_announce(pair[1], "READY\n", &err), 0);
	/* To its end: it is closed. */
	ck_assert_int_eq(fd_read_all(pair[0], 64, &text, &size), 0);
	ck_assert_str_eq(text, "READY\n");
	(void)close(pair[0]);
}
END_TEST

TEST_PROGRAM("ready", 10, tcase_add_test(tc, systemd_is_told_at_a_path_and_at_an_abstract_address);
	     tcase_add_test(tc, nobody_is_told_where_nobody_asked);
	     tcase_add_test(tc, systemd_that_cannot_be_told_is_an_error);
	     tcase_add_test(tc, a_child_tells_its_parent_and_not_systemd))
