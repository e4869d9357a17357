/* The cache of products: out of memory it has nothing, or what was put; and a job's key is right, or there is none. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/artifacts.h"
#include "tests/lib/scratch.h"
#include "tests/torture/torture.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>

static const char description[] =
	"{\"digest\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
static char code[] = "int main() {}", user[] = "ann";
static const struct job job = {.user_id = user, .code = code, .code_size = sizeof(code) - 1};
static const struct sandbox_limits limits = {.memory_bytes = 1 << 28};
static const struct sandbox_result compiled = {
	.cause = SANDBOX_EXITED, .collected = {{.status = SANDBOX_COLLECTED, .bytes = 7}}};

static struct scratch scratch;
static struct languages *languages;
static struct artifacts_options options;
static struct artifacts *artifacts;
static struct artifact_key key;

static bool make_key(struct artifact_key *ret)
{
	return artifacts_key(artifacts, languages_find(languages, "cpp"), &job, &limits, ret);
}

static void open_artifacts(void)
{
	ck_assert_int_eq(artifacts_open(&options, languages, &artifacts, NULL), 0);
}

static void set_up(void)
{
	(void)log_set_level_name("error", NULL); /* a failure of the cache is a warning each */
	scratch_open(&scratch);
	scratch_write(&scratch, "cpp.json", description, sizeof(description) - 1);
	ck_assert_int_eq(languages_open("policies", &languages, NULL), 0);
	options = (struct artifacts_options){
		.dirfd = open(scratch.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.images_dir = scratch.dir,
		.max_bytes = 1 << 20,
		.memory_bytes = 1 << 20,
	};
	open_artifacts();
	ck_assert(make_key(&key));
	/* OpenSSL keeps what it notes of a thread's first failure. */
	ERR_raise(ERR_LIB_USER, 1);
	ERR_clear_error();
}

static void tear_down(void)
{
	artifacts = artifacts_close(artifacts);
	languages = languages_close(languages);
	(void)close(options.dirfd);
	scratch_close(&scratch);
}

static void disarm(struct torture *turn)
{
	torture_disarm(turn);
	ERR_clear_error();
}

static void put(void)
{
	_cleanup_close_ int fd = fd_memfd("program", "program", 7);

	artifacts_put(artifacts, &key, fd, 7, &compiled);
}

/* Is it there? It must be the program then. Nothing is asserted here: turns may be armed. */
static bool get(bool *ret_is_right)
{
	struct sandbox_result result;
	char bytes[8];
	int fd = -1;
	bool is_there = artifacts_get(artifacts, &key, &fd, &result);

	*ret_is_right =
		!is_there || (pread(fd, bytes, sizeof(bytes), 0) == 7 && memcmp(bytes, "program", 7) == 0 &&
				     result.collected[0].bytes == 7);
	(void)fd_close(fd);
	return is_there;
}

START_TEST(it_opens_or_says_why_not)
{
	set_up();
	TORTURE_EACH(turn, 1)
	{
		struct sandbox_error err = {0};
		struct artifacts *second = NULL;
		torture_arm(&turn);
		int r = artifacts_open(&options, languages, &second, &err);
		disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(r == 0, second != NULL);
		(void)artifacts_close(second);
	}
	tear_down();
}
END_TEST

START_TEST(a_key_is_right_or_none)
{
	set_up();
	TORTURE_EACH(turn, 1)
	{
		struct artifact_key again;
		torture_arm(&turn);
		bool has_key = make_key(&again);
		disarm(&turn);
		ck_assert(has_key || turn.has_failed);
		ck_assert(!has_key || memcmp(&again, &key, sizeof(key)) == 0);
	}
	tear_down();
}
END_TEST

/* IS_REOPENED: from the disk. */
static void get_in_turns(bool is_reopened)
{
	set_up();
	put();
	TORTURE_EACH(turn, 1)
	{
		bool is_right = false;
		if (is_reopened) {
			artifacts = artifacts_close(artifacts);
			open_artifacts();
		}
		torture_arm(&turn);
		bool is_there = get(&is_right);
		disarm(&turn);
		ck_assert(is_right && (is_there || turn.has_failed));
		ck_assert(get(&is_right) && is_right); /* a good file is not taken for a damaged one */
	}
	tear_down();
}

START_TEST(a_product_from_memory_is_right_or_none)
{
	get_in_turns(false);
}
END_TEST

START_TEST(a_product_from_the_disk_is_right_or_none)
{
	get_in_turns(true);
}
END_TEST

START_TEST(a_product_is_kept_whole_or_not_at_all)
{
	TORTURE_EACH(turn, 1)
	{
		bool is_right;
		set_up();
		torture_arm(&turn);
		put();
		disarm(&turn);
		bool is_there = get(&is_right);
		ck_assert(is_right && (is_there || turn.has_failed));
		artifacts = artifacts_close(artifacts);
		open_artifacts();
		ck_assert_int_eq(get(&is_right), scratch_count(&scratch, "artifacts") == 1);
		ck_assert(is_right);
		tear_down();
	}
}
END_TEST

TEST_PROGRAM("torture of artifacts", 300, tcase_add_test(tc, it_opens_or_says_why_not);
	     tcase_add_test(tc, a_key_is_right_or_none);
	     tcase_add_test(tc, a_product_from_memory_is_right_or_none);
	     tcase_add_test(tc, a_product_from_the_disk_is_right_or_none);
	     tcase_add_test(tc, a_product_is_kept_whole_or_not_at_all))
