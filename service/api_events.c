/* api_events.c: a job while it happens. */
#include "service/api.h"
#include "service/events.h"

#include <string.h>

void api_events(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	const char *last_id = http_header(request, "Last-Event-ID");
	struct sandbox_error err = {0};
	char buf[JOB_ID_SIZE];
	const char *id = events_path_id(request->path, buf);
	struct job job = {0};

	bool is_there = api_find_job(api, id, reply, &job);
	job_free(&job);
	if (!is_there)
		return;
	if (last_id != NULL && strcmp(last_id, "end") == 0) {
		reply->status = 204; /* it has everything: a browser comes back no more */
		return;
	}
	struct events_options options = {.service = api->service, .id = id, .waiter = request->waiter};
	if (last_id != NULL)
		(void)events_id_parse(last_id, &options.from);
	if (events_open(&options, &reply->stream, &err) < 0) {
		api_reply_unavailable(reply, "events.open", &err);
		return;
	}
	reply->content_type = "text/event-stream; charset=utf-8";
	http_reply_header(reply, "X-Accel-Buffering", "no"); /* nginx would hold it back */
}
