/* kill -9 of supervisor, launcher, a cell's init and the service, at random, while jobs come in over HTTP: the jobs of a
 * killed supervisor die with it, the next one sweeps what was left, no accepted job is lost and none has two results.
 * Among them are attempts that finish too late, when another is under way. KILLS says how many (`make kills`: 200),
 * KILLS_SEED repeats an order of events; each kind comes once before chance decides. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "service/worker.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"
#include "tests/lib/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum {
	KILLS_DEFAULT = 8,
	OPEN_JOBS = 4, /* kept in the service's hands all the time */
	JOBS_MAX = 4000,
	PAUSE_MSEC = 900, /* at most, between two kills */
	GROUPS_MAX = 256,
	LOG_BYTES = 64 << 20,
};

#define UNFINISHED "status IN ('queued', 'running')"

/* One victim, and what is to be running again after it. LATE: the service, when an attempt has come too late. */
enum victim { SUPERVISOR, LAUNCHER, INIT, SERVICE, LATE, VICTIM_N };

static const char *const victims[] = {"supervisor", "launcher", "init", "service", "service, attempt late"};

struct job_seen {
	char id[JOB_ID_SIZE];
	unsigned number;
	bool is_done;
	char completed_at[JOB_TIME_SIZE], said[64]; /* when it was first seen to be */
};

struct world {
	struct supervisor supervisor;
	struct test_service service;
	struct job_seen jobs[JOBS_MAX];
	unsigned njobs, killed[VICTIM_N], given_up;
	unsigned left; /* cgroups, by dead supervisors */
	unsigned seed;
};

/* The number that SQL finds; a format like printf's. */
__attribute__((format(printf, 2, 3))) static int count(const struct world *world, const char *sql, ...)
{
	char text[512];
	va_list args;

	va_start(args, sql);
	(void)vsnprintf(text, sizeof(text), sql, args);
	va_end(args);
	return state_count(world->service.dir, text);
}

/* --- jobs ------------------------------------------------------------------------------------------------------- */

/* Says its number and when it began: no two attempts say the same. */
static const char echo[] = "#include <stdio.h>\n#include <time.h>\n#include <unistd.h>\n"
			   "int main() { struct timespec t; clock_gettime(CLOCK_REALTIME, &t);\n"
			   "int n; if (scanf(\"%d\", &n) != 1) return 1; usleep(200000);\n"
			   "printf(\"%d %lld\\n\", n, t.tv_sec * 1000000LL + t.tv_nsec / 1000); }";

static struct job_seen *submit(struct world *world)
{
	struct job_seen *job = &world->jobs[world->njobs];
	char input[16];

	ck_assert_uint_lt(world->njobs, JOBS_MAX);
	*job = (struct job_seen){.number = world->njobs++};
	(void)snprintf(input, sizeof(input), "%u", job->number);
	jobs_submit(&world->service, &(struct jobs_submission){"cpp", echo, input}, job->id);
	return job;
}

/* What the last attempt printed, or that it has been hit too often. */
static void expect_result(struct world *world, struct job_seen *job, const json_t *status)
{
	unsigned number;
	long long began;

	if (strcmp(jobs_text(status, "verdict"), "internal_error") == 0) {
		ck_assert_int_ge(count(world, "SELECT failures FROM jobs WHERE id = '%s'", job->id),
			WORKER_FAILURES - 1);
		return;
	}
	ck_assert_msg(strcmp(jobs_text(status, "verdict"), "accepted") == 0, "%s: %s",
		jobs_text(status, "verdict"), jobs_text(status, "error"));
	(void)snprintf(job->said, sizeof(job->said), "%s", jobs_text(status, "stdoutPreview"));
	ck_assert_int_eq(sscanf(job->said, "%u %lld", &number, &began), 2);
	ck_assert_uint_eq(number, job->number);
	ck_assert_msg(
		count(world, "SELECT started_usec <= %lld FROM jobs WHERE id = '%s'", began, job->id) == 1,
		"job %s has the result of an attempt before its last", job->id);
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

static void expect_same_output(struct world *world, const struct job_seen *job)
{
	size_t size;

	if (job->said[0] == '\0') {
		world->given_up++;
		return;
	}
	_cleanup_free_ char *output = jobs_output(&world->service, job->id, &size);
	ck_assert_str_eq(output, job->said);
}

static void expect_same_results(struct world *world)
{
	for (unsigned i = 0; i < world->njobs; i++) {
		struct job_seen *job = &world->jobs[i];
		json_t *status = jobs_finish(&world->service, job->id);
		struct job_seen before = *job;
		expect_result(world, job, status);
		if (before.is_done) {
			ck_assert_str_eq(jobs_text(status, "completedAt"), before.completed_at);
			ck_assert_str_eq(job->said, before.said);
		}
		expect_same_output(world, job);
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

/* A cell's group: a controller's hierarchy, and the directory in it. */
struct group {
	int controller;
	ino_t inode;
};

static size_t list_groups(int slot, struct group ret[GROUPS_MAX])
{
	char path[1024];
	size_t n = 0;

	for (int controller = 0; controller < CGROUP_CONTROLLER_N; controller++) {
		DIR *dir =
			witness_slot_path(NULL, slot, controller, path, sizeof(path)) ? opendir(path) : NULL;
		for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
			if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && n < GROUPS_MAX)
				ret[n++] = (struct group){controller, entry->d_ino};
		if (dir != NULL)
			(void)closedir(dir);
	}
	return n;
}

/* The supervisor is gone: so is, in a moment, every process of its cells. Their groups are the next one's to remove. */
static void start_supervisor_again(struct world *world)
{
	struct group left[GROUPS_MAX], now[GROUPS_MAX];
	int slot = world->supervisor.slot;

	supervisor_wait_until_empty(&world->supervisor);
	size_t nleft = list_groups(slot, left); /* none: some other engine, as it opened, has swept them */
	world->left += nleft;
	supervisor_start(&world->supervisor);
	/* With another slot: the old one is some other engine's by now, which has swept it. */
	size_t nnow = world->supervisor.slot == slot ? list_groups(slot, now) : 0;
	for (size_t i = 0; i < nleft; i++)
		for (size_t k = 0; k < nnow; k++)
			ck_assert_msg(
				left[i].controller != now[k].controller || left[i].inode != now[k].inode,
				"a dead supervisor's group is still there");
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
}

/* With a run, besides those of the jobs, that would go on for longer than we wait for its end. */
static void kill_supervisor(struct world *world, bool is_launcher)
{
	struct client client = client_start(&world->supervisor, "sleep 60000");

	client_wait_for(&client, "sleeping");
	if (is_launcher)
		kill_launcher(world);
	else
		supervisor_kill(&world->supervisor);
	start_supervisor_again(world);
	(void)close(client.connection);
	(void)close(client.out);
}

/* What the dead one was working on is taken up by the next, which does not wait until its leases have run out. */
static void start_service_again(struct world *world)
{
	service_kill(&world->service);
	(void)state_change(
		world->service.dir, "UPDATE messages SET receipt = 'dead' WHERE receipt IS NOT NULL");
	service_start(&world->service, &world->supervisor, NULL);
	ck_assert_msg(count(world, "SELECT count(*) FROM messages JOIN jobs USING (id) WHERE " UNFINISHED
				   " AND receipt = 'dead'") == 0,
		"a dead service's lease holds on");
	ck_assert_msg(count(world, "SELECT count(*) FROM jobs WHERE " UNFINISHED
				   " AND id NOT IN (SELECT id FROM messages)") == 0,
		"an unfinished job is in no queue");
}

static bool is_superseded(const struct world *world, const char *id)
{
	_cleanup_free_ char *log = NULL;
	char path[128], event[96];
	size_t size;

	(void)snprintf(path, sizeof(path), "%s/service.log", world->service.dir);
	(void)snprintf(event, sizeof(event), "\"event\":\"job.superseded\",\"id\":\"%s\"", id);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_read_all(fd, LOG_BYTES, &log, &size), 0);
	return strstr(log, event) != NULL;
}

/* By hand, as a lease is longer than any run: the worker is taken for dead, and another attempt is under way. What it
 * brings then is not taken, and with the service the other attempt ends as well. False: the worker was faster. */
static bool let_an_attempt_be_late(struct world *world)
{
	const struct job_seen *job = submit(world);
	bool is_late = false;
	char sql[256];

	json_decref(jobs_wait(&world->service, job->id, "queued", true));
	(void)snprintf(sql, sizeof(sql),
		"UPDATE jobs SET attempt = attempt + 1 WHERE id = '%s' AND status = 'running'", job->id);
	if (state_change(world->service.dir, sql) == 0)
		return false;
	for (int i = 0; i < 3000 && !is_late; i++) {
		client_pause(20);
		is_late = is_superseded(world, job->id);
	}
	ck_assert_msg(is_late, "nobody noticed that job %s is another's", job->id);
	json_t *status = jobs_status(&world->service, job->id);
	ck_assert_str_eq(jobs_text(status, "status"), "running");
	json_decref(status);
	start_service_again(world);
	return true;
}

static void kill_one(struct world *world, enum victim victim)
{
	pid_t init = first_child(first_child(world->supervisor.pid));

	if (victim == SUPERVISOR || victim == LAUNCHER)
		kill_supervisor(world, victim == LAUNCHER);
	else if (victim == SERVICE)
		start_service_again(world);
	else if (victim == LATE ? !let_an_attempt_be_late(world) : init <= 0 || kill(init, SIGKILL) < 0)
		return; /* it was not to be had at this moment */
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

static void expect_nothing_open(const struct world *world)
{
	/* Of one that was killed between a result and its acknowledgement: as if that lease had run out. */
	(void)state_change(world->service.dir, "UPDATE messages SET visible_usec = 0");
	for (int i = 0; i < 500 && count(world, "SELECT count(*) FROM messages") > 0; i++)
		client_pause(20);
	ck_assert_int_eq(count(world, "SELECT count(*) FROM messages"), 0);
	ck_assert_int_eq(count(world, "SELECT count(*) FROM jobs"), (int)world->njobs);
	ck_assert_int_eq(count(world, "SELECT count(*) FROM jobs WHERE " UNFINISHED), 0);
	ck_assert_int_le(count(world, "SELECT count(*) FROM objects"), (int)world->njobs);
	ck_assert_uint_eq(state_files(world->service.dir, "service/objects/tmp"), 0);
}

static void tell(const struct world *world)
{
	for (int i = 0; i < VICTIM_N; i++)
		(void)fprintf(stderr, "kills: %s %u\n", victims[i], world->killed[i]);
	(void)fprintf(stderr, "kills: %u jobs, %u of them given up after too many hits; %u cgroups swept\n",
		world->njobs, world->given_up, world->left);
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
		unsigned chosen = kills_so_far(&world), any = (unsigned)rand_r(&world.seed);
		kill_one(&world, (enum victim)(chosen < VICTIM_N ? chosen : any % VICTIM_N));
	}
	expect_same_results(&world);
	expect_nothing_open(&world);
	tell(&world);
	service_end(&world.service);
	supervisor_close(&world.supervisor);
}
END_TEST

TEST_PROGRAM("kills", 300, tcase_add_test(tc, kill_9_at_random_loses_no_job_and_doubles_none))
