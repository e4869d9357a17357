#include "tests/lib/http_client.h"

#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t take_body(char *data, size_t one, size_t size, void *user)
{
	struct http_client_answer *answer = user;
	char *larger = realloc(answer->body, answer->size + size + 1);

	(void)one;
	if (larger == NULL)
		return 0;
	answer->body = larger;
	memcpy(answer->body + answer->size, data, size);
	answer->size += size;
	answer->body[answer->size] = '\0';
	return size;
}

static size_t take_header(char *data, size_t one, size_t size, void *user)
{
	struct http_client_answer *answer = user;
	char line[1024];
	char *value = line;

	(void)one;
	(void)snprintf(line, sizeof(line), "%.*s", (int)size, data);
	line[strcspn(line, "\r\n")] = '\0';
	char *name = strsep(&value, ":");
	if (value == NULL)
		return size; /* the status line, the empty line */
	for (char *at = name; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	json_object_set_new(answer->headers, name, json_string(value + strspn(value, " ")));
	return size;
}

static void set_method(CURL *curl, const struct http_client_request *request)
{
	if (request->body != NULL) {
		curl_off_t size =
			(curl_off_t)(request->body_size ? request->body_size : strlen(request->body));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (request->method != NULL)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

void http_client_send(const struct http_client_request *request, struct http_client_answer *answer)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = NULL;

	ck_assert_ptr_nonnull(curl);
	*answer = (struct http_client_answer){.body = calloc(1, 1), .headers = json_object()};
	for (size_t i = 0; i < 8 && request->headers[i] != NULL; i++)
		headers = curl_slist_append(headers, request->headers[i]);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
	set_method(curl, request);
	CURLcode r = curl_easy_perform(curl);
	ck_assert_msg(r != CURLE_COULDNT_CONNECT, "%s: %s", request->url, curl_easy_strerror(r));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

int http_client_connect(const char *url)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void http_client_send_raw(const char *url, const char *text, struct http_client_answer *answer)
{
	int fd = http_client_connect(url);
	char buf[8192];
	size_t used = 0;
	ssize_t n;

	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	while (used < sizeof(buf) - 1 && (n = recv(fd, buf + used, sizeof(buf) - 1 - used, 0)) > 0)
		used += (size_t)n;
	buf[used] = '\0';
	(void)close(fd);
	*answer = (struct http_client_answer){.headers = json_object()};
	ck_assert_msg(sscanf(buf, "HTTP/1.1 %ld ", &answer->status) == 1, "no answer: %s", buf);
	char *rest = buf, *line;
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL && *line != '\r')
		(void)take_header(line, 1, strlen(line), answer);
	ck_assert_ptr_nonnull(rest);
	answer->body = strdup(rest);
	answer->size = strlen(rest);
}

void http_client_answer_free(struct http_client_answer *answer)
{
	free(answer->body);
	json_decref(answer->headers);
	*answer = (struct http_client_answer){0};
}

const char *http_client_header(const struct http_client_answer *answer, const char *lower_name)
{
	return json_string_value(json_object_get(answer->headers, lower_name));
}

json_t *http_client_json(const struct http_client_answer *answer)
{
	json_error_t error;
	json_t *json = json_loadb(answer->body, answer->size, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "no JSON: %s: %.200s", error.text, answer->body);
	return json;
}
