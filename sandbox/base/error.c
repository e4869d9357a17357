#include "sandbox/base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void fill(
	struct sandbox_error *err, int errno_value, const char *stage, const char *fmt, va_list args)
{
	err->errno_value = errno_value;
	(void)snprintf(err->stage, sizeof(err->stage), "%s", stage);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, args);
}

int(error_set)(struct sandbox_error *err, int errno_value, const char *stage, const char *fmt, ...)
{
	assert(errno_value > 0);
	if (err != NULL && err->errno_value == 0) {
		va_list args;
		va_start(args, fmt);
		fill(err, errno_value, stage, fmt, args);
		va_end(args);
	}
	return -errno_value;
}

int(error_errno)(struct sandbox_error *err, const char *stage, const char *fmt, ...)
{
	int saved = errno > 0 ? errno : EIO;

	if (err != NULL && err->errno_value == 0) {
		va_list args;
		va_start(args, fmt);
		fill(err, saved, stage, fmt, args);
		va_end(args);
		size_t used = strlen(err->message);
		/* strerrordesc_np (glibc 2.32): no locale, no lock, no allocation; safe after clone. */
		const char *text = strerrordesc_np(saved);
		(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
			text ? text : "unknown error");
	}
	return -saved;
}
