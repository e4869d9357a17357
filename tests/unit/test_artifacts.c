#include "sandbox/base/fd.h"
#include "service/artifacts.h"
#include "tests/lib/program.h"
#include "tests/lib/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct scratch scratch;
static struct languages *languages;
static struct artifacts *artifacts;
static struct artifacts_options options;
static struct sandbox_error err;

static const char digest_a[] =
	"{\"digest\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
static const char digest_b[] =
	"{\"digest\": \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}";

static void open_artifacts(void)
{
	int r = artifacts_open(&options, languages, &artifacts, &err);

	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void reopen(void)
{
	artifacts = artifacts_close(artifacts);
	ck_assert_ptr_null(artifacts);
	open_artifacts();
}

/* The images directory has cpp.json, and no go.json. */
static void set_up(void)
{
	scratch_open(&scratch);
	scratch_write(&scratch, "cpp.json", digest_a, strlen(digest_a));
	ck_assert_int_eq(languages_open("policies", &languages, &err), 0);
	options = (struct artifacts_options){
		.dirfd = open(scratch.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.images_dir = scratch.dir,
		.max_bytes = 1 << 20,
		.memory_bytes = 1 << 20,
	};
	open_artifacts();
}

static void tear_down(void)
{
	artifacts = artifacts_close(artifacts);
	languages = languages_close(languages);
	(void)close(options.dirfd);
	scratch_close(&scratch);
}

/* --- what the key holds ----------------------------------------------------------------------------------------- */

struct source {
	const char *user, *language, *code;
	uint64_t memory_bytes;
};

static const struct source plain = {"ann", "cpp", "int main() {}", 1 << 28};

static bool make_key(const struct source *source, struct artifact_key *ret)
{
	const struct job job = {.user_id = (char *)(uintptr_t)source->user,
		.code = (char *)(uintptr_t)source->code,
		.code_size = strlen(source->code)};
	const struct sandbox_limits limits = {.memory_bytes = source->memory_bytes};

	return artifacts_key(artifacts, languages_find(languages, source->language), &job, &limits, ret);
}

static struct artifact_key key_of(const struct source *source)
{
	struct artifact_key key;

	ck_assert(make_key(source, &key));
	return key;
}

static bool is_same(struct artifact_key a, struct artifact_key b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

START_TEST(the_same_source_has_the_same_key)
{
	set_up();
	ck_assert(is_same(key_of(&plain), key_of(&plain)));
	ck_assert(is_same(key_of(&plain), key_of(&(struct source){"bob", "cpp", plain.code, 1 << 28})));
	struct artifact_key before = key_of(&plain);
	reopen();
	ck_assert(is_same(key_of(&plain), before));
	tear_down();
}
END_TEST

START_TEST(anything_else_has_another)
{
	set_up();
	struct artifact_key key = key_of(&plain);
	ck_assert(!is_same(key, key_of(&(struct source){"ann", "cpp", "int main() { }", 1 << 28})));
	ck_assert(!is_same(key, key_of(&(struct source){"ann", "cpp", plain.code, 1 << 27})));
	scratch_write(&scratch, "cpp.json", digest_b, strlen(digest_b));
	reopen();
	ck_assert(!is_same(key, key_of(&plain)));
	tear_down();
}
END_TEST

START_TEST(users_are_kept_apart_when_that_is_wanted)
{
	const struct source bob = {"bob", "cpp", plain.code, 1 << 28};

	set_up();
	options.is_per_user = true;
	reopen();
	ck_assert(is_same(key_of(&plain), key_of(&plain)));
	ck_assert(!is_same(key_of(&plain), key_of(&bob)));
	tear_down();
}
END_TEST

/* A policy's every value counts: a copy of policies/ with one of them changed. */
START_TEST(another_policy_has_another_key)
{
	static const struct {
		const char *from, *to;
	} changes[] = {
		{"-O2", "-O1"},
		{"LANG=C.UTF-8", "LANG=C"},
		{"\"profile\": \"compile\"", "\"profile\": \"native\""},
		{"\"file_name\": \"main.cpp\"", "\"file_name\": \"x.cpp\""},
		{"\"collect\": \"program\"", "\"collect\": \"out\""},
	};
	char command[512], dir[128];

	set_up();
	struct artifact_key key = key_of(&plain);
	(void)scratch_path(&scratch, "policies", dir, sizeof(dir));
	(void)snprintf(command, sizeof(command),
		"rm -rf %s && cp -R policies %s && sed -i 's/%s/%s/' %s/languages/cpp.json", dir, dir,
		changes[_i].from, changes[_i].to, dir);
	struct program program = program_run("/bin/sh", "-c", command);
	expect_status(program, 0);
	program_free(&program);
	languages = languages_close(languages);
	ck_assert_int_eq(languages_open(dir, &languages, &err), 0);
	reopen();
	ck_assert(!is_same(key, key_of(&plain)));
	tear_down();
}
END_TEST

START_TEST(an_image_without_a_digest_has_none)
{
	struct artifact_key key;

	set_up();
	ck_assert(!make_key(&(struct source){"ann", "go", "package main", 1 << 28}, &key));
	scratch_write(&scratch, "cpp.json", "{\"digest\": \"short\"}", 19);
	reopen();
	ck_assert(!make_key(&plain, &key));
	tear_down();
}
END_TEST

/* --- what is kept ----------------------------------------------------------------------------------------------- */

static const struct sandbox_result result = {.cause = SANDBOX_EXITED,
	.wall_usec = 123456,
	.memory_peak_bytes = 7 << 20,
	.collected = {{.status = SANDBOX_COLLECTED, .bytes = 7}}};

static struct artifact_key put(const char *code, const void *program, size_t size)
{
	struct artifact_key key = key_of(&(struct source){"ann", "cpp", code, 1 << 28});
	_cleanup_close_ int fd = fd_memfd("program", program, size);

	ck_assert_int_ge(fd, 0);
	artifacts_put(artifacts, &key, fd, size, &result);
	return key;
}

static bool is_kept(struct artifact_key key)
{
	struct sandbox_result compile;
	int fd = -1;
	bool is_there = artifacts_get(artifacts, &key, &fd, &compile);

	ck_assert_int_eq(is_there, fd >= 0);
	if (is_there)
		artifacts_give_back(artifacts, &key, fd, &compile);
	return is_there;
}

static void expect_kept(struct artifact_key key, const void *program, size_t size)
{
	struct sandbox_result compile;
	char bytes[64];
	int fd;

	ck_assert(artifacts_get(artifacts, &key, &fd, &compile));
	ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 0), (ssize_t)size);
	ck_assert_mem_eq(bytes, program, size);
	ck_assert_uint_eq(compile.wall_usec, result.wall_usec);
	ck_assert_uint_eq(compile.memory_peak_bytes, result.memory_peak_bytes);
	ck_assert_int_eq(compile.collected[0].status, SANDBOX_COLLECTED);
	ck_assert_uint_eq(compile.collected[0].bytes, size);
	(void)close(fd);
}

START_TEST(a_product_comes_back_from_memory_and_from_disk)
{
	set_up();
	struct artifact_key key = put("1",
		"\x7f"
		"ELF\0xy",
		7);
	expect_kept(key,
		"\x7f"
		"ELF\0xy",
		7);
	reopen();
	expect_kept(key,
		"\x7f"
		"ELF\0xy",
		7);
	ck_assert(!is_kept(key_of(&(struct source){"ann", "cpp", "2", 1 << 28})));
	tear_down();
}
END_TEST

static int get(struct artifact_key key)
{
	struct sandbox_result compile;
	int fd = -1;

	ck_assert(artifacts_get(artifacts, &key, &fd, &compile));
	return fd;
}

static void give_back(struct artifact_key key, int fd)
{
	artifacts_give_back(artifacts, &key, fd, &result);
}

static struct stat stat_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st;
}

/* Not even who may open it for writing. */
START_TEST(nobody_can_change_a_product)
{
	char path[32];

	set_up();
	struct artifact_key key = put("1", "program", 7);
	for (int i = 0; i < 2; i++) {
		int fd = get(key);
		ck_assert(geteuid() != 0 || fchmod(fd, 0777) == 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		int writer = open(path, O_RDWR | O_CLOEXEC);
		ck_assert(writer >= 0 || geteuid() != 0);
		ck_assert_int_eq(pwrite(writer, "x", 1, 0), -1);
		ck_assert_int_eq(ftruncate(writer, 0), -1);
		(void)fd_close(writer);
		(void)close(fd);
		reopen();
	}
	tear_down();
}
END_TEST

/* The path of the only file. */
static char *only_file(char path[512])
{
	char dir[128];
	const struct dirent *entry;

	DIR *list = opendir(scratch_path(&scratch, "artifacts", dir, sizeof(dir)));
	ck_assert_ptr_nonnull(list);
	while ((entry = readdir(list)) != NULL)
		if (entry->d_name[0] != '.')
			(void)snprintf(path, 512, "%s/%s", dir, entry->d_name);
	(void)closedir(list);
	return path;
}

START_TEST(a_product_can_be_executed_and_not_written_to)
{
	set_up();
	struct artifact_key key = put("1", "program", 7);
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int fd = get(key);
		ck_assert_uint_eq(stat_of(fd).st_mode, S_IFREG | 0555);
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		ck_assert_int_eq(
			fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		reopen(); /* the second time from the disk */
	}
	tear_down();
}
END_TEST

/* What two cells have at a time are two files, from memory as from the disk. */
START_TEST(nobody_else_has_the_memory_that_one_got)
{
	enum { USERS = 3 };
	int fds[USERS];

	set_up();
	struct artifact_key key = put("1", "program", 7);
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < USERS; i++) {
			fds[i] = get(key);
			for (int j = 0; j < i; j++)
				ck_assert_uint_ne(stat_of(fds[i]).st_ino, stat_of(fds[j]).st_ino);
		}
		for (int i = 0; i < USERS; i++)
			give_back(key, fds[i]);
	}
	tear_down();
}
END_TEST

START_TEST(what_is_given_back_is_used_again_with_its_times_anew)
{
	char path[512], byte;

	set_up();
	struct artifact_key key = put("1", "program", 7);
	(void)unlink(only_file(path));
	int fd = get(key);
	ino_t inode = stat_of(fd).st_ino;
	for (int i = 0; i < 2; i++) {
		struct stat st = stat_of(fd);
		ck_assert_uint_eq(st.st_ino, inode);
		ck_assert(st.st_atim.tv_sec == 0 && st.st_atim.tv_nsec == 0);
		ck_assert(st.st_mtim.tv_sec == 0 && st.st_mtim.tv_nsec == 0);
		ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
		ck_assert_int_ne(stat_of(fd).st_atim.tv_sec, 0);
		give_back(key, fd);
		fd = get(key);
	}
	(void)close(fd); /* and then it is gone */
	ck_assert(!is_kept(key));
	tear_down();
}
END_TEST

/* Each byte in turn is another one. */
START_TEST(a_damaged_file_is_none)
{
	char path[512];
	struct stat st;

	set_up();
	struct artifact_key key = put("1", "program", 7);
	ck_assert_int_eq(stat(only_file(path), &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 64 ? 1 : 37) {
		unsigned char byte;
		reopen();
		int fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		(void)close(fd);
		ck_assert_msg(!is_kept(key), "byte %d", (int)at);
		ck_assert_uint_eq(scratch_count(&scratch, "artifacts"), 0);
		ck_assert(is_same(key, put("1", "program", 7)));
	}
	tear_down();
}
END_TEST

START_TEST(a_cut_file_is_none)
{
	char path[512];

	set_up();
	for (off_t size = 0; size < 100; size += 9) {
		struct artifact_key key = put("1", "program", 7);
		reopen();
		ck_assert_int_eq(truncate(only_file(path), size), 0);
		ck_assert(!is_kept(key));
		ck_assert_uint_eq(scratch_count(&scratch, "artifacts"), 0);
	}
	tear_down();
}
END_TEST

START_TEST(one_key_s_file_is_not_another_s)
{
	char path[512], other[512];

	set_up();
	(void)put("1", "one", 3);
	(void)only_file(path);
	struct artifact_key key = put("2", "two", 3);
	(void)unlink(path);
	ck_assert_int_eq(rename(only_file(other), path), 0);
	reopen();
	ck_assert(!is_kept(key_of(&(struct source){"ann", "cpp", "1", 1 << 28})));
	ck_assert(!is_kept(key));
	tear_down();
}
END_TEST

/* Room for eight; the ninth makes it nine tenths, of which what was used longest ago is no part. */
START_TEST(what_was_used_longest_ago_goes_first)
{
	enum { N = 9, SIZE = 10000 };
	static const char program[SIZE];
	struct artifact_key keys[N];
	char code[2] = "0";

	set_up();
	options.max_bytes = 8 * (SIZE + 1024);
	options.memory_bytes = 0;
	reopen();
	for (int i = 0; i < N - 1; i++, code[0]++) {
		keys[i] = put(code, program, SIZE);
		(void)usleep(20 * 1000); /* the file system's clock has ticks */
	}
	ck_assert(is_kept(keys[0]));
	(void)usleep(20 * 1000);
	keys[N - 1] = put(code, program, SIZE);
	ck_assert(is_kept(keys[0]));
	ck_assert(!is_kept(keys[1]));
	ck_assert(is_kept(keys[N - 1]));
	ck_assert_uint_lt(scratch_count(&scratch, "artifacts"), N);
	tear_down();
}
END_TEST

START_TEST(memory_holds_what_fits)
{
	char path[512];

	set_up();
	options.memory_bytes = 10;
	reopen();
	struct artifact_key small = put("1", "1234567", 7);
	(void)unlink(only_file(path));
	ck_assert(is_kept(small));
	struct artifact_key other = put("2", "abcdefg", 7); /* instead of it */
	(void)unlink(only_file(path));
	ck_assert(is_kept(other));
	ck_assert(!is_kept(small));
	struct artifact_key large = put("3", "12345678901", 11);
	(void)unlink(only_file(path));
	ck_assert(!is_kept(large));
	ck_assert(is_kept(other));
	tear_down();
}
END_TEST

TEST_PROGRAM("artifacts", 60, tcase_add_test(tc, the_same_source_has_the_same_key);
	     tcase_add_test(tc, anything_else_has_another);
	     tcase_add_test(tc, users_are_kept_apart_when_that_is_wanted);
	     tcase_add_loop_test(tc, another_policy_has_another_key, 0, 5);
	     tcase_add_test(tc, an_image_without_a_digest_has_none);
	     tcase_add_test(tc, a_product_comes_back_from_memory_and_from_disk);
	     tcase_add_test(tc, a_product_can_be_executed_and_not_written_to);
	     tcase_add_test(tc, nobody_else_has_the_memory_that_one_got);
	     tcase_add_test(tc, what_is_given_back_is_used_again_with_its_times_anew);
	     tcase_add_test(tc, nobody_can_change_a_product); tcase_add_test(tc, a_damaged_file_is_none);
	     tcase_add_test(tc, a_cut_file_is_none); tcase_add_test(tc, one_key_s_file_is_not_another_s);
	     tcase_add_test(tc, what_was_used_longest_ago_goes_first);
	     tcase_add_test(tc, memory_holds_what_fits))
