/* fuzz_text.c: a job's bytes on their way to people: the preview and the error of a job, and lines of the log. The first
 * two bytes are the limits, the rest is the text. Whatever comes in, JSON comes out. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/job.h"
#include "service/runner_text.h"
#include "tests/fuzz/fuzz.h"

#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void check_preview(const char *bytes, size_t size, bool has_more, size_t chars, size_t max)
{
	const struct runner_text_limits limits = {.chars = chars, .bytes = max};
	_cleanup_free_ char *text = runner_text(bytes, size, has_more, &limits);

	FUZZ_REQUIRE(text != NULL && strlen(text) <= max && characters(text) <= chars);
	json_t *json = json_string(text);
	FUZZ_REQUIRE(json != NULL);
	json_decref(json);
}

/* A host's message may be any bytes; the job must be shown all the same. */
static void check_job(char *text)
{
	struct job job = {
		.status = JOB_FAILED, .verdict = REPORT_INTERNAL_ERROR, .error = text, .user_id = text};
	json_t *json = job_json(&job);

	FUZZ_REQUIRE(json_is_string(json_object_get(json, "error")));
	FUZZ_REQUIRE(json_is_string(json_object_get(json, "userId")));
	json_decref(json);
}

/* The log writes to standard error, which is a file meanwhile. */
static void check_log(const char *text)
{
	static int log_fd = -1, saved_fd = -1;
	struct sandbox_error err = {.errno_value = EIO, .stage = "fuzz"};
	char line[16 * 1024];

	if (log_fd < 0) {
		log_fd = memfd_create("log", MFD_CLOEXEC);
		saved_fd = dup(STDERR_FILENO);
		__sanitizer_set_report_fd((void *)(intptr_t)saved_fd);
	}
	(void)snprintf(err.message, sizeof(err.message), "%s", text);
	FUZZ_REQUIRE(ftruncate(log_fd, 0) == 0 && lseek(log_fd, 0, SEEK_SET) == 0);
	FUZZ_REQUIRE(dup2(log_fd, STDERR_FILENO) == STDERR_FILENO);
	log_event(LOG_LEVEL_ERROR, "fuzz", "s:text", text, "e:error", &err, "s:again", text, NULL);
	FUZZ_REQUIRE(dup2(saved_fd, STDERR_FILENO) == STDERR_FILENO);
	ssize_t n = pread(log_fd, line, sizeof(line), 0);
	FUZZ_REQUIRE(n > 0 && memchr(line, '\n', (size_t)n) == line + n - 1);
	json_t *json = json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_REQUIRE(json_is_string(json_object_get(json, "text")));
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const char *bytes = (const char *)data + 2;
	_cleanup_free_ char *text = strndup(bytes, size - 2);

	check_preview(bytes, size - 2, false, data[0], data[1]);
	check_preview(bytes, size - 2, true, data[0], data[1]);
	check_preview(bytes, size - 2, false, SIZE_MAX, JOB_ERROR_BYTES);
	check_job(text);
	check_log(text);
	return 0;
}
