#include "service/node.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/events.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

struct node {
	struct service *service; /* borrowed */
	char *key;		 /* owned */
	size_t key_size;
	char url[NODE_URL_SIZE]; /* its own; "" when it does not listen */
	struct http_server *server;
};

/* --- the key ---------------------------------------------------------------------------------------------------- */

static int read_file(struct node *node, const char *path, struct sandbox_error *err)
{
	struct stat st;

	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "config", "NODE_KEY_FILE: %s", path);
	if ((st.st_mode & S_IRWXO) != 0)
		return error_set(err, EINVAL, "config", "NODE_KEY_FILE: %s is open to everybody", path);
	int r = fd_read_all(fd, NODE_KEY_MAX, &node->key, &node->key_size);
	return r < 0 ? error_set(err, -r, "config", "NODE_KEY_FILE: %s: %s", path, strerrordesc_np(-r)) : 0;
}

static int read_key(struct node *node, struct sandbox_error *err)
{
	const struct service_config *config = &node->service->config;

	if (config->node_key_file != NULL) {
		int r = read_file(node, config->node_key_file, err);
		if (r < 0)
			return r;
	} else {
		node->key = strdup(config->node_key);
		if (node->key == NULL)
			return error_set(err, ENOMEM, "node.open", "no memory");
		node->key_size = strlen(node->key);
	}
	while (node->key_size > 0 && strchr(" \t\r\n", node->key[node->key_size - 1]) != NULL)
		node->key_size--;
	if (node->key_size < NODE_KEY_MIN)
		return error_set(
			err, EINVAL, "config", "the nodes' key has less than %d bytes", NODE_KEY_MIN);
	return 0;
}

int node_sign(const struct node *node, const char *url, const char *id, char signature[NODE_SIGNATURE_SIZE],
	struct sandbox_error *err)
{
	unsigned char digest[(NODE_SIGNATURE_SIZE - 1) / 2];
	_cleanup_free_ char *text = NULL;
	size_t digest_size = 0;

	int size = asprintf(&text, "GET %s/jobs/%s/events", url, id);
	if (size < 0) {
		text = NULL;
		return error_set(err, ENOMEM, "node.sign", "no memory");
	}
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, node->key, node->key_size,
		    (const unsigned char *)text, (size_t)size, digest, sizeof(digest),
		    &digest_size) == NULL ||
		digest_size != sizeof(digest))
		return error_set(err, EIO, "node.sign", "HMAC-SHA-256 is not to be had");
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(signature + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* --- those who ask ---------------------------------------------------------------------------------------------- */

static bool is_signed(const struct node *node, const struct http_request *request, const char *id)
{
	static const char scheme[] = "Cofferdam-HMAC-SHA256 ";
	const char *value = http_header(request, "Authorization");
	char expected[NODE_SIGNATURE_SIZE];

	if (value == NULL || strncmp(value, scheme, sizeof(scheme) - 1) != 0 ||
		strlen(value + sizeof(scheme) - 1) != NODE_SIGNATURE_SIZE - 1)
		return false;
	return node_sign(node, node->url, id, expected, NULL) == 0 &&
	       CRYPTO_memcmp(value + sizeof(scheme) - 1, expected, NODE_SIGNATURE_SIZE - 1) == 0;
}

static void reply_status(struct http_reply *reply, unsigned status, const char *text)
{
	http_reply_text(reply, "text/plain; charset=utf-8", text);
	reply->status = status;
}

static bool refuse(const struct http_request *request, struct http_reply *reply, void *user)
{
	const struct node *node = user;
	char id[JOB_ID_SIZE];

	if (events_path_id(request->path, id) == NULL || strcmp(request->method, "GET") != 0) {
		reply_status(reply, 404, "there is nothing here\n");
		return true;
	}
	if (is_signed(node, request, id))
		return false;
	reply_status(reply, 401, "this is for the other nodes\n");
	http_reply_header(reply, "WWW-Authenticate", "Cofferdam-HMAC-SHA256");
	log_event(LOG_LEVEL_WARN, "node.refused", "s:id", id, NULL);
	return true;
}

static void answer(const struct http_request *request, struct http_reply *reply, void *user)
{
	const struct node *node = user;
	const char *last_id = http_header(request, "Last-Event-ID");
	struct sandbox_error err = {0};
	char id[JOB_ID_SIZE];

	(void)events_path_id(request->path, id);
	struct live_job *job = live_watch(node->service->live, id);
	if (job == NULL) {
		reply_status(reply, 404, "the job does not run here\n");
		return;
	}
	live_unwatch(job);
	struct events_options options = {
		.service = node->service, .id = id, .waiter = request->waiter, .is_live_only = true};
	if (last_id != NULL)
		(void)events_id_parse(last_id, &options.from);
	if (events_open(&options, &reply->stream, &err) < 0)
		reply_status(reply, 503, "not now\n");
	else
		reply->content_type = "text/event-stream; charset=utf-8";
}

static void sent(const struct http_request *request, const struct http_reply *reply, void *user)
{
	(void)request;
	(void)reply;
	(void)user;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static bool is_any_address(const char *text)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1)
		return four.s_addr == htonl(INADDR_ANY);
	return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

static int check_settings(const struct service_config *config, struct sandbox_error *err)
{
	if (config->node_key_file == NULL && config->node_key == NULL)
		return error_set(err, EINVAL, "config", "NODE_LISTEN needs NODE_KEY_FILE or NODE_KEY");
	if (config->node_key_file != NULL && config->node_key != NULL)
		return error_set(err, EINVAL, "config", "NODE_KEY_FILE and NODE_KEY are one too many");
	if (config->node_listen == NULL && config->node_url != NULL)
		return error_set(err, EINVAL, "config", "NODE_URL needs NODE_LISTEN");
	if (config->node_url != NULL && strncmp(config->node_url, "http://", strlen("http://")) != 0)
		return error_set(err, EINVAL, "config", "NODE_URL begins with http://");
	if (config->node_url == NULL && config->node_listen != NULL && is_any_address(config->node_listen))
		return error_set(err, EINVAL, "config",
			"NODE_LISTEN is no address that others can ask: NODE_URL says which");
	return 0;
}

static int listen_for_others(struct node *node, struct sandbox_error *err)
{
	const struct service_config *config = &node->service->config;
	const struct http_options options = {
		.address = config->node_listen,
		.port = (uint16_t)config->node_port,
		.timeout_sec = (unsigned)config->request_timeout_sec,
		.handler = {.refuse = refuse, .answer = answer, .sent = sent, .user = node},
		.waiters = node->service->waiters,
		.threads = 1,
	};

	if (config->node_url != NULL)
		(void)snprintf(node->url, sizeof(node->url), "%s", config->node_url);
	int r = http_server_open(&options, &node->server, err);
	if (r == 0 && config->node_url == NULL)
		http_url(config->node_listen, http_server_port(node->server), node->url, sizeof(node->url));
	return r;
}

int node_open(struct service *service, struct node **ret, struct sandbox_error *err)
{
	const struct service_config *config = &service->config;

	if (config->node_key_file == NULL && config->node_key == NULL && config->node_listen == NULL &&
		config->node_url == NULL)
		return 0;
	int r = check_settings(config, err);
	if (r < 0)
		return r;
	struct node *node = calloc(1, sizeof(*node));
	if (node == NULL)
		return error_set(err, ENOMEM, "node.open", "no memory");
	node->service = service;
	r = read_key(node, err);
	if (r == 0 && config->node_listen != NULL)
		r = listen_for_others(node, err);
	if (r == 0)
		*ret = node;
	else
		(void)node_close(node);
	return r;
}

struct node *node_close(struct node *node)
{
	if (node == NULL)
		return NULL;
	node->server = http_server_close(node->server);
	OPENSSL_clear_free(node->key, node->key_size);
	free(node);
	return NULL;
}

const char *node_url(const struct node *node)
{
	return node != NULL ? node->url : "";
}

bool node_is_elsewhere(const struct node *node, const char *url)
{
	return node != NULL && *url != '\0' && strcmp(url, node->url) != 0;
}
