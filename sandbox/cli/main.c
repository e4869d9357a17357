/* main.c: the program `cofferdam`: a table of commands. */
#include "sandbox/cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define VERSION "0.1.0"

static int command_help(int argc, char *argv[]);

static const struct {
	const char *name;
	int (*run)(int argc, char *argv[]);
	const char *help;
} commands[] = {
	{"run", command_run, "run one command in a cell"},
	{"exec", command_exec, "compile and run source files in cells"},
	{"trace", command_trace,
		"run or exec with the profile's refusals noted instead, and propose a profile"},
	{"serve", command_serve, "start supervisor and service together"},
	{"supervise", command_supervise, "start the supervisor alone (systemd)"},
	{"doctor", command_doctor, "say what this host offers and lacks"},
	{"check", command_check, "load and validate every policy and profile"},
	{"verify", command_verify, "attack cells on this host, and say what held"},
	{"bench", command_bench, "measure cells on this host"},
	{"help", command_help, "this list"},
};

static void print_help(FILE *out)
{
	(void)fputs("usage: cofferdam COMMAND [options]\n"
		    "Runs code that nobody trusts, each run in a fresh, single-use cell.\n\n",
		out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fputs("\n'cofferdam COMMAND --help' lists a command's options.\n"
		    "Exit status: the program's own; 128 + signal; 124: a limit ended it; 123: compiling "
		    "failed;\n"
		    "125: the host or the usage was at fault.\n",
		out);
}

static int command_help(int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	print_help(stdout);
	return 0;
}

/* Descriptors 0, 1 and 2 exist, so that nothing that is opened later takes their place. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	(void)fd_close(fd);
}

int main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : "";

	fill_standard_streams();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (strcmp(name, "--version") == 0) {
		(void)puts("cofferdam " VERSION);
		return 0;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (argc > 1)
		(void)fprintf(stderr, "cofferdam: there is no command '%.64s'\n\n", name);
	print_help(stderr);
	return EXIT_FAULT;
}
