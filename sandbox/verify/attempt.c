#include "sandbox/verify/attempt.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { WORDS = 64, WORDS_BYTES = 8192 };

/* Small but in time: a processor that is emulated, or shared with many, is to come to the end that a row is about, too. */
const struct sandbox_limits attempt_small_limits = {
	.cpu_usec = 30000000,
	.wall_usec = 60000000,
	.memory_bytes = 64 << 20,
	.processes = 20,
	.output_bytes = 1 << 20,
	.file_bytes = 16 << 20,
	.disk_bytes = 32 << 20,
	.inodes = 1000,
	.open_files = 64,
	.stack_bytes = 8 << 20,
	.cpu_millis = 1000,
};

/* --- the streams ----------------------------------------------------------------------------------------------- */

static int open_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

static void keep(struct attempt_stream *stream, const char *bytes, size_t n)
{
	stream->total += n;
	if (stream->size + n > ATTEMPT_OUTPUT)
		return;
	char *text = realloc(stream->text, stream->size + n + 1);
	if (text == NULL)
		return;
	memcpy(text + stream->size, bytes, n);
	stream->size += n;
	text[stream->size] = '\0';
	stream->text = text;
}

static void stream_read(struct attempt_stream *stream)
{
	static char buf[1 << 16];
	ssize_t n = -1;

	while (stream->fd >= 0 && (n = read(stream->fd, buf, sizeof(buf))) > 0)
		keep(stream, buf, (size_t)n);
	if (n == 0)
		stream->fd = fd_close(stream->fd);
}

static void input_write(struct attempt *attempt)
{
	while (attempt->input_fd >= 0 && attempt->input_left > 0) {
		size_t size = strlen(attempt->input_text) - attempt->input_at;
		if (size > attempt->input_left)
			size = (size_t)attempt->input_left;
		ssize_t n = write(attempt->input_fd, attempt->input_text + attempt->input_at, size);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* the reader has closed it */
		attempt->input_left -= (size_t)n;
		attempt->input_at += (size_t)n;
		if (attempt->input_text[attempt->input_at] == '\0')
			attempt->input_at = 0;
	}
	if (!attempt->keeps_input)
		attempt->input_fd = fd_close(attempt->input_fd);
}

size_t attempt_poll(const struct attempt *attempt, struct pollfd *fds)
{
	size_t n = 0;

	if (attempt->out.fd >= 0)
		fds[n++] = (struct pollfd){attempt->out.fd, POLLIN, 0};
	if (attempt->err.fd >= 0)
		fds[n++] = (struct pollfd){attempt->err.fd, POLLIN, 0};
	if (attempt->input_fd >= 0 && attempt->input_left > 0)
		fds[n++] = (struct pollfd){attempt->input_fd, POLLOUT, 0};
	return n;
}

void attempt_move(struct attempt *attempt)
{
	stream_read(&attempt->out);
	stream_read(&attempt->err);
	input_write(attempt);
}

/* --- the request ----------------------------------------------------------------------------------------------- */

/* What a plan becomes; lives until sandbox_start has returned. */
struct order {
	struct sandbox_spec spec;
	char text[WORDS_BYTES], program[128], expanded[512];
	const char *words[WORDS];
	struct sandbox_file files[BOUND_FILES];
	int program_fd, in, out, err; /* owned */
};

/* WORD with DIRECTORY, unless that is NULL, in the place of a "{writable}" at its start. NULL: too long. */
static char *expand(struct order *order, char *word, const char *directory)
{
	static const char mark[] = "{writable}";
	size_t size = sizeof(order->expanded);

	if (directory == NULL || strncmp(word, mark, strlen(mark)) != 0)
		return word;
	if (snprintf(order->expanded, size, "%s%s", directory, word + strlen(mark)) >= (int)size)
		return NULL;
	return order->expanded;
}

static int split(struct order *order, const struct attempt_plan *plan)
{
	char *const *writable = plan->site->body->writable;
	size_t n = 0;
	char *rest = order->text;

	if (snprintf(order->text, sizeof(order->text), "%s", plan->command) >= (int)sizeof(order->text))
		return -E2BIG;
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		if (n == WORDS)
			return -E2BIG;
		word = expand(order, word, writable[0]);
		if (word == NULL)
			return -E2BIG;
		order->words[n++] = word;
	}
	order->spec.args = order->words;
	order->spec.nargs = n;
	return 0;
}

/* The attack program itself is an input file, as a client could send it. */
static int add_program(struct order *order, const struct bench *bench, struct sandbox_error *err)
{
	const char *name = order->words[0];
	char path[4200];

	if (name[0] == '/' || name[0] == '.')
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", bench->options.probes_dir, name);
	order->program_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (order->program_fd < 0)
		return error_errno(err, "verify.programs", "%.200s", path);
	(void)snprintf(order->program, sizeof(order->program), "/box/%s", name);
	order->files[order->spec.nfiles++] = (struct sandbox_file){name, order->program_fd, true};
	order->words[0] = order->program;
	return 0;
}

static void set_limits(struct order *order, const struct attempt_plan *plan)
{
	order->spec.limits = plan->limits;
	for (enum limit_id id = 0; id < LIMIT_N && !plan->has_policy_limits; id++) {
		uint64_t small = limit_get(&attempt_small_limits, id),
			 most = plan->site->body->limits[id].maximum;
		if (limit_get(&plan->limits, id) == 0)
			*limit_at(&order->spec.limits, id) = small < most ? small : most;
	}
}

static int add_streams(struct order *order, struct attempt *attempt, const struct attempt_plan *plan)
{
	int r = open_pipe(&attempt->out.fd, &order->out);

	if (r == 0)
		r = open_pipe(&attempt->err.fd, &order->err);
	if (r == 0 && plan->input != ATTEMPT_NO_INPUT)
		r = open_pipe(&order->in, &attempt->input_fd);
	if (r < 0)
		return r;
	(void)fcntl(attempt->out.fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(attempt->err.fd, F_SETFL, O_NONBLOCK);
	if (attempt->input_fd >= 0)
		(void)fcntl(attempt->input_fd, F_SETFL, O_NONBLOCK);
	attempt->keeps_input = plan->input == ATTEMPT_OPEN_INPUT;
	attempt->input_text = plan->input_text;
	if (plan->input == ATTEMPT_TEXT_INPUT)
		attempt->input_left = strlen(plan->input_text);
	else if (plan->input == ATTEMPT_FLOOD_INPUT)
		attempt->input_left = plan->input_bytes;
	order->spec.stdin_fd = order->in;
	order->spec.stdout_fd = order->out;
	order->spec.stderr_fd = order->err;
	return 0;
}

static int fill(struct order *order, struct attempt *attempt, const struct attempt_plan *plan)
{
	struct sandbox_error *err = &attempt->error;
	int r = 0;

	order->spec.policy = plan->policy != NULL ? plan->policy->name : plan->site->variant;
	order->spec.step = plan->policy != NULL ? plan->step : SANDBOX_RUN;
	order->spec.files = order->files;
	order->spec.collects = plan->collects;
	order->spec.ncollects = plan->ncollects;
	set_limits(order, plan);
	if (plan->command != NULL)
		r = split(order, plan);
	if (r < 0)
		return error_set(err, -r, "verify.command", "too many words");
	if (plan->command != NULL)
		r = add_program(order, attempt->bench, err);
	for (size_t i = 0; r == 0 && i < plan->nfiles; i++)
		order->files[order->spec.nfiles++] = plan->files[i];
	if (r == 0 && add_streams(order, attempt, plan) < 0)
		r = error_errno(err, "verify.streams", "pipe");
	return r;
}

static void order_close(struct order *order)
{
	(void)fd_close(order->program_fd);
	(void)fd_close(order->in);
	(void)fd_close(order->out);
	(void)fd_close(order->err);
}

/* --- its life -------------------------------------------------------------------------------------------------- */

static void on_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct attempt *attempt = user;

	(void)run;
	attempt->run = NULL;
	attempt->has_result = result != NULL;
	if (result != NULL)
		attempt->result = *result;
	else
		attempt->error = *error;
	attempt->input_fd = fd_close(attempt->input_fd);
}

static bool enlist(struct bench *bench, struct attempt *attempt)
{
	for (size_t i = 0; i < BENCH_ATTEMPTS; i++)
		if (bench->attempts[i] == NULL) {
			bench->attempts[i] = attempt;
			return true;
		}
	(void)error_set(&attempt->error, EAGAIN, "verify.attempts", "too many at one time");
	return false;
}

struct attempt *attempt_start(struct bench *bench, const struct attempt_plan *plan)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	struct order order = {.program_fd = -1, .in = -1, .out = -1, .err = -1, .spec.stdin_fd = -1};

	if (attempt == NULL)
		return NULL;
	*attempt = (struct attempt){.bench = bench, .out.fd = -1, .err.fd = -1, .input_fd = -1};
	attempt->out.text = calloc(1, 1);
	attempt->err.text = calloc(1, 1);
	if (attempt->out.text == NULL || attempt->err.text == NULL)
		return attempt_free(attempt);
	if (enlist(bench, attempt) && fill(&order, attempt, plan) == 0)
		(void)sandbox_start(
			bench->sandbox, &order.spec, on_done, attempt, &attempt->run, &attempt->error);
	order_close(&order);
	return attempt;
}

static bool is_over(const struct attempt *attempt)
{
	return attempt->run == NULL && attempt->out.fd < 0 && attempt->err.fd < 0;
}

static time_t now_sec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Until the run is over or TEXT (unless NULL) was written. */
static void wait_for(struct attempt *attempt, const char *text)
{
	struct bench *bench = attempt->bench;
	time_t end = now_sec() + ATTEMPT_PATIENCE_SEC;

	while (!is_over(attempt) && (text == NULL || strstr(attempt->out.text, text) == NULL)) {
		if (bench->is_caught || bench->is_broken || now_sec() > end)
			break;
		bench_turn(bench, 1000);
	}
}

bool attempt_wait(struct attempt *attempt)
{
	wait_for(attempt, NULL);
	return is_over(attempt);
}

bool attempt_wait_for(struct attempt *attempt, const char *text)
{
	wait_for(attempt, text);
	return strstr(attempt->out.text, text) != NULL;
}

void attempt_feed(struct attempt *attempt)
{
	attempt->keeps_input = false;
	input_write(attempt);
}

struct attempt *attempt_run(struct bench *bench, const struct attempt_plan *plan)
{
	struct attempt *attempt = attempt_start(bench, plan);

	if (attempt != NULL)
		(void)attempt_wait(attempt);
	return attempt;
}

struct attempt *attempt_free(struct attempt *attempt)
{
	if (attempt == NULL)
		return NULL;
	if (attempt->run != NULL) {
		sandbox_cancel(attempt->run);
		while (attempt->run != NULL && !attempt->bench->is_broken)
			bench_turn(attempt->bench, 1000);
	}
	for (size_t i = 0; i < BENCH_ATTEMPTS; i++)
		if (attempt->bench->attempts[i] == attempt)
			attempt->bench->attempts[i] = NULL;
	(void)fd_close(attempt->out.fd);
	(void)fd_close(attempt->err.fd);
	(void)fd_close(attempt->input_fd);
	free(attempt->out.text);
	free(attempt->err.text);
	free(attempt);
	return NULL;
}

void attempt_summary(const struct attempt *attempt, char *buf, size_t size)
{
	const struct sandbox_result *result = &attempt->result;
	const char *cause = sandbox_cause_name((enum sandbox_cause)result->cause);

	if (!attempt->has_result && attempt->error.errno_value == 0)
		(void)snprintf(buf, size, "no end");
	else if (!attempt->has_result)
		(void)snprintf(buf, size, "fault %s %s: %s", attempt->error.stage,
			strerrorname_np(attempt->error.errno_value), attempt->error.message);
	else if (result->cause == SANDBOX_EXITED)
		(void)snprintf(buf, size, "%s %d", cause, result->exit_code);
	else if (result->cause == SANDBOX_SIGNALED)
		(void)snprintf(buf, size, "%s %d", cause, result->signal);
	else if (result->cause == SANDBOX_FORBIDDEN_SYSCALL)
		(void)snprintf(buf, size, "%s %s", cause, result->syscall_name);
	else
		(void)snprintf(buf, size, "%s", cause);
}
