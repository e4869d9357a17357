#include "service/api.h"

#include "sandbox/base/log.h"
#include "service/metrics.h"
#include "service/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct api_route api_routes[] = {
	{"GET", "/", false, api_page, "page"},
	{"POST", "/submit", false, api_submit, "submit"},
	{"GET", "/status", false, api_status, "status"},
	{"GET", "/result", false, api_result, "result"},
	{"GET", "/jobs", false, api_jobs, "jobs"},
	{"GET", "/jobs/", true, api_events, "events"},
	{"GET", "/objects/", true, api_object, "download"},
	{"GET", "/languages", false, api_languages, "languages"},
	{"GET", "/health", false, api_health, "health"},
	{"GET", "/ready", false, api_ready, "ready"},
	{"GET", "/metrics", false, api_metrics, "metrics"},
};
const size_t api_nroutes = sizeof(api_routes) / sizeof(api_routes[0]);

static bool path_matches(const struct api_route *route, const char *path)
{
	if (route->is_prefix)
		return strncmp(path, route->path, strlen(route->path)) == 0;
	return strcmp(path, route->path) == 0;
}

static bool method_matches(const struct api_route *route, const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	return strcmp(method, route->method) == 0;
}

static void add_allowed(char allow[API_ALLOW_SIZE], const char *method)
{
	size_t used = strlen(allow);

	(void)snprintf(allow + used, API_ALLOW_SIZE - used, "%s%s", used > 0 ? ", " : "",
		strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

const struct api_route *api_route_find(const char *method, const char *path, char allow[API_ALLOW_SIZE])
{
	allow[0] = '\0';
	for (size_t i = 0; i < api_nroutes; i++) {
		if (!path_matches(&api_routes[i], path))
			continue;
		if (method_matches(&api_routes[i], method))
			return &api_routes[i];
		add_allowed(allow, api_routes[i].method);
	}
	return NULL;
}

/* --- from the HTTP server ------------------------------------------------------------------------------------- */

static int refuse_route(const struct http_request *request, struct http_reply *reply, struct api_error *error)
{
	char allow[API_ALLOW_SIZE];

	if (api_route_find(request->method, request->path, allow) != NULL)
		return API_ERROR_NONE;
	if (allow[0] == '\0')
		return api_error_set(error, API_ERROR_NOT_FOUND, NULL, "there is nothing at this path");
	http_reply_header(reply, "Allow", "%s", allow);
	return api_error_set(error, API_ERROR_METHOD_NOT_ALLOWED, NULL, "this path knows %s", allow);
}

/* What the headers alone decide. */
static bool refuse(const struct http_request *request, struct http_reply *reply, void *user)
{
	struct api_error error = {0};

	(void)user;
	if (!request_host_ok(request->host))
		(void)api_error_set(&error, API_ERROR_HOST_NOT_ALLOWED, NULL,
			"this service answers only as localhost, 127.0.0.1 or [::1]");
	else if (refuse_route(request, reply, &error) == API_ERROR_NONE &&
		 strcmp(request->method, "POST") == 0 && !request_content_type_ok(request->content_type))
		(void)api_error_set(&error, API_ERROR_UNSUPPORTED_MEDIA_TYPE, NULL,
			"the body must be application/json (charset utf-8)");
	if (error.code == API_ERROR_NONE)
		return false;
	http_reply_error(reply, &error);
	return true;
}

static void answer(const struct http_request *request, struct http_reply *reply, void *user)
{
	char allow[API_ALLOW_SIZE];

	const struct api_route *route = api_route_find(request->method, request->path, allow);
	assert(route != NULL); /* refuse() saw to it */
	route->handler(user, request, reply);
}

static void sent(const struct http_request *request, const struct http_reply *reply, void *user)
{
	const struct api *api = user;
	char allow[API_ALLOW_SIZE];
	const struct api_route *route = api_route_find(request->method, request->path, allow);

	metrics_request(api->service->metrics, route ? route->name : "none", reply->status);
	if (reply->status >= 400)
		log_event(reply->status >= 500 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "request.refused",
			"s:method", request->method, "s:path", request->path, "u:status",
			(uint64_t)reply->status, "s:code", reply->error, NULL);
}

struct http_handler api_http_handler(struct api *api)
{
	return (struct http_handler){.refuse = refuse, .answer = answer, .sent = sent, .user = api};
}

/* --- what the handlers share ---------------------------------------------------------------------------------- */

void api_init(struct api *api, struct service *service)
{
	*api = (struct api){.service = service};
	(void)pthread_mutex_init(&api->supervisor.lock, NULL);
	(void)error_set(&api->supervisor.last, EAGAIN, "api.ready", "the supervisor was not asked yet");
}

void api_destroy(struct api *api)
{
	(void)pthread_mutex_destroy(&api->supervisor.lock);
}

size_t api_body_max(const struct service_config *config)
{
	const struct request_limits limits = {config->code_max_bytes, config->input_max_bytes};

	return request_body_max(&limits);
}

void api_base_url(const struct http_request *request, char base[API_BASE_SIZE])
{
	(void)snprintf(base, API_BASE_SIZE, "http://%s", request->host);
}

void api_reply_unavailable(struct http_reply *reply, const char *what, const struct sandbox_error *err)
{
	struct api_error error;

	log_event(LOG_LEVEL_ERROR, what, "e:error", err, NULL);
	(void)api_error_set(&error, API_ERROR_UNAVAILABLE, NULL, "the service cannot do this now; try again");
	http_reply_error(reply, &error);
}

bool api_read_number(const struct http_request *request, struct http_reply *reply,
	const struct api_number *number, unsigned *ret)
{
	const char *text = http_query(request, number->name);
	struct api_error error;
	char *end = NULL;

	*ret = number->standard;
	if (text == NULL)
		return true;
	unsigned long value = strtoul(text, &end, 10);
	if (strspn(text, "0123456789") == strlen(text) && end != text && value >= number->min &&
		value <= number->max) {
		*ret = (unsigned)value;
		return true;
	}
	(void)api_error_set(&error, API_ERROR_INVALID_VALUE, number->name, "%s is a number from %u to %u",
		number->name, number->min, number->max);
	http_reply_error(reply, &error);
	return false;
}
