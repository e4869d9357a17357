/* events_id.h: what both ends of a stream of events (events.h) know: its path, and the ids by which it goes on. */
#pragma once

#include "service/live.h"

enum {
	EVENTS_BEAT_SEC = 15, /* it is never silent for longer */
	EVENTS_ID_SIZE = 48,
};

/* The job in "/jobs/ID/events"; NULL: PATH is none such. */
const char *events_path_id(const char *path, char id[JOB_ID_SIZE]);

/* The position in a chunk's id. False: TEXT is none. */
bool events_id_parse(const char *text, struct live_position *ret);
/* The same as text. */
void events_id_text(const struct live_position *position, char text[EVENTS_ID_SIZE]);
