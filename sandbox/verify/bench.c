#include "sandbox/verify/bench.h"

#include "sandbox/base/fd.h"
#include "sandbox/verify/attempt.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A namespace of its own would hide what leaks out of the launcher's, were it not shared again: the launcher's is then
 * its peer, as it is the host's elsewhere. */
int bench_leave_others_alone(struct sandbox_error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return error_errno(err, "verify.mounts", "mount namespace");
	return 0;
}

/* Something of the host to be reached, read, signalled, stopped or killed. */
static int set_up_prey(struct bench *bench, struct sandbox_error *err)
{
	(void)snprintf(bench->canary, sizeof(bench->canary), "/tmp/cofferdam-verify-XXXXXX");
	_cleanup_close_ int fd = mkostemp(bench->canary, O_CLOEXEC);
	if (fd < 0) {
		bench->canary[0] = '\0';
		return error_errno(err, "verify.canary", "/tmp");
	}
	if (fd_write_all(fd, BENCH_SECRET "\n", strlen(BENCH_SECRET "\n")) < 0 || fchmod(fd, 0644) < 0 ||
		setenv(BENCH_SECRET_NAME, BENCH_SECRET, 1) < 0)
		return error_errno(err, "verify.canary", "%s", bench->canary);
	bench->bystander = fork();
	if (bench->bystander == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	return bench->bystander < 0 ? error_errno(err, "verify.bystander", "fork") : 0;
}

static int open_engine(struct bench *bench, struct sandbox_error *err)
{
	const struct sandbox_options engine = {.policies_dir = bench->options.policies_dir,
		.images_dir = bench->options.images_dir,
		.cgroup_parent = bench->options.cgroup_parent,
		.uid_base = bench->options.uid_base,
		.has_variants = !bench->options.has_no_variants};

	int r = sandbox_open(&engine, &bench->sandbox, err);
	if (r == 0)
		bench->nsites = site_list(sandbox_policies(bench->sandbox), bench->sites);
	return r;
}

int bench_open_engine(struct bench *bench, const struct bench_options *options, struct sandbox_error *err)
{
	*bench = (struct bench){.options = *options};
	return open_engine(bench, err);
}

int bench_open(struct bench *bench, const struct bench_options *options, struct sandbox_error *err)
{
	*bench = (struct bench){.options = *options};
	int r = set_up_prey(bench, err);
	return r == 0 ? open_engine(bench, err) : r;
}

void bench_close(struct bench *bench)
{
	bench->sandbox = sandbox_close(bench->sandbox);
	if (bench->bystander > 0) {
		(void)kill(bench->bystander, SIGKILL);
		(void)waitpid(bench->bystander, NULL, 0);
	}
	if (bench->canary[0] != '\0')
		(void)unlink(bench->canary);
	bench->bystander = 0;
	bench->canary[0] = '\0';
}

void bench_turn(struct bench *bench, int timeout_msec)
{
	struct pollfd fds[2 + 3 * BENCH_ATTEMPTS];
	size_t n = 0;

	fds[n++] = (struct pollfd){sandbox_fd(bench->sandbox), POLLIN, 0};
	fds[n++] = (struct pollfd){bench->is_caught ? -1 : bench->options.signal_fd, POLLIN, 0};
	for (size_t i = 0; i < BENCH_ATTEMPTS; i++)
		if (bench->attempts[i] != NULL)
			n += attempt_poll(bench->attempts[i], fds + n);
	(void)poll(fds, n, timeout_msec);
	bench->is_caught = bench->is_caught || fds[1].revents != 0;
	if (sandbox_dispatch(bench->sandbox, 0, &bench->error) < 0)
		bench->is_broken = true;
	for (size_t i = 0; i < BENCH_ATTEMPTS; i++)
		if (bench->attempts[i] != NULL)
			attempt_move(bench->attempts[i]);
}

void bench_image_path(const struct bench *bench, const char *image, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s", bench->options.images_dir, image);
}

int64_t bench_image_sum(const struct bench *bench, const struct site *site, bool has_content)
{
	char path[4200];

	bench_image_path(bench, site->body->image, path, sizeof(path));
	return (int64_t)witness_image_sum(path, has_content);
}

void bench_look(const struct bench *bench, struct witness *ret)
{
	const struct witness_scope scope = {
		.cgroup_parent = bench->options.cgroup_parent, .uid_base = bench->options.uid_base};

	witness_look_at_rest(&scope, ret);
}

bool bench_has_i386(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		long r = 20;			/* getpid of the 32-bit table */
		(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make a report of it */
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		_exit(r == getpid() ? 0 : 1);
	}
	return waitpid(child, &status, 0) == child && status == 0;
}
