/* What the supervisor was told reaches no cell: not what a job can look at, and not what only root can. */
#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "sandbox/verify/inspect.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Backwards, as the probe wants it: no cell is given the words themselves. */
#define SECRET "the-words-of-the-supervisor"
#define TERCES "rosivrepus-eht-fo-sdrow-eht"
#define PLANTED "words-that-a-job-was-given"
#define DETNALP "nevig-saw-boj-a-taht-sdrow"

#define LANGUAGE_BACKWARDS "8-FTU.C=GNAL" /* of the environment that the policies give */

static char link_path[64], argument[96];

/* With SECRET in its environment and in an argument. */
static void open_told(struct supervisor *supervisor)
{
	supervisor_open(supervisor);
	supervisor_kill(supervisor);
	(void)snprintf(link_path, sizeof(link_path), "/tmp/cofferdam-" SECRET "-%d", (int)getpid());
	ck_assert_int_eq(symlink(supervisor->policies, link_path), 0);
	(void)snprintf(argument, sizeof(argument), "--policies-dir=%s", link_path);
	supervisor->argument = argument;
	ck_assert_int_eq(setenv("COFFERDAM_TEST_SECRET", SECRET, 1), 0);
	supervisor_start(supervisor);
	ck_assert_int_eq(unsetenv("COFFERDAM_TEST_SECRET"), 0);
}

static void close_told(struct supervisor *supervisor)
{
	ck_assert_int_eq(unlink(link_path), 0);
	supervisor_close(supervisor);
}

static int open_probe(const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", cell_probes_dir(), name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s", path);
	return fd;
}

/* What the probe says of looking for the words of SDROW under POLICY. Owned. */
static char *hunt(const struct supervisor *supervisor, const char *policy, const char *sdrow)
{
	const char *const argv[] = {"/box/secrets", "hunt", sdrow};
	_cleanup_close_ int probe = open_probe("secrets");
	_cleanup_close_ int planted = fd_memfd("planted", PLANTED, strlen(PLANTED));
	const struct sandbox_file files[] = {{"secrets", probe, true}, {"planted", planted, false}};
	struct client client = {.out = -1};
	char *text = NULL;
	size_t size;
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	const struct sandbox_spec spec = {
		.policy = policy,
		.step = SANDBOX_RUN,
		.limits = {.cpu_usec = 30000000, .wall_usec = 60000000},
		.args = argv,
		.nargs = ARRAY_SIZE(argv),
		.files = files,
		.nfiles = ARRAY_SIZE(files),
		.stdin_fd = -1,
		.stdout_fd = pair[1],
		.stderr_fd = pair[1],
	};
	client.connection = door_start(supervisor->socket, &spec, &client.err);
	(void)close(pair[1]);
	ck_assert_msg(client.connection >= 0, "%s: %s", client.err.stage, client.err.message);
	ck_assert_int_eq(fd_read_all(pair[0], 1 << 20, &text, &size), 0);
	(void)close(pair[0]);
	struct sandbox_result result = client_finish(&client);
	ck_assert_msg(result.cause == SANDBOX_EXITED && result.exit_code == 0, "cause %u, exit code %d: %s",
		result.cause, result.exit_code, text);
	return text;
}

static const char *const policies[] = {"attack-run", "attack-compile"};

static unsigned found_in(const char *text, const char *place)
{
	unsigned looked = 0, found = 0;
	char key[32];

	(void)snprintf(key, sizeof(key), "%s: ", place);
	const char *at = strstr(text, key);
	ck_assert_msg(at != NULL && sscanf(at + strlen(key), "looked=%u found=%u", &looked, &found) == 2,
		"%s is not told: %s", place, text);
	ck_assert_uint_gt(looked, 2);
	return found;
}

START_TEST(a_job_finds_no_word_of_the_supervisors)
{
	static const char *const places[] = {"descriptors", "memory", "proc", "files"};
	struct supervisor supervisor;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	open_told(&supervisor);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		_cleanup_free_ char *text = hunt(&supervisor, policies[i], TERCES);
		for (size_t k = 0; k < ARRAY_SIZE(places); k++)
			ck_assert_msg(found_in(text, places[k]) == 0, "%s: %s", policies[i], text);
		/* It does find what is there. */
		_cleanup_free_ char *control = hunt(&supervisor, policies[i], DETNALP);
		ck_assert_msg(found_in(control, "files") == 1, "%s: %s", policies[i], control);
		_cleanup_free_ char *own = hunt(&supervisor, policies[i], LANGUAGE_BACKWARDS);
		ck_assert_msg(
			found_in(own, "memory") > 0 && found_in(own, "proc") > 0, "%s: %s", policies[i], own);
	}
	close_told(&supervisor);
}
END_TEST

static bool holds(pid_t pid, const char *words)
{
	unsigned areas;
	bool is_held = inspect_holds(pid, 'r', words, strlen(words), &areas);

	ck_assert_msg(areas > 2, "the memory of %d cannot be read", (int)pid);
	return is_held;
}

START_TEST(launcher_and_init_have_forgotten_them)
{
	struct supervisor supervisor;
	pid_t pids[CELL_PIDS];

#ifdef __SANITIZE_ADDRESS__
	TEST_SKIP("a sanitizer's own memory is too large to be searched");
#endif
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	open_told(&supervisor);
	struct client client = client_start(&supervisor, "sleep 60000");
	client_wait_for(&client, "sleeping\n");
	ck_assert_uint_eq(host_slot_pids(supervisor.slot, pids), 2);
	pid_t launcher = (pid_t)strtol(cell_proc_line(pids[0], "status", "PPid"), NULL, 10);
	ck_assert_int_ne(launcher, supervisor.pid);
	ck_assert_msg(holds(supervisor.pid, SECRET), "the supervisor was not told");
	ck_assert_msg(!holds(launcher, SECRET), "the launcher has them");
	for (int i = 0; i < 2; i++)
		ck_assert_msg(!holds(pids[i], SECRET), "process %d of the cell has them", i + 1);
	(void)close(client.connection);
	(void)close(client.out);
	supervisor_wait_until_empty(&supervisor);
	close_told(&supervisor);
}
END_TEST

TEST_PROGRAM("secrets", 180, tcase_add_test(tc, a_job_finds_no_word_of_the_supervisors);
	     tcase_add_test(tc, launcher_and_init_have_forgotten_them))
