#include "service/api_error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	const char *name;
	unsigned status;
} codes[API_ERROR_N] = {
#define X(symbol, code, http_status) [API_ERROR_##symbol] = {code, http_status},
	API_ERROR_TABLE(X)
#undef X
};

int api_error_set(struct api_error *err, enum api_error_code code, const char *field, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	err->field = field;
	va_start(args, fmt);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	return (int)code;
}

unsigned api_error_status(enum api_error_code code)
{
	assert(code > API_ERROR_NONE && code < API_ERROR_N);
	return codes[code].status;
}

const char *api_error_name(enum api_error_code code)
{
	assert(code > API_ERROR_NONE && code < API_ERROR_N);
	return codes[code].name;
}

json_t *api_error_json(const struct api_error *err)
{
	return json_pack("{s:{s:s, s:s, s:s?}}", "error", "code", api_error_name(err->code), "message",
		err->message, "field", err->field);
}
