/* api.h: the service's HTTP interface (docs/http-api.yaml): its routes as a table, one handler each. */
#pragma once

#include "service/http.h"
#include "service/service.h"

#include <pthread.h>

/* The last answer of a check that costs something. */
struct api_probe {
	pthread_mutex_t lock;
	int64_t checked_usec; /* 0: never */
	bool is_asked;	      /* by one thread, which waits for the answer */
	struct sandbox_error last;
};

struct api {
	struct service *service; /* borrowed */
	struct api_probe supervisor;
};

typedef void (*api_handler)(struct api *api, const struct http_request *request, struct http_reply *reply);

struct api_route {
	const char *method; /* "GET" answers HEAD as well */
	const char *path;
	bool is_prefix; /* whatever follows PATH belongs to it */
	api_handler handler;
	const char *name; /* the operationId of docs/http-api.yaml */
};

extern const struct api_route api_routes[];
extern const size_t api_nroutes;

enum { API_ALLOW_SIZE = 64 };

/* The route of METHOD and PATH. NULL: none; ALLOW then lists the methods that PATH knows ("GET, HEAD"), "" when there
 * is no such path. */
const struct api_route *api_route_find(const char *method, const char *path, char allow[API_ALLOW_SIZE]);

void api_init(struct api *api, struct service *service);
void api_destroy(struct api *api);
/* What the HTTP server calls; its user pointer is the struct api. */
struct http_handler api_http_handler(struct api *api);

/* The largest body that a request may have. */
size_t api_body_max(const struct service_config *config);
/* "http://HOST" as the client sees this service; BASE has room for what request_host_ok lets pass. */
enum { API_BASE_SIZE = 96 };
void api_base_url(const struct http_request *request, char base[API_BASE_SIZE]);

/* A backend's failure: ours, not the client's. What it is stands in the log as WHAT, not in the answer. */
void api_reply_unavailable(struct http_reply *reply, const char *what, const struct sandbox_error *err);
/* The number of parameter NAME, STANDARD when it is not there. False: it is none between MIN and MAX, and REPLY says so. */
struct api_number {
	const char *name;
	unsigned min, max, standard;
};
bool api_read_number(const struct http_request *request, struct http_reply *reply,
	const struct api_number *number, unsigned *ret);

/* The job of ID (any text, or NULL) into JOB, which is the caller's to free. False: REPLY says why not. */
bool api_find_job(struct api *api, const char *id, struct http_reply *reply, struct job *job);

/* The handlers. api_events.c: */
void api_events(struct api *api, const struct http_request *request, struct http_reply *reply);
/* api_list.c: */
void api_jobs(struct api *api, const struct http_request *request, struct http_reply *reply);
/* api_jobs.c: */
void api_submit(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_status(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_result(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_object(struct api *api, const struct http_request *request, struct http_reply *reply);
/* api_info.c: */
void api_page(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_health(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_languages(struct api *api, const struct http_request *request, struct http_reply *reply);
void api_metrics(struct api *api, const struct http_request *request, struct http_reply *reply);
/* api_ready.c: */
void api_ready(struct api *api, const struct http_request *request, struct http_reply *reply);
