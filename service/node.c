#include "service/node.h"

#include "sandbox/base/fd.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

struct node {
	char *key; /* owned */
	size_t key_size;
	char url[NODE_URL_SIZE]; /* its own; "" when it does not listen */
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

static int read_key(struct node *node, const struct service_config *config, struct sandbox_error *err)
{
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

bool node_is_signature(const struct node *node, const char *id, const char *signature)
{
	char expected[NODE_SIGNATURE_SIZE];

	return strlen(signature) == NODE_SIGNATURE_SIZE - 1 &&
	       node_sign(node, node->url, id, expected, NULL) == 0 &&
	       CRYPTO_memcmp(signature, expected, NODE_SIGNATURE_SIZE - 1) == 0;
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

int node_open(const struct service_config *config, struct node **ret, struct sandbox_error *err)
{
	if (config->node_key_file == NULL && config->node_key == NULL && config->node_listen == NULL &&
		config->node_url == NULL)
		return 0;
	int r = check_settings(config, err);
	if (r < 0)
		return r;
	struct node *node = calloc(1, sizeof(*node));
	if (node == NULL)
		return error_set(err, ENOMEM, "node.open", "no memory");
	/* For relay.h, while there is one thread; after the client of AWS, which has its own way of it. */
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	if (config->node_url != NULL)
		(void)snprintf(node->url, sizeof(node->url), "%s", config->node_url);
	r = read_key(node, config, err);
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
	OPENSSL_clear_free(node->key, node->key_size);
	free(node);
	return NULL;
}

void node_set_url(struct node *node, const char *url)
{
	(void)snprintf(node->url, sizeof(node->url), "%s", url);
}

const char *node_url(const struct node *node)
{
	return node != NULL ? node->url : "";
}

bool node_is_elsewhere(const struct node *node, const char *url)
{
	return node != NULL && *url != '\0' && strcmp(url, node->url) != 0;
}
