#include "service/aws/sigv4.h"

#include "sandbox/base/fd.h"
#include "service/aws/secret.h"
#include "service/aws/uri.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

static const char algorithm[] = "AWS4-HMAC-SHA256";

enum { SHA256_BYTES = 32, PRESIGN_PAIRS = AWS_QUERY_MAX + 8, SCOPE_SIZE = 160, CREDENTIAL_SIZE = 512 };

/* --- digests -------------------------------------------------------------------------------------------------- */

static void hex(const unsigned char *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

int aws_sha256(const void *bytes, size_t size, char hash[AWS_SHA256_SIZE])
{
	unsigned char digest[SHA256_BYTES];
	size_t n;

	if (EVP_Q_digest(NULL, "SHA256", NULL, bytes, size, digest, &n) != 1 || n != sizeof(digest))
		return -ENOTSUP;
	hex(digest, sizeof(digest), hash);
	return 0;
}

static int mac(const void *key, size_t key_size, const char *text, unsigned char ret[SHA256_BYTES])
{
	size_t n = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_size, (const unsigned char *)text,
		    strlen(text), ret, SHA256_BYTES, &n) == NULL ||
		n != SHA256_BYTES)
		return -ENOTSUP;
	return 0;
}

void aws_sigv4_date(time_t time, char date[AWS_DATE_SIZE])
{
	struct tm tm;

	if (gmtime_r(&time, &tm) == NULL || strftime(date, AWS_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		date[0] = '\0';
}

/* --- the canonical request ------------------------------------------------------------------------------------ */

static char *encoded(const char *plain, bool keeps_slashes)
{
	struct aws_text text;

	if (!aws_text_open(&text))
		return NULL;
	aws_uri_encode(text.stream, plain, keeps_slashes);
	return aws_text_close(&text, NULL);
}

/* Without "." and ".." and doubled slashes; a slash at the end stays. In place. */
static void normalise(char *path)
{
	char *to = path;
	const char *from = path;

	while (*from != '\0') {
		size_t skip = strspn(from, "/");
		size_t length = strcspn(from + skip, "/");
		const char *part = from + skip;
		bool is_last = part[length] == '\0';
		from = part + length;
		if (length == 2 && part[0] == '.' && part[1] == '.') {
			while (to > path && *--to != '/')
				;
			if (is_last)
				*to++ = '/';
		} else if (length == 0 || (length == 1 && part[0] == '.')) {
			if (is_last)
				*to++ = '/';
		} else {
			*to++ = '/';
			memmove(to, part, length);
			to += length;
		}
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

static char *canonical_path(const struct aws_sigv4 *what)
{
	_cleanup_free_ char *path = strdup(what->path[0] != '\0' ? what->path : "/");

	if (path == NULL)
		return NULL;
	if (what->is_s3)
		return encoded(path, true);
	normalise(path);
	_cleanup_free_ char *once = encoded(path, true);
	return once != NULL ? encoded(once, true) : NULL;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; texts != NULL && i < n; i++)
		aws_secret_free(texts[i]);
	free(texts);
}

static char *joined(char **texts, size_t n, const char *separator)
{
	struct aws_text text;

	if (!aws_text_open(&text))
		return NULL;
	for (size_t i = 0; i < n; i++)
		(void)fprintf(text.stream, "%s%s", i > 0 ? separator : "", texts[i]);
	return aws_text_close(&text, NULL);
}

/* "name=value", encoded. Sorted as they are then: by name, and by value where names are equal. '=' sorts behind '-' and '.',
 * which are in names, so that a pair is joined only after it was sorted: by '\1'. */
static char *query_pair(const struct aws_pair *pair)
{
	struct aws_text text;

	if (!aws_text_open(&text))
		return NULL;
	aws_uri_encode(text.stream, pair->name, false);
	(void)fputc('\1', text.stream);
	aws_uri_encode(text.stream, pair->value ? pair->value : "", false);
	return aws_text_close(&text, NULL);
}

int aws_sigv4_canonical_query(const struct aws_pair *query, size_t nquery, char **ret)
{
	char **pairs = calloc(nquery + 1, sizeof(pairs[0]));
	size_t n = 0;

	*ret = NULL;
	if (pairs == NULL)
		return -ENOMEM;
	while (n < nquery && (pairs[n] = query_pair(&query[n])) != NULL)
		n++;
	if (n == nquery) {
		qsort(pairs, n, sizeof(pairs[0]), compare_texts);
		for (size_t i = 0; i < n; i++)
			pairs[i][strcspn(pairs[i], "\1")] = '=';
		*ret = joined(pairs, n, "&");
	}
	free_texts(pairs, n);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* "name:value\n", the name in lower case, the value without blanks at its ends and with one where there are several. */
static void write_value(FILE *out, const char *value)
{
	bool is_blank = false, is_begun = false;

	for (const char *at = value; *at != '\0'; at++) {
		if (isspace((unsigned char)*at)) {
			is_blank = true;
			continue;
		}
		if (is_blank && is_begun)
			(void)fputc(' ', out);
		is_blank = false;
		is_begun = true;
		(void)fputc(*at, out);
	}
}

struct header {
	char *name; /* owned: in lower case */
	const char *value;
	size_t at; /* as given: equal names keep their order */
};

static int compare_headers(const void *a, const void *b)
{
	const struct header *left = a, *right = b;
	int r = strcmp(left->name, right->name);

	return r != 0 ? r : left->at < right->at ? -1 : 1;
}

static void free_headers(struct header *headers, size_t n)
{
	for (size_t i = 0; headers != NULL && i < n; i++)
		free(headers[i].name);
	free(headers);
}

static struct header *sorted_headers(const struct aws_sigv4 *what)
{
	struct header *headers = calloc(what->nheaders + 1, sizeof(headers[0]));

	for (size_t i = 0; headers != NULL && i < what->nheaders; i++) {
		headers[i] = (struct header){strdup(what->headers[i].name), what->headers[i].value, i};
		if (headers[i].name == NULL) {
			free_headers(headers, i);
			return NULL;
		}
		for (char *at = headers[i].name; *at != '\0'; at++)
			*at = (char)tolower((unsigned char)*at);
	}
	if (headers != NULL)
		qsort(headers, what->nheaders, sizeof(headers[0]), compare_headers);
	return headers;
}

static bool is_same_name(const struct header *headers, size_t i)
{
	return i > 0 && strcmp(headers[i].name, headers[i - 1].name) == 0;
}

static void write_headers(FILE *out, const struct header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(out, "%s%s%s",
			i == 0			   ? ""
			: is_same_name(headers, i) ? ","
						   : "\n",
			is_same_name(headers, i) ? "" : headers[i].name, is_same_name(headers, i) ? "" : ":");
		write_value(out, headers[i].value);
	}
	(void)fputc('\n', out);
}

static void write_names(FILE *out, const struct header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_same_name(headers, i))
			(void)fprintf(out, "%s%s", i > 0 ? ";" : "", headers[i].name);
}

static char *signed_names(const struct header *headers, size_t n)
{
	struct aws_text text;

	if (!aws_text_open(&text))
		return NULL;
	write_names(text.stream, headers, n);
	return aws_text_close(&text, NULL);
}

static char *canonical_request(
	const struct aws_sigv4 *what, const struct header *headers, const char *path, const char *query)
{
	struct aws_text text;

	if (!aws_text_open(&text))
		return NULL;
	(void)fprintf(text.stream, "%s\n%s\n%s\n", what->method, path, query);
	write_headers(text.stream, headers, what->nheaders);
	(void)fputc('\n', text.stream);
	write_names(text.stream, headers, what->nheaders);
	(void)fprintf(text.stream, "\n%s", what->payload_hash);
	return aws_text_close(&text, NULL);
}

/* --- the signature -------------------------------------------------------------------------------------------- */

static void write_scope(const struct aws_sigv4 *what, char *scope, size_t size)
{
	char date[AWS_DATE_SIZE];

	aws_sigv4_date(what->time, date);
	(void)snprintf(scope, size, "%.8s/%s/%s/aws4_request", date, what->region, what->service);
}

static int signing_key(const struct aws_sigv4 *what, unsigned char key[SHA256_BYTES])
{
	char date[AWS_DATE_SIZE], day[9];

	aws_sigv4_date(what->time, date);
	(void)snprintf(day, sizeof(day), "%.8s", date);
	/* Not asprintf, which leaves a copy behind. */
	size_t size = strlen(what->keys->secret) + 5;
	_cleanup_secret_ char *first = malloc(size);
	if (first == NULL)
		return -ENOMEM;
	(void)snprintf(first, size, "AWS4%s", what->keys->secret);
	int r = mac(first, size - 1, day, key);
	if (r == 0)
		r = mac(key, SHA256_BYTES, what->region, key);
	if (r == 0)
		r = mac(key, SHA256_BYTES, what->service, key);
	return r == 0 ? mac(key, SHA256_BYTES, "aws4_request", key) : r;
}

static int signature_of(const struct aws_sigv4 *what, const char *request, char signature[AWS_SHA256_SIZE])
{
	unsigned char key[SHA256_BYTES], bytes[SHA256_BYTES];
	char hash[AWS_SHA256_SIZE], date[AWS_DATE_SIZE], scope[SCOPE_SIZE];
	_cleanup_free_ char *text = NULL;

	int r = aws_sha256(request, strlen(request), hash);
	if (r < 0)
		return r;
	aws_sigv4_date(what->time, date);
	write_scope(what, scope, sizeof(scope));
	if (asprintf(&text, "%s\n%s\n%s\n%s", algorithm, date, scope, hash) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = signing_key(what, key);
	if (r == 0)
		r = mac(key, sizeof(key), text, bytes);
	OPENSSL_cleanse(key, sizeof(key));
	if (r == 0)
		hex(bytes, sizeof(bytes), signature);
	return r;
}

static int sign(const struct aws_sigv4 *what, const struct header *headers, const char *query,
	char signature[AWS_SHA256_SIZE])
{
	_cleanup_free_ char *path = canonical_path(what);
	_cleanup_secret_ char *request = path != NULL ? canonical_request(what, headers, path, query) : NULL;

	return request != NULL ? signature_of(what, request, signature) : -ENOMEM;
}

int aws_sigv4_authorization(const struct aws_sigv4 *what, char **ret)
{
	char signature[AWS_SHA256_SIZE], scope[SCOPE_SIZE];
	_cleanup_secret_ char *query = NULL;
	_cleanup_free_ char *names = NULL;
	struct aws_text text;

	*ret = NULL;
	struct header *headers = sorted_headers(what);
	if (headers == NULL)
		return -ENOMEM;
	int r = aws_sigv4_canonical_query(what->query, what->nquery, &query);
	names = signed_names(headers, what->nheaders);
	if (r == 0)
		r = names != NULL ? sign(what, headers, query, signature) : -ENOMEM;
	free_headers(headers, what->nheaders);
	if (r < 0)
		return r;
	write_scope(what, scope, sizeof(scope));
	if (!aws_text_open(&text))
		return -ENOMEM;
	(void)fprintf(text.stream, "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm,
		what->keys->access_key, scope, names, signature);
	*ret = aws_text_close(&text, NULL);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* The caller's parameters and those of the signature into PAIRS. */
static size_t presign_pairs(const struct aws_sigv4 *what, const struct aws_pair *ours, size_t nours,
	struct aws_pair pairs[PRESIGN_PAIRS])
{
	size_t n = 0;

	for (size_t i = 0; i < what->nquery; i++)
		pairs[n++] = what->query[i];
	for (size_t i = 0; i < nours; i++)
		if (ours[i].value != NULL)
			pairs[n++] = ours[i];
	return n;
}

int aws_sigv4_query(const struct aws_sigv4 *what, unsigned ttl_sec, char **ret)
{
	char signature[AWS_SHA256_SIZE], scope[SCOPE_SIZE], date[AWS_DATE_SIZE], expires[16];
	struct aws_pair pairs[PRESIGN_PAIRS];
	char credential[CREDENTIAL_SIZE];
	_cleanup_secret_ char *query = NULL;
	_cleanup_free_ char *names = NULL;

	*ret = NULL;
	if (what->nquery > AWS_QUERY_MAX)
		return -EINVAL;
	write_scope(what, scope, sizeof(scope));
	aws_sigv4_date(what->time, date);
	(void)snprintf(expires, sizeof(expires), "%u", ttl_sec);
	int length = snprintf(credential, sizeof(credential), "%s/%s", what->keys->access_key, scope);
	if (length < 0 || (size_t)length >= sizeof(credential))
		return -EINVAL;
	struct header *headers = sorted_headers(what);
	names = headers != NULL ? signed_names(headers, what->nheaders) : NULL;
	const struct aws_pair ours[] = {
		{"X-Amz-Algorithm", algorithm},
		{"X-Amz-Credential", credential},
		{"X-Amz-Date", date},
		{"X-Amz-Expires", expires},
		{"X-Amz-SignedHeaders", names},
		{"X-Amz-Security-Token", what->keys->token},
	};
	int r = names != NULL ? 0 : -ENOMEM;
	size_t n = presign_pairs(what, ours, ARRAY_SIZE(ours), pairs);
	if (r == 0)
		r = aws_sigv4_canonical_query(pairs, n, &query);
	if (r == 0)
		r = sign(what, headers, query, signature);
	free_headers(headers, what->nheaders);
	if (r < 0)
		return r;
	/* In its place, as AWS's own clients have it. */
	pairs[n++] = (struct aws_pair){"X-Amz-Signature", signature};
	return aws_sigv4_canonical_query(pairs, n, ret);
}
