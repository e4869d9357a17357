#include "sandbox/verify/ends.h"

#include "sandbox/verify/trial.h"

static bool is_as_told(const struct end *end, const struct sandbox_result *result)
{
	int code = end->cause == SANDBOX_EXITED ? end->code : -1;

	return result->cause == end->cause && result->exit_code == code && result->signal == end->signal &&
	       result->oom_kills == 0 && result->syscall_nr == -1;
}

void ends_perform(struct trial *trial)
{
	const struct ends *ends = trial->row->data;
	char summary[ATTEMPT_SUMMARY];

	for (size_t i = 0; i < ends->n && trial->status == TRIAL_OK; i++) {
		const struct end *end = &ends->list[i];
		struct attempt *attempt = attempt_run(
			trial->bench, &(struct attempt_plan){.site = trial->site, .command = end->command});
		if (!trial_is_void(trial, attempt)) {
			attempt_summary(attempt, summary, sizeof(summary));
			trial_see(trial, "%s", summary);
			if (!is_as_told(end, &attempt->result))
				trial_fail(trial, "%s: %s", end->command, summary);
		}
		(void)attempt_free(attempt);
	}
}
