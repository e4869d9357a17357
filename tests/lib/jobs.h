/* jobs.h: what a client of the service does, for tests: submit, watch, fetch. Everything but the awaited answer fails
 * the running test. */
#pragma once

#include "service/job.h"
#include "tests/lib/service.h"

#include <jansson.h>

/* What to submit; INPUT NULL: none; USER NULL: any. */
struct jobs_submission {
	const char *language, *code, *input, *user;
};

void jobs_submit(
	const struct test_service *service, const struct jobs_submission *submission, char id[JOB_ID_SIZE]);
/* GET URL's path and query ("/status?id=…", or a whole URL): its JSON, which must come with STATUS. Owned. */
json_t *jobs_get(const struct test_service *service, const char *path, long status);
/* The job as /status shows it. Owned. */
json_t *jobs_status(const struct test_service *service, const char *id);
/* Asks until its status is (or, with IS_NOT, is no longer) STATUS, at most JOBS_PATIENCE_SEC. Owned. */
json_t *jobs_wait(const struct test_service *service, const char *id, const char *status, bool is_not);
/* Asks until it is finished. Owned. */
json_t *jobs_finish(const struct test_service *service, const char *id);
/* The output of a finished job, through the link of /result; owned, NUL-terminated. */
char *jobs_output(const struct test_service *service, const char *id, size_t *ret_size);

/* The string at KEY; NULL for null. Borrowed. */
const char *jobs_text(const json_t *job, const char *key);

enum { JOBS_PATIENCE_SEC = 100 };
