#include "tests/lib/test.h"

#include <string.h>

/* The runner names a file in TEST_SKIP_FILE; by hand the note goes to standard error. */
void test_skip(const char *test, const char *reason)
{
	const char *path = getenv("TEST_SKIP_FILE");
	FILE *out = path ? fopen(path, "a") : NULL;

	(void)fprintf(out ? out : stderr, "%s: %s\n", test, reason);
	if (out != NULL)
		(void)fclose(out);
}

bool test_is_wanted(const char *test)
{
	const char *only = getenv("TEST_CASE");

	return only == NULL || strcmp(only, test) == 0;
}

int test_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
