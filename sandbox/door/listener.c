#include "sandbox/door/listener.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>

static const char STAGE[] = "door.listen";

static int new_socket(struct sandbox_error *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? error_errno(err, STAGE, "socket") : fd;
}

/* 0: nobody answers there; -EADDRINUSE: somebody does. */
static int check_silence(const struct address *address, struct sandbox_error *err)
{
	_cleanup_close_ int fd = new_socket(err);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address->sun, sizeof(address->sun)) < 0) {
		if (errno == ECONNREFUSED || errno == ENOENT)
			return 0;
		if (errno != EAGAIN) /* its queue is full: it lives */
			return error_errno(err, STAGE, "cannot tell whether %.64s is in use", address->name);
	}
	return error_set(err, EADDRINUSE, STAGE, "another supervisor answers at %.64s", address->name);
}

static int remove_stale(const struct address *address, struct sandbox_error *err)
{
	struct stat st;

	if (fstatat(address->dir_fd, address->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, STAGE, "%.64s", address->name);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, STAGE, "%.64s is there and is no socket", address->name);
	int r = check_silence(address, err);
	if (r < 0)
		return r;
	if (unlinkat(address->dir_fd, address->name, 0) < 0 && errno != ENOENT)
		return error_errno(err, STAGE, "remove the stale %.64s", address->name);
	return 0;
}

static int bind_and_listen(struct listener *listener, struct sandbox_error *err)
{
	const struct address *address = &listener->address;
	struct stat st;

	/* The mode is right from the first moment on, whatever the umask is. This process has one thread. */
	mode_t mask = umask(0111);
	int r = bind(listener->fd, (const struct sockaddr *)&address->sun, sizeof(address->sun));
	(void)umask(mask);
	if (r < 0)
		return error_errno(err, STAGE, "bind %.64s", address->name);
	if (fstatat(address->dir_fd, address->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, STAGE, "%.64s", address->name);
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	return listen(listener->fd, SOMAXCONN) < 0 ? error_errno(err, STAGE, "listen") : 0;
}

int listener_open(const char *path, struct listener *ret, struct sandbox_error *err)
{
	struct listener listener = {.fd = -1, .address.dir_fd = -1};

	int r = address_open(path, &listener.address, err);
	if (r == 0)
		r = remove_stale(&listener.address, err);
	if (r == 0) {
		listener.fd = new_socket(err);
		r = listener.fd < 0 ? listener.fd : bind_and_listen(&listener, err);
	}
	if (r < 0) {
		listener_close(&listener);
		return r;
	}
	*ret = listener;
	return 0;
}

void listener_close(struct listener *listener)
{
	const struct address *address = &listener->address;
	struct stat st;

	if (listener->ino != 0 && fstatat(address->dir_fd, address->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_dev == listener->dev && st.st_ino == listener->ino)
		(void)unlinkat(address->dir_fd, address->name, 0);
	listener->ino = 0;
	listener->fd = fd_close(listener->fd);
	address_close(&listener->address);
}
