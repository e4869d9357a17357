#include "service/events_id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *events_path_id(const char *path, char id[JOB_ID_SIZE])
{
	static const char before[] = "/jobs/", after[] = "/events";

	if (strncmp(path, before, sizeof(before) - 1) != 0)
		return NULL;
	path += sizeof(before) - 1;
	(void)snprintf(id, JOB_ID_SIZE, "%s", path);
	if (!job_id_ok(id) || strcmp(path + JOB_ID_SIZE - 1, after) != 0)
		return NULL;
	return id;
}

/* Decimal digits, up to END. */
static bool take_number(const char **at, char end, uint64_t *ret)
{
	char *rest;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &rest, 10);
	if (errno != 0 || *rest != end)
		return false;
	*at = rest + (end != '\0');
	return true;
}

bool events_id_parse(const char *text, struct live_position *ret)
{
	uint64_t attempt, step, offset;

	if (!take_number(&text, '-', &attempt) || !take_number(&text, '-', &step) ||
		!take_number(&text, '\0', &offset) || attempt > UINT32_MAX || step >= SANDBOX_STEP_N)
		return false;
	*ret = (struct live_position){(uint32_t)attempt, (enum sandbox_step)step, offset};
	return true;
}

void events_id_text(const struct live_position *position, char text[EVENTS_ID_SIZE])
{
	(void)snprintf(text, EVENTS_ID_SIZE, "%" PRIu32 "-%u-%" PRIu64, position->attempt,
		(unsigned)position->step, position->offset);
}
