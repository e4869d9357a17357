/* doorway.c: a supervisor's socket, and what is sent to it by those who should not. */
#include "sandbox/base/fd.h"
#include "sandbox/door/address.h"
#include "sandbox/door/client.h"
#include "sandbox/door/message.h"
#include "sandbox/door/server.h"
#include "sandbox/verify/clients.h"
#include "sandbox/verify/twin.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MUTATIONS = 200, STRANGER = 12345, FDS_MAX = 253, PATIENCE_MSEC = 10000 };

/* --- the supervisor -------------------------------------------------------------------------------------------- */

static void doorway_twin(struct twin *twin)
{
	char dir[] = "/tmp/cofferdam-verify-XXXXXX", path[64];
	struct door_options options = {.path = path, .uids = {0}, .nuids = 1};
	struct sandbox_error err = {0};
	struct door *door = NULL;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDERR_FILENO) < 0 || mkdtemp(dir) == NULL)
		return;
	(void)fd_close(null);
	(void)chmod(dir, 0755);
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	if (door_open(&options, twin->bench.sandbox, &door, &err) == 0) {
		twin_say(twin, "%s", path);
		(void)door_run(door, &err);
	}
	twin->bench.sandbox = sandbox_close(twin->bench.sandbox);
	(void)door_close(door);
	(void)rmdir(dir);
}

struct doorway {
	pid_t pid;
	const char *path;
	unsigned descriptors; /* of the supervisor, when nobody is there */
};

static unsigned count_descriptors(pid_t pid)
{
	char path[64];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

/* --- sending --------------------------------------------------------------------------------------------------- */

static int connect_raw(const char *path)
{
	__attribute__((cleanup(address_close))) struct address address = {.dir_fd = -1};
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (sock < 0 || address_open(path, &address, NULL) < 0 ||
		connect(sock, (const struct sockaddr *)&address.sun, sizeof(address.sun)) < 0)
		return -1;
	return TAKE_FD(sock);
}

/* SIZE bytes, with NFDS copies of standard error. */
static bool send_raw(int sock, void *bytes, size_t size, size_t nfds)
{
	static union {
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	const int fd = STDERR_FILENO;
	struct iovec iov = {bytes, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_LEN(nfds * sizeof(int));
		control.align = (struct cmsghdr){CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(int));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

/* -errno as the supervisor told it, with ERR; 0: a result; 1: nothing came. */
static int receive_raw(int sock, struct sandbox_error *err)
{
	struct pollfd wait = {sock, POLLIN, 0};
	struct sandbox_result result;

	if (poll(&wait, 1, PATIENCE_MSEC) <= 0)
		return 1;
	return door_finish(sock, &result, err);
}

/* --- the tries ------------------------------------------------------------------------------------------------- */

static void send_nonsense(struct trial *trial, const struct doorway *doorway)
{
	static char big[BOUND_REQUEST_BYTES + 1];
	char http[] = "GET / HTTP/1.0\r\n\r\n";
	struct message_head hello = message_bare(MESSAGE_HELLO), newer = hello,
			    cancel = message_bare(MESSAGE_CANCEL);
	const struct {
		const char *name;
		void *bytes;
		size_t size, nfds;
		int error;
	} tries[] = {{"http", http, sizeof(http) - 1, 0, -EINVAL},
		{"zeros", big, sizeof(big) - 1, 0, -EINVAL}, {"too large", big, sizeof(big), 0, -E2BIG},
		{"cut", &hello, sizeof(hello) - 1, 0, -EINVAL},
		{"a surplus descriptor", &hello, sizeof(hello), 1, -EINVAL},
		{"a flood of descriptors", &hello, sizeof(hello), FDS_MAX, -E2BIG},
		{"a cancel of nothing", &cancel, sizeof(cancel), 0, -EPROTO},
		{"another version", &newer, sizeof(newer), 0, -EPROTONOSUPPORT}};

	newer.version++;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct sandbox_error err = {0};
		_cleanup_close_ int sock = connect_raw(doorway->path);
		if (sock < 0 || !send_raw(sock, tries[i].bytes, tries[i].size, tries[i].nfds)) {
			trial_fail(trial, "%s: not sent: %s", tries[i].name, strerrordesc_np(errno));
			return;
		}
		int r = receive_raw(sock, &err);
		if (r != tries[i].error)
			trial_fail(trial, "%s: %d %s", tries[i].name, r, err.stage);
	}
	trial_see(trial, "%zu kinds of nonsense refused", ARRAY_SIZE(tries));
}

/* A request that is in order but for some bytes, which any client could set as it likes. */
static void send_mutations(struct trial *trial, const struct doorway *doorway)
{
	static struct message_out out, copy;
	const char *const args[] = {"/nothing"};
	const struct sandbox_spec spec = {.policy = trial->site->policies[0]->name,
		.step = trial->site->step,
		.args = args,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	uint32_t random = 2463534242;
	unsigned refused = 0;

	if (message_build(&spec, &out, NULL) < 0) {
		trial_fail(trial, "the request cannot be built");
		return;
	}
	for (int i = 0; i < MUTATIONS; i++) {
		struct sandbox_error err = {0};
		copy = out;
		for (int k = 0; k <= i % 4; k++) {
			random ^= random << 13, random ^= random >> 17, random ^= random << 5;
			copy.bytes[random % copy.size] = (char)(random >> 24);
		}
		_cleanup_close_ int sock = connect_raw(doorway->path);
		if (sock < 0 || !send_raw(sock, copy.bytes, copy.size, random % 3)) {
			trial_fail(trial, "mutation %d: not sent", i);
			return;
		}
		int r = receive_raw(sock, &err);
		if (r == 1)
			trial_fail(trial, "mutation %d: no answer", i);
		refused += r < 0;
	}
	trial_see(trial, "%d mutated requests answered, %u refused", MUTATIONS, refused);
}

static void ask_for(struct trial *trial, const struct doorway *doorway, const char *policy)
{
	const char *const args[] = {"/nothing"};
	const struct sandbox_spec spec = {.policy = policy,
		.step = SANDBOX_RUN,
		.args = args,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	struct sandbox_error err = {0};
	_cleanup_close_ int sock = door_start(doorway->path, &spec, &err);
	int r = sock < 0 ? sock : receive_raw(sock, &err);

	if (r != -ENOENT || strcmp(err.stage, "request.policy") != 0)
		trial_fail(trial, "policy %s: %d %s", policy, r, err.stage);
}

static void come_as_stranger(struct trial *trial, const struct doorway *doorway)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
			setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(2);
		_exit(door_ping(doorway->path, NULL) == -EACCES ? 0 : 1);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		trial_fail(trial, "another user was not refused: %#x", (unsigned)status);
	else
		trial_see(trial, "another user refused with EACCES");
}

static void come_and_go(struct trial *trial, const struct doorway *doorway)
{
	enum { VISITORS = 64 };

	for (int i = 0; i < VISITORS; i++)
		(void)fd_close(connect_raw(doorway->path));
	for (int i = 0; i < PATIENCE_MSEC / 20 && count_descriptors(doorway->pid) != doorway->descriptors;
		i++)
		(void)usleep(20000);
	unsigned now = count_descriptors(doorway->pid);
	if (now != doorway->descriptors)
		trial_fail(trial, "the supervisor has %u descriptors, and had %u", now, doorway->descriptors);
	if (door_ping(doorway->path, NULL) < 0)
		trial_fail(trial, "the supervisor does not answer any more");
}

void clients_at_the_door(struct trial *trial)
{
	char path[TWIN_TEXT];
	pid_t pid = twin_start(trial, &(struct twin_plan){doorway_twin, true}, path, sizeof(path));
	const struct doorway doorway = {pid, path, pid > 0 ? count_descriptors(pid) : 0};

	if (pid < 0)
		return;
	if (path[0] != '/' || door_ping(path, NULL) < 0) {
		trial_fail(trial, "the supervisor did not open its door: %s", path);
	} else {
		send_nonsense(trial, &doorway);
		send_mutations(trial, &doorway);
		ask_for(trial, &doorway, "no-such-policy");
		ask_for(trial, &doorway, trial->site->variant);
		come_as_stranger(trial, &doorway);
		come_and_go(trial, &doorway);
	}
	(void)kill(pid, SIGTERM);
	(void)twin_wait(trial, pid, path);
}
