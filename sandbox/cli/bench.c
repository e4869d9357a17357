/* bench.c: `cofferdam bench`: the benchmarks of this installation (bench/), one of them with its own options, or the short
 * ones one after the other. They are programs of their own: nothing that is measured is in this one. */
#include "sandbox/cli/cli.h"

#include <limits.h>
#include <string.h>
#include <sys/wait.h>

static const char *const short_ones[][4] = {
	{"launch", "--rounds", "100", NULL},
	{"precision", "--rounds", "10", NULL},
	{"work", "--rounds", "3", NULL},
};

static const char usage[] =
	"cofferdam bench [NAME [options]]\n"
	"Measures on this host: what a cell costs, how precise its limits are, how fast work is in it.\n"
	"Without NAME: launch, precision and work, shortly. NAME is one of launch, rate, layers, compile,\n"
	"precision, work, repeat and jobs; 'cofferdam bench NAME --help' lists its options.\n"
	"BENCH_DIR (environment) is where the programs lie.\n";

static bool is_name(const char *text)
{
	return text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text);
}

/* Becomes BENCH_DIR/NAME. */
static _Noreturn void become(const char *name, char *argv[])
{
	const char *dir = getenv("BENCH_DIR");
	char path[PATH_MAX], own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	own[n > 0 ? n : 0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s", dir && dir[0] ? dir : DEFAULT_BENCH_DIR, name);
	argv[0] = path;
	if (setenv("COFFERDAM", own, 1) == 0)
		(void)execv(path, argv);
	(void)fprintf(stderr, "cofferdam: bench: %s: %s\n", path, strerrordesc_np(errno));
	_exit(EXIT_FAULT);
}

static int run_short(const char *const words[4])
{
	char *argv[5] = {NULL};
	int status;

	for (size_t i = 1; i < 4 && words[i] != NULL; i++)
		argv[i] = strdup(words[i]);
	(void)printf("%s\n", words[0]);
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		become(words[0], argv);
	for (size_t i = 1; i < 4; i++)
		free(argv[i]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return EXIT_FAULT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

int command_bench(int argc, char *argv[])
{
	int r = 0;

	if (argc > 1 && is_name(argv[1]))
		become(argv[1], argv + 1);
	if (argc > 1) {
		bool is_help = strcmp(argv[1], "--help") == 0;
		(void)fputs(usage, is_help ? stdout : stderr);
		return is_help ? 0 : EXIT_FAULT;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(short_ones); i++)
		r = run_short(short_ones[i]);
	return r;
}
