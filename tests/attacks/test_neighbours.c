/* Rows 25, 26 and 76: what one job leaves for the next, and what two jobs at once can say to each other. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <string.h>

/* The image of each policy must be there. */
static const struct {
	const char *policy, *image;
} phases[] = {{"attack-run", "native"}, {"attack-command", "base"}, {"attack-compile", "cpp"},
	{"attack-compile-go", "go"}};

static const char *phase_skip_reason(int phase)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", cell_images_dir(), phases[phase].image);
	return access(path, R_OK | X_OK) == 0 ? cell_skip_reason() : "the image is not built";
}

static void expect_no_channel(const struct cell *cell)
{
	static const char *const refusals[] = {"file /box/peer=ENOENT\n", "file /tmp/peer=ENOENT\n",
		"file /dev/shm/peer=ENOENT\n", "fifo=ENOENT\n", "shmget=EPERM\n", "semget=EPERM\n",
		"msgget=EPERM\n", "mq_open=EPERM\n", "keyctl(search)=EPERM\n", "request_key=EPERM\n",
		"connect(abstract)=EAFNOSUPPORT\n", "connect(unix)=EAFNOSUPPORT\n",
		"connect(loopback)=EAFNOSUPPORT\n", "socket(vsock)=EAFNOSUPPORT\n", "inotify=ENOSYS\n",
		"alone=yes\n"};

	cell_expect_exit(cell, 0);
	cell_expect(cell, strstr(cell->out.text, "BREACH") == NULL);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		cell_expect_output(cell, refusals[i]);
}

/* isolate 2.4 and 2.6 (keys, shared memory), go-judge's pooled containers (IPC and processes of the job before). */
START_TEST(the_next_job_finds_nothing_of_the_one_before)
{
	const char *reason = phase_skip_reason(_i);

	if (reason != NULL)
		TEST_SKIP(reason);
	struct cell_host *host = cell_open(phases[_i].policy);
	struct cell_plan plan = {.policy = phases[_i].policy, .command = "attack_peers leave"};
	struct cell *cell = cell_run(host, &plan);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "/box/peer=OK\n/tmp/peer=OK\n"); /* it did leave something */
	cell_free(cell);
	plan.command = "attack_peers connect";
	cell = cell_run(host, &plan);
	expect_no_channel(cell);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(two_jobs_at_once_find_no_channel)
{
	const char *reason = phase_skip_reason(_i);

	if (reason != NULL)
		TEST_SKIP(reason);
	struct cell_host *host = cell_open(phases[_i].policy);
	struct cell *listener = cell_start(host, &(struct cell_plan){.policy = phases[_i].policy,
							 .command = "attack_peers listen",
							 .input = CELL_INPUT_OPEN_PIPE,
							 .limits = {.wall_usec = 30000000}});
	cell_wait_for(listener, "ready\n");
	struct cell *caller = cell_run(
		host, &(struct cell_plan){.policy = phases[_i].policy, .command = "attack_peers connect"});
	cell_feed(listener, NULL);
	cell_wait(listener);
	cell_expect_exit(listener, 0);
	cell_expect_output(listener, "file_untouched=yes\n");
	expect_no_channel(caller);
	cell_expect_output(caller, "shared getlk=ENOLCK\n");
	/* `go build` needs flock, so the compile profile has it: a bit between two compilations of untrusted sources, but
	 * no code of theirs runs there (docs/threat-model.md). */
	if (strncmp(phases[_i].policy, "attack-compile", 14) != 0)
		cell_expect_output(caller, "shared flock=ENOLCK\n");
	cell_free(listener);
	cell_free(caller);
	cell_close(host);
}
END_TEST

/* A poisoned build cache. */
START_TEST(a_writable_layer_is_the_jobs_own)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/go/opt/go-cache", cell_images_dir());
	if (access(path, R_OK | X_OK) < 0)
		TEST_SKIP("the image is not built");
	CELL_OPEN(host, "attack-layers");
	uint64_t before = cell_image_sum("go", false);
	for (int i = 0; i < 2; i++) {
		struct cell *cell =
			cell_run(host, &(struct cell_plan){.policy = "attack-layers",
					       .command = "probe create /opt/go-cache/poison /opt/poison",
					       .limits = {.disk_bytes = 8 << 20}});
		cell_expect_exit(cell, 0);
		cell_expect_output(cell, "/opt/go-cache/poison=OK\n/opt/poison=EROFS\n");
		cell_free(cell);
	}
	/* And what is written there counts as the job's disk. */
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-layers",
						   .command = "attack_limits disk /opt/go-cache /box",
						   .limits = {.disk_bytes = 8 << 20}});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "end=ENOSPC\n/box: bytes=");
	cell_free(cell);
	cell_close(host);
	ck_assert_uint_eq(cell_image_sum("go", false), before);
}
END_TEST

TEST_PROGRAM("neighbours", 60,
	     tcase_add_loop_test(tc, the_next_job_finds_nothing_of_the_one_before, 0, ARRAY_SIZE(phases));
	     tcase_add_loop_test(tc, two_jobs_at_once_find_no_channel, 0, ARRAY_SIZE(phases));
	     tcase_add_test(tc, a_writable_layer_is_the_jobs_own))
