#include "sandbox/base/ready.h"

#include "sandbox/base/fd.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A datagram "READY=1" to $NOTIFY_SOCKET; '@' stands for the abstract namespace's NUL. */
static int notify_systemd(struct sandbox_error *err)
{
	static const char text[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (path == NULL || path[0] == '\0')
		return 0;
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "ready.notify", "NOTIFY_SOCKET");
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || sendto(sock, text, sizeof(text) - 1, MSG_NOSIGNAL, (const struct sockaddr *)&address,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		return error_errno(err, "ready.notify", "NOTIFY_SOCKET");
	return 0;
}

int ready_announce(int fd, const char *line, struct sandbox_error *err)
{
	if (fd < 0)
		return notify_systemd(err);
	int r = fd_write_all(fd, line, strlen(line));
	(void)fd_close(fd);
	return r < 0 ? error_set(err, -r, "ready.fd", "%s", strerrordesc_np(-r)) : 0;
}
