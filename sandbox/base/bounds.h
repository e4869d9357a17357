/* bounds.h: the largest size of everything that comes from outside. Each bound has a test at it and one past it. */
#pragma once

enum {
	BOUND_POLICY_NAME = 63,		      /* bytes of a policy's name */
	BOUND_ARGS = 256,		      /* arguments of one run */
	BOUND_ARG_BYTES = 32 * 1024,	      /* all argument bytes of a request, NULs included */
	BOUND_FILES = 64,		      /* input files of one run */
	BOUND_FILE_NAME = 200,		      /* bytes of a file's name, directories included */
	BOUND_FILE_DEPTH = 8,		      /* components of a file's name */
	BOUND_COLLECT = 8,		      /* result files of one run */
	BOUND_NAME_BYTES = 16 * 1024,	      /* all file names of a request, NULs included */
	BOUND_REQUEST_BYTES = 64 * 1024,      /* one message at the door */
	BOUND_ENV = 64,			      /* environment entries of a policy */
	BOUND_PLAN_BYTES = 128 * 1024,	      /* one plan to a cell */
	BOUND_FILTER_LEN = 4096,	      /* instructions of one seccomp program: BPF_MAXINSNS */
	BOUND_IMAGES = 32,		      /* root images of one installation */
	BOUND_POLICIES = 128,		      /* policies of one installation */
	BOUND_POLICY_BYTES = 1024 * 1024,     /* one policy or profile file */
	BOUND_INPUT_BYTES = 64 * 1024 * 1024, /* one input file or standard input given as a file */
	BOUND_TRACED = 512,		      /* kinds of refused calls in one traced run */
	BOUND_TRACED_KINDS = 16,	      /* of one system call, told apart by their arguments */
	BOUND_RUNS = 1024,		      /* cells of one engine at one time: its block of user ids */
};
