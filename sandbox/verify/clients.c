#include "sandbox/verify/clients.h"

#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/verify/trial.h"
#include "sandbox/verify/twin.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- many runs, all given up ----------------------------------------------------------------------------------- */

struct flood {
	unsigned open, cancelled, others;
};

static void flood_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct flood *flood = user;

	(void)run, (void)error;
	flood->open--;
	if (result != NULL && result->cause == SANDBOX_CANCELLED)
		flood->cancelled++;
	else
		flood->others++;
}

void clients_flood(struct trial *trial)
{
	static const char *const args[] = {"/box/nothing"};
	static struct sandbox_run *runs[BOUND_RUNS];
	const struct sandbox_spec spec = {.policy = trial->site->variant,
		.step = SANDBOX_RUN,
		.args = args,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	struct sandbox *sandbox = trial->bench->sandbox;
	struct sandbox_error err = {0};
	struct flood flood = {0};
	int r = 0;

	while (flood.open < BOUND_RUNS && r == 0) {
		r = sandbox_start(sandbox, &spec, flood_done, &flood, &runs[flood.open], &err);
		flood.open += r == 0;
	}
	if (r < 0)
		trial_fail(trial, "run %u: %s: %s", flood.open, err.stage, err.message);
	err = (struct sandbox_error){0};
	r = sandbox_start(sandbox, &spec, flood_done, &flood, NULL, &err);
	if (r != -EAGAIN)
		trial_fail(trial, "one more than %d runs: %d %s", BOUND_RUNS, r, err.stage);
	unsigned started = flood.open + (r == 0);
	for (unsigned i = 0; i < started && i < BOUND_RUNS; i++)
		sandbox_cancel(runs[i]);
	while (flood.open > 0 && !trial->bench->is_broken && !trial->bench->is_caught)
		bench_turn(trial->bench, 1000);
	trial_see(trial, "%u runs, %u cancelled, the next one refused with %s", started, flood.cancelled,
		strerrorname_np(err.errno_value));
	if (flood.others > 0)
		trial_fail(trial, "%u runs were not cancelled", flood.others);
}

void clients_vanish(struct trial *trial)
{
	enum { RUNS = 40 };
	static struct attempt *attempts[RUNS];
	unsigned cancelled = 0;

	for (int i = 0; i < RUNS; i++) {
		attempts[i] = attempt_start(trial->bench,
			&(struct attempt_plan){.site = trial->site, .command = "attack_ways wait poll"});
		/* Some are queued then, some are being built, some run. */
		for (int turn = 0; turn < i % 8; turn++)
			bench_turn(trial->bench, 5);
		if (attempts[i] != NULL && attempts[i]->run != NULL)
			sandbox_cancel(attempts[i]->run);
	}
	for (int i = 0; i < RUNS; i++) {
		if (attempts[i] != NULL && attempt_wait(attempts[i]) && !trial_is_void(trial, attempts[i]) &&
			attempts[i]->result.cause == SANDBOX_CANCELLED)
			cancelled++;
		attempts[i] = attempt_free(attempts[i]);
	}
	trial_see(trial, "%u of %d cancelled", cancelled, RUNS);
	if (cancelled != RUNS)
		trial_fail(trial, "only %u of %d cancelled", cancelled, RUNS);
}

void clients_hang_up(struct trial *trial)
{
	struct attempt *attempt = attempt_start(
		trial->bench, &(struct attempt_plan){.site = trial->site, .command = trial->row->command});

	if (attempt != NULL) {
		attempt->out.fd = fd_close(attempt->out.fd);
		(void)attempt_wait(attempt);
	}
	if (!trial_is_void(trial, attempt))
		trial_judge(trial, attempt);
	(void)attempt_free(attempt);
}

/* --- an engine without descriptors ----------------------------------------------------------------------------- */

static rlim_t next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	(void)fd_close(fd);
	return fd < 0 ? 0 : (rlim_t)fd;
}

/* In the child: what one run comes to when only SPARE more descriptors may be opened. */
static enum sandbox_cause run_within(struct twin *twin, rlim_t spare, bool *has_result)
{
	struct rlimit before, tight;

	(void)getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = next_descriptor() + spare;
	(void)setrlimit(RLIMIT_NOFILE, &tight);
	struct attempt *attempt = attempt_run(&twin->bench,
		&(struct attempt_plan){.site = twin->site, .command = "attack_files inherited"});
	(void)setrlimit(RLIMIT_NOFILE, &before);
	enum sandbox_cause cause = SANDBOX_CAUSE_N;
	*has_result = attempt != NULL && attempt->has_result;
	if (*has_result && strstr(attempt->out.text, "descriptors=3") != NULL &&
		attempt->result.exit_code == 0)
		cause = (enum sandbox_cause)attempt->result.cause;
	(void)attempt_free(attempt);
	return cause;
}

static void exhausted_twin(struct twin *twin)
{
	enum { SPARE_MAX = 30 };
	unsigned faults = 0, whole = 0, broken = 0;

	for (rlim_t spare = 0; spare < SPARE_MAX; spare++) {
		bool has_result;
		enum sandbox_cause cause = run_within(twin, spare, &has_result);
		faults += !has_result;
		whole += has_result && cause == SANDBOX_EXITED;
		broken += has_result && cause != SANDBOX_EXITED;
	}
	bool has_result;
	bool recovers = run_within(twin, 1000, &has_result) == SANDBOX_EXITED;
	twin_say(twin, "faults=%u whole=%u broken=%u recovers=%s", faults, whole, broken,
		recovers ? "yes" : "no");
}

void clients_exhausted(struct trial *trial)
{
	char text[TWIN_TEXT];
	unsigned faults = 0, whole = 0, broken = 0;

	if (!twin_run(trial, &(struct twin_plan){.main = exhausted_twin}, text, sizeof(text)))
		return;
	trial_see(trial, "%s", text);
	if (sscanf(text, "faults=%u whole=%u broken=%u", &faults, &whole, &broken) != 3 || broken > 0 ||
		faults == 0 || whole == 0 || strstr(text, "recovers=yes") == NULL)
		trial_fail(trial, "%s", text);
}

/* --- an engine that is killed ---------------------------------------------------------------------------------- */

static void mortal_twin(struct twin *twin)
{
	enum { RUNS = 3 };
	static const char *const commands[RUNS] = {
		"attack_ways wait poll", "attack_ways wait child", "attack_ways wait stopped"};
	struct witness now;

	for (int i = 0; i < RUNS; i++) {
		struct attempt *attempt =
			attempt_start(&twin->bench, &(struct attempt_plan){.site = twin->site,
							    .command = commands[i],
							    .limits = {.wall_usec = 30000000}});
		if (attempt == NULL || !attempt_wait_for(attempt, "waiting\n"))
			return;
	}
	witness_look(&(struct witness_scope){.cgroup_parent = twin->bench.options.cgroup_parent}, &now);
	twin_say(twin, "slot=%d", (int)now.facts[WITNESS_SLOT]);
	for (;;)
		bench_turn(&twin->bench, 1000);
}

static void sweeping_twin(struct twin *twin)
{
	twin_say(twin, "opened");
}

struct slot_inodes {
	ino_t inodes[CGROUP_CONTROLLER_N];
};

static struct slot_inodes slot_look(const struct bench *bench, int slot)
{
	struct slot_inodes ret = {0};
	char path[1024];
	struct stat st;

	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (witness_slot_path(bench->options.cgroup_parent, slot, c, path, sizeof(path)) &&
			stat(path, &st) == 0)
			ret.inodes[c] = st.st_ino;
	return ret;
}

/* The number may have a new owner by then; the directories have not. */
static bool is_swept(const struct bench *bench, int slot, const struct slot_inodes *before)
{
	const struct slot_inodes now = slot_look(bench, slot);

	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (before->inodes[c] != 0 && before->inodes[c] == now.inodes[c])
			return false;
	return true;
}

static void kill_and_look(struct trial *trial, pid_t pid, int slot)
{
	const struct bench *bench = trial->bench;
	unsigned alive = witness_slot_processes(bench->options.uid_base, slot), left = alive;
	const struct slot_inodes groups = slot_look(bench, slot);
	char text[TWIN_TEXT];

	twin_kill(pid);
	for (int i = 0; i < 500 && left > 0; i++) {
		(void)usleep(20000);
		left = witness_slot_processes(bench->options.uid_base, slot);
	}
	trial_see(trial, "%u processes of cells before, %u after", alive, left);
	if (alive == 0 || left > 0)
		trial_fail(trial, "%u processes of cells before, %u after", alive, left);
	if (!twin_run(trial, &(struct twin_plan){.main = sweeping_twin}, text, sizeof(text)))
		return;
	if (!is_swept(bench, slot, &groups))
		trial_fail(trial, "the next engine left the cgroups of slot %d", slot);
	else
		trial_see(trial, "the next engine has swept their cgroups");
}

void clients_killed(struct trial *trial)
{
	char text[TWIN_TEXT];
	int slot = -1;
	pid_t pid = twin_start(trial, &(struct twin_plan){.main = mortal_twin}, text, sizeof(text));

	if (pid < 0)
		return;
	if (sscanf(text, "slot=%d", &slot) != 1) {
		twin_kill(pid);
		trial_fail(trial, "the engine to be killed did not come so far: %s", text);
		return;
	}
	kill_and_look(trial, pid, slot);
}
