/* policy.h: policies loaded from JSON, whole and validated before the first run.
 *
 * policies/languages/<id>.json, policies/commands/<id>.json and policies/seccomp/<profile>.json are data written by
 * the administrator, never by a job. Everything a run needs is decided here: image, argv, environment, limits,
 * seccomp program. docs/hacking.md shows both formats. */
#pragma once

#include "sandbox/policy/filter.h"
#include "sandbox/sandbox.h"

/* Default and maximum of one limit; 0 < standard <= maximum. */
struct limit_range {
	uint64_t standard;
	uint64_t maximum;
};

/* A file that is put into /box when the client sent none of that name (go.mod). */
struct policy_extra {
	char *name;
	char *content;
};

/* One step of a policy. All owned by the policy set. */
struct policy_step {
	bool is_present;
	char *image;	/* image name: [a-z0-9-]{1,32}; a directory of that name in images_dir */
	char **argv;	/* NULL-terminated template; an element that is exactly "{sources}" is replaced by the
	                      * names of the input files that match SOURCES, in order. Empty for a command policy. */
	char **sources; /* NULL-terminated glob patterns (fnmatch): "*.cpp" */
	char **env;	/* NULL-terminated "NAME=value", the whole environment */
	char **writable; /* NULL-terminated absolute directories of the image that get a private writable upper layer
	                      * (overlay on the cell's tmpfs): "/opt/go-cache" */
	struct policy_extra *extras;
	size_t nextras;
	char *collect; /* NULL, or the file of /box that the step produces: "program" */
	char *input;   /* NULL, or the name under which the compile step's product is put into /box */
	bool has_proc; /* mount /proc */
	bool can_execute_files;		 /* what lies in /box, /tmp and the writable layers may be executed */
	bool can_make_memory_executable; /* memory may be writable and executable, at once or one after the other */
	struct limit_range limits[LIMIT_N];
	char *profile;		      /* seccomp profile's name */
	struct filter_program filter; /* compiled from it */
};

/* A language's proof that it works: a program, its standard input and what it must print. All owned. */
struct policy_selftest {
	char *source;
	char *input;
	char *output;
};

enum policy_kind { POLICY_LANGUAGE, POLICY_COMMAND };

struct policy {
	enum policy_kind kind;
	char *name;	 /* [a-z0-9-]{1,BOUND_POLICY_NAME}, the file's name without .json; or a variant's */
	char *title;	 /* "C++17 (g++)" */
	char *version;	 /* for people: "GCC 14.2" */
	char **aliases;	 /* NULL-terminated; compared without regard to case */
	char *file_name; /* languages: the name given to a single source file: "main.cpp" */
	struct policy_step steps[SANDBOX_STEP_N];
	struct policy_selftest selftest; /* languages */
};

struct policy_set {
	struct policy **policies; /* in the order of their names; variants after all others */
	size_t npolicies;
};

/* Loads every policy below DIR. ONLY: NULL, or the name or alias of the single one to load. All or nothing:
 * on failure ERR's message names file, key and reason ("languages/cpp.json: run.limits.cpu_usec.max: smaller than
 * default"). Unknown keys are errors. 0, -EINVAL, -ENOENT (ONLY names none), -ENOMEM or the errno of a file
 * operation. */
int policy_set_load(const char *dir, const char *only, struct policy_set **ret, struct sandbox_error *err);

/* The profile of a process of ours, DIR/seccomp/NAME.json; no policy names it. ABOVE: as for filter_compile_under. *RET: the
 * caller's (filter_free). Errors as above. */
int policy_profile_load(const char *dir, const char *name, const struct filter_calls *above,
	struct filter_program *ret, struct sandbox_error *err);

/* The system calls that one step's program or another lets through. */
struct filter_calls policy_set_passed(const struct policy_set *set);

/* For `cofferdam verify`, which is to attack what is deployed: adds for each step of each policy a command policy
 * "NAME@STEP" ("cpp@compile"). Its run step is that step, with its image, seccomp program, environment, writable layers,
 * /proc and limits, but takes the whole argv from the request, and can execute files of /box, as the attack program is
 * one. No policy's own name holds an '@', and the supervisor never adds variants: a request at the door cannot mean one.
 * 0, or -ENOMEM with ERR. */
int policy_set_add_variants(struct policy_set *set, struct sandbox_error *err);

/* Accepts NULL; returns NULL. */
struct policy_set *policy_set_free(struct policy_set *set);

/* By name or alias; NULL when there is none. */
const struct policy *policy_find(const struct policy_set *set, const char *name);

/* The argv of a step for these input files and additional arguments: ARGV (room for BOUND_ARGS + 1) gets borrowed
 * pointers into the step, the names and the arguments, and a NULL at the end. Returns argc, or -EINVAL ("{sources}"
 * matches no file; a command without arguments) or -E2BIG, with ERR filled, stage "request.argv". */
int policy_argv(const struct policy *policy, enum sandbox_step step, const struct sandbox_file *files,
	size_t nfiles, const char *const *args, size_t nargs, const char *argv[], struct sandbox_error *err);

/* Fills zero fields of LIMITS with the step's defaults; -ERANGE with ERR (stage "request.limits", message names the
 * limit and the bound) when one is above its maximum or below what any run needs. */
int policy_limits(const struct policy_step *step, struct sandbox_limits *limits, struct sandbox_error *err);

/* Is NAME fit for a file below /box? (struct sandbox_file says what that means.) */
bool policy_file_name_ok(const char *name);
