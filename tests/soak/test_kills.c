/* kill -9 of supervisor, launcher, a cell's init and the service, at random, while jobs come in over HTTP: the jobs of a
 * killed supervisor die with it, nobody stumbles over what was left, no accepted job is lost and none has two results.
 * KILLS says how many (`make kills`: 200), KILLS_SEED repeats an order of events. */
#include "sandbox/base/fd.h"
#include "service/worker.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"
#include "tests/lib/state.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum {
	KILLS_DEFAULT = 8,
	OPEN_JOBS = 4, /* kept in the service's hands all the time */
	JOBS_MAX = 4000,
	PAUSE_MSEC = 900, /* at most, between two kills */
};

/* One victim, and what is to be running again after it. */
enum victim { SUPERVISOR, LAUNCHER, INIT, SERVICE, VICTIM_N };

static const char *const victims[] = {"supervisor", "launcher", "init", "service"};

struct job_seen {
	char id[JOB_ID_SIZE];
	unsigned number;
	bool is_done;
	char completed_at[JOB_TIME_SIZE]; /* when it was first seen to be */
};

struct world {
	struct supervisor supervisor;
	struct test_service service;
	struct job_seen jobs[JOBS_MAX];
	unsigned njobs, killed[VICTIM_N], given_up;
	unsigned seed;
};

/* --- jobs ------------------------------------------------------------------------------------------------------- */

static const char echo[] =
	"#include <stdio.h>\n#include <unistd.h>\n"
	"int main() { int n; if (scanf(\"%d\", &n) == 1) { usleep(200000); printf(\"%d\\n\", n); } }";

static void submit(struct world *world)
{
	struct job_seen *job = &world->jobs[world->njobs];
	char input[16];

	ck_assert_uint_lt(world->njobs, JOBS_MAX);
	*job = (struct job_seen){.number = world->njobs++};
	(void)snprintf(input, sizeof(input), "%u", job->number);
	jobs_submit(&world->service, &(struct jobs_submission){"cpp", echo, input}, job->id);
}

/* Its one result: what the program printed, or that it has been hit too often. */
static void expect_result(struct world *world, const struct job_seen *job, const json_t *status)
{
	char wanted[16], sql[128];

	(void)snprintf(wanted, sizeof(wanted), "%u\n", job->number);
	if (strcmp(jobs_text(status, "verdict"), "internal_error") == 0) {
		(void)snprintf(sql, sizeof(sql), "SELECT failures FROM jobs WHERE id = '%s'", job->id);
		ck_assert_int_ge(state_count(world->service.dir, sql), WORKER_FAILURES - 1);
		return;
	}
	ck_assert_msg(strcmp(jobs_text(status, "verdict"), "accepted") == 0, "%s: %s",
		jobs_text(status, "verdict"), jobs_text(status, "error"));
	ck_assert_str_eq(jobs_text(status, "stdoutPreview"), wanted);
}

/* What is finished stays as it is. Returns how many are not. */
static unsigned look_at_jobs(struct world *world)
{
	unsigned open_jobs = 0;

	for (unsigned i = 0; i < world->njobs; i++) {
		struct job_seen *job = &world->jobs[i];
		json_t *status = job->is_done ? NULL : jobs_status(&world->service, job->id);
		const char *completed = status != NULL ? jobs_text(status, "completedAt") : NULL;
		if (completed != NULL) {
			job->is_done = true;
			(void)snprintf(job->completed_at, sizeof(job->completed_at), "%s", completed);
			expect_result(world, job, status);
		}
		open_jobs += !job->is_done;
		json_decref(status);
	}
	return open_jobs;
}

static void expect_same_results(struct world *world)
{
	for (unsigned i = 0; i < world->njobs; i++) {
		struct job_seen *job = &world->jobs[i];
		json_t *status = jobs_finish(&world->service, job->id);
		if (job->is_done)
			ck_assert_str_eq(jobs_text(status, "completedAt"), job->completed_at);
		expect_result(world, job, status);
		world->given_up += strcmp(jobs_text(status, "verdict"), "accepted") != 0;
		json_decref(status);
	}
}

/* --- kills ------------------------------------------------------------------------------------------------------ */

static pid_t first_child(pid_t parent)
{
	char path[64], text[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	return fd_read_file(AT_FDCWD, path, text, sizeof(text)) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* The supervisor is gone: so is, in a moment, every process of its cells. */
static void start_supervisor_again(struct world *world)
{
	supervisor_wait_until_empty(&world->supervisor);
	supervisor_start(&world->supervisor);
}

static void kill_launcher(struct world *world)
{
	pid_t launcher = first_child(world->supervisor.pid);
	int status;

	ck_assert_int_gt(launcher, 0);
	ck_assert_int_eq(kill(launcher, SIGKILL), 0);
	/* Without it the supervisor can make no cells: it ends by itself. */
	ck_assert_int_eq(waitpid(world->supervisor.pid, &status, 0), world->supervisor.pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	start_supervisor_again(world);
}

static void kill_one(struct world *world, enum victim victim)
{
	pid_t init = first_child(first_child(world->supervisor.pid));

	if (victim == SUPERVISOR) {
		supervisor_kill(&world->supervisor);
		start_supervisor_again(world);
	} else if (victim == LAUNCHER) {
		kill_launcher(world);
	} else if (victim == INIT) {
		if (init <= 0)
			return; /* no cell at this moment */
		(void)kill(init, SIGKILL);
	} else {
		service_kill(&world->service);
		service_start(&world->service, &world->supervisor, NULL);
	}
	world->killed[victim]++;
}

static unsigned kills_so_far(const struct world *world)
{
	unsigned n = 0;

	for (int i = 0; i < VICTIM_N; i++)
		n += world->killed[i];
	return n;
}

static unsigned from_environment(const char *name, unsigned standard)
{
	const char *value = getenv(name);

	return value != NULL ? (unsigned)strtoul(value, NULL, 10) : standard;
}

START_TEST(kill_9_at_random_loses_no_job_and_doubles_none)
{
	static struct world world;
	unsigned wanted = from_environment("KILLS", KILLS_DEFAULT);

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	world.seed = from_environment("KILLS_SEED", (unsigned)time(NULL));
	(void)fprintf(stderr, "kills: KILLS_SEED=%u\n", world.seed);
	supervisor_open(&world.supervisor);
	service_begin(&world.service);
	service_start(&world.service, &world.supervisor, NULL);
	while (kills_so_far(&world) < wanted) {
		for (unsigned n = look_at_jobs(&world); n < OPEN_JOBS; n++)
			submit(&world);
		client_pause(rand_r(&world.seed) % PAUSE_MSEC);
		kill_one(&world, (enum victim)(rand_r(&world.seed) % VICTIM_N));
	}
	expect_same_results(&world);
	for (int i = 0; i < VICTIM_N; i++)
		(void)fprintf(stderr, "kills: %s %u\n", victims[i], world.killed[i]);
	(void)fprintf(stderr, "kills: %u jobs, %u of them given up after too many hits\n", world.njobs,
		world.given_up);
	const char *dir = world.service.dir;
	for (int i = 0; i < 500 && state_count(dir, "SELECT count(*) FROM messages") > 0; i++)
		client_pause(20);
	ck_assert_int_eq(state_count(dir, "SELECT count(*) FROM messages"), 0);
	ck_assert_uint_eq((unsigned)state_count(dir, "SELECT count(*) FROM jobs"), world.njobs);
	ck_assert_uint_eq((unsigned)state_count(dir, "SELECT count(*) FROM jobs WHERE status = 'running' OR "
						     "status = 'queued'"),
		0);
	ck_assert_uint_eq(
		(unsigned)state_count(dir, "SELECT count(*) FROM objects"), world.njobs - world.given_up);
	ck_assert_uint_eq(state_files(dir, "service/objects/tmp"), 0);
	service_end(&world.service);
	supervisor_close(&world.supervisor);
}
END_TEST

TEST_PROGRAM("kills", 300, tcase_add_test(tc, kill_9_at_random_loses_no_job_and_doubles_none))
