#include "bench/lib/place.h"

#include "bench/lib/series.h"

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOURCE_MAX = 64 * 1024, PATH_ROOM = 4096 };

struct place {
	pid_t pid;
	int sock; /* a source there, nanoseconds back */
};

/* --- in the process --------------------------------------------------------------------------------------------- */

static void mount_at(
	const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data) < 0)
		err(1, "mount %s at %s", source, target);
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");

	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		err(1, "%s", name);
}

/* Layers are below /tmp, which is a tmpfs. */
static void make_writable(const char *path, unsigned i)
{
	char upper[64], work[64], options[PATH_ROOM];

	(void)snprintf(upper, sizeof(upper), "/tmp/upper%u", i);
	(void)snprintf(work, sizeof(work), "/tmp/work%u", i);
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", path, upper, work);
	if (mkdir(upper, 0700) < 0 || mkdir(work, 0700) < 0)
		err(1, "%s", upper);
	mount_at("overlay", path, "overlay", 0, options);
}

static void enter(const struct place_plan *plan)
{
	char path[PATH_ROOM];

	if (unshare(CLONE_NEWNS) < 0)
		err(1, "mount namespace");
	mount_at("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	(void)snprintf(path, sizeof(path), "%s/dev", plan->root);
	mount_at("/dev", path, NULL, MS_BIND | MS_REC, NULL);
	if (chroot(plan->root) < 0)
		err(1, "%s", plan->root);
	mount_at("proc", "/proc", "proc", 0, NULL);
	mount_at("tmpfs", "/tmp", "tmpfs", 0, "mode=1777");
	mount_at("tmpfs", "/box", "tmpfs", 0, "mode=0755");
	for (unsigned i = 0; plan->writable[i] != NULL; i++)
		make_writable(plan->writable[i], i);
	if (chdir("/box") < 0)
		err(1, "/box");
	for (unsigned i = 0; plan->files[i] != NULL; i += 2)
		put(plan->files[i], plan->files[i + 1]);
	if (plan->hidden != NULL)
		mount_at("tmpfs", plan->hidden, "tmpfs", 0, NULL);
}

static uint64_t run_once(const struct place_plan *plan)
{
	int status = -1;
	uint64_t begin = series_now_nsec();
	pid_t pid = fork();

	if (pid == 0) {
		(void)execve(plan->argv[0], (char *const *)(uintptr_t)plan->argv,
			(char *const *)(uintptr_t)plan->env);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s outside: wait status 0x%x", plan->argv[0], (unsigned)status);
	return series_now_nsec() - begin;
}

static _Noreturn void serve(const struct place_plan *plan, int sock)
{
	static char source[SOURCE_MAX];
	ssize_t n;

	enter(plan);
	while ((n = recv(sock, source, sizeof(source) - 1, 0)) > 0) {
		source[n] = '\0';
		put(plan->file, source);
		uint64_t taken = run_once(plan);
		if (unlink("program") < 0 || send(sock, &taken, sizeof(taken), MSG_NOSIGNAL) < 0)
			err(1, "%s outside", plan->argv[0]);
	}
	_exit(0);
}

/* --- the caller's side ------------------------------------------------------------------------------------------ */

struct place *place_open(const struct place_plan *plan)
{
	struct place *place = malloc(sizeof(*place));
	int pair[2];

	if (place == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		err(1, "place");
	*place = (struct place){.pid = fork(), .sock = pair[0]};
	if (place->pid < 0)
		err(1, "fork");
	if (place->pid == 0) {
		/* Of another place's socket no copy is to stay: its end is that place's end. */
		if (dup2(pair[1], 3) < 0 || close_range(4, ~0U, 0) < 0)
			err(1, "descriptors");
		serve(plan, 3);
	}
	(void)close(pair[1]);
	return place;
}

uint64_t place_run(struct place *place, const char *source)
{
	uint64_t taken;

	if (send(place->sock, source, strlen(source), MSG_NOSIGNAL) < 0 ||
		recv(place->sock, &taken, sizeof(taken), 0) != sizeof(taken))
		errx(1, "no compilation outside");
	return taken;
}

void place_close(struct place *place)
{
	(void)close(place->sock);
	(void)waitpid(place->pid, NULL, 0);
	free(place);
}
