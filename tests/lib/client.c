#include "tests/lib/client.h"

#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

/* COMMAND is split at spaces; "work" is the probe. */
struct sandbox_spec client_work(const char *command, const char **words, struct sandbox_file *file)
{
	static char text[256], path[4096];
	char *rest = text;
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "/box/work %s", command);
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		words[n++] = word;
	(void)snprintf(path, sizeof(path), "%s/work", cell_probes_dir());
	*file = (struct sandbox_file){"work", open(path, O_RDONLY | O_CLOEXEC), true};
	ck_assert_int_ge(file->fd, 0);
	return (struct sandbox_spec){
		.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = words,
		.nargs = n,
		.files = file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
	};
}

struct client client_start(const struct supervisor *supervisor, const char *command)
{
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec spec = client_work(command, words, &file);
	struct client client = {.out = -1};
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	client.out = pair[0];
	spec.stdout_fd = spec.stderr_fd = pair[1];
	client.connection = door_start(supervisor->socket, &spec, &client.err);
	(void)close(pair[1]);
	(void)close(file.fd);
	ck_assert_msg(client.connection >= 0, "%s: %s", client.err.stage, client.err.message);
	return client;
}

void client_wait_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&wait, 1, CELL_PATIENCE_MSEC), 1);
}

/* Reads until TEXT has come. */
void client_wait_for(const struct client *client, const char *text)
{
	char buf[256] = "";
	size_t used = 0;

	while (strstr(buf, text) == NULL) {
		client_wait_readable(client->out);
		ssize_t n = read(client->out, buf + used, sizeof(buf) - 1 - used);
		ck_assert_msg(n > 0, "the output ended without \"%s\"", text);
		used += (size_t)n;
		buf[used] = '\0';
	}
}

struct sandbox_result client_finish(struct client *client)
{
	struct sandbox_result result = {0};

	client_wait_readable(client->connection);
	int r = door_finish(client->connection, &result, &client->err);
	ck_assert_msg(r == 0, "%s: %s", client->err.stage, client->err.message);
	client->connection = fd_close(client->connection);
	client->out = fd_close(client->out);
	return result;
}

void supervisor_expect_alive(const struct supervisor *supervisor)
{
	struct sandbox_error err = {0};

	ck_assert_msg(door_ping(supervisor->socket, &err) == 0, "%s: %s", err.stage, err.message);
}

void client_pause(long msec)
{
	(void)nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
}

/* Until no process runs under the user ids of its cells. */
void supervisor_wait_until_empty(const struct supervisor *supervisor)
{
	for (int i = 0; i < 500 && host_slot_processes(supervisor->slot) > 0; i++)
		client_pause(20);
	ck_assert_uint_eq(host_slot_processes(supervisor->slot), 0);
}

/* Until it holds no more descriptors than that. */
void supervisor_wait_until_idle(const struct supervisor *supervisor, unsigned descriptors)
{
	for (int i = 0; i < 500 && supervisor_descriptors(supervisor) > descriptors; i++)
		client_pause(20);
	ck_assert_uint_eq(supervisor_descriptors(supervisor), descriptors);
}
