/* TLS: a server with a certificate of its own making is believed where AWS_CA_BUNDLE says so, and nowhere else. */
#include "sandbox/base/fd.h"
#include "service/aws/transport.h"
#include "tests/lib/program.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <string.h>

static char key_path[512], certificate_path[512], url[64];
static struct MHD_Daemon *server;
static unsigned nrequests;

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *data, size_t *size, void **request)
{
	(void)user, (void)path, (void)method, (void)version, (void)data, (void)size, (void)request;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(2, (char[]){"{}"}, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r = MHD_queue_response(connection, 200, response);

	MHD_destroy_response(response);
	nrequests++;
	return r;
}

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	return text;
}

static bool start(const char *dir)
{
	(void)snprintf(key_path, sizeof(key_path), "%s/key", dir);
	(void)snprintf(certificate_path, sizeof(certificate_path), "%s/certificate", dir);
	struct program openssl = program_run("/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key_path, "-out", certificate_path,
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2");
	bool is_made = openssl.status == 0;
	program_free(&openssl);
	if (!is_made || MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return false;
	_cleanup_free_ char *key = read_file(key_path);
	_cleanup_free_ char *certificate = read_file(certificate_path);
	server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer, NULL,
		MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_END);
	ck_assert_ptr_nonnull(server);
	(void)snprintf(url, sizeof(url), "https://localhost:%u/",
		MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
	return true;
}

static int ask(const char *ca_bundle, const char *where)
{
	const struct aws_transport_options options = {ca_bundle, true, 5000};
	const struct aws_attempt attempt = {
		.method = "GET", .url = where, .body_fd = -1, .reply_fd = -1, .msec = 10000};
	struct aws_transport *transport = NULL;
	struct aws_answer got = {0};

	ck_assert_int_eq(aws_transport_open(&options, &transport, NULL), 0);
	int r = aws_transport_attempt(transport, &attempt, &got, NULL);
	if (r == 0)
		free(got.body);
	transport = aws_transport_close(transport);
	return r;
}

START_TEST(a_certificate_is_believed_only_from_the_bundle)
{
	char dir[] = "/tmp/cofferdam-test-tls-XXXXXX", elsewhere[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	bool can = start(dir);
	if (can) {
		ck_assert_int_eq(ask(NULL, url), -EPROTO);
		ck_assert_uint_eq(nrequests, 0);
		ck_assert_int_eq(ask(certificate_path, url), 0);
		ck_assert_uint_eq(nrequests, 1);
		/* The same server by a name that its certificate has not. */
		(void)snprintf(elsewhere, sizeof(elsewhere), "https://127.0.0.1%s", strrchr(url, ':'));
		ck_assert_int_eq(ask(certificate_path, elsewhere), -EPROTO);
		ck_assert_uint_eq(nrequests, 1);
		MHD_stop_daemon(server);
	}
	(void)unlink(key_path);
	(void)unlink(certificate_path);
	(void)rmdir(dir);
	if (!can)
		TEST_SKIP("no certificate or no TLS server can be made here");
}
END_TEST

TEST_PROGRAM("aws_transport", 60, tcase_add_test(tc, a_certificate_is_believed_only_from_the_bundle))
