#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const struct host_row *const tables[] = {
	host_privilege_rows,
	host_kernel_rows,
	host_layer_rows,
	host_mount_rows,
	host_group_rows,
	host_setting_rows,
	host_install_rows,
};

const char *host_status_name(enum host_status status)
{
	static const char *const names[] = {"ok", "warn", "missing"};

	return (size_t)status < ARRAY_SIZE(names) ? names[status] : NULL;
}

enum host_status host_say(struct host_control *ret, enum host_status status, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(ret->detail, sizeof(ret->detail), fmt, args);
	va_end(args);
	return status;
}

enum host_status host_failed(struct host_control *ret, const char *what)
{
	const char *text = strerrordesc_np(errno);

	return host_say(ret, HOST_MISSING, "%s: %s", what, text ? text : "unknown error");
}

void host_advise(struct host_control *ret, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(ret->remedy, sizeof(ret->remedy), fmt, args);
	va_end(args);
}

/* The child's half: probes and sends its answer, which fits into a pipe. */
__attribute__((noreturn)) static void answer(
	const struct host_row *row, const struct host_paths *paths, struct host_control *control, int out)
{
	/* A probe dies with whoever asked. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	control->status = row->probe(row, paths, control);
	if (control->status == HOST_OK)
		control->remedy[0] = '\0';
	else if (control->remedy[0] == '\0')
		host_advise(control, "%s", row->remedy);
	_exit(fd_write_all(out, control, sizeof(*control)) == 0 ? 0 : 1);
}

static bool receive(int in, struct host_control *ret)
{
	struct host_control control = {0};
	size_t used = 0;

	while (used < sizeof(control)) {
		ssize_t n = read(in, (char *)&control + used, sizeof(control) - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		used += (size_t)n;
	}
	*ret = control;
	return true;
}

static void carry_out(const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	int ends[2];

	*ret = (struct host_control){.name = row->name};
	if (pipe2(ends, O_CLOEXEC) < 0) {
		ret->status = host_failed(ret, "pipe");
		host_advise(ret, "%s", "free some descriptors and try again");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		answer(row, paths, ret, ends[1]);
	(void)fd_close(ends[1]);
	if (pid < 0 || !receive(ends[0], ret)) {
		ret->status = host_say(ret, HOST_MISSING, "the probe could not be carried out");
		host_advise(ret, "%s", "free some memory and processes and try again");
	}
	(void)fd_close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

size_t host_probe(const struct host_paths *paths, struct host_control ret[HOST_CONTROLS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct host_row *row = tables[i]; row->name != NULL && n < HOST_CONTROLS_MAX;
			row++) {
			if (row->needs == NULL || row->needs(paths) != NULL)
				carry_out(row, paths, &ret[n++]);
		}
	return n;
}

enum host_status host_worst(const struct host_control *controls, size_t n)
{
	enum host_status worst = HOST_OK;

	for (size_t i = 0; i < n; i++)
		if (controls[i].status > worst)
			worst = controls[i].status;
	return worst;
}
