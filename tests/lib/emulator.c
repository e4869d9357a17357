#include "tests/lib/emulator.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static const char *const names[] = {
	[EMULATOR_RGW] = "rgw",
	[EMULATOR_MOTO] = "moto",
	[EMULATOR_MOTO_AUTH] = "moto-auth",
	[EMULATOR_FAUXQS] = "fauxqs",
	[EMULATOR_DYNALITE] = "dynalite",
};

enum { LINE_SIZE = 256 };

/* Runs PROGRAM with ARGUMENT; its standard output is *RET_OUT. */
static pid_t spawn(const char *program, const char *argument, int *ret_out)
{
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (dup2(pair[1], STDOUT_FILENO) >= 0)
			(void)execl(program, program, argument, NULL);
		_exit(98);
	}
	(void)close(pair[1]);
	*ret_out = pair[0];
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_line(int fd, char line[LINE_SIZE])
{
	size_t n = 0;

	while (n < LINE_SIZE - 1 && read(fd, &line[n], 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
}

const char *emulator_skip_reason(void)
{
	static char reason[LINE_SIZE];
	int out;

	if (geteuid() != 0)
		return "the emulators run in a root of their own, which needs root";
	pid_t pid = spawn("tests/aws/emulators/build", "--check", &out);
	read_line(out, reason);
	(void)close(out);
	return wait_for(pid) == 0 ? NULL : reason;
}

void emulator_start(struct emulator *emulator, enum emulator_kind kind, const struct emulator *like)
{
	char line[LINE_SIZE];
	int out;

	*emulator = (struct emulator){.kind = kind};
	if (like != NULL) {
		ck_assert_int_eq(setenv("KEY", like->key, 1), 0);
		ck_assert_int_eq(setenv("SECRET", like->secret, 1), 0);
	}
	emulator->pid = spawn("tests/aws/emulators/run", names[kind], &out);
	read_line(out, line);
	(void)close(out);
	ck_assert_msg(
		sscanf(line, "READY %u %63s %63s", &emulator->port, emulator->key, emulator->secret) == 3,
		"%s did not start: %s", names[kind], line);
	(void)snprintf(emulator->url, sizeof(emulator->url), "http://127.0.0.1:%u", emulator->port);
}

void emulator_expect_alive(const struct emulator *emulator)
{
	struct pollfd end = {.fd = pidfd_open(emulator->pid, 0), .events = POLLIN};

	ck_assert_int_ge(end.fd, 0);
	ck_assert_msg(poll(&end, 1, 0) == 0, "%s at %s has ended", names[emulator->kind], emulator->url);
	(void)close(end.fd);
}

void emulator_stop(struct emulator *emulator)
{
	if (emulator->pid == 0)
		return;
	ck_assert_int_eq(kill(emulator->pid, SIGKILL), 0);
	(void)wait_for(emulator->pid);
	emulator->pid = 0;
}

void emulator_export(const struct emulator *emulator, const char *services)
{
	char list[64], name[64];
	char *rest = list;

	ck_assert_int_eq(setenv("AWS_REGION", "us-east-1", 1), 0);
	ck_assert_int_eq(setenv("AWS_ACCESS_KEY_ID", emulator->key, 1), 0);
	ck_assert_int_eq(setenv("AWS_SECRET_ACCESS_KEY", emulator->secret, 1), 0);
	(void)snprintf(list, sizeof(list), "%s", services);
	for (const char *one; (one = strsep(&rest, " ")) != NULL;) {
		(void)snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", one);
		ck_assert_int_eq(setenv(name, emulator->url, 1), 0);
	}
}
