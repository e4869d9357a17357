#include "sandbox/door/inbox.h"

#include "sandbox/base/fd.h"

#include <string.h>
#include <sys/socket.h>

void inbox_empty(struct inbox *inbox)
{
	for (size_t i = 0; i < inbox->nfds; i++)
		inbox->fds[i] = fd_close(inbox->fds[i]);
	inbox->nfds = 0;
	inbox->size = 0;
}

/* The kernel delivers at most as many descriptors as the control buffer has room for, and closes the others. */
static void take_fds(struct msghdr *message, struct inbox *inbox)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > MESSAGE_FDS_MAX - inbox->nfds)
			n = MESSAGE_FDS_MAX - inbox->nfds;
		memcpy(inbox->fds + inbox->nfds, CMSG_DATA(head), n * sizeof(int));
		inbox->nfds += n;
	}
}

int inbox_receive(int sock, struct inbox *inbox, struct sandbox_error *err)
{
	union {
		char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = inbox->bytes, .iov_len = sizeof(inbox->bytes)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		/* CMSG_LEN, not CMSG_SPACE: the padding would hold one descriptor more than there may be. */
		.msg_controllen = CMSG_LEN(MESSAGE_FDS_MAX * sizeof(int)),
	};
	ssize_t n;

	inbox->nfds = 0;
	do
		n = recvmsg(sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return INBOX_EMPTY;
	if (n < 0 && errno != ECONNRESET)
		return error_errno(err, "door.receive", "recvmsg");
	if (n < 0)
		return -ECONNRESET;
	take_fds(&message, inbox);
	inbox->size = (size_t)n;
	if (n == 0) {
		inbox_empty(inbox);
		return -ECONNRESET; /* the end; an empty message is none of ours either */
	}
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		inbox_empty(inbox);
		if (message.msg_flags & MSG_TRUNC)
			return error_set(
				err, E2BIG, "request.message", "more than %d bytes", BOUND_REQUEST_BYTES);
		return error_set(err, E2BIG, "request.message",
			"more than %d descriptors, or this process can hold no more", MESSAGE_FDS_MAX);
	}
	return 0;
}
