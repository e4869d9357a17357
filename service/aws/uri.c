#include "service/aws/uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

void aws_uri_encode(FILE *out, const char *text, bool keeps_slashes)
{
	for (const char *at = text; *at != '\0'; at++) {
		if (is_unreserved(*at) || (*at == '/' && keeps_slashes))
			(void)fputc(*at, out);
		else
			(void)fprintf(out, "%%%02X", (unsigned char)*at);
	}
}

static int bad_endpoint(const char *url, struct sandbox_error *err)
{
	return error_set(
		err, EINVAL, "aws.endpoint", "%.160s: no endpoint; one is https://host[:port][/path]", url);
}

/* What follows the scheme up to the path. */
static bool parse_authority(const char *text, size_t length, struct aws_endpoint *ret)
{
	const char *close = memchr(text, ']', length);
	size_t host = 0;
	char *end = NULL;

	if (text[0] == '[')
		host = close != NULL ? (size_t)(close - text) + 1 : 0;
	else
		while (host < length && text[host] != ':')
			host++;
	if (host == 0 || host >= sizeof(ret->host))
		return false;
	for (size_t i = 0; i < host; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-._:[]", text[i]) == NULL)
			return false;
	(void)snprintf(ret->host, sizeof(ret->host), "%.*s", (int)host, text);
	if (host == length)
		return true;
	if (text[host] != ':' || !isdigit((unsigned char)text[host + 1]))
		return false;
	unsigned long port = strtoul(text + host + 1, &end, 10);
	ret->port = (unsigned)port;
	return end == text + length && port > 0 && port <= 65535;
}

int aws_endpoint_parse(const char *url, struct aws_endpoint *ret, struct sandbox_error *err)
{
	struct aws_endpoint endpoint = {0};
	const char *after = strstr(url, "://");
	size_t scheme = after != NULL ? (size_t)(after - url) : 0;

	if (scheme == 0 || scheme >= sizeof(endpoint.scheme))
		return bad_endpoint(url, err);
	(void)snprintf(endpoint.scheme, sizeof(endpoint.scheme), "%.*s", (int)scheme, url);
	if (strcmp(endpoint.scheme, "http") != 0 && strcmp(endpoint.scheme, "https") != 0)
		return bad_endpoint(url, err);
	after += 3;
	size_t authority = strcspn(after, "/?#");
	const char *path = after + authority;
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	for (size_t i = 0; i < length; i++)
		if (!is_unreserved(path[i]) && path[i] != '/')
			return bad_endpoint(url, err);
	if (!parse_authority(after, authority, &endpoint) || length >= sizeof(endpoint.path))
		return bad_endpoint(url, err);
	(void)snprintf(endpoint.path, sizeof(endpoint.path), "%.*s", (int)length, path);
	unsigned standard = strcmp(endpoint.scheme, "https") == 0 ? 443 : 80;
	if (endpoint.port == standard)
		endpoint.port = 0;
	*ret = endpoint;
	return 0;
}

void aws_endpoint_host(const struct aws_endpoint *endpoint, char *buf, size_t size)
{
	if (endpoint->port != 0)
		(void)snprintf(buf, size, "%s:%u", endpoint->host, endpoint->port);
	else
		(void)snprintf(buf, size, "%s", endpoint->host);
}

void aws_endpoint_url(const struct aws_endpoint *endpoint, char *buf, size_t size)
{
	char host[sizeof(endpoint->host) + 16];

	aws_endpoint_host(endpoint, host, sizeof(host));
	(void)snprintf(buf, size, "%s://%s%s", endpoint->scheme, host, endpoint->path);
}
