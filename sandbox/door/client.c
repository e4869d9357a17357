#include "sandbox/door/client.h"

#include "sandbox/base/fd.h"
#include "sandbox/door/address.h"
#include "sandbox/door/message.h"

#include <string.h>
#include <sys/socket.h>

enum { PING_PATIENCE_SEC = 1 };

static int check_server(int sock, struct sandbox_error *err)
{
	struct ucred peer;

	int r = address_peer(sock, &peer);
	if (r < 0)
		return error_set(err, -r, "door.peer", "SO_PEERCRED: %s", strerrordesc_np(-r));
	if (peer.uid != 0 && peer.uid != geteuid())
		return error_set(err, EACCES, "door.peer",
			"the supervisor's socket belongs to user %u, neither root nor us", peer.uid);
	return 0;
}

static int error_unanswered(const char *stage, struct sandbox_error *err)
{
	return error_set(err, ETIMEDOUT, stage, "the supervisor does not answer");
}

/* PATIENCE_SEC: for connecting, sending and the reply each; 0: without end. */
static int door_connect(const char *path, unsigned patience_sec, struct sandbox_error *err)
{
	__attribute__((cleanup(address_close))) struct address address = {.dir_fd = -1};
	_cleanup_close_ int sock = -1;

	int r = address_open(path, &address, err);
	if (r < 0)
		return r;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return error_errno(err, "door.connect", "socket");
	const struct timeval patience = {.tv_sec = patience_sec};
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, "door.connect", "patience");
	r = connect(sock, (const struct sockaddr *)&address.sun, sizeof(address.sun));
	if (r < 0 && errno == EAGAIN) /* its backlog is full */
		return error_unanswered("door.connect", err);
	if (r < 0)
		return error_errno(err, "door.connect", "no supervisor at %.128s", path);
	r = check_server(sock, err);
	return r < 0 ? r : TAKE_FD(sock);
}

static ssize_t send_message(int sock, void *bytes, size_t size, const int *fds, size_t nfds)
{
	union {
		char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_LEN(nfds * sizeof(int));
		struct cmsghdr *head = &control.align;
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* One reply. A supervisor that closed with something of ours unread makes the kernel report ECONNRESET once, before it
 * hands out what was sent to us: hence the second try. */
static int receive_reply(int sock, struct message_reply *reply, struct sandbox_error *err)
{
	bool is_second = false;
	ssize_t n;

	for (;;) {
		n = recv(sock, reply, sizeof(*reply), MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ECONNRESET && !is_second) {
			is_second = true;
			continue;
		}
		break;
	}
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return error_set(err, ECONNRESET, "door.reply", "the supervisor vanished");
	if (n < 0 && errno == EAGAIN)
		return error_unanswered("door.reply", err);
	if (n < 0)
		return error_errno(err, "door.reply", "recv");
	return message_reply_check(reply, (size_t)n, err);
}

/* The supervisor's own words, if it refused us before it read what we sent. */
static int explain_refusal(int sock, int r, struct sandbox_error *err)
{
	struct message_reply reply;
	struct sandbox_error none = {0};

	if (receive_reply(sock, &reply, &none) == 0 && reply.head.type == MESSAGE_ERROR)
		return error_set(err, reply.error.errno_value, reply.error.stage, "%s", reply.error.message);
	return error_set(err, -r, "door.send", "%s", strerrordesc_np(-r));
}

/* A connection on which the SIZE bytes have been sent. */
static int start(
	const char *path, void *bytes, size_t size, const struct message_out *out, struct sandbox_error *err)
{
	_cleanup_close_ int sock = door_connect(path, 0, err);

	if (sock < 0)
		return sock;
	ssize_t n = send_message(sock, bytes, size, out ? out->fds : NULL, out ? out->nfds : 0);
	if (n == -EPIPE || n == -ECONNRESET)
		return explain_refusal(sock, (int)n, err);
	if (n < 0)
		return error_set(err, (int)-n, "door.send", "%s", strerrordesc_np((int)-n));
	return TAKE_FD(sock);
}

int door_start(const char *path, const struct sandbox_spec *spec, struct sandbox_error *err)
{
	_cleanup_free_ struct message_out *out = malloc(sizeof(*out));

	if (out == NULL)
		return error_set(err, ENOMEM, "door.send", "request");
	int r = message_build(spec, out, err);
	if (r < 0)
		return r;
	return start(path, out->bytes, out->size, out, err);
}

int door_cancel(int connection)
{
	struct message_head cancel = message_bare(MESSAGE_CANCEL);
	ssize_t n = send_message(connection, &cancel, sizeof(cancel), NULL, 0);

	/* It has ended already: the reply is waiting, or the supervisor is gone, as door_finish will tell. */
	return n == -EPIPE || n == -ECONNRESET || n > 0 ? 0 : (int)n;
}

int door_finish(int connection, struct sandbox_result *result, struct sandbox_error *err)
{
	struct message_reply reply;

	int r = receive_reply(connection, &reply, err);
	if (r < 0)
		return r;
	if (reply.head.type == MESSAGE_ERROR)
		return error_set(err, reply.error.errno_value, reply.error.stage, "%s", reply.error.message);
	if (reply.head.type != MESSAGE_RESULT)
		return error_set(err, EPROTO, "door.reply", "a reply to a question that was not asked");
	*result = reply.result;
	return 0;
}

int door_ping(const char *path, struct sandbox_error *err)
{
	struct message_head hello = message_bare(MESSAGE_HELLO);
	struct message_reply reply;
	_cleanup_close_ int sock = door_connect(path, PING_PATIENCE_SEC, err);

	if (sock < 0)
		return sock;
	ssize_t n = send_message(sock, &hello, sizeof(hello), NULL, 0);
	if (n < 0)
		return explain_refusal(sock, (int)n, err);
	int r = receive_reply(sock, &reply, err);
	if (r < 0)
		return r;
	if (reply.head.type == MESSAGE_ERROR)
		return error_set(err, reply.error.errno_value, reply.error.stage, "%s", reply.error.message);
	return 0;
}
