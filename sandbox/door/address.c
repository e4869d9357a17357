#include "sandbox/door/address.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <string.h>

static int open_directory(const char *path, size_t length)
{
	char dir[4096];

	if (length >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, path, length);
	dir[length] = '\0';
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int address_open(const char *path, struct address *ret, struct sandbox_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct address address = {.sun = {.sun_family = AF_UNIX}};
	size_t directory = (size_t)(name - path);

	if (name[0] == '\0')
		return error_set(err, EINVAL, "door.address", "%.128s names no socket", path);
	address.dir_fd = directory ? open_directory(path, directory) : open_directory(".", 1);
	if (address.dir_fd < 0)
		return error_errno(err, "door.address", "the directory of %.128s", path);
	int n = snprintf(address.sun.sun_path, sizeof(address.sun.sun_path), "/proc/self/fd/%d/%s",
		address.dir_fd, name);
	if ((size_t)n >= sizeof(address.sun.sun_path)) {
		address_close(&address);
		return error_set(err, ENAMETOOLONG, "door.address", "the name of the socket in %.128s", path);
	}
	_Static_assert(sizeof(address.name) == sizeof(address.sun.sun_path), "what fits there fits here");
	memcpy(address.name, name, strlen(name) + 1);
	*ret = address;
	return 0;
}

void address_close(struct address *address)
{
	address->dir_fd = fd_close(address->dir_fd);
}

int address_peer(int sock, struct ucred *ret)
{
	socklen_t size = sizeof(*ret);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0 ? -errno : 0;
}
