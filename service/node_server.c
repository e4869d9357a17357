#include "service/node_server.h"

#include "sandbox/base/log.h"
#include "service/events.h"
#include "service/node.h"

#include <string.h>

static bool is_signed(const struct node *node, const struct http_request *request, const char *id)
{
	const char *value = http_header(request, "Authorization");
	size_t length = strlen(NODE_SCHEME);

	return value != NULL && strncmp(value, NODE_SCHEME, length) == 0 &&
	       node_is_signature(node, id, value + length);
}

static void reply_status(struct http_reply *reply, unsigned status, const char *text)
{
	http_reply_text(reply, "text/plain; charset=utf-8", text);
	reply->status = status;
}

static bool refuse(const struct http_request *request, struct http_reply *reply, void *user)
{
	const struct service *service = user;
	char id[JOB_ID_SIZE];

	if (events_path_id(request->path, id) == NULL || strcmp(request->method, "GET") != 0) {
		reply_status(reply, 404, "there is nothing here\n");
		return true;
	}
	if (is_signed(service->node, request, id))
		return false;
	reply_status(reply, 401, "this is for the other nodes\n");
	http_reply_header(reply, "WWW-Authenticate", "Cofferdam-HMAC-SHA256");
	log_event(LOG_LEVEL_WARN, "node.refused", "s:id", id, NULL);
	return true;
}

static void answer(const struct http_request *request, struct http_reply *reply, void *user)
{
	struct service *service = user;
	const char *last_id = http_header(request, "Last-Event-ID");
	struct sandbox_error err = {0};
	char id[JOB_ID_SIZE];

	(void)events_path_id(request->path, id);
	struct live_job *job = live_watch(service->live, id);
	if (job == NULL) {
		reply_status(reply, 404, "the job does not run here\n");
		return;
	}
	live_unwatch(job);
	struct events_options options = {
		.service = service, .id = id, .waiter = request->waiter, .is_live_only = true};
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

int node_server_open(struct service *service, struct http_server **ret, struct sandbox_error *err)
{
	const struct service_config *config = &service->config;
	const struct http_options options = {
		.address = config->node_listen,
		.port = (uint16_t)config->node_port,
		.timeout_sec = (unsigned)config->request_timeout_sec,
		.handler = {.refuse = refuse, .answer = answer, .sent = sent, .user = service},
		.waiters = service->waiters,
		.threads = 1,
	};
	char url[NODE_URL_SIZE];

	int r = http_server_open(&options, ret, err);
	if (r == 0 && config->node_url == NULL) {
		http_url(config->node_listen, http_server_port(*ret), url, sizeof(url));
		node_set_url(service->node, url);
	}
	return r;
}
