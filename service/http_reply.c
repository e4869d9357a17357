#include "service/http.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

static const char json_content[] = "application/json; charset=utf-8";

void http_reply_init(struct http_reply *reply)
{
	*reply = (struct http_reply){.status = 200, .fd = -1};
}

void http_reply_free(struct http_reply *reply)
{
	free(reply->body);
	(void)fd_close(reply->fd);
	if (reply->stream.close != NULL)
		reply->stream.close(reply->stream.user);
	http_reply_init(reply);
}

void http_reply_header(struct http_reply *reply, const char *name, const char *fmt, ...)
{
	va_list args;

	assert(reply->nheaders < HTTP_REPLY_HEADERS);
	size_t i = reply->nheaders++;
	reply->headers[i].name = name;
	va_start(args, fmt);
	(void)vsnprintf(reply->headers[i].value, sizeof(reply->headers[i].value), fmt, args);
	va_end(args);
}

void http_reply_json(struct http_reply *reply, unsigned status, json_t *json)
{
	size_t size = 0;
	char *line = json_text_print(json, JSON_COMPACT | JSON_REAL_PRECISION(15), &size);

	json_decref(json);
	reply->content_type = json_content;
	if (line == NULL) {
		reply->status = 500;
		return;
	}
	line[size] = '\n'; /* in place of the NUL: a body has a size */
	reply->status = status;
	reply->body = line;
	reply->body_size = size + 1;
}

void http_reply_error(struct http_reply *reply, const struct api_error *error)
{
	http_reply_json(reply, api_error_status(error->code), api_error_json(error));
	reply->error = api_error_name(error->code);
	if (error->code == API_ERROR_UNAVAILABLE)
		http_reply_header(reply, "Retry-After", "1");
}

void http_reply_text(struct http_reply *reply, const char *content_type, const char *text)
{
	reply->content_type = content_type;
	reply->body = text ? strdup(text) : NULL;
	reply->body_size = reply->body ? strlen(text) : 0;
	reply->status = reply->body ? 200 : 500;
}
