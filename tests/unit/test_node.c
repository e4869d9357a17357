/* The key that nodes share, and the settings around it. */
#include "sandbox/base/fd.h"
#include "service/node.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define KEY "0123456789abcdef0123456789abcdef"
#define ID "00000000-0000-4000-8000-000000000001"

static char path[] = "/tmp/cofferdam-test-node-XXXXXX";

static void write_key(const char *text, mode_t mode)
{
	(void)snprintf(path, sizeof(path), "/tmp/cofferdam-test-node-XXXXXX");
	_cleanup_close_ int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
}

static struct node *open_good(const struct service_config *config)
{
	struct node *node = NULL;

	ck_assert_int_eq(node_open(config, &node, NULL), 0);
	return node;
}

static void expect_refused(const struct service_config *config, const char *words)
{
	struct sandbox_error err = {0};
	struct node *node = NULL;

	ck_assert_int_lt(node_open(config, &node, &err), 0);
	ck_assert_ptr_null(node);
	ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
}

START_TEST(without_settings_there_are_no_others)
{
	ck_assert_ptr_null(open_good(&(struct service_config){.node_port = 8090}));
	ck_assert_str_eq(node_url(NULL), "");
	ck_assert(!node_is_elsewhere(NULL, "http://10.0.0.7:8090"));
	ck_assert_ptr_null(node_close(NULL));
}
END_TEST

/* The signature is what Python's hmac module makes of it. */
START_TEST(a_signature_names_node_and_job)
{
	char signature[NODE_SIGNATURE_SIZE], other[NODE_SIGNATURE_SIZE];

	write_key(KEY " \r\n", 0640);
	struct node *node = open_good(&(struct service_config){.node_key_file = path});
	ck_assert_int_eq(node_sign(node, "http://10.0.0.7:8090", ID, signature, NULL), 0);
	ck_assert_str_eq(signature, "3c23c41f242f4aadf39dc8b433074cc4709187e03bf479886c75cc3306bc4440");
	ck_assert_int_eq(node_sign(node, "http://10.0.0.8:8090", ID, other, NULL), 0);
	ck_assert_str_ne(signature, other);
	ck_assert(!node_is_signature(node, ID, signature)); /* it is nowhere */
	node_set_url(node, "http://10.0.0.7:8090");
	ck_assert(node_is_signature(node, ID, signature));
	ck_assert(!node_is_signature(node, ID, other));
	ck_assert(!node_is_signature(node, ID, ""));
	node_set_url(node, "");
	ck_assert(node_is_elsewhere(node, "http://10.0.0.7:8090"));
	ck_assert(!node_is_elsewhere(node, ""));
	ck_assert_ptr_null(node_close(node));
	node = open_good(&(struct service_config){.node_key = KEY});
	ck_assert_int_eq(node_sign(node, "http://10.0.0.7:8090", ID, other, NULL), 0);
	ck_assert_str_eq(signature, other);
	ck_assert_ptr_null(node_close(node));
	(void)unlink(path);
}
END_TEST

START_TEST(settings_that_make_no_sense_are_refused)
{
	expect_refused(&(struct service_config){.node_listen = "127.0.0.1"}, "NODE_KEY");
	expect_refused(&(struct service_config){.node_key = KEY, .node_key_file = path}, "one too many");
	expect_refused(&(struct service_config){.node_key = KEY, .node_url = "http://a:1"}, "NODE_LISTEN");
	expect_refused(&(struct service_config){.node_key = KEY, .node_listen = "0.0.0.0"}, "NODE_URL");
	expect_refused(&(struct service_config){.node_key = KEY, .node_listen = "::"}, "NODE_URL");
	expect_refused(
		&(struct service_config){
			.node_key = KEY, .node_listen = "127.0.0.1", .node_url = "https://a"},
		"http://");
	expect_refused(&(struct service_config){.node_key = "0123456789abcdef0123456789abcde"}, "32 bytes");
	expect_refused(&(struct service_config){.node_key_file = "/nonexistent/key"}, "/nonexistent/key");
	write_key(KEY, 0644);
	expect_refused(&(struct service_config){.node_key_file = path}, "open to everybody");
	(void)unlink(path);
	write_key("short\n", 0600);
	expect_refused(&(struct service_config){.node_key_file = path}, "32 bytes");
	(void)unlink(path);
}
END_TEST

TEST_PROGRAM("node", 10, tcase_add_test(tc, without_settings_there_are_no_others);
	     tcase_add_test(tc, a_signature_names_node_and_job);
	     tcase_add_test(tc, settings_that_make_no_sense_are_refused))
