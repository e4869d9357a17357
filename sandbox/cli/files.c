#include "sandbox/cli/files.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int box_files_add(struct box_files *files, const char *path, const char *name, struct sandbox_error *err)
{
	struct stat st;

	if (files->nfiles == BOUND_FILES)
		return error_set(err, E2BIG, "usage", "more than %d files", BOUND_FILES);
	if (!policy_file_name_ok(name))
		return error_set(err, EINVAL, "usage",
			"%.100s: '%.64s' is no name for a file in /box (letters, digits and ._+- in each "
			"part)",
			path, name);
	/* O_NONBLOCK: a FIFO is refused below, not waited for. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "usage", "%.200s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "usage", "%.200s: not a regular file", path);
	files->files[files->nfiles++] = (struct sandbox_file){
		.name = name,
		.fd = TAKE_FD(fd),
		.is_executable = (st.st_mode & S_IXUSR) != 0,
	};
	return 0;
}

int box_files_add_spec(struct box_files *files, const char *spec, struct sandbox_error *err)
{
	const char *colon = strrchr(spec, ':');
	char path[4096];

	if (colon == NULL)
		return box_files_add(files, spec, last_component(spec), err);
	if ((size_t)(colon - spec) >= sizeof(path))
		return error_set(err, ENAMETOOLONG, "usage", "%.200s", spec);
	memcpy(path, spec, (size_t)(colon - spec));
	path[colon - spec] = '\0';
	return box_files_add(files, path, colon + 1, err);
}

int box_files_add_path(struct box_files *files, const char *path, struct sandbox_error *err)
{
	const char *name = path;

	while (strncmp(name, "./", 2) == 0)
		name += 2;
	return box_files_add(files, path, policy_file_name_ok(name) ? name : last_component(path), err);
}

void box_files_close(struct box_files *files)
{
	for (size_t i = 0; i < files->nfiles; i++)
		files->files[i].fd = fd_close(files->files[i].fd);
	files->nfiles = 0;
}
