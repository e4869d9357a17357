/* EMF_FILE: what the service did is there for CloudWatch, also what it did right before its end. */
#include "sandbox/base/fd.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <string.h>

START_TEST(a_job_is_counted_in_the_file_that_was_asked_for)
{
	struct test_service service;
	struct supervisor supervisor;
	char path[128], option[160], id[JOB_ID_SIZE];
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	(void)snprintf(path, sizeof(path), "%s/emf", service.dir);
	(void)snprintf(option, sizeof(option), "--emf-file=%s", path);
	service_start(&service, &supervisor, (const char *const[]){option, NULL});
	jobs_submit(&service, &(struct jobs_submission){.language = "cpp", .code = "int main() {}"}, id);
	json_decref(jobs_finish(&service, id));
	service_stop(&service);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"Namespace\":\"Cofferdam\""));
	ck_assert_ptr_nonnull(strstr(text, "\"JobsSubmitted\":1,"));
	ck_assert_ptr_nonnull(strstr(text, "\"QueueDepth\":0}"));
	ck_assert_ptr_nonnull(
		strstr(text, "\"JobsFinished\":1,\"Language\":\"cpp\",\"Verdict\":\"accepted\"}"));
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("emf", 120, tcase_add_test(tc, a_job_is_counted_in_the_file_that_was_asked_for))
