#include "sandbox/verify/trial.h"

#include "sandbox/base/fd.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { REST_SEC = 10, REST_TURN_MSEC = 20, TAIL = 600 };

const char *trial_status_name(enum trial_status status)
{
	static const char *const names[] = {
		[TRIAL_OK] = "ok", [TRIAL_FAILED] = "FAILED", [TRIAL_SKIPPED] = "skipped"};

	return names[status];
}

/* --- notes ----------------------------------------------------------------------------------------------------- */

/* A job's bytes are shown, not obeyed. */
static void escape(char *text)
{
	for (; *text != '\0'; text++)
		if (!isprint((unsigned char)*text))
			*text = *text == '\n' ? ' ' : '?';
}

void trial_see(struct trial *trial, const char *fmt, ...)
{
	size_t used = strlen(trial->seen);
	va_list ap;

	if (used > 0 && used + 3 < sizeof(trial->seen))
		used += (size_t)snprintf(trial->seen + used, sizeof(trial->seen) - used, "; ");
	va_start(ap, fmt);
	(void)vsnprintf(trial->seen + used, sizeof(trial->seen) - used, fmt, ap);
	va_end(ap);
	escape(trial->seen);
}

__attribute__((format(printf, 3, 0))) static void note(
	struct trial *trial, enum trial_status status, const char *fmt, va_list ap)
{
	if (trial->status == TRIAL_FAILED)
		return;
	trial->status = status;
	(void)vsnprintf(trial->why, sizeof(trial->why), fmt, ap);
	escape(trial->why);
}

void trial_fail(struct trial *trial, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(trial, TRIAL_FAILED, fmt, ap);
	va_end(ap);
}

void trial_skip(struct trial *trial, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(trial, TRIAL_SKIPPED, fmt, ap);
	va_end(ap);
}

/* --- judging --------------------------------------------------------------------------------------------------- */

/* The last bytes of what was written, where the reason mostly is. */
static const char *tail(const char *text)
{
	size_t size = strlen(text);

	return size > TAIL ? text + size - TAIL : text;
}

/* The whole line that begins at AT. */
static int line_length(const char *at)
{
	return (int)strcspn(at, "\n");
}

bool trial_is_void(struct trial *trial, const struct attempt *attempt)
{
	char summary[ATTEMPT_SUMMARY];

	if (attempt == NULL) {
		trial_fail(trial, "no memory");
		return true;
	}
	if (attempt->has_result)
		return false;
	attempt_summary(attempt, summary, sizeof(summary));
	if (attempt->error.errno_value == ERANGE)
		trial_skip(trial, "the policy's maximum is too low for it: %s", attempt->error.message);
	else
		trial_fail(trial, "%s", summary);
	return true;
}

bool trial_wrote(struct trial *trial, const struct attempt *attempt, const char *const *texts)
{
	const char *breach = strstr(attempt->out.text, "BREACH");

	if (breach != NULL) {
		trial_fail(trial, "%.*s", line_length(breach), breach);
		return false;
	}
	for (size_t i = 0; texts[i] != NULL; i++) {
		const char *at = strstr(attempt->out.text, texts[i]);
		if (at == NULL) {
			trial_fail(trial, "no \"%s\" in: %s %s", texts[i], tail(attempt->out.text),
				tail(attempt->err.text));
			return false;
		}
		trial_see(trial, "%.*s", line_length(at), at);
	}
	return true;
}

bool trial_exited(struct trial *trial, const struct attempt *attempt, int code)
{
	const struct sandbox_result *result = &attempt->result;
	const char *breach = strstr(attempt->out.text, "BREACH");
	char summary[ATTEMPT_SUMMARY];

	if (result->cause == SANDBOX_EXITED && result->exit_code == code)
		return true;
	attempt_summary(attempt, summary, sizeof(summary));
	if (breach != NULL)
		trial_fail(trial, "%s; %.*s", summary, line_length(breach), breach);
	else
		trial_fail(trial, "%s; %s %s", summary, tail(attempt->out.text), tail(attempt->err.text));
	return false;
}

/* The counters behind the verdict. */
static void judge_counters(struct trial *trial, const struct sandbox_result *result)
{
	if (result->cause == SANDBOX_MEMORY_LIMIT && result->oom_kills == 0)
		trial_fail(trial, "memory_limit without an OOM kill");
	if (result->cause == SANDBOX_PROCESS_LIMIT && result->forks_refused == 0)
		trial_fail(trial, "process_limit without a refused fork");
	if ((result->cause == SANDBOX_CPU_LIMIT || result->cause == SANDBOX_WALL_LIMIT ||
		    result->cause == SANDBOX_OUTPUT_LIMIT) &&
		result->oom_kills > 0)
		trial_fail(trial, "an OOM kill beside another limit");
	if (result->cause != SANDBOX_EXITED && result->exit_code != -1)
		trial_fail(trial, "an exit code beside another cause");
}

void trial_judge(struct trial *trial, const struct attempt *attempt)
{
	const struct corpus_row *row = trial->row;
	const struct sandbox_result *result = &attempt->result;
	const char *texts[CORPUS_EVIDENCE + 1] = {NULL};
	char summary[ATTEMPT_SUMMARY];

	attempt_summary(attempt, summary, sizeof(summary));
	trial_see(trial, "%s", summary);
	if (row->cause == SANDBOX_EXITED && !trial_exited(trial, attempt, 0))
		return;
	if (result->cause != row->cause) {
		trial_fail(trial, "%s; %s %s", summary, tail(attempt->out.text), tail(attempt->err.text));
		return;
	}
	if (row->cause == SANDBOX_FORBIDDEN_SYSCALL) {
		if (strcmp(result->syscall_name, row->evidence[0]) != 0)
			trial_fail(trial, "%s", summary);
	} else {
		memcpy(texts, row->evidence, sizeof(row->evidence));
	}
	if (!trial_wrote(trial, attempt, texts))
		return;
	judge_counters(trial, result);
	const char *wrong = row->also != NULL ? row->also(trial->site, attempt) : NULL;
	if (wrong != NULL)
		trial_fail(trial, "%s", wrong);
}

/* Without 32-bit system calls the instruction is a fault, and what the filter would say cannot be seen. */
static void judge_fault(struct trial *trial, const struct attempt *attempt)
{
	if (attempt->result.cause != SANDBOX_SIGNALED || attempt->result.signal != SIGSEGV)
		trial_fail(trial, "no fault, but no 32-bit system calls either");
	trial_skip(trial, "this kernel or processor has no 32-bit system calls");
}

void trial_program(struct trial *trial)
{
	const struct corpus_row *row = trial->row;
	struct attempt *attempt =
		attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
						  .command = row->command,
						  .limits = row->limits,
						  .has_policy_limits = row->needs & CORPUS_POLICY_LIMITS});

	if (!trial_is_void(trial, attempt)) {
		if ((row->needs & CORPUS_I386) != 0 && !bench_has_i386())
			judge_fault(trial, attempt);
		else
			trial_judge(trial, attempt);
	}
	(void)attempt_free(attempt);
}

/* --- the host -------------------------------------------------------------------------------------------------- */

static time_t now_sec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Cells are taken down in the background: the host is compared once it has come to rest, or has had its time. */
static void compare_host(struct trial *trial, const struct witness *before)
{
	bool has_content = trial->row->needs & CORPUS_CONTENT;
	unsigned patience = trial->bench->rest_sec != 0 ? trial->bench->rest_sec : REST_SEC;
	time_t end = now_sec() + patience;
	struct witness now;
	char text[TRIAL_TEXT / 2];

	for (;;) {
		bench_look(trial->bench, &now);
		now.facts[WITNESS_IMAGE] = before->facts[WITNESS_IMAGE];
		if (witness_equal(&now, before) || now_sec() > end || trial->bench->is_broken)
			break;
		bench_turn(trial->bench, REST_TURN_MSEC);
	}
	now.facts[WITNESS_IMAGE] = bench_image_sum(trial->bench, trial->site, has_content);
	if (!has_content)
		trial->bench->image_sums[trial->site - trial->bench->sites] = now.facts[WITNESS_IMAGE];
	witness_difference(&now, before, text, sizeof(text));
	if (text[0] != '\0')
		trial_fail(trial, "the host has changed: %s", text);
}

/* The image's sum as it was after the last trial there: looking at a large one takes its time. */
static int64_t known_image(struct bench *bench, const struct site *site, bool has_content)
{
	int64_t *known = &bench->image_sums[site - bench->sites];

	if (has_content)
		return bench_image_sum(bench, site, true);
	if (*known == 0)
		*known = bench_image_sum(bench, site, false);
	return *known;
}

void trial_perform(
	struct bench *bench, const struct corpus_row *row, const struct site *site, struct trial *ret)
{
	struct witness before;
	char image[4200];

	*ret = (struct trial){.bench = bench, .row = row, .site = site};
	bench_image_path(bench, site->body->image, image, sizeof(image));
	if (access(image, R_OK | X_OK) < 0) {
		trial_skip(ret, "the image '%s' is not built", site->body->image);
		return;
	}
	bench_look(bench, &before);
	before.facts[WITNESS_IMAGE] = known_image(bench, site, row->needs & CORPUS_CONTENT);
	if (row->perform != NULL)
		row->perform(ret);
	else
		trial_program(ret);
	if (bench->is_caught)
		return;
	compare_host(ret, &before);
	if (bench->is_broken)
		trial_fail(ret, "the engine is broken: %s: %s", bench->error.stage, bench->error.message);
}
