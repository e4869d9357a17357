/* events.h: a job as server-sent events (WHATWG HTML, 9.2), from wherever it can be seen: its attempt that runs in this
 * process (live.h), the process that runs it (relay.h), or what is stored of it.
 *
 *   event: status                      {"executionId", "status", "attempt"}, at the begin and whenever it changes
 *   event: stdout, stderr or output    {"step", "offset", "text" or "base64"}: a chunk, and where in its stream it begins;
 *                                      `output` is both streams, not told apart: the compiler's, or the stored output
 *   event: result                      the job as GET /status shows it; the last event
 *
 * A chunk's id says where the next one begins: "ATTEMPT-STEP-OFFSET". The result's is "end". In between, a comment at least
 * every EVENTS_BEAT_SEC. */
#pragma once

#include "service/events_id.h"
#include "service/http.h"
#include "service/service.h"

struct events_options {
	struct service *service; /* borrowed */
	const char *id;		 /* of a job, as job_id_ok likes it */
	struct waiter *waiter;	 /* the request's: it follows the job */
	struct live_position from;
	/* Only what the attempt that is under way here prints, for another process that fetches it; the stream ends with
	 * the attempt. */
	bool is_live_only;
};

/* -EBUSY: too many follow jobs already. */
int events_open(const struct events_options *options, struct http_stream *ret, struct sandbox_error *err);
