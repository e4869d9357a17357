#include "sandbox/cell/wire.h"

#include "sandbox/base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

union fd_space {
	char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	struct cmsghdr align;
};

int wire_send(int sock, const void *data, size_t size, const int *fds, size_t nfds)
{
	union fd_space space;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	assert(nfds <= WIRE_FDS_MAX);
	if (nfds > 0) {
		memset(&space, 0, sizeof(space));
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EMSGSIZE;
}

/* Moves the message's descriptors into FDS; those beyond MAX are closed. Returns how many there were. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t max)
{
	size_t count = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (count < max)
				fds[count] = fd;
			else
				(void)fd_close(fd);
			count++;
		}
	}
	return count;
}

ssize_t wire_receive(int sock, void *data, size_t size, int *fds, size_t max_fds)
{
	union fd_space space;
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	msg.msg_control = space.bytes;
	msg.msg_controllen = sizeof(space.bytes);
	for (size_t i = 0; i < max_fds; i++)
		fds[i] = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EMFILE ? -EIO : -errno; /* -EMFILE says that a message has come */
	size_t count = take_fds(&msg, fds, max_fds);
	if (count > max_fds || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < max_fds; i++)
			fds[i] = fd_close(fds[i]);
		bool is_whole = count <= max_fds && !(msg.msg_flags & MSG_TRUNC) && (size_t)n == size;
		return is_whole ? -EMFILE : -EMSGSIZE;
	}
	return n;
}

int wire_unblock(int sock)
{
	return fcntl(sock, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}
