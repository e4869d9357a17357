/* trace.c: `cofferdam trace`: `run` or `exec` with the seccomp profile's refusals noted instead. */
#include "sandbox/cli/cli.h"

const char cli_trace_usage[] =
	"cofferdam trace [options] -- ARGV...\n"
	"cofferdam trace LANGUAGE FILE... [options] [-- ARGS...]\n"
	"As `cofferdam run` and `cofferdam exec`, but calls that the seccomp profile would refuse are made, "
	"and\n"
	"named on standard error. --report FILE gets them, too, and as \"proposal\" what the profile lacks. "
	"The\n"
	"most dangerous ones are refused all the same, and never proposed.\n"
	"For programs that you trust: nothing but the seccomp profile is loosened, but that is.\n";

int command_trace(int argc, char *argv[])
{
	bool has_language = argc > 1 && argv[1][0] != '-';

	return has_language ? cli_exec(argc, argv, true) : cli_run(argc, argv, true);
}
