#include "sandbox/base/fd.h"
#include "service/database.h"
#include "service/objects.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct scratch scratch;
static struct database *database;
static struct objects *objects;
static struct sandbox_error err;
static const char large[OBJECTS_SMALL_BYTES + 1]; /* a file of its own */

static void open_objects(void)
{
	int r = database_open(scratch.dir, &database, &err);

	if (r == 0)
		r = objects_files_open(database, &objects, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void close_objects(void)
{
	objects = objects->operations->close(objects);
	ck_assert_ptr_null(objects);
	database = database_close(database);
}

static void set_up(void)
{
	err = (struct sandbox_error){0};
	scratch_open(&scratch);
	open_objects();
}

static void tear_down(void)
{
	if (objects != NULL)
		close_objects();
	scratch_close(&scratch);
}

/* --- what all objects keep ---------------------------------------------------------------------------------------- */

#define X(name)                                                                                              \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		set_up();                                                                                    \
		objects_contract_##name(objects);                                                            \
		ck_assert_uint_eq(scratch_count(&scratch, "objects/tmp"), 0);                                \
		tear_down();                                                                                 \
	}                                                                                                    \
	END_TEST
OBJECTS_CONTRACT(X)
#undef X

/* --- files -------------------------------------------------------------------------------------------------------- */

START_TEST(are_for_their_owner_only)
{
	char name[CONTRACT_NAME_SIZE], path[128];

	(void)umask(0);
	set_up();
	contract_name(name);
	contract_put(objects, name, large, sizeof(large));
	ck_assert_uint_eq(scratch_mode(&scratch, "objects"), 0700);
	ck_assert_uint_eq(scratch_mode(&scratch, "objects/tmp"), 0700);
	ck_assert_uint_eq(scratch_mode(&scratch, "objects/outputs"), 0700);
	ck_assert_uint_eq(scratch_mode(&scratch, "url.key"), 0600);
	(void)snprintf(path, sizeof(path), "objects/%s", name);
	ck_assert_uint_eq(scratch_mode(&scratch, path), 0600);
	tear_down();
}
END_TEST

START_TEST(are_there_after_they_were_closed)
{
	char name[CONTRACT_NAME_SIZE];

	set_up();
	contract_name(name);
	contract_put(objects, name, "kept", 4);
	close_objects();
	open_objects();
	contract_expect_object(objects, name, "kept", 4);
	tear_down();
}
END_TEST

START_TEST(are_files_only_when_they_are_large)
{
	char name[CONTRACT_NAME_SIZE];

	set_up();
	contract_name(name);
	contract_put(objects, name, large, OBJECTS_SMALL_BYTES);
	ck_assert_uint_eq(scratch_count(&scratch, "objects/outputs"), 0);
	contract_expect_object(objects, name, large, OBJECTS_SMALL_BYTES);
	contract_put(objects, name, large, OBJECTS_SMALL_BYTES + 1);
	ck_assert_uint_eq(scratch_count(&scratch, "objects/outputs"), 1);
	contract_expect_object(objects, name, large, OBJECTS_SMALL_BYTES + 1);
	contract_put(objects, name, "small", 5);
	contract_expect_object(objects, name, "small", 5);
	tear_down();
}
END_TEST

START_TEST(sweep_what_a_dead_writer_left)
{
	char name[CONTRACT_NAME_SIZE];

	set_up();
	contract_name(name);
	contract_put(objects, name, "kept", 4);
	close_objects();
	scratch_write(&scratch, "objects/tmp/6c229b78-4e24-4cf4-b0b0-63d5d87ef910", "half", 4);
	open_objects();
	ck_assert_uint_eq(scratch_count(&scratch, "objects/tmp"), 0);
	contract_expect_object(objects, name, "kept", 4);
	tear_down();
}
END_TEST

START_TEST(leave_what_a_living_writer_has)
{
	struct objects *first;
	struct database *first_database;

	set_up();
	scratch_write(&scratch, "objects/tmp/6c229b78-4e24-4cf4-b0b0-63d5d87ef910", "half", 4);
	first = objects;
	first_database = database;
	open_objects();
	ck_assert_uint_eq(scratch_count(&scratch, "objects/tmp"), 1);
	ck_assert_ptr_null(first->operations->close(first));
	(void)database_close(first_database);
	tear_down();
}
END_TEST

static void replace_by_link(const char *name, const char *target)
{
	char path[256], moved[300];

	(void)scratch_path(&scratch, name, path, sizeof(path));
	(void)snprintf(moved, sizeof(moved), "%s.moved", path);
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(follow_no_link_to_a_file)
{
	char name[CONTRACT_NAME_SIZE], path[128];
	uint64_t size;
	int fd = -1;

	set_up();
	contract_name(name);
	contract_put(objects, name, large, sizeof(large));
	(void)snprintf(path, sizeof(path), "objects/%s", name);
	replace_by_link(path, "../../url.key");
	ck_assert_int_eq(objects->operations->open(objects, name, &fd, &size, &err), -ELOOP);
	contract_put(objects, name, large, sizeof(large)); /* the link itself is replaced */
	contract_expect_object(objects, name, large, sizeof(large));
	ck_assert_uint_eq(scratch_mode(&scratch, "url.key"), 0600);
	tear_down();
}
END_TEST

START_TEST(follow_no_link_to_a_directory)
{
	char name[CONTRACT_NAME_SIZE];
	_cleanup_close_ int source = fd_memfd("test", large, sizeof(large));
	uint64_t size;
	int fd = -1;

	set_up();
	contract_name(name);
	contract_put(objects, name, large, sizeof(large));
	replace_by_link("objects/outputs", "outputs.moved");
	ck_assert_int_eq(objects->operations->open(objects, name, &fd, &size, &err), -ELOOP);
	err = (struct sandbox_error){0};
	ck_assert_int_eq(objects->operations->put(objects, name, source, sizeof(large), &err), -ELOOP);
	ck_assert_uint_eq(scratch_count(&scratch, "objects/tmp"), 0);
	tear_down();
}
END_TEST

START_TEST(open_no_pipe)
{
	char name[CONTRACT_NAME_SIZE], path[256], under[128];
	uint64_t size;
	int fd = -1;

	set_up();
	contract_name(name);
	(void)snprintf(under, sizeof(under), "objects/%s", name);
	ck_assert_int_eq(mkfifo(scratch_path(&scratch, under, path, sizeof(path)), 0600), 0);
	ck_assert_int_eq(objects->operations->open(objects, name, &fd, &size, &err), -EINVAL);
	ck_assert_int_eq(fd, -1);
	tear_down();
}
END_TEST

/* Files may not grow beyond 100,000 bytes. */
START_TEST(keep_the_old_object_when_the_disk_is_full)
{
	const struct rlimit limit = {100000, 100000};
	char name[CONTRACT_NAME_SIZE];
	char *data = calloc(1, 100001);

	set_up();
	contract_name(name);
	contract_put(objects, name, "old", 3);
	int fd = fd_memfd("test", data, 100001);
	ck_assert_int_ge(fd, 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(objects->operations->put(objects, name, fd, 100001, &err), -EFBIG);
	contract_expect_object(objects, name, "old", 3);
	ck_assert_uint_eq(scratch_count(&scratch, "objects/tmp"), 0);
	contract_put(objects, name, data, 100000);
	(void)close(fd);
	free(data);
	tear_down();
}
END_TEST

START_TEST(say_in_a_ping_that_their_place_is_gone)
{
	char path[128], moved[128];

	set_up();
	ck_assert_int_eq(rename(scratch_path(&scratch, "objects/outputs", path, sizeof(path)),
				 scratch_path(&scratch, "objects/gone", moved, sizeof(moved))),
		0);
	ck_assert_int_eq(objects->operations->ping(objects, &err), -ENOENT);
	ck_assert_str_eq(err.stage, "objects.ping");
	tear_down();
}
END_TEST

/* --- links -------------------------------------------------------------------------------------------------------- */

struct link {
	char name[CONTRACT_NAME_SIZE];
	char expires[32];
	char signature[72];
};

/* A link for a fresh name, taken apart. */
static struct link new_link(unsigned ttl_sec)
{
	struct link link;
	char *url = NULL, before[128];

	contract_name(link.name);
	ck_assert_int_eq(
		objects->operations->url(objects, link.name, "http://localhost:8080", &ttl_sec, &url, &err),
		0);
	int length = snprintf(before, sizeof(before), "http://localhost:8080/objects/%s?", link.name);
	ck_assert_int_eq(strncmp(url, before, (size_t)length), 0);
	ck_assert_msg(sscanf(url + length, "expires=%31[0-9]&signature=%71[0-9a-f]", link.expires,
			      link.signature) == 2,
		"%s", url);
	free(url);
	return link;
}

static void expect_verdict(const struct link *link, const char *stage)
{
	err = (struct sandbox_error){0};
	int r = objects->operations->verify(objects, link->name, link->expires, link->signature, &err);
	ck_assert_int_eq(r, stage ? -EACCES : 0);
	ck_assert_str_eq(err.stage, stage ? stage : "");
}

START_TEST(accept_their_own_links)
{
	set_up();
	int64_t before = job_now_usec() / 1000000;
	struct link link = new_link(1800);
	expect_verdict(&link, NULL);
	expect_verdict(&link, NULL);
	int64_t expires = strtoll(link.expires, NULL, 10);
	ck_assert_int_ge(expires, before + 1800);
	ck_assert_int_le(expires, job_now_usec() / 1000000 + 1800);
	ck_assert_uint_eq(strlen(link.signature), 64);
	close_objects();
	open_objects();
	expect_verdict(&link, NULL);
	tear_down();
}
END_TEST

START_TEST(refuse_every_other_signature)
{
	set_up();
	struct link link = new_link(1800);
	for (size_t i = 0; i < 64; i++) {
		struct link forged = link;
		forged.signature[i] = forged.signature[i] == '0' ? '1' : '0';
		expect_verdict(&forged, "objects.signature");
	}
	struct link forged = link;
	forged.signature[63] = '\0';
	expect_verdict(&forged, "objects.signature");
	(void)snprintf(forged.signature, sizeof(forged.signature), "%.64s0", link.signature);
	expect_verdict(&forged, "objects.signature");
	forged.signature[0] = '\0';
	expect_verdict(&forged, "objects.signature");
	tear_down();
}
END_TEST

START_TEST(refuse_a_signature_of_something_else)
{
	static const char *const times[] = {
		"", "0", "9999999999", "-1", "x", "99999999999999999999999999999"};

	set_up();
	struct link link = new_link(1800), other = new_link(1800), forged = link;
	memcpy(forged.signature, other.signature, sizeof(forged.signature));
	expect_verdict(&forged, "objects.signature");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		forged = link;
		(void)snprintf(forged.expires, sizeof(forged.expires), "%s", times[i]);
		expect_verdict(&forged, "objects.signature");
	}
	forged = link;
	(void)snprintf(forged.expires, sizeof(forged.expires), "0%.20s", link.expires);
	expect_verdict(&forged, "objects.signature");
	(void)snprintf(forged.expires, sizeof(forged.expires), " %.20s", link.expires);
	expect_verdict(&forged, "objects.signature");
	tear_down();
}
END_TEST

START_TEST(refuse_a_link_of_another_name_and_of_none)
{
	set_up();
	struct link link = new_link(1800);
	contract_name(link.name);
	expect_verdict(&link, "objects.signature");
	(void)snprintf(link.name, sizeof(link.name), "url.key");
	expect_verdict(&link, "objects.signature");
	tear_down();
}
END_TEST

START_TEST(refuse_a_link_that_has_expired)
{
	set_up();
	struct link link = new_link(0);
	expect_verdict(&link, "objects.expired");
	tear_down();
}
END_TEST

START_TEST(refuse_the_links_of_another_installation)
{
	char path[128];

	set_up();
	struct link link = new_link(1800);
	close_objects();
	ck_assert_int_eq(unlink(scratch_path(&scratch, "url.key", path, sizeof(path))), 0);
	open_objects();
	expect_verdict(&link, "objects.signature");
	tear_down();
}
END_TEST

/* The signature was made by another implementation of RFC 2104 (Python's hmac). */
START_TEST(sign_name_and_time_with_hmac_sha_256)
{
	static const unsigned char key[32] = "0123456789abcdef0123456789abcdef";
	struct link link = {
		.name = "outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.txt",
		.expires = "4102444800",
		.signature = "d4490b092cf1c754aef9f52787bf02615ea8f25d7a9b2e63dc26ad3f5d83fd6d",
	};

	scratch_open(&scratch);
	scratch_write(&scratch, "url.key", key, sizeof(key));
	open_objects();
	expect_verdict(&link, NULL);
	tear_down();
}
END_TEST

/* --- the key ------------------------------------------------------------------------------------------------------ */

static void expect_refused_key(int errno_value, const char *text)
{
	close_objects();
	ck_assert_int_eq(database_open(scratch.dir, &database, &err), 0);
	ck_assert_int_eq(objects_files_open(database, &objects, &err), -errno_value);
	database = database_close(database);
	ck_assert_str_eq(err.stage, "objects.key");
	ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
	ck_assert_ptr_null(objects);
	tear_down();
}

START_TEST(refuse_a_key_of_another_size)
{
	set_up();
	scratch_write(&scratch, "url.key", "short", 5);
	expect_refused_key(EUCLEAN, "url.key is not 32 bytes");
}
END_TEST

START_TEST(refuse_a_key_that_others_may_read)
{
	char path[128];

	set_up();
	ck_assert_int_eq(chmod(scratch_path(&scratch, "url.key", path, sizeof(path)), 0640), 0);
	expect_refused_key(EPERM, "may be read by others");
}
END_TEST

START_TEST(refuse_a_key_behind_a_link)
{
	set_up();
	replace_by_link("url.key", "url.key.moved");
	expect_refused_key(ELOOP, "url.key");
}
END_TEST

#define X(name) tcase_add_test(tc, name);
TEST_PROGRAM(
	"objects", 120, OBJECTS_CONTRACT(X) tcase_add_test(tc, are_for_their_owner_only);
	tcase_add_test(tc, are_there_after_they_were_closed);
	tcase_add_test(tc, are_files_only_when_they_are_large);
	tcase_add_test(tc, sweep_what_a_dead_writer_left); tcase_add_test(tc, leave_what_a_living_writer_has);
	tcase_add_test(tc, follow_no_link_to_a_file); tcase_add_test(tc, follow_no_link_to_a_directory);
	tcase_add_test(tc, open_no_pipe); tcase_add_test(tc, keep_the_old_object_when_the_disk_is_full);
	tcase_add_test(tc, say_in_a_ping_that_their_place_is_gone);
	tcase_add_test(tc, accept_their_own_links); tcase_add_test(tc, refuse_every_other_signature);
	tcase_add_test(tc, refuse_a_signature_of_something_else);
	tcase_add_test(tc, refuse_a_link_of_another_name_and_of_none);
	tcase_add_test(tc, refuse_a_link_that_has_expired);
	tcase_add_test(tc, refuse_the_links_of_another_installation);
	tcase_add_test(tc, sign_name_and_time_with_hmac_sha_256);
	tcase_add_test(tc, refuse_a_key_of_another_size);
	tcase_add_test(tc, refuse_a_key_that_others_may_read); tcase_add_test(tc, refuse_a_key_behind_a_link))
