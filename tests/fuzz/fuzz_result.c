/* fuzz_result.c: stored results. What is read back says the same when it is written again. */
#include "sandbox/base/fd.h"
#include "sandbox/report/report.h"
#include "tests/fuzz/fuzz.h"

static char *written(const struct sandbox_result *result)
{
	json_t *json = report_result(result);
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	FUZZ_REQUIRE(text != NULL);
	json_decref(json);
	return text;
}

static int read_back(const char *text, size_t size, struct sandbox_result *ret)
{
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	int r = json ? report_result_parse(json, ret) : -EINVAL;

	json_decref(json);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox_result result, again;
	char line[200];

	int r = read_back((const char *)data, size, &result);
	FUZZ_REQUIRE(r == 0 || r == -EINVAL);
	if (r < 0)
		return 0;
	FUZZ_REQUIRE(result.cause < SANDBOX_CAUSE_N);
	FUZZ_REQUIRE(memchr(result.syscall_name, '\0', sizeof(result.syscall_name)) != NULL);
	FUZZ_REQUIRE(report_verdict_name(report_verdict(NULL, &result)) != NULL);
	report_explain(&result, NULL, line, sizeof(line));
	FUZZ_REQUIRE(line[0] != '\0');
	_cleanup_free_ char *once = written(&result);
	FUZZ_REQUIRE(read_back(once, strlen(once), &again) == 0);
	_cleanup_free_ char *twice = written(&again);
	FUZZ_REQUIRE(strcmp(once, twice) == 0);
	return 0;
}
