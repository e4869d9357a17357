/* AWS's own vectors of Signature Version 4, each signed in its headers and as a query. tests/aws/vectors brings them. */
#include "sandbox/base/fd.h"
#include "service/aws/sigv4.h"
#include "tests/lib/program.h"
#include "tests/lib/test.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

enum {
	AUG_30_2015 = 1440938160, /* the one timestamp of the suite */
	TTL_SEC = 3600,
	FILE_MAX = 1 << 20,
	PAIRS_MAX = AWS_HEADERS_MAX,
	VECTORS = 38,
};

static const char dir[] = "build/aws";

struct vector {
	char *request, *context; /* owned */
	json_t *json;		 /* owned */
	struct aws_sigv4 what;
	struct aws_keys keys;
	struct aws_pair headers[PAIRS_MAX], query[PAIRS_MAX];
	char date[AWS_DATE_SIZE], hash[AWS_SHA256_SIZE];
	bool is_body_signed;
};

static char *read_file(const char *vector, const char *name)
{
	char path[512], *text = NULL;
	size_t size;

	(void)snprintf(path, sizeof(path), "%s/v4/%s/%s", dir, vector, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		ck_assert_int_eq(fd_read_all(fd, FILE_MAX, &text, &size), 0);
	return text;
}

static void decode(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		char digits[3] = {
			at[0] == '%' ? at[1] : '\0', at[0] == '%' && at[1] != '\0' ? at[2] : '\0', '\0'};
		if (isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1])) {
			*to++ = (char)strtoul(digits, NULL, 16);
			at += 2;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
}

static void read_query(struct vector *vector, char *text)
{
	char *parameter;

	while ((parameter = strsep(&text, "&")) != NULL) {
		if (*parameter == '\0')
			continue;
		char *name = strsep(&parameter, "=");
		decode(name);
		if (parameter != NULL)
			decode(parameter);
		ck_assert_uint_lt(vector->what.nquery, PAIRS_MAX);
		vector->query[vector->what.nquery++] = (struct aws_pair){name, parameter};
	}
}

/* "GET /path?query HTTP/1.1"; both may hold blanks. */
static void read_line(struct vector *vector, char *line)
{
	char *end = strstr(line, " HTTP/1.1");

	ck_assert_ptr_nonnull(end);
	*end = '\0';
	vector->what.method = strsep(&line, " ");
	vector->what.path = strsep(&line, "?");
	if (line != NULL)
		read_query(vector, line);
}

static void add_header(struct vector *vector, const char *name, const char *value)
{
	ck_assert_uint_lt(vector->what.nheaders, PAIRS_MAX);
	vector->headers[vector->what.nheaders++] = (struct aws_pair){name, value};
}

/* A line that begins with a blank goes on with the value before it. */
static void read_headers(struct vector *vector, char *text)
{
	for (char *at = strchr(text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
		if (at[1] == ' ')
			*at = '\t';
	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		char *name = strsep(&line, ":");
		if (line != NULL)
			add_header(vector, name, line);
	}
}

/* The suite's paths are those of request lines. Where one holds what a request line must not, the suite encodes it once, as
 * we do with S3's. */
static bool is_encoded_once(const struct vector *vector)
{
	bool is_odd = !json_is_true(json_object_get(vector->json, "normalize"));

	for (const char *at = vector->what.path; *at != '\0'; at++)
		is_odd |= !isalnum((unsigned char)*at) && strchr("-._~/", *at) == NULL;
	return is_odd;
}

static void read_context(struct vector *vector)
{
	const json_t *keys = json_object_get(vector->json, "credentials");

	ck_assert_str_eq(
		json_string_value(json_object_get(vector->json, "timestamp")), "2015-08-30T12:36:00Z");
	ck_assert_int_eq(json_integer_value(json_object_get(vector->json, "expiration_in_seconds")), TTL_SEC);
	vector->keys = (struct aws_keys){
		.access_key = json_string_value(json_object_get(keys, "access_key_id")),
		.secret = json_string_value(json_object_get(keys, "secret_access_key")),
		.token = json_string_value(json_object_get(keys, "token")),
	};
	/* Then it is added after the signature is made. */
	if (json_is_true(json_object_get(vector->json, "omit_session_token")))
		vector->keys.token = NULL;
	vector->is_body_signed = json_is_true(json_object_get(vector->json, "sign_body"));
	vector->what.region = json_string_value(json_object_get(vector->json, "region"));
	vector->what.service = json_string_value(json_object_get(vector->json, "service"));
	vector->what.time = AUG_30_2015;
	vector->what.is_s3 = is_encoded_once(vector);
}

static void open_vector(struct vector *vector, const char *name)
{
	*vector = (struct vector){
		.request = read_file(name, "request.txt"), .context = read_file(name, "context.json")};
	ck_assert(vector->request != NULL && vector->context != NULL);
	vector->json = json_loads(vector->context, 0, NULL);
	ck_assert_ptr_nonnull(vector->json);
	char *body = strstr(vector->request, "\n\n"), *headers = strchr(vector->request, '\n');
	if (body != NULL)
		*body = '\0';
	body = body != NULL ? body + 2 : vector->request + strlen(vector->request);
	ck_assert_int_eq(aws_sha256(body, strlen(body), vector->hash), 0);
	*headers = '\0';
	read_line(vector, vector->request);
	read_headers(vector, headers + 1);
	read_context(vector);
	vector->what.headers = vector->headers;
	vector->what.query = vector->query;
	vector->what.payload_hash = vector->hash;
	vector->what.keys = &vector->keys;
}

static void close_vector(struct vector *vector)
{
	json_decref(vector->json);
	free(vector->request);
	free(vector->context);
}

static char *sign_headers(struct vector *vector)
{
	char *authorization = NULL;

	aws_sigv4_date(AUG_30_2015, vector->date);
	add_header(vector, "X-Amz-Date", vector->date);
	if (vector->keys.token != NULL)
		add_header(vector, "X-Amz-Security-Token", vector->keys.token);
	if (vector->is_body_signed)
		add_header(vector, "x-amz-content-sha256", vector->hash);
	ck_assert_int_eq(aws_sigv4_authorization(&vector->what, &authorization), 0);
	return authorization;
}

static char *sign_query(struct vector *vector)
{
	char *query = NULL;

	ck_assert_int_eq(aws_sigv4_query(&vector->what, TTL_SEC, &query), 0);
	return query;
}

/* How many of the suite's signatures are ours; FILE holds what is expected, and is missing where there is nothing. */
static unsigned compare(const char *file, char *(*sign)(struct vector *vector))
{
	char path[64];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "%s/v4", dir);
	DIR *vectors = opendir(path);
	ck_assert_ptr_nonnull(vectors);
	for (const struct dirent *entry; (entry = readdir(vectors)) != NULL;) {
		_cleanup_free_ char *expected =
			entry->d_name[0] != '.' ? read_file(entry->d_name, file) : NULL;
		struct vector vector;
		if (expected == NULL)
			continue;
		open_vector(&vector, entry->d_name);
		_cleanup_free_ char *text = sign(&vector);
		char *signature = strstr(text, "Signature=");
		ck_assert_ptr_nonnull(signature);
		signature[strcspn(signature, "&")] = '\0';
		expected[strcspn(expected, "\n")] = '\0';
		ck_assert_msg(strcmp(signature + strlen("Signature="), expected) == 0, "%s, %s: %s",
			entry->d_name, file, text);
		close_vector(&vector);
		n++;
	}
	(void)closedir(vectors);
	return n;
}

static bool has_vectors(const char *test)
{
	struct program program = program_run("tests/aws/vectors", dir);
	bool is_skipped = program.status == 77;

	if (is_skipped)
		test_skip(test, program.err);
	else
		expect_status(program, 0);
	program_free(&program);
	return !is_skipped;
}

START_TEST(headers_are_signed_as_in_all_of_awss_vectors)
{
	if (has_vectors(__func__))
		ck_assert_uint_ge(compare("header-signature.txt", sign_headers), VECTORS);
}
END_TEST

START_TEST(queries_are_signed_as_in_all_of_awss_vectors)
{
	if (has_vectors(__func__))
		ck_assert_uint_ge(compare("query-signature.txt", sign_query), VECTORS);
}
END_TEST

TEST_PROGRAM("sigv4", 300, tcase_add_test(tc, headers_are_signed_as_in_all_of_awss_vectors);
	     tcase_add_test(tc, queries_are_signed_as_in_all_of_awss_vectors))
