/* cli.h: what the commands of `cofferdam` share. */
#pragma once

#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "sandbox/sandbox.h"

#include <jansson.h>

/* The exit status when it is not the program's own or 128 + its signal. */
enum {
	EXIT_COMPILE = 123, /* the compile step did not succeed */
	EXIT_LIMIT = 124,   /* a limit ended the program */
	EXIT_FAULT = 125,   /* the host or the usage was at fault; said on standard error */
	EXIT_SIGNAL = 128,
};

/* The commands: argv[0] is the command's name; they return the exit status. */
int command_run(int argc, char *argv[]);
int command_exec(int argc, char *argv[]);
int command_serve(int argc, char *argv[]);
int command_supervise(int argc, char *argv[]);
int command_doctor(int argc, char *argv[]);
int command_check(int argc, char *argv[]);
int command_verify(int argc, char *argv[]);
int command_bench(int argc, char *argv[]);
int command_trace(int argc, char *argv[]);

/* `run` and `exec`, traced or not; IS_TRACED comes with command_trace's usage. */
int cli_run(int argc, char *argv[], bool is_traced);
int cli_exec(int argc, char *argv[], bool is_traced);
extern const char cli_trace_usage[];

/* --- options --- */

/* Where an engine finds what it needs. ENGINE_ROWS are its rows for a struct TYPE with a MEMBER of this type. */
struct engine_config {
	const char *policies_dir, *images_dir, *cgroup_parent;
	uint64_t uid_base;
};

#define ENGINE_ROWS(type, member)                                                                            \
	{"POLICIES_DIR", CONFIG_STRING, offsetof(struct type, member.policies_dir), 1, 4000,                 \
		DEFAULT_POLICIES_DIR, "policies and seccomp profiles"},                                      \
		{"IMAGES_DIR", CONFIG_STRING, offsetof(struct type, member.images_dir), 1, 4000,             \
			DEFAULT_IMAGES_DIR, "root images"},                                                  \
		{"CGROUP_PARENT", CONFIG_STRING, offsetof(struct type, member.cgroup_parent), 1, 500, NULL,  \
			"cgroup below which the cells' groups are made, instead of the one found by "        \
			"probing"},                                                                          \
	{                                                                                                    \
		"UID_BASE", CONFIG_NUMBER, offsetof(struct type, member.uid_base), 65536, 0xf0000000,        \
			"1879048192", "first of the user ids that cells get"                                 \
	}

/* The rows of all limits for a struct TYPE with a MEMBER of type struct sandbox_limits. */
#define CLI_LIMIT_USEC CONFIG_USEC
#define CLI_LIMIT_BYTES CONFIG_BYTES
#define CLI_LIMIT_COUNT CONFIG_NUMBER
#define CLI_LIMIT_MILLIS CONFIG_MILLIS
#define CLI_LIMIT_ROW(field, flag, unit, help)                                                               \
	{flag, CLI_##unit, offsetof(struct CLI_LIMITS_OF, limits.field), 1, 0, NULL, help},

/* An argument list taken apart: options that ROWS know and their values, other words, and what follows "--". Words
 * keep their order; options that ROWS do not know are words. */
struct cli_words {
	char **options; /* owned array for config_parse: options[0] is argv[0] */
	int noptions;
	char **words; /* owned array, NULL-terminated */
	int nwords;
	char **rest; /* borrowed: what follows "--" */
	int nrest;
};

int cli_split(const struct config_row *rows, size_t nrows, int argc, char *argv[], struct cli_words *ret);
void cli_words_free(struct cli_words *words);

/* --- saying things --- */

/* "cofferdam: STAGE: MESSAGE" on standard error; returns EXIT_FAULT. */
int cli_complain(const struct sandbox_error *err);

/* The exit status that RESULT asks for; CAUGHT: the signal that made us cancel, or 0. */
int cli_exit_status(const struct sandbox_result *result, int caught);

/* One line on standard error when a limit or the filter ended the program; WHAT: "" or "compile: ". */
void cli_explain(const struct sandbox_result *result, const struct sandbox_limits *limits, const char *what);

/* Opens the file for --report (PATH NULL: none, -1). 0 or -errno with ERR. */
int cli_report_open(const char *path, int *ret, struct sandbox_error *err);
/* Writes JSON (owned; NULL: no memory) into FD. 0 or -errno with ERR. FD -1: nothing to do. */
int cli_report_write(int fd, json_t *json, struct sandbox_error *err);
/* {"error": …} */
void cli_report_fault(int fd, const struct sandbox_error *fault);

/* SIGINT, SIGTERM and SIGHUP as a descriptor (owned by the caller) instead of an end in the middle. Or -errno with ERR. */
int cli_open_signals(struct sandbox_error *err);
