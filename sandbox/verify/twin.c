#include "sandbox/verify/twin.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { TWIN_TELL = 3 };

void twin_say(struct twin *twin, const char *fmt, ...)
{
	char line[TWIN_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (fd_write_all(twin->tell, line, strlen(line)) == 0)
		(void)fd_write_all(twin->tell, "\n", 1);
}

/* The parent's engine must not be kept alive by us: of its descriptors only TELL stays. */
static int forget_parent(int tell)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		(tell != TWIN_TELL && dup3(tell, TWIN_TELL, O_CLOEXEC) < 0))
		return -1;
	return close_range(TWIN_TELL + 1, ~0U, 0);
}

static const struct site *find_site(const struct bench *bench, const char *variant)
{
	for (size_t i = 0; i < bench->nsites; i++)
		if (strcmp(bench->sites[i].variant, variant) == 0)
			return &bench->sites[i];
	return NULL;
}

_Noreturn static void twin_main(const struct trial *trial, const struct twin_plan *plan, int tell)
{
	static struct twin twin;
	struct bench_options options = trial->bench->options;
	struct sandbox_error err = {0};

	options.signal_fd = -1;
	options.has_no_variants = plan->is_supervisor;
	if (forget_parent(tell) < 0)
		_exit(2);
	twin.tell = TWIN_TELL;
	if (bench_open_engine(&twin.bench, &options, &err) < 0)
		twin_say(&twin, "%s: %s", err.stage, err.message);
	else
		twin.site = find_site(&twin.bench, trial->site->variant);
	if (twin.site != NULL)
		plan->main(&twin);
	twin.bench.sandbox = sandbox_close(twin.bench.sandbox);
	_exit(twin.site != NULL ? 0 : 1);
}

/* The first line, or what came until the end. */
static void read_line(int fd, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	while (used + 1 < size && strchr(text, '\n') == NULL) {
		ssize_t n = read(fd, text + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		text[used] = '\0';
	}
	text[strcspn(text, "\n")] = '\0';
}

pid_t twin_start(struct trial *trial, const struct twin_plan *plan, char *text, size_t size)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0) {
		trial_fail(trial, "pipe: %s", strerrordesc_np(errno));
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		twin_main(trial, plan, pair[1]);
	(void)fd_close(pair[1]);
	if (pid < 0)
		trial_fail(trial, "fork: %s", strerrordesc_np(errno));
	else
		read_line(pair[0], text, size);
	(void)fd_close(pair[0]);
	return pid;
}

void twin_kill(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

bool twin_wait(struct trial *trial, pid_t pid, const char *text)
{
	int status = 0;

	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	trial_fail(trial, "the engine beside us ended with %#x: %s", (unsigned)status, text);
	return false;
}

bool twin_run(struct trial *trial, const struct twin_plan *plan, char *text, size_t size)
{
	pid_t pid = twin_start(trial, plan, text, size);

	return pid >= 0 && twin_wait(trial, pid, text);
}
