/* api_ready.c: can this node do its work now? Each thing it needs is a row. */
#include "sandbox/door/client.h"
#include "service/api.h"

#include <string.h>

enum { PROBE_VALID_USEC = 1000 * 1000 };

static int check_store(struct api *api, struct sandbox_error *err)
{
	return api->service->store->operations->ping(api->service->store, err);
}

static int check_queue(struct api *api, struct sandbox_error *err)
{
	uint64_t depth;

	return api->service->queue->operations->depth(api->service->queue, &depth, err);
}

static int check_objects(struct api *api, struct sandbox_error *err)
{
	return api->service->objects->operations->ping(api->service->objects, err);
}

/* Asks at most once a second, however often it is asked itself: a ping is a connection at the supervisor. While one waits for
 * the answer, all others go by the last. */
static int check_supervisor(struct api *api, struct sandbox_error *err)
{
	struct api_probe *probe = &api->supervisor;

	(void)pthread_mutex_lock(&probe->lock);
	int64_t age = job_now_usec() - probe->checked_usec;
	bool is_ours = !probe->is_asked && (age < 0 || age >= PROBE_VALID_USEC);
	probe->is_asked = probe->is_asked || is_ours;
	*err = probe->last;
	(void)pthread_mutex_unlock(&probe->lock);
	if (!is_ours)
		return -err->errno_value;
	*err = (struct sandbox_error){0};
	(void)door_ping(api->service->config.socket, err);
	(void)pthread_mutex_lock(&probe->lock);
	probe->last = *err;
	probe->checked_usec = job_now_usec();
	probe->is_asked = false;
	(void)pthread_mutex_unlock(&probe->lock);
	return -err->errno_value;
}

static const struct check {
	const char *name;
	int (*check)(struct api *api, struct sandbox_error *err);
	bool is_worker_only; /* role api does without */
} checks[] = {
	{"store", check_store, false},
	{"queue", check_queue, false},
	{"objects", check_objects, false},
	{"supervisor", check_supervisor, true},
};

void api_ready(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	bool has_worker = strcmp(api->service->config.role, "api") != 0;
	json_t *found = json_object();
	bool is_ready = true;
	int r = 0;

	(void)request;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct sandbox_error err = {0};
		if (checks[i].is_worker_only && !has_worker)
			continue;
		bool is_ok = checks[i].check(api, &err) == 0;
		is_ready &= is_ok;
		r |= json_object_set_new(found, checks[i].name, json_string(is_ok ? "ok" : err.message));
	}
	if (r != 0) { /* no memory; half of the checks would say nothing */
		json_decref(found);
		found = NULL;
	}
	http_reply_json(
		reply, is_ready ? 200 : 503, json_pack("{s:b, s:o}", "ready", is_ready, "checks", found));
	if (!is_ready)
		http_reply_header(reply, "Retry-After", "1");
}
