/* cell.h: runs probes in cells, for tests/sandbox and tests/attacks.
 *
 *   CELL_OPEN(host, "attack-run");            leaves the test as skipped when this machine cannot
 *   struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run", .command = "work exit 3"});
 *   cell_expect_exit(cell, 3);
 *   cell_free(cell);
 *   cell_close(host);                         fails the test unless the host is as it was
 *
 * The engine is single-threaded: every wait here is a loop over the engine's descriptor and the cells' pipes. Waits
 * are bounded by CELL_PATIENCE_MSEC, far above any limit a test sets; running into it fails the test. */
#pragma once

#include "sandbox/sandbox.h"
#include "tests/lib/test.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	CELL_PATIENCE_MSEC = 60000,
	CELL_OUTPUT_BYTES = 32 * 1024 * 1024, /* kept of one stream */
	CELL_FILES = 8,
	CELL_PIDS = 64,
};

struct cell_host;

/* Why this machine cannot run cells; NULL when it can. */
const char *cell_skip_reason(void);

/* An engine over the shipped policies and those of tests/policies. ONLY: NULL, or the one policy to load. Fails the
 * test when the engine does not open. */
struct cell_host *cell_open(const char *only);
/* With a pool of so many cells; to be closed with cell_close_at_once. */
struct cell_host *cell_open_pool(const char *only, unsigned pool);

/* Waits until no cell is left, compares the host with what it was, closes the engine, compares again. */
void cell_close(struct cell_host *host);

/* Declares HOST, or leaves the test as skipped. */
#define CELL_OPEN_POOL(host, only, pool)                                                                     \
	const char *skip_reason_ = cell_skip_reason();                                                       \
	if (skip_reason_ != NULL)                                                                            \
		TEST_SKIP(skip_reason_);                                                                     \
	struct cell_host *host = cell_open_pool(only, pool)
#define CELL_OPEN(host, only)                                                                                \
	const char *skip_reason_ = cell_skip_reason();                                                       \
	if (skip_reason_ != NULL)                                                                            \
		TEST_SKIP(skip_reason_);                                                                     \
	struct cell_host *host = cell_open(only)

/* The same while runs are still going on: the engine's close is to end them. */
void cell_close_at_once(struct cell_host *host);
/* The comparison alone, between two runs. */
void cell_check_host(struct cell_host *host);

struct sandbox *cell_sandbox(const struct cell_host *host);
/* The number of the engine's cgroup slot. */
int cell_slot(const struct cell_host *host);

enum cell_input { CELL_INPUT_NONE, CELL_INPUT_PIPE, CELL_INPUT_OPEN_PIPE, CELL_INPUT_FD };

/* One run. COMMAND is split at spaces; its first word is a program of build/probes and becomes /box/WORD. ARGV,
 * when given, is used instead, as it is (PROBE then names the program to put into /box). Zero limits are replaced by
 * small ones (cell.c), not by the policy's. */
struct cell_plan {
	const char *policy;
	bool is_compile; /* the compile step of a language policy */
	struct sandbox_limits limits;
	bool has_policy_limits; /* leave zero limits to the policy */
	const char *command;
	const char *probe;
	const char *const *argv;
	const struct sandbox_file *files; /* besides the probe */
	size_t nfiles;
	const struct sandbox_collect *collects;
	size_t ncollects;
	enum cell_input
		input; /* PIPE: INPUT_TEXT then end; OPEN_PIPE: stays open until cell_feed(…, NULL, 0) */
	const char *input_text;
	size_t input_size; /* 0: strlen */
	int input_fd;	   /* borrowed */
	bool is_merged;	   /* one pipe for both streams */
	bool is_silent;	   /* no pipes: stdout_fd and stderr_fd are -1 */
};

struct cell_stream {
	int fd;
	char *text; /* owned, NUL-terminated */
	size_t size;
	uint64_t total; /* also what was not kept */
	bool is_closed;
};

struct cell {
	struct cell_host *host;
	struct sandbox_run *run; /* borrowed; NULL once done */
	int started;		 /* what sandbox_start returned */
	bool is_done;
	bool has_result;
	struct sandbox_result result;
	struct sandbox_error error;
	struct cell_stream out, err;
	int input_fd; /* our end */
	const char *input_text;
	size_t input_left;
	bool keep_input;
};

/* Starts; a refusal is in ->started and ->error. */
struct cell *cell_start(struct cell_host *host, const struct cell_plan *plan);
/* Until the run is over. */
void cell_wait(struct cell *cell);
/* Until standard output holds TEXT; fails the test if the run ends without it. */
void cell_wait_for(struct cell *cell, const char *text);
/* Writes to the open input pipe; NULL closes it. */
void cell_feed(struct cell *cell, const char *text);
struct cell *cell_run(struct cell_host *host, const struct cell_plan *plan);
/* The same for COMMAND under the policy "attack-run" and small limits. */
struct cell *cell_probe(struct cell_host *host, const char *command);
void cell_free(struct cell *cell);
/* One round of the loop: the engine and every cell's pipes. */
void cell_turn(struct cell_host *host, int timeout_msec);

/* "exited code=0 signal=0 …": everything that explains a failure. Static buffer. */
const char *cell_describe(const struct cell *cell);

#define cell_expect(cell, condition)                                                                         \
	ck_assert_msg(condition, "expected %s; %s", #condition, cell_describe(cell))
/* The run came to a result with this cause. */
#define cell_expect_cause(cell, wanted)                                                                      \
	ck_assert_msg((cell)->has_result && (cell)->result.cause == (wanted), "expected cause %s; %s",       \
		sandbox_cause_name(wanted), cell_describe(cell))
#define cell_expect_exit(cell, code)                                                                         \
	ck_assert_msg((cell)->has_result && (cell)->result.cause == SANDBOX_EXITED &&                        \
			      (cell)->result.exit_code == (code),                                            \
		"expected exit code %d; %s", code, cell_describe(cell))
#define cell_expect_output(cell, wanted)                                                                     \
	ck_assert_msg(strstr((cell)->out.text, wanted) != NULL, "expected in output: \"%s\"; %s", wanted,    \
		cell_describe(cell))
/* "key=" as a line's start in the output: the rest of that line (static buffer), or NULL. */
const char *cell_value(const struct cell *cell, const char *key);

/* The host's side. */

/* Has this kernel (and this processor) 32-bit system calls at all? */
bool cell_host_has_i386(void);

/* Processes of running cells, inits included, as the host counts them: at most CELL_PIDS. */
size_t cell_pids(const struct cell_host *host, pid_t ret[CELL_PIDS]);
/* Reads FILE ("pids.max") of the only cell's directory in the hierarchy of CONTROLLER (enum cgroup_controller); ""
 * when there is no such file. */
void cell_cgroup_read(const struct cell_host *host, int controller, const char *file, char *buf, size_t size);
/* Directories of cells in all hierarchies together. */
unsigned cell_cgroup_count(const struct cell_host *host);
/* "/proc/PID/FILE": a line that starts with KEY, what follows it. Static buffer; "" when there is none. */
const char *cell_proc_line(pid_t pid, const char *file, const char *key);

/* The path of a file of the host that no cell may reach (this one), and words that stand in it. Static buffer. */
const char *cell_canary(void);
#define CELL_CANARY_WORDS "words that stand in it"

/* Makes this process as untidy as it can be, before an engine is opened in it: environment, signals, timer, umask,
 * priority, descriptors that are not close-on-exec. */
void cell_make_a_mess(void);

/* A sum over names, sizes, times, modes (and with CONTENT every byte) of an image; 0 when it cannot be read. Usable
 * outside of tests. */
uint64_t cell_image_sum(const char *image, bool content);
const char *cell_images_dir(void);
const char *cell_probes_dir(void);
/* A temporary directory with the shipped and the test policies; the caller removes it with cell_remove_policies. */
void cell_make_policies(char *path, size_t size);
void cell_make_shipped_policies(char *path, size_t size); /* those alone */
void cell_remove_policies(const char *path);
