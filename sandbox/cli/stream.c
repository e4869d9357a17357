#include "sandbox/cli/stream.h"

#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { ROUNDS = 16 }; /* per event, so that a fast stream does not keep the engine waiting */

static const char STAGE[] = "stream";

static void reset(struct stream *stream)
{
	stream->cell_fd = stream->source = stream->sink = stream->watched = -1;
	stream->owns_cell = false;
	stream->used = stream->at = 0;
}

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* Our own description of the file, without blocking: O_NONBLOCK on the one we inherited would also change it for the
 * shell. Sockets need none (MSG_DONTWAIT); regular files must keep their offset and never block for long. A FIFO that is
 * opened anew for reading does not report the end when its writers have gone before. */
static int own_copy(int fd, const struct stat *st, int mode, struct sandbox_error *err)
{
	char path[64];
	int copy = -1;

	if (S_ISCHR(st->st_mode) || (S_ISFIFO(st->st_mode) && mode == O_WRONLY)) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		copy = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (copy < 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return copy < 0 ? error_errno(err, STAGE, "duplicate") : copy;
}

/* A pipe of which one end is ours (non-blocking) and the other the cell's. */
static int open_pipe(struct stream *stream, bool is_input, struct sandbox_error *err)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, STAGE, "pipe");
	stream->cell_fd = pair[is_input ? 0 : 1];
	stream->owns_cell = true;
	*(is_input ? &stream->sink : &stream->source) = pair[is_input ? 1 : 0];
	if (fcntl(pair[is_input ? 1 : 0], F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, STAGE, "O_NONBLOCK");
	return 0;
}

/* What FD is, beside a fresh pipe of ours that tells how anonymous pipes look here. */
static bool is_anonymous_pipe(const struct stat *st, int pipe_fd)
{
	struct stat own;

	return S_ISFIFO(st->st_mode) && fstat(pipe_fd, &own) == 0 && own.st_dev == st->st_dev;
}

/* FD itself becomes the cell's, the pipe is not needed. */
static void use_directly(struct stream *stream, int fd)
{
	stream_close(stream);
	reset(stream);
	stream->cell_fd = fd;
}

/* From where we stand in the file: a shell may have read a line of it. The engine takes a file from its start. */
static bool is_whole_file(int fd, const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_size <= BOUND_INPUT_BYTES && lseek(fd, 0, SEEK_CUR) == 0;
}

int stream_open_input(struct stream *stream, int fd, struct sandbox_error *err)
{
	struct stat st;

	reset(stream);
	if (fd < 0 || fstat(fd, &st) < 0 || is_null_device(&st))
		return 0;
	if (is_whole_file(fd, &st)) {
		use_directly(stream, fd);
		return 0;
	}
	int r = open_pipe(stream, true, err);
	if (r < 0)
		return r;
	if (is_anonymous_pipe(&st, stream->cell_fd)) {
		use_directly(stream, fd);
		return 0;
	}
	stream->source = own_copy(fd, &st, O_RDONLY, err);
	return stream->source < 0 ? stream->source : 0;
}

int stream_open_output(struct stream *stream, int fd, struct sandbox_error *err)
{
	struct stat st;

	reset(stream);
	if (fd < 0 || fstat(fd, &st) < 0 || is_null_device(&st))
		return 0;
	int r = open_pipe(stream, false, err);
	if (r < 0)
		return r;
	if (is_anonymous_pipe(&st, stream->cell_fd)) {
		use_directly(stream, fd);
		return 0;
	}
	stream->sink = own_copy(fd, &st, O_WRONLY, err);
	return stream->sink < 0 ? stream->sink : 0;
}

/* --- copying ------------------------------------------------------------------------------------------------ */

/* Waits for FD by EPOLL from now on, or for the other one when FD is a regular file, which epoll does not take and
 * which is always ready. */
static int wait_for(struct stream *stream, int epoll, int fd, struct sandbox_error *err)
{
	int other = fd == stream->source ? stream->sink : stream->source;

	for (int attempt = 0; attempt < 2; attempt++, fd = other) {
		struct epoll_event event = {
			.events = fd == stream->source ? EPOLLIN : EPOLLOUT, .data.ptr = stream};
		if (stream->watched == fd)
			return 0;
		if (stream->watched >= 0)
			(void)epoll_ctl(epoll, EPOLL_CTL_DEL, stream->watched, NULL);
		stream->watched = -1;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
			stream->watched = fd;
			return 0;
		}
		if (errno != EPERM)
			break;
	}
	return error_errno(err, STAGE, "watch");
}

/* For descriptors that could not be made non-blocking. */
static bool is_ready(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	return poll(&poll_fd, 1, 0) == 1;
}

static ssize_t read_some(int fd, char *buffer, size_t size)
{
	if (!is_ready(fd, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	return read(fd, buffer, size);
}

static ssize_t write_some(int fd, const char *data, size_t size)
{
	if (!is_ready(fd, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 && errno == ENOTSOCK ? write(fd, data, size) : n;
}

/* Is that how reading or writing FD fails when there is nobody at its other end any more? */
static bool is_gone(int fd, int error)
{
	struct stat st;

	/* A terminal that has hung up. Of a file it would be a fault. */
	if (error == EIO)
		return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
	return error == EPIPE || error == ECONNRESET || error == ECONNREFUSED;
}

/* One read or one write. 1: go on; 0: at the end; -EAGAIN: the descriptor in *RET_FD is not ready; else a fault. */
static int move_once(struct stream *stream, int *ret_fd)
{
	bool is_write = stream->used > stream->at;
	int fd = is_write ? stream->sink : stream->source;
	ssize_t n = is_write ? write_some(fd, stream->buffer + stream->at, stream->used - stream->at)
			     : read_some(fd, stream->buffer, sizeof(stream->buffer));

	*ret_fd = fd;
	int error = n < 0 ? errno : 0;
	if (error == EINTR)
		return 1;
	if (error != 0 && !is_gone(fd, error))
		return -error;
	if (n <= 0)
		return 0;
	if (is_write) {
		stream->at += (size_t)n;
	} else {
		stream->at = 0;
		stream->used = (size_t)n;
	}
	return 1;
}

int stream_move(struct stream *stream, int epoll, struct sandbox_error *err)
{
	int fd = stream->source;

	for (int i = 0; i < ROUNDS && stream_is_open(stream); i++) {
		int r = move_once(stream, &fd);
		if (r < 0 && r != -EAGAIN)
			return error_set(err, -r, STAGE, "%s: %s", fd == stream->sink ? "write" : "read",
				strerrordesc_np(-r));
		if (r == 0)
			stream_close(stream);
		if (r <= 0)
			break;
		fd = stream->used > stream->at ? stream->sink : stream->source;
	}
	return stream_is_open(stream) ? wait_for(stream, epoll, fd, err) : 0;
}

int stream_start(struct stream *stream, int epoll, struct sandbox_error *err)
{
	if (stream->owns_cell)
		stream->cell_fd = fd_close(stream->cell_fd);
	stream->owns_cell = false;
	return stream_is_open(stream) ? wait_for(stream, epoll, stream->source, err) : 0;
}

bool stream_is_open(const struct stream *stream)
{
	return stream->source >= 0;
}

void stream_close(struct stream *stream)
{
	if (stream->owns_cell)
		stream->cell_fd = fd_close(stream->cell_fd);
	stream->owns_cell = false;
	stream->source =
		fd_close(stream->source); /* closing takes it out of the epoll: it is our only copy */
	stream->sink = fd_close(stream->sink);
	stream->watched = -1;
}

bool stream_is_same(int a, int b)
{
	struct stat first, second;

	return a >= 0 && b >= 0 && fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}
