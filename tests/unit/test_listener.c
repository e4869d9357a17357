/* test_listener.c: the door's socket in the file system. */
#include "sandbox/door/listener.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

/* `cofferdam supervise` makes the path of its socket and forgets it; the memory is used for other things. */
START_TEST(the_socket_is_removed_although_the_path_was_forgotten)
{
	struct listener listener;
	struct sandbox_error err = {0};
	struct scratch scratch;
	char path[128];

	scratch_open(&scratch);
	(void)scratch_path(&scratch, "door.sock", path, sizeof(path));
	ck_assert_msg(listener_open(path, &listener, &err) == 0, "%s: %s", err.stage, err.message);
	ck_assert_uint_eq(scratch_count(&scratch, ""), 1);
	memset(path, 'x', sizeof(path) - 1);
	listener_close(&listener);
	ck_assert_uint_eq(scratch_count(&scratch, ""), 0);
	scratch_close(&scratch);
}
END_TEST

START_TEST(a_socket_of_somebody_else_is_left_alone)
{
	struct listener listener;
	struct sandbox_error err = {0};
	struct scratch scratch;
	char path[128];

	scratch_open(&scratch);
	(void)scratch_path(&scratch, "door.sock", path, sizeof(path));
	ck_assert_int_eq(listener_open(path, &listener, &err), 0);
	ck_assert_int_eq(unlink(path), 0);
	scratch_write(&scratch, "door.sock", "other", 5);
	listener_close(&listener);
	ck_assert_uint_eq(scratch_count(&scratch, ""), 1);
	scratch_close(&scratch);
}
END_TEST

TEST_PROGRAM("listener", 20, tcase_add_test(tc, the_socket_is_removed_although_the_path_was_forgotten);
	     tcase_add_test(tc, a_socket_of_somebody_else_is_left_alone))
