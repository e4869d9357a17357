/* engine.c: opening and closing, and the start of a run. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/launcher.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>

enum {
	UID_BASE_DEFAULT = 0x70000000,
	CLOSE_SEC = 5,
};

const struct policy_set *sandbox_policies(const struct sandbox *sandbox)
{
	return sandbox->policies;
}

/* --- runs --- */

static struct sandbox_run *run_new(struct sandbox *sandbox, sandbox_done_fn done, void *user)
{
	struct sandbox_run *run = calloc(1, sizeof(*run));
	if (run == NULL)
		return NULL;
	run->sandbox = sandbox;
	run->done = done;
	run->user = user;
	run->result.exit_code = run->result.syscall_nr = -1;
	run->result.without = sandbox->setup.without;
	run->poll_nsec = NSEC_NEVER;
	run->requested_nsec = sys_now_nsec();
	struct watch idle = {.fd = -1, .sandbox = sandbox, .run = run};
	for (size_t i = 0; i < ARRAY_SIZE(run->pumps); i++)
		run->pumps[i] = (struct pump){.from = -1, .to = -1, .from_watch = idle, .to_watch = idle};
	return run;
}

int sandbox_start(struct sandbox *sandbox, const struct sandbox_spec *spec, sandbox_done_fn done, void *user,
	struct sandbox_run **ret, struct sandbox_error *err)
{
	if (sandbox->is_closing)
		return error_set(err, ESHUTDOWN, "engine.close", "the engine is being closed");
	if (sandbox->is_broken)
		return error_set(
			err, ECHILD, "engine.launcher", "the launcher ended: this engine runs nothing more");
	if (sandbox->nruns == BOUND_RUNS)
		return error_set(err, EAGAIN, "engine.runs", "%d runs are open", BOUND_RUNS);
	if (sandbox->trace_fd > 0 && sandbox->nruns > 0)
		return error_set(err, EBUSY, "engine.trace", "one run is traced at a time");
	struct sandbox_run *run = run_new(sandbox, done, user);
	if (run == NULL)
		return error_set(err, ENOMEM, "engine.runs", "run");
	int r = request_prepare(run, spec, err);
	if (r == 0)
		r = engine_wake(sandbox, err);
	if (r < 0) {
		(void)run_free(run);
		return r;
	}
	run->next = sandbox->runs;
	run->link = &sandbox->runs;
	if (run->next != NULL)
		run->next->link = &run->next;
	sandbox->runs = run;
	sandbox->nruns++;
	run->view = pool_view(sandbox, run->step);
	orders_submit(run);
	if (ret != NULL)
		*ret = run;
	return 0;
}

struct one {
	bool is_done;
	struct sandbox_result *result;
	struct sandbox_error error;
};

static void one_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct one *one = user;

	(void)run;
	one->is_done = true;
	if (result != NULL)
		*one->result = *result;
	else
		one->error = *error;
}

/* For a run that outlives its sandbox_run_one. */
static void one_forgotten(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	(void)run, (void)result, (void)error, (void)user;
}

int sandbox_run_one(struct sandbox *sandbox, const struct sandbox_spec *spec, struct sandbox_result *result,
	struct sandbox_error *err)
{
	struct one one = {.result = result};
	struct sandbox_run *run = NULL;
	int r = sandbox_start(sandbox, spec, one_done, &one, &run, err);

	if (r < 0)
		return r;
	while (r == 0 && !one.is_done)
		r = sandbox_dispatch(sandbox, -1, err);
	if (!one.is_done) {
		run->done = one_forgotten;
		sandbox_cancel(run);
	}
	if (r == 0 && one.error.errno_value != 0) {
		if (err != NULL && err->errno_value == 0)
			*err = one.error;
		r = -one.error.errno_value;
	}
	return r;
}

/* --- opening and closing --- */

/* With its program on, a target waits for its start, and is then executed, or ends. */
static int check_filter(
	const struct policy *policy, const struct policy_step *step, struct sandbox_error *err)
{
	static const int needed[] = {SYS_read, SYS_write, SYS_execve, SYS_exit_group};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		const struct seccomp_data call = {.nr = needed[i], .arch = AUDIT_ARCH_X86_64};
		if (filter_evaluate(&step->filter, &call) != SECCOMP_RET_ALLOW)
			return error_set(err, EINVAL, "policy.load",
				"%s: seccomp/%s.json must allow read, write, execve and exit_group",
				policy->name, step->profile);
	}
	return 0;
}

/* The images that the policies name, each once. */
static int survey_policies(struct sandbox *sandbox, struct sandbox_error *err)
{
	struct wire_images *images = &sandbox->setup.images;

	for (size_t i = 0; i < sandbox->policies->npolicies; i++)
		for (int s = 0; s < SANDBOX_STEP_N; s++) {
			const struct policy *policy = sandbox->policies->policies[i];
			const struct policy_step *step = &policy->steps[s];
			uint32_t known = 0;
			if (!step->is_present)
				continue;
			int r = check_filter(policy, step, err);
			if (r < 0)
				return r;
			while (known < images->count && strcmp(images->names[known], step->image) != 0)
				known++;
			if (known < images->count)
				continue;
			if (known == BOUND_IMAGES)
				return error_set(
					err, E2BIG, "policy.load", "more than %d images", BOUND_IMAGES);
			(void)snprintf(images->names[images->count++], WIRE_IMAGE_NAME, "%s", step->image);
		}
	return 0;
}

/* What the launcher may call: what it and inits need, and whatever a job of these policies may. */
static int read_launcher_filter(struct sandbox *sandbox, const char *policies_dir, struct sandbox_error *err)
{
	const struct filter_calls passed = policy_set_passed(sandbox->policies);
	struct filter_program program = {0};

	int r = policy_profile_load(policies_dir, "launcher", &passed, &program, err);
	sandbox->setup.may_answer = sandbox->trace_fd > 0;
	if (r == 0) {
		sandbox->setup.filter_len = program.len;
		memcpy(sandbox->setup.filter, program.insns, program.len * sizeof(*program.insns));
	}
	filter_free(&program);
	return r;
}

static int open_descriptors(struct sandbox *sandbox, struct sandbox_error *err)
{
	struct stat st;
	int pair[2];

	sandbox->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	sandbox->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	sandbox->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (sandbox->epoll_fd < 0 || sandbox->timer_fd < 0 || sandbox->null_fd < 0)
		return error_errno(err, "engine.open", "descriptors");
	sandbox->timer_watch.ready = engine_timer_ready;
	if (watch_add(&sandbox->timer_watch, sandbox->timer_fd, EPOLLIN) < 0)
		return error_errno(err, "engine.open", "timer");
	/* Anonymous pipes all live in one superblock: this is how a client's pipe is told from a FIFO on a disk. */
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, "engine.open", "pipe");
	int r = fstat(pair[0], &st);
	(void)fd_close(pair[0]);
	(void)fd_close(pair[1]);
	sandbox->pipe_dev = st.st_dev;
	return r < 0 ? error_errno(err, "engine.open", "pipe") : 0;
}

static struct sandbox *engine_new(const struct sandbox_options *options)
{
	struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
	cpu_set_t set;

	if (sandbox == NULL)
		return NULL;
	sandbox->epoll_fd = sandbox->timer_fd = sandbox->null_fd = -1;
	sandbox->launcher_sock = sandbox->launcher_pidfd = -1;
	sandbox->timer_watch = sandbox->launcher_watch = (struct watch){.fd = -1, .sandbox = sandbox};
	sandbox->timer_nsec = sandbox->pool_due_nsec = NSEC_NEVER;
	sandbox->waiting_end = &sandbox->waiting;
	sandbox->ordered_end = &sandbox->ordered;
	sandbox->cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 0;
	if (sandbox->cpus == 0)
		sandbox->cpus =
			1024; /* more CPUs than cpu_set_t holds: a higher guess means earlier checks */
	sandbox->trace_fd = options->trace_fd;
	sandbox->setup.without = options->without;
	sandbox->uid_first = options->uid_base ? options->uid_base : UID_BASE_DEFAULT;
	sandbox->images_dir = strdup(options->images_dir);
	return sandbox;
}

static int engine_open(
	struct sandbox *sandbox, const struct sandbox_options *options, struct sandbox_error *err)
{
	int r = cgroup_step_aside(options->cgroup_parent, err);
	/* The launcher early: it is a copy of this process, and that should be small. */
	if (r == 0)
		r = launcher_start(
			sandbox->images_dir, &sandbox->launcher_sock, &sandbox->launcher_pidfd, err);
	if (r == 0)
		r = open_descriptors(sandbox, err);
	if (r == 0)
		r = policy_set_load(options->policies_dir, options->only_policy, &sandbox->policies, err);
	if (r == 0 && options->has_variants)
		r = policy_set_add_variants(sandbox->policies, err);
	if (r == 0)
		r = survey_policies(sandbox, err);
	if (r == 0)
		r = pool_open(sandbox, options->pool, err);
	if (r == 0)
		r = read_launcher_filter(sandbox, options->policies_dir, err);
	if (r == 0)
		r = cgroup_host_open(options->cgroup_parent, &sandbox->cgroups, err);
	if (r == 0) {
		sandbox->uid_first += cgroup_host_slot(sandbox->cgroups) * BOUND_RUNS;
		r = orders_open(sandbox, err);
	}
	return r;
}

int sandbox_open(const struct sandbox_options *options, struct sandbox **ret, struct sandbox_error *err)
{
	if (options->without >> SANDBOX_LAYER_N != 0)
		return error_set(err, EINVAL, "engine.open", "no such layer to leave out");
	struct sandbox *sandbox = engine_new(options);
	if (sandbox == NULL || sandbox->images_dir == NULL) {
		free(sandbox);
		return error_set(err, ENOMEM, "engine.open", "engine");
	}
	int r = engine_open(sandbox, options, err);
	if (r < 0) {
		(void)sandbox_close(sandbox);
		return r;
	}
	*ret = sandbox;
	return 0;
}

/* Cancels all and gives the kernel time. What is left after that dies with the launcher. */
static void drain(struct sandbox *sandbox)
{
	uint64_t end = sys_now_nsec() + CLOSE_SEC * NSEC_PER_SEC;
	struct sandbox_error err = {0};

	sandbox->is_closing = true;
	for (struct sandbox_run *run = sandbox->runs; run != NULL; run = run->next)
		sandbox_cancel(run);
	for (struct cell *cell = sandbox->cells; cell != NULL; cell = cell->next)
		if (cell->run == NULL)
			cell_leave(cell);
	while ((sandbox->runs != NULL || sandbox->cells != NULL || sandbox->dying != NULL) &&
		sys_now_nsec() < end)
		if (sandbox_dispatch(sandbox, 50, &err) < 0)
			break;
	(void)error_set(&err, ETIMEDOUT, "engine.close", "the cell did not end in time");
	while (sandbox->runs != NULL)
		run_abandon(sandbox->runs, &err);
	engine_free_reported(sandbox);
}

struct sandbox *sandbox_close(struct sandbox *sandbox)
{
	if (sandbox == NULL)
		return NULL;
	drain(sandbox);
	orders_close(sandbox);
	/* With the launcher the last cells are gone: their groups get their last chance. */
	while (sandbox->cells != NULL)
		cell_bury(sandbox->cells);
	engine_free_reported(sandbox);
	while (sandbox->dying != NULL) {
		struct dying *dying = sandbox->dying;
		sandbox->dying = dying->next;
		if (cgroup_destroy(dying->cgroup) == CGROUP_BUSY)
			cgroup_forget(dying->cgroup);
		free(dying);
	}
	sandbox->cgroups = cgroup_host_close(sandbox->cgroups);
	sandbox->policies = policy_set_free(sandbox->policies);
	watch_remove(&sandbox->timer_watch);
	(void)fd_close(sandbox->null_fd);
	(void)fd_close(sandbox->timer_fd);
	(void)fd_close(sandbox->epoll_fd);
	free(sandbox->views);
	free(sandbox->images_dir);
	free(sandbox);
	return NULL;
}
