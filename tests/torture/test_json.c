/* JSON out of memory: tokens of every kind and length, which is where jansson alone reads beyond its buffer. */
#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"
#include "tests/torture/torture.h"

#include <errno.h>
#include <string.h>

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *const texts[] = {
	"{\"a\": \"" LONG LONG LONG "\", \"" LONG "\": [1, 2.5, null, true]}",
	"[1234567890123e55, -12345678901234567, 0.00000000000000001, \"123456789012345\\\"\"]",
	"\"1234567890123\\u00e4\\ud83d\\ude00\\n" LONG "\"",
	"[[[[[[[[]]]]]]]]",
};

START_TEST(a_whole_tree_or_none)
{
	TORTURE_EACH(turn, 1)
	{
		struct json_text_error error;
		json_t *tree = NULL;
		torture_arm(&turn);
		int r = json_text_parse(texts[_i], strlen(texts[_i]), &tree, &error);
		torture_disarm(&turn);
		ck_assert_int_eq(r, turn.has_failed ? -ENOMEM : 0);
		if (r < 0) {
			ck_assert_ptr_null(tree);
			continue;
		}
		json_t *wanted = json_loads(texts[_i], JSON_DECODE_ANY, NULL);
		ck_assert_int_eq(json_equal(tree, wanted), 1);
		json_decref(wanted);
		json_decref(tree);
	}
}
END_TEST

/* Keys longer than a first buffer, which jansson alone would leave out. */
START_TEST(the_whole_text_or_none)
{
	json_t *tree = json_pack("{s:i, s:[s, n, b], s:{s:f}}", LONG LONG LONG, 1, "b", LONG LONG, true,
		"c" LONG, "d" LONG, 2.5);
	_cleanup_free_ char *wanted = json_dumps(tree, JSON_COMPACT);

	TORTURE_EACH(turn, 1)
	{
		size_t size = 0;
		torture_arm(&turn);
		char *text = json_text_print(tree, JSON_COMPACT, &size);
		torture_disarm(&turn);
		ck_assert_int_eq(text == NULL, turn.has_failed);
		if (text == NULL)
			continue;
		ck_assert_str_eq(text, wanted);
		ck_assert_uint_eq(size, strlen(wanted));
		free(text);
	}
	json_decref(tree);
}
END_TEST

TEST_PROGRAM("torture of JSON", 60, tcase_add_test(tc, the_whole_text_or_none);
	     tcase_add_loop_test(tc, a_whole_tree_or_none, 0, (int)(sizeof(texts) / sizeof(texts[0]))))
