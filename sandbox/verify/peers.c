#include "sandbox/verify/peers.h"

#include "sandbox/verify/trial.h"

static struct attempt *start(struct trial *trial, const char *command, enum attempt_input input)
{
	struct sandbox_limits limits = trial->row->limits;

	if (input == ATTEMPT_OPEN_INPUT)
		limits.wall_usec = 30000000;
	return attempt_start(trial->bench,
		&(struct attempt_plan){
			.site = trial->site, .command = command, .limits = limits, .input = input});
}

static void finish(struct trial *trial, struct attempt *attempt)
{
	static const char *const nothing[] = {NULL};

	if (attempt != NULL)
		(void)attempt_wait(attempt);
	if (!trial_is_void(trial, attempt) && trial_exited(trial, attempt, 0))
		(void)trial_wrote(trial, attempt, nothing);
}

static void second(struct trial *trial)
{
	struct attempt *attempt = start(trial, trial->row->command, ATTEMPT_NO_INPUT);

	if (attempt != NULL)
		(void)attempt_wait(attempt);
	if (!trial_is_void(trial, attempt))
		trial_judge(trial, attempt);
	(void)attempt_free(attempt);
}

void peers_after(struct trial *trial)
{
	struct attempt *attempt = start(trial, trial->row->data, ATTEMPT_NO_INPUT);

	finish(trial, attempt);
	(void)attempt_free(attempt);
	if (trial->status == TRIAL_OK)
		second(trial);
}

void peers_beside(struct trial *trial)
{
	struct attempt *attempt = start(trial, trial->row->data, ATTEMPT_OPEN_INPUT);

	if (attempt != NULL && attempt_wait_for(attempt, "ready\n"))
		second(trial);
	else
		trial_fail(trial, "the first one was not ready");
	if (attempt != NULL)
		attempt_feed(attempt);
	finish(trial, attempt);
	(void)attempt_free(attempt);
}
