#include "tests/lib/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/verify/attempt.h"
#include "tests/lib/cell_host.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { CELL_RUNS = 64, CELL_WORDS = 64 };

struct cell_host {
	struct sandbox *sandbox;
	struct cell *cells[CELL_RUNS]; /* borrowed; those not yet done */
	struct witness before_open;
	struct witness after_open;
};

static const char *from_environment(const char *name, const char *standard)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : standard;
}

const char *cell_images_dir(void)
{
	return from_environment("IMAGES_DIR", DEFAULT_IMAGES_DIR);
}

const char *cell_probes_dir(void)
{
	return from_environment("PROBES_DIR", "build/probes");
}

const char *cell_skip_reason(void)
{
	char path[4096];

	if (geteuid() != 0)
		return "needs root";
	(void)snprintf(path, sizeof(path), "%s/native", cell_images_dir());
	if (access(path, R_OK | X_OK) < 0)
		return "there is no root image 'native' (make images, or set IMAGES_DIR)";
	return NULL;
}

static uint64_t now_msec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct cell_host *cell_open(const char *only)
{
	return cell_open_pool(only, 0);
}

struct cell_host *cell_open_pool(const char *only, unsigned pool)
{
	struct cell_host *host = calloc(1, sizeof(*host));
	struct sandbox_error err = {0};
	char policies[64];

	ck_assert_ptr_nonnull(host);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	ck_assert_msg(bench_leave_others_alone(&err) == 0, "%s", err.message);
	host_look(&host->before_open);
	cell_make_policies(policies, sizeof(policies));
	struct sandbox_options options = {
		.policies_dir = policies, .images_dir = cell_images_dir(), .only_policy = only, .pool = pool};
	int r = sandbox_open(&options, &host->sandbox, &err);
	cell_remove_policies(policies);
	ck_assert_msg(r == 0, "sandbox_open: %d, stage %s: %s", r, err.stage, err.message);
	host_look(&host->after_open);
	ck_assert_msg(cell_slot(host) >= 0, "the engine holds no descriptor of its cgroup slot");
	return host;
}

struct sandbox *cell_sandbox(const struct cell_host *host)
{
	return host->sandbox;
}

int cell_slot(const struct cell_host *host)
{
	return (int)host->after_open.facts[WITNESS_SLOT];
}

/* Cells are taken down in the background: the host is compared once it has come to rest, or has had its time. */
static void settle(struct cell_host *host, const struct witness *wanted)
{
	uint64_t end = now_msec() + 10000;
	struct witness now;

	for (;;) {
		host_look(&now);
		if (witness_equal(&now, wanted) || now_msec() > end)
			break;
		cell_turn(host, 20);
	}
	ck_assert_msg(witness_equal(&now, wanted), "the host has changed: %s", host_difference(&now, wanted));
}

void cell_check_host(struct cell_host *host)
{
	settle(host, &host->after_open);
}

void cell_close(struct cell_host *host)
{
	cell_check_host(host);
	cell_close_at_once(host);
}

void cell_close_at_once(struct cell_host *host)
{
	struct host_slot slot;

	host_slot_read(cell_slot(host), &slot);
	ck_assert_uint_ne(slot.directories[0], 0);
	host->sandbox = sandbox_close(host->sandbox);
	settle(host, &host->before_open);
	ck_assert_msg(host_slot_is_gone(&slot), "the slot's cgroup is still there");
	free(host);
}

static void stream_open(struct cell_stream *stream, int *write_end)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	stream->fd = fds[0];
	*write_end = fds[1];
}

static void stream_read(struct cell_stream *stream)
{
	static char buf[1 << 16];
	ssize_t n;

	while (stream->fd >= 0 && (n = read(stream->fd, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return;
		stream->total += (uint64_t)n;
		if (stream->size + (size_t)n > CELL_OUTPUT_BYTES)
			continue;
		stream->text = realloc(stream->text, stream->size + (size_t)n + 1);
		ck_assert_ptr_nonnull(stream->text);
		memcpy(stream->text + stream->size, buf, (size_t)n);
		stream->size += (size_t)n;
		stream->text[stream->size] = '\0';
	}
	if (stream->fd >= 0)
		stream->is_closed = true;
	stream->fd = fd_close(stream->fd);
}

static void input_write(struct cell *cell)
{
	while (cell->input_fd >= 0 && cell->input_left > 0) {
		ssize_t n = write(cell->input_fd, cell->input_text, cell->input_left);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* the reader has closed it */
		cell->input_text += n;
		cell->input_left -= (size_t)n;
	}
	cell->input_left = 0;
	if (!cell->keep_input)
		cell->input_fd = fd_close(cell->input_fd);
}

static void on_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct cell *cell = user;

	ck_assert_ptr_eq(cell->run, run);
	ck_assert_msg((result == NULL) != (error == NULL), "exactly one of result and error");
	ck_assert_msg(!cell->is_done, "done was called twice");
	cell->is_done = true;
	cell->run = NULL;
	cell->has_result = result != NULL;
	if (result != NULL)
		cell->result = *result;
	else
		cell->error = *error;
}

/* The engine has closed its ends: what is in the pipes now is all there will be. */
static void finish(struct cell *cell)
{
	for (size_t i = 0; i < CELL_RUNS; i++)
		if (cell->host->cells[i] == cell)
			cell->host->cells[i] = NULL;
	stream_read(&cell->out);
	stream_read(&cell->err);
	ck_assert_msg(cell->out.fd < 0 && cell->err.fd < 0, "a pipe is still held open after the result; %s",
		cell_describe(cell));
	cell->input_fd = fd_close(cell->input_fd);
}

static size_t poll_set(const struct cell_host *host, struct pollfd *fds)
{
	size_t n = 0;

	if (host->sandbox != NULL)
		fds[n++] = (struct pollfd){sandbox_fd(host->sandbox), POLLIN, 0};
	for (size_t i = 0; i < CELL_RUNS; i++) {
		const struct cell *cell = host->cells[i];
		if (cell == NULL)
			continue;
		if (cell->out.fd >= 0)
			fds[n++] = (struct pollfd){cell->out.fd, POLLIN, 0};
		if (cell->err.fd >= 0)
			fds[n++] = (struct pollfd){cell->err.fd, POLLIN, 0};
		if (cell->input_fd >= 0 && cell->input_left > 0)
			fds[n++] = (struct pollfd){cell->input_fd, POLLOUT, 0};
	}
	return n;
}

void cell_turn(struct cell_host *host, int timeout_msec)
{
	struct pollfd fds[1 + 3 * CELL_RUNS];
	struct sandbox_error err = {0};

	(void)poll(fds, poll_set(host, fds), timeout_msec);
	for (size_t i = 0; i < CELL_RUNS; i++)
		if (host->cells[i] != NULL) {
			stream_read(&host->cells[i]->out);
			stream_read(&host->cells[i]->err);
			input_write(host->cells[i]);
		}
	if (host->sandbox != NULL) {
		int r = sandbox_dispatch(host->sandbox, 0, &err);
		ck_assert_msg(r == 0, "sandbox_dispatch: %d, stage %s: %s", r, err.stage, err.message);
	}
	for (size_t i = 0; i < CELL_RUNS; i++)
		if (host->cells[i] != NULL && host->cells[i]->is_done)
			finish(host->cells[i]);
}

/* What a plan becomes: words, files and descriptors that live until sandbox_start has returned. */
struct request {
	char text[9000], name[64];
	char program[128];
	const char *words[CELL_WORDS];
	struct sandbox_file files[BOUND_FILES];
	struct sandbox_spec spec;
	int probe_fd, input_fd, out_fd, err_fd;
};

static void split(struct request *request, const char *command)
{
	size_t n = 0;
	char *rest = request->text;

	(void)snprintf(request->text, sizeof(request->text), "%s", command);
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		ck_assert_uint_lt(n, CELL_WORDS);
		request->words[n++] = word;
	}
	ck_assert_uint_gt(n, 0);
	(void)snprintf(request->name, sizeof(request->name), "%s", request->words[0]);
	(void)snprintf(request->program, sizeof(request->program), "/box/%s", request->words[0]);
	request->words[0] = request->program;
	request->spec.args = request->words;
	request->spec.nargs = n;
}

static void add_files(struct request *request, const struct cell_plan *plan)
{
	size_t n = 0;

	if (plan->probe != NULL)
		(void)snprintf(request->name, sizeof(request->name), "%s", plan->probe);
	if (request->name[0] != '\0') {
		char path[4096];
		(void)snprintf(path, sizeof(path), "%s/%s", cell_probes_dir(), request->name);
		request->probe_fd = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_msg(request->probe_fd >= 0, "%s: %s (make probes)", path, strerror(errno));
		request->files[n++] = (struct sandbox_file){request->name, request->probe_fd, true};
	}
	for (size_t i = 0; i < plan->nfiles && n < BOUND_FILES; i++)
		request->files[n++] = plan->files[i];
	request->spec.files = request->files;
	request->spec.nfiles = n;
}

static void add_streams(struct request *request, struct cell *cell, const struct cell_plan *plan)
{
	if (plan->input == CELL_INPUT_PIPE || plan->input == CELL_INPUT_OPEN_PIPE) {
		int fds[2];
		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		request->input_fd = fds[0];
		cell->input_fd = fds[1];
		cell->input_text = plan->input_text;
		cell->input_left = plan->input_size;
		if (plan->input_text != NULL && plan->input_size == 0)
			cell->input_left = strlen(plan->input_text);
		cell->keep_input = plan->input == CELL_INPUT_OPEN_PIPE;
	}
	if (!plan->is_silent)
		stream_open(&cell->out, &request->out_fd);
	if (!plan->is_silent && !plan->is_merged)
		stream_open(&cell->err, &request->err_fd);
	request->spec.stdin_fd = plan->input == CELL_INPUT_FD ? plan->input_fd : request->input_fd;
	request->spec.stdout_fd = request->out_fd;
	request->spec.stderr_fd = plan->is_merged ? request->out_fd : request->err_fd;
}

static struct sandbox_limits merged_limits(const struct cell_plan *plan)
{
	struct sandbox_limits limits = plan->limits;

	for (enum limit_id id = 0; id < LIMIT_N && !plan->has_policy_limits; id++)
		if (limit_get(&limits, id) == 0)
			*limit_at(&limits, id) = limit_get(&attempt_small_limits, id);
	return limits;
}

static struct cell *cell_new(struct cell_host *host)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	ck_assert_ptr_nonnull(cell);
	*cell = (struct cell){.host = host,
		.out = {.fd = -1, .text = calloc(1, 1)},
		.err = {.fd = -1, .text = calloc(1, 1)},
		.input_fd = -1};
	return cell;
}

struct cell *cell_start(struct cell_host *host, const struct cell_plan *plan)
{
	struct cell *cell = cell_new(host);
	struct request request = {.probe_fd = -1, .input_fd = -1, .out_fd = -1, .err_fd = -1};
	size_t at = 0;

	request.spec.policy = plan->policy;
	request.spec.step = plan->is_compile ? SANDBOX_COMPILE : SANDBOX_RUN;
	request.spec.limits = merged_limits(plan);
	request.spec.collects = plan->collects;
	request.spec.ncollects = plan->ncollects;
	if (plan->command != NULL)
		split(&request, plan->command);
	for (const char *const *word = plan->argv; word != NULL && *word != NULL; word++)
		request.spec.nargs++;
	if (plan->argv != NULL)
		request.spec.args = plan->argv;
	add_files(&request, plan);
	add_streams(&request, cell, plan);

	while (at < CELL_RUNS && host->cells[at] != NULL)
		at++;
	ck_assert_uint_lt(at, CELL_RUNS);
	cell->started = sandbox_start(host->sandbox, &request.spec, on_done, cell, &cell->run, &cell->error);
	(void)fd_close(request.probe_fd);
	(void)fd_close(request.input_fd);
	(void)fd_close(request.out_fd);
	(void)fd_close(request.err_fd);
	if (cell->started == 0)
		host->cells[at] = cell;
	else
		finish(cell);
	return cell;
}

void cell_wait(struct cell *cell)
{
	uint64_t end = now_msec() + CELL_PATIENCE_MSEC;

	while (cell->started == 0 && !cell->is_done) {
		ck_assert_msg(now_msec() < end, "no result; %s", cell_describe(cell));
		cell_turn(cell->host, 1000);
	}
}

void cell_wait_for(struct cell *cell, const char *text)
{
	uint64_t end = now_msec() + CELL_PATIENCE_MSEC;

	while (strstr(cell->out.text, text) == NULL) {
		ck_assert_msg(cell->started == 0 && !cell->is_done && now_msec() < end,
			"waited for \"%s\"; %s", text, cell_describe(cell));
		cell_turn(cell->host, 1000);
	}
}

void cell_feed(struct cell *cell, const char *text)
{
	if (text == NULL) {
		cell->keep_input = false;
	} else {
		cell->input_text = text;
		cell->input_left = strlen(text);
	}
	input_write(cell);
}

struct cell *cell_run(struct cell_host *host, const struct cell_plan *plan)
{
	struct cell *cell = cell_start(host, plan);

	cell_wait(cell);
	return cell;
}

struct cell *cell_probe(struct cell_host *host, const char *command)
{
	return cell_run(host, &(struct cell_plan){.policy = "attack-run", .command = command});
}

void cell_free(struct cell *cell)
{
	if (cell == NULL)
		return;
	ck_assert_msg(cell->is_done || cell->started != 0, "freed before its end");
	free(cell->out.text);
	free(cell->err.text);
	free(cell);
}

static void quote(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from != '\0' && used + 5 < size; from++)
		if (isprint((unsigned char)*from) || *from == '\n')
			to[used++] = *from;
		else
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", (unsigned char)*from);
	to[used] = '\0';
}

const char *cell_describe(const struct cell *cell)
{
	static char text[4000], out[2000], err[1000];
	const struct sandbox_result *r = &cell->result;

	quote(out, sizeof(out), cell->out.text);
	quote(err, sizeof(err), cell->err.text);
	if (!cell->has_result)
		(void)snprintf(text, sizeof(text),
			"started=%d done=%d error %s: %s (errno %d)\nstdout: %s\nstderr: %s", cell->started,
			cell->is_done, cell->error.stage, cell->error.message, cell->error.errno_value, out,
			err);
	else
		(void)snprintf(text, sizeof(text),
			"cause=%s exit_code=%d signal=%d syscall=%s(%d) cpu=%llu wall=%llu memory=%llu "
			"output=%llu ooms=%llu "
			"refused=%llu\nstdout: %s\nstderr: %s",
			sandbox_cause_name(r->cause), r->exit_code, r->signal, r->syscall_name, r->syscall_nr,
			(unsigned long long)r->cpu_usec, (unsigned long long)r->wall_usec,
			(unsigned long long)r->memory_peak_bytes, (unsigned long long)r->output_bytes,
			(unsigned long long)r->oom_kills, (unsigned long long)r->forks_refused, out, err);
	return text;
}

const char *cell_value(const struct cell *cell, const char *key)
{
	static char values[8][1024];
	static unsigned next;
	size_t size = strlen(key);

	for (const char *line = cell->out.text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, size) != 0)
			continue;
		char *value = values[next++ % 8];
		(void)snprintf(
			value, sizeof(values[0]), "%.*s", (int)strcspn(line + size, "\n"), line + size);
		return value;
	}
	return NULL;
}
