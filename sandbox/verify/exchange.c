#include "sandbox/verify/exchange.h"

#include "sandbox/base/fd.h"
#include "sandbox/verify/trial.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const char *status_name(uint32_t status)
{
	static const char *const names[] = {[SANDBOX_COLLECTED] = "collected",
		[SANDBOX_COLLECT_MISSING] = "missing",
		[SANDBOX_COLLECT_REFUSED] = "refused",
		[SANDBOX_COLLECT_TOO_LARGE] = "too large",
		[SANDBOX_COLLECT_WRITE_ERROR] = "not writable"};

	return status < ARRAY_SIZE(names) ? names[status] : "?";
}

/* It must have been refused, or have failed, where DATA says. */
static void judge_stage(struct trial *trial, const struct exchange *exchange, const struct attempt *attempt)
{
	char summary[ATTEMPT_SUMMARY];

	attempt_summary(attempt, summary, sizeof(summary));
	trial_see(trial, "%s", summary);
	if (attempt->has_result || strcmp(attempt->error.stage, exchange->stage) != 0 ||
		attempt->error.errno_value != exchange->errno_value)
		trial_fail(trial, "%s", summary);
	if (attempt->out.total > 0)
		trial_fail(trial, "something ran: %.200s", attempt->out.text);
}

static void judge_collected(
	struct trial *trial, const struct exchange *exchange, const struct attempt *attempt, int product)
{
	const struct sandbox_collected *collected = &attempt->result.collected[0];
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (exchange->collect == NULL)
		return;
	trial_see(trial, "result file %s", status_name(collected->status));
	if (collected->status != exchange->collected) {
		trial_fail(trial, "the result file is %s", status_name(collected->status));
		return;
	}
	if (lseek(product, 0, SEEK_SET) < 0 || fd_read_all(product, SOURCE_PRODUCT_BYTES, &text, &size) < 0) {
		trial_fail(trial, "the result file cannot be read");
		return;
	}
	if (memmem(text, size, BENCH_SECRET, strlen(BENCH_SECRET)) != NULL)
		trial_fail(trial, "the result file holds the host's secret");
	if (collected->status != SANDBOX_COLLECTED && size > 0)
		trial_fail(trial, "it is not collected, but %zu bytes came", size);
	if (exchange->content != NULL && strcmp(text, exchange->content) != 0)
		trial_fail(trial, "the result file holds \"%.200s\"", text);
}

static void judge_output(struct trial *trial, const struct exchange *exchange, const struct attempt *attempt)
{
	const struct attempt_stream *out = &attempt->out;

	if (exchange->output == NULL)
		return;
	if (out->size != exchange->output_bytes || memcmp(out->text, exchange->output, out->size) != 0)
		trial_fail(trial, "%zu other bytes came: %.200s", out->size, out->text);
	else
		trial_see(trial, "%zu bytes, as they were written", out->size);
}

static void judge(struct trial *trial, const struct attempt *attempt, int product)
{
	const struct exchange *exchange = trial->row->data;

	if (exchange->stage != NULL) {
		judge_stage(trial, exchange, attempt);
		return;
	}
	if (trial_is_void(trial, attempt))
		return;
	trial_judge(trial, attempt);
	if (trial->status != TRIAL_OK)
		return;
	judge_collected(trial, exchange, attempt, product);
	judge_output(trial, exchange, attempt);
}

static void run(struct trial *trial, const struct upload *upload, int product)
{
	const struct exchange *exchange = trial->row->data;
	const struct sandbox_collect collect = {
		exchange->collect, product, exchange->collect_max > 0 ? exchange->collect_max : 1 << 20};
	struct attempt *attempt = attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
								    .command = trial->row->command,
								    .limits = trial->row->limits,
								    .files = upload->files,
								    .nfiles = upload->n,
								    .collects = &collect,
								    .ncollects = exchange->collect != NULL,
								    .input = exchange->input,
								    .input_text = exchange->input_text,
								    .input_bytes = exchange->input_bytes});

	if (attempt == NULL)
		trial_fail(trial, "no memory");
	else
		judge(trial, attempt, product);
	(void)attempt_free(attempt);
}

void exchange_perform(struct trial *trial)
{
	const struct exchange *exchange = trial->row->data;
	_cleanup_close_ int product = memfd_create("product", MFD_CLOEXEC);
	struct upload upload = {.n = 0};

	if (product < 0)
		trial_fail(trial, "memfd_create: %s", strerrordesc_np(errno));
	else if (upload_open(trial, exchange->files, &upload))
		run(trial, &upload, product);
	upload_close(&upload);
}

void exchange_self(struct trial *trial)
{
	static const struct source_file script[SOURCE_FILES] = {{"script", "#!/proc/self/exe\n", NULL, true}};
	char summary[ATTEMPT_SUMMARY];
	struct upload upload = {.n = 0};

	if (!upload_open(trial, script, &upload)) {
		upload_close(&upload);
		return;
	}
	struct attempt *attempt = attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
								    .command = trial->row->command,
								    .files = upload.files,
								    .nfiles = upload.n});
	upload_close(&upload);
	if (attempt == NULL) {
		trial_fail(trial, "no memory");
		return;
	}
	attempt_summary(attempt, summary, sizeof(summary));
	trial_see(trial, "%s", summary);
	bool is_refused = !attempt->has_result && strcmp(attempt->error.stage, "cell.exec") == 0;
	bool has_failed = attempt->has_result && attempt->result.cause == SANDBOX_EXITED &&
			  attempt->result.exit_code != 0;
	if (!is_refused && !has_failed)
		trial_fail(trial, "%s: %.200s %.200s", summary, attempt->out.text, attempt->err.text);
	(void)attempt_free(attempt);
}

void exchange_expected(const struct corpus_row *row, char *buf, size_t size)
{
	const struct exchange *exchange = row->data;

	if (exchange->stage != NULL)
		(void)snprintf(
			buf, size, "fault %s %s", exchange->stage, strerrorname_np(exchange->errno_value));
	else if (exchange->collect != NULL)
		(void)snprintf(buf, size, "%s, result file %s", sandbox_cause_name(row->cause),
			status_name(exchange->collected));
	else
		(void)snprintf(buf, size, "%s%s", sandbox_cause_name(row->cause),
			exchange->output != NULL ? ", every byte as it was written" : "");
}
