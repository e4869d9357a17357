#include "sandbox/verify/sources.h"

#include "sandbox/base/fd.h"
#include "sandbox/verify/trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* TEXT with the canary's path in the place of its "{canary}". A descriptor or -errno. */
static int open_text(const struct bench *bench, const char *text)
{
	static const char mark[] = "{canary}";
	const char *at = strstr(text, mark);
	_cleanup_free_ char *full = NULL;

	if (at == NULL)
		return fd_memfd("source", text, strlen(text));
	if (asprintf(&full, "%.*s%s%s", (int)(at - text), text, bench->canary, at + strlen(mark)) < 0)
		return -ENOMEM;
	return fd_memfd("source", full, strlen(full));
}

static int open_file(const struct bench *bench, const struct source_file *file)
{
	char path[4200];

	if (file->program == NULL)
		return open_text(bench, file->text);
	(void)snprintf(path, sizeof(path), "%s/%s", bench->options.probes_dir, file->program);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool upload_open(struct trial *trial, const struct source_file *files, struct upload *ret)
{
	for (size_t i = 0; i < SOURCE_FILES && files[i].name != NULL; i++) {
		int fd = open_file(trial->bench, &files[i]);
		if (fd < 0) {
			trial_fail(trial, "%s: cannot be opened", files[i].name);
			return false;
		}
		ret->files[ret->n++] = (struct sandbox_file){files[i].name, fd, files[i].is_executable};
	}
	return true;
}

void upload_close(struct upload *upload)
{
	for (size_t i = 0; i < upload->n; i++)
		(void)fd_close(upload->files[i].fd);
}

/* --- judging --------------------------------------------------------------------------------------------------- */

static bool holds(const char *text, size_t size, const char *words)
{
	return memmem(text, size, words, strlen(words)) != NULL;
}

static bool product_holds(int product, const char *words)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (lseek(product, 0, SEEK_SET) < 0 || fd_read_all(product, SOURCE_PRODUCT_BYTES, &text, &size) < 0)
		return false;
	return holds(text, size, words);
}

static void expect_no_secret(struct trial *trial, const struct attempt *attempt, int product)
{
	if (strstr(attempt->out.text, BENCH_SECRET) != NULL ||
		strstr(attempt->err.text, BENCH_SECRET) != NULL)
		trial_fail(trial, "the compiler tells the host's secret");
	if (product >= 0 && product_holds(product, BENCH_SECRET))
		trial_fail(trial, "the product holds the host's secret");
	const char *breach = strstr(attempt->err.text, "BREACH");
	if (breach != NULL)
		trial_fail(trial, "%.60s", breach);
}

static void judge(struct trial *trial, const struct source *source, const struct attempt *attempt)
{
	const struct sandbox_result *result = &attempt->result;
	bool has_passed = result->cause == SANDBOX_EXITED && result->exit_code == 0;
	unsigned end = has_passed ? SOURCE_PASSES : 1U << result->cause;
	bool is_collected = result->collected[0].status == SANDBOX_COLLECTED;
	char summary[ATTEMPT_SUMMARY];

	attempt_summary(attempt, summary, sizeof(summary));
	trial_see(trial, "%s", summary);
	if ((source->ends & end) == 0) {
		trial_fail(trial, "%s; %.500s", summary, attempt->err.text);
		return;
	}
	if (has_passed != is_collected)
		trial_fail(trial, "%s, and %s product", summary, is_collected ? "a" : "no");
	if (end != SOURCE_FAILS || source->message == NULL)
		return;
	const char *at = strstr(attempt->err.text, source->message);
	if (at == NULL)
		trial_fail(trial, "no \"%s\" in: %.500s", source->message, attempt->err.text);
	else
		trial_see(trial, "%.*s", (int)strcspn(at, "\n"), at);
}

/* --- performing ------------------------------------------------------------------------------------------------ */

static void run_product(struct trial *trial, const struct source *source, int product)
{
	const struct policy *policy = site_policy(trial->site, trial->row->policy);
	const struct sandbox_file file = {policy->steps[SANDBOX_RUN].input, product, true};
	struct attempt *attempt = attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
								    .policy = policy,
								    .step = SANDBOX_RUN,
								    .limits = {.wall_usec = 5000000},
								    .has_policy_limits = true,
								    .files = &file,
								    .nfiles = 1});

	if (!trial_is_void(trial, attempt) && trial_exited(trial, attempt, 0) &&
		strcmp(attempt->out.text, source->output) != 0)
		trial_fail(trial, "the product wrote \"%.200s\"", attempt->out.text);
	if (attempt != NULL)
		expect_no_secret(trial, attempt, -1);
	(void)attempt_free(attempt);
}

static void compile(
	struct trial *trial, const struct source *source, const struct upload *upload, int product)
{
	const struct policy *policy = site_policy(trial->site, trial->row->policy);
	const struct sandbox_collect collect = {
		policy->steps[SANDBOX_COMPILE].collect, product, SOURCE_PRODUCT_BYTES};
	struct attempt *attempt = attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
								    .policy = policy,
								    .step = SANDBOX_COMPILE,
								    .limits = trial->row->limits,
								    .has_policy_limits = true,
								    .files = upload->files,
								    .nfiles = upload->n,
								    .collects = &collect,
								    .ncollects = 1});

	if (!trial_is_void(trial, attempt)) {
		judge(trial, source, attempt);
		expect_no_secret(trial, attempt, product);
	}
	(void)attempt_free(attempt);
}

void source_perform(struct trial *trial)
{
	const struct source *source = trial->row->data;
	_cleanup_close_ int product = memfd_create("product", MFD_CLOEXEC);
	struct upload upload = {.n = 0};

	if (product < 0)
		trial_fail(trial, "memfd_create: %s", strerrordesc_np(errno));
	else if (upload_open(trial, source->files, &upload))
		compile(trial, source, &upload, product);
	if (source->output != NULL && trial->status == TRIAL_OK)
		run_product(trial, source, product);
	upload_close(&upload);
}

void source_expected(const struct source *source, char *buf, size_t size)
{
	const char * or = "";
	size_t used = 0;

	buf[0] = '\0';
	if ((source->ends & SOURCE_PASSES) != 0) {
		used += (size_t)snprintf(buf + used, size - used, "exited 0%s",
			source->output != NULL ? " and the right program" : "");
		or = " or ";
	}
	if ((source->ends & SOURCE_FAILS) != 0) {
		used += (size_t)snprintf(buf + used, size - used, "%sexited 1: %s", or,
			source->message != NULL ? source->message : "an error");
		or = " or ";
	}
	if ((source->ends & SOURCE_LIMIT) != 0)
		(void)snprintf(buf + used, size - used, "%sa limit", or);
}
