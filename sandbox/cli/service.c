#include "sandbox/cli/service.h"

#include "sandbox/base/fd.h"
#include "sandbox/cli/child.h"
#include "sandbox/cli/confine.h"
#include "sandbox/cli/view.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

int service_find(struct service_start *start, struct sandbox_error *err)
{
	static const char name[] = "cofferdam-service";
	char path[PATH_MAX + sizeof(name)];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	start->program_fd = -1;
	if (n < 0)
		return error_errno(err, "serve.service", "/proc/self/exe");
	path[n] = '\0';
	memcpy(strrchr(path, '/') + 1, name, sizeof(name));
	start->program_fd = open(path, O_PATH | O_CLOEXEC);
	return start->program_fd < 0 ? error_errno(err, "serve.service", "%.200s", path) : 0;
}

/* Root's ids and every capability, for good. The bounding set first: dropping from it needs CAP_SETPCAP. */
static int shed(uid_t uid, struct sandbox_error *err)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_errno(err, "serve.shed", "bounding set");
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(err, "serve.shed", "user %u", uid);
	/* With the last user id 0 the kernel has emptied all sets but the inheritable one, unless a securebit that we
	 * inherited kept it from doing so. */
	cap_t none = cap_init();
	int r = none != NULL && cap_set_proc(none) == 0 ? 0 : error_errno(err, "serve.shed", "capabilities");
	(void)cap_free(none);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_errno(err, "serve.shed", "no_new_privs");
	return r;
}

/* name --ready-fd 3, and what is passed on. */
static char **make_argv(char **options, struct sandbox_error *err)
{
	static char name[] = "cofferdam-service", option[] = "--ready-fd", fd[] = "3";
	size_t n = 0;

	_Static_assert(CHILD_READY_FD == 3, "as in FD");
	while (options[n] != NULL)
		n++;
	char **argv = calloc(n + 4, sizeof(*argv));
	if (argv == NULL) {
		(void)error_set(err, ENOMEM, "serve.service", "no memory");
		return NULL;
	}
	argv[0] = name;
	argv[1] = option;
	argv[2] = fd;
	memcpy(argv + 3, options, n * sizeof(*argv));
	return argv;
}

static int give_up_root(const struct service_start *start, struct sandbox_error *err)
{
	struct filter_program program = {0};

	int r = confine_read(start->policies_dir, "service", &program, err);
	if (r == 0)
		r = shed(start->uid, err);
	if (r == 0)
		r = child_follow_parent(err); /* changing the user would have undone it */
	if (r == 0)
		r = confine_enter(&program, err);
	filter_free(&program);
	return r;
}

int service_become(const void *user, struct sandbox_error *err)
{
	const struct service_start *start = user;
	const char *const paths[] = {
		start->state_dir, start->policies_dir, start->images_dir, start->socket_dir};
	_cleanup_free_ char **argv = make_argv(start->options, err);

	if (argv == NULL)
		return -ENOMEM;
	int r = view_make_reachable(paths, ARRAY_SIZE(paths), start->uid, err);
	if (r == 0)
		r = give_up_root(start, err);
	if (r < 0)
		return r;
	(void)execveat(start->program_fd, "", argv, environ, AT_EMPTY_PATH);
	return error_errno(err, "serve.service", "exec");
}
