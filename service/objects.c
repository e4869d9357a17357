#include "service/objects.h"

#include "service/job.h"

#include <string.h>

/* BEFORE, a job's id, AFTER, and nothing else. */
static bool is_made_of(const char *name, const char *before, const char *after)
{
	char id[JOB_ID_SIZE];

	if (strlen(name) != strlen(before) + JOB_ID_SIZE - 1 + strlen(after) ||
		strncmp(name, before, strlen(before)) != 0)
		return false;
	name += strlen(before);
	(void)snprintf(id, sizeof(id), "%s", name);
	return job_id_ok(id) && strcmp(name + JOB_ID_SIZE - 1, after) == 0;
}

bool objects_name_ok(const char *name)
{
	return is_made_of(name, "outputs/", ".txt") || is_made_of(name, "sources/", ".json");
}
