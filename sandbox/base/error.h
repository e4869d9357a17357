/* error.h: the host's failures, said once.
 *
 * Three channels never mix (docs/architecture.md): what the program did is a sandbox_result; what the host failed
 * to do is a negative errno together with one sandbox_error; a bug is an assert. */
#pragma once

#include <assert.h>
#include <errno.h>

/* The record of a host failure. Filled once, where the failure is first seen; everyone above passes it on
 * untouched. Plain data of fixed size: it crosses process borders as it is. */
struct sandbox_error {
	int errno_value;   /* positive errno; 0: no error recorded */
	char stage[32];	   /* the step that failed, lower case with dots: "cell.mount.proc" */
	char message[256]; /* one line for people; never holds a job's bytes unescaped */
};

/* Records a failure and returns -errno_value, so that `return error_set(...)` forwards it. ERR may be NULL.
 * A record that is already filled stays as it is (the origin wins). ERRNO_VALUE must be positive.
 * Async-signal-safe when FMT has no conversions other than %s, %d, %u, %zu (it uses vsnprintf; glibc allocates
 * only for floats and very wide fields). */
int error_set(struct sandbox_error *err, int errno_value, const char *stage, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same with the current errno and ": strerror" appended to the message. */
int error_errno(struct sandbox_error *err, const char *stage, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Who reads the callers one by one, an analyzer, is told that both return what is negative. */
static inline int error_is_negative(int r)
{
	assert(r < 0);
	return r;
}
#define error_set(...) error_is_negative((error_set)(__VA_ARGS__))
#define error_errno(...) error_is_negative((error_errno)(__VA_ARGS__))
