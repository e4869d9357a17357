/* test.h: what every test program shares: libcheck with a main, TAP on standard output, and skips.
 *
 *   TEST_PROGRAM("policy", tcase_add_test(tc, loads_the_shipped_policies); …)
 *
 * tests/lib/run adds the programs up. A test that this machine cannot run calls TEST_SKIP(reason) and counts as
 * skipped, never as passed. */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Notes the skip for the runner and leaves the test function. */
#define TEST_SKIP(reason)                                                                                    \
	do {                                                                                                 \
		test_skip(__func__, reason);                                                                 \
		return;                                                                                      \
	} while (0)

void test_skip(const char *test, const char *reason);

/* Does TEST_CASE, where `make test T=program:function` names one test function, leave room for TEST? */
bool test_is_wanted(const char *test);
/* All of libcheck's tcase_add_… macros come down to this function. */
#define _tcase_add_test(tc, test, ...)                                                                       \
	(test_is_wanted((test)->name) ? _tcase_add_test(tc, test, __VA_ARGS__) : (void)0)

/* Runs SUITE with TAP on standard output; the program's exit status. */
int test_main(Suite *suite);

/* TIMEOUT_SEC bounds one test. */
#define TEST_PROGRAM(name, timeout_sec, ...)                                                                 \
	int main(void)                                                                                       \
	{                                                                                                    \
		Suite *suite = suite_create(name);                                                           \
		TCase *tc = tcase_create(name);                                                              \
		tcase_set_timeout(tc, timeout_sec);                                                          \
		__VA_ARGS__;                                                                                 \
		suite_add_tcase(suite, tc);                                                                  \
		return test_main(suite);                                                                     \
	}
