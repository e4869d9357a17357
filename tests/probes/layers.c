/* layers: what the layers beside namespaces and system call filter refuse. Each case waits for the end of its input, so
 * that a test can change the cell around it first. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <linux/random.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void wait_for_input(void)
{
	char byte;

	say("ready");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void layers_tcp(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)argc, (void)argv;
	wait_for_input();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)tried("socket", fd);
	(void)tried("bind", bind(fd, (const struct sockaddr *)&here, sizeof(here)));
	here.sin_port = htons(80);
	(void)tried("connect", connect(fd, (const struct sockaddr *)&here, sizeof(here)));
}

/* abstract NAME: of a socket that somebody outside listens on. */
static void layers_abstract(int argc, char **argv)
{
	struct sockaddr_un there = {.sun_family = AF_UNIX};
	const char *name = argc > 0 ? argv[0] : "";

	wait_for_input();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)tried("socket", fd);
	(void)snprintf(there.sun_path + 1, sizeof(there.sun_path) - 1, "%s", name);
	(void)tried(
		"connect", connect(fd, (const struct sockaddr *)&there,
				   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
}

/* RNDGETENTCNT, which /dev/random answers to everybody. */
static void layers_device(int argc, char **argv)
{
	int bits;

	(void)argc, (void)argv;
	int fd = open("/dev/random", O_RDONLY | O_CLOEXEC);
	(void)tried("open", fd);
	(void)tried("ioctl", ioctl(fd, RNDGETENTCNT, &bits));
}

static void layers_signal(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)tried("kill(self)", kill(getpid(), 0));
	(void)tried("kill(init)", kill(1, 0));
}

/* create PATHS…: new files. */
static void layers_create(int argc, char **argv)
{
	wait_for_input();
	for (int i = 0; i < argc; i++)
		(void)tried(argv[i], open(argv[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static const struct probe_case cases[] = {
	{"tcp", layers_tcp},
	{"abstract", layers_abstract},
	{"device", layers_device},
	{"signal", layers_signal},
	{"create", layers_create},
};

PROBE_PROGRAM(cases)
