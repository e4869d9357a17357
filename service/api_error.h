/* api_error.h: everything the API refuses, as one table. A shared leaf of the service. */
#pragma once

#include <jansson.h>

/* X(symbol, code as clients see it, HTTP status). docs/http-api.yaml lists the same. */
#define API_ERROR_TABLE(X)                                                                                   \
	X(INVALID_JSON, "invalid_json", 400)   /* not JSON, a key twice, a NUL character */                  \
	X(INVALID_UTF8, "invalid_utf8", 400)   /* the body is not UTF-8 */                                   \
	X(INVALID_TYPE, "invalid_type", 400)   /* a field (or the whole) has another JSON type */            \
	X(INVALID_VALUE, "invalid_value", 400) /* right type, unusable content */                            \
	X(UNKNOWN_FIELD, "unknown_field", 400) /* a field that the API does not know */                      \
	X(MISSING_FIELD, "missing_field", 400) /* a required field or parameter is not there */              \
	X(UNSUPPORTED_LANGUAGE, "unsupported_language", 400)                                                 \
	X(HOST_NOT_ALLOWED, "host_not_allowed", 403) /* a foreign Host header on loopback: DNS rebinding */  \
	X(LINK_INVALID, "link_invalid", 403)	     /* a download link that this service did not sign */    \
	X(LINK_EXPIRED, "link_expired", 403)                                                                 \
	X(NOT_FOUND, "not_found", 404)                                                                       \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", 405)                                                     \
	X(REQUEST_TIMEOUT, "request_timeout", 408)                                                           \
	X(NOT_FINISHED, "not_finished", 409)                                                                 \
	X(TOO_LARGE, "too_large", 413)                                                                       \
	X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415)                                             \
	X(UNAVAILABLE, "unavailable", 503) /* the service's own failure, for now; Retry-After says when */

enum api_error_code {
	API_ERROR_NONE,
#define X(symbol, code, status) API_ERROR_##symbol,
	API_ERROR_TABLE(X)
#undef X
		API_ERROR_N,
};

struct api_error {
	enum api_error_code code;
	const char *field; /* static; NULL: none to blame */
	char message[256]; /* one line for people */
};

/* Fills ERR; returns CODE (positive), so that `return api_error_set(...)` refuses. */
int api_error_set(struct api_error *err, enum api_error_code code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

unsigned api_error_status(enum api_error_code code);  /* 400 … */
const char *api_error_name(enum api_error_code code); /* "invalid_json" … */

/* {"error": {"code": …, "message": …, "field": …|null}}; owned by the caller, NULL: no memory. */
json_t *api_error_json(const struct api_error *err);
