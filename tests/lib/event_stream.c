#include "tests/lib/event_stream.h"

#include "tests/lib/http_client.h"

#include <openssl/evp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MSEC = 100 * 1000 };

/* Whatever comes next, to the end of the text. False: the connection is closed. */
static bool receive(struct event_stream *stream)
{
	struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
	char buf[16 * 1024];

	ck_assert_msg(poll(&wait, 1, PATIENCE_MSEC) == 1, "no event comes; so far: %.300s", stream->text);
	ssize_t n = recv(stream->fd, buf, sizeof(buf), 0);
	if (n <= 0)
		return false;
	stream->text = realloc(stream->text, stream->size + (size_t)n + 1);
	ck_assert_ptr_nonnull(stream->text);
	memcpy(stream->text + stream->size, buf, (size_t)n);
	stream->size += (size_t)n;
	stream->text[stream->size] = '\0';
	return true;
}

static void drop(struct event_stream *stream, size_t size)
{
	memmove(stream->text, stream->text + size, stream->size - size + 1);
	stream->size -= size;
}

/* What is before END, when it has come; owned. NULL: the connection was closed before. */
static char *take_until(struct event_stream *stream, const char *end)
{
	char *at;

	while ((at = strstr(stream->text, end)) == NULL)
		if (!receive(stream))
			return NULL;
	char *text = strndup(stream->text, (size_t)(at - stream->text));
	drop(stream, (size_t)(at - stream->text) + strlen(end));
	return text;
}

void event_stream_open(
	struct event_stream *stream, const struct test_service *service, const char *id, const char *last_id)
{
	char request[512];

	*stream = (struct event_stream){.fd = http_client_connect(service->url), .text = calloc(1, 1)};
	/* A client that does not read is to be felt at the other end soon. */
	ck_assert_int_eq(setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUF, &(int){64 * 1024}, sizeof(int)), 0);
	/* HTTP/1.0: the body comes as it is, not in chunks. */
	int size = snprintf(request, sizeof(request),
		"GET /jobs/%s/events HTTP/1.0\r\nHost: localhost\r\n%s%s%s\r\n", id,
		last_id != NULL ? "Last-Event-ID: " : "", last_id != NULL ? last_id : "",
		last_id != NULL ? "\r\n" : "");
	ck_assert_int_eq(send(stream->fd, request, (size_t)size, MSG_NOSIGNAL), size);
	char *headers = take_until(stream, "\r\n\r\n");
	ck_assert_ptr_nonnull(headers);
	ck_assert_int_eq(sscanf(headers, "HTTP/1.%*d %ld", &stream->status), 1);
	free(headers);
}

void event_stream_close(struct event_stream *stream)
{
	if (stream->fd >= 0)
		(void)close(stream->fd);
	stream->fd = -1;
	free(stream->text);
	stream->text = NULL;
}

static void take_line(struct event *event, const char *line)
{
	json_error_t error;

	if (strncmp(line, "event: ", 7) == 0)
		(void)snprintf(event->name, sizeof(event->name), "%s", line + 7);
	else if (strncmp(line, "id: ", 4) == 0)
		(void)snprintf(event->id, sizeof(event->id), "%s", line + 4);
	else if (strncmp(line, "data: ", 6) == 0)
		event->data = json_loads(line + 6, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	else
		ck_abort_msg("no line of an event: %s", line);
}

bool event_stream_next(struct event_stream *stream, struct event *ret)
{
	char *text, *rest, *line;

	*ret = (struct event){0};
	while ((text = take_until(stream, "\n\n")) != NULL && text[0] == ':') {
		stream->ncomments++;
		free(text);
	}
	if (text == NULL) {
		ck_assert_msg(stream->size == 0, "half an event: %s", stream->text);
		return false;
	}
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		take_line(ret, line);
	free(text);
	ck_assert_ptr_nonnull(ret->data);
	return true;
}

void event_stream_await_comments(struct event_stream *stream, unsigned n)
{
	while (stream->ncomments < n) {
		char *text = take_until(stream, "\n\n");
		ck_assert_pstr_eq(text, ":");
		stream->ncomments++;
		free(text);
	}
}

void event_free(struct event *event)
{
	json_decref(event->data);
	*event = (struct event){0};
}

char *event_bytes(const struct event *event, size_t *ret_size)
{
	const json_t *text = json_object_get(event->data, "text");
	const char *base64 = json_string_value(json_object_get(event->data, "base64"));

	ck_assert_msg((text != NULL) != (base64 != NULL), "a chunk is text or base64");
	size_t size = text != NULL ? json_string_length(text) : strlen(base64) / 4 * 3;
	char *bytes = malloc(size + 1);
	ck_assert_ptr_nonnull(bytes);
	if (text != NULL) {
		memcpy(bytes, json_string_value(text), size);
	} else {
		int n = EVP_DecodeBlock(
			(unsigned char *)bytes, (const unsigned char *)base64, (int)strlen(base64));
		ck_assert_int_eq(n, (int)size);
		size -= (size_t)(strlen(base64) - strcspn(base64, "="));
	}
	bytes[size] = '\0';
	*ret_size = size;
	return bytes;
}
