/* wire.h: what engine, launcher and cell init say to each other. Fixed layouts over AF_UNIX SOCK_SEQPACKET pairs that
 * were made by the engine and never leave these three processes; nothing here comes from a job.
 *
 *   engine → launcher   wire_setup (once), then one wire_order per cell with its descriptors
 *   launcher → engine   one wire_reply for each, in order; for an order with the cell's pidfd
 *   engine → cell       the job's seccomp program (its instructions), with the order; later one plan (wire_plan, strings;
 *                       descriptors), then one byte: "go on and collect"
 *   cell → engine       wire_event: READY, STARTED, FORBIDDEN, ENDED, COLLECTED, or FAILED at any time */
#pragma once

#include "sandbox/base/bounds.h"
#include "sandbox/base/error.h"
#include "sandbox/base/limits.h"
#include "sandbox/sandbox.h"

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WIRE_IMAGE_NAME = 33,	 /* with its NUL */
	WIRE_WRITABLE = 4,	 /* writable image directories of one step */
	WIRE_WRITABLE_PATH = 64, /* with its NUL */
	WIRE_JOIN_FDS = 5, /* cgroup descriptors of one cell: one per hierarchy, and CLONE_INTO_CGROUP's */
	WIRE_ORDER_FDS = 1 + WIRE_JOIN_FDS,
	WIRE_PLAN_FDS = 3 + BOUND_FILES + BOUND_COLLECT + 1,
	WIRE_FDS_MAX = WIRE_PLAN_FDS,
};

struct wire_images {
	uint32_t count;
	char names[BOUND_IMAGES][WIRE_IMAGE_NAME];
};

struct wire_setup {
	struct wire_images images;
	uint32_t may_answer; /* cells are traced */
	uint32_t without;    /* sandbox_options.without */
	uint32_t filter_len;
	struct sock_filter filter[BOUND_FILTER_LEN]; /* the launcher's own program */
};

/* Descriptors: the cell's end of its control socket, then the directory for CLONE_INTO_CGROUP if has_into_cgroup, then
 * njoin files that take "0" from a process that joins. */
struct wire_order {
	char image[WIRE_IMAGE_NAME];
	char writable[WIRE_WRITABLE][WIRE_WRITABLE_PATH];
	uint32_t nwritable;
	uint32_t outer_id; /* user and group id of the cell on the host */
	uint32_t has_proc;
	uint32_t can_execute_files; /* in /box, /tmp and the writable layers */
	uint32_t can_make_memory_executable;
	uint32_t is_traced;
	uint32_t has_into_cgroup;
	uint32_t njoin;
	uint64_t disk_bytes;
	uint64_t inodes;
};

struct wire_reply {
	struct sandbox_error error; /* errno_value 0: it worked */
};

/* Followed by the strings, each with its NUL: argv, environment, file names, collect names. Descriptors: standard input if
 * has_stdin, output, error, files, collects, the notes of a trace if is_traced. */
struct wire_plan {
	struct sandbox_limits limits;
	uint32_t nargs, nenv, nfiles, ncollects;
	uint32_t has_stdin;
	uint32_t stdin_is_file; /* copied into the cell; otherwise a pipe's read end, passed on */
	uint32_t strings_bytes;
	uint32_t is_traced;
	uint64_t files_executable; /* bit i: file i */
	uint64_t collect_max[BOUND_COLLECT];
};

_Static_assert(BOUND_FILES <= 64, "files_executable is one word");

enum wire_event_type {
	WIRE_READY,	/* the cell is complete and waits for its plan */
	WIRE_STARTED,	/* execve succeeded */
	WIRE_FORBIDDEN, /* a call of the kill group was made and has not returned */
	WIRE_ENDED,	/* the target ended, and everything else in the cell is dead */
	WIRE_COLLECTED, /* result files are copied; the cell exits */
	WIRE_FAILED,	/* a step failed: host fault */
};

struct wire_event {
	uint32_t type;
	int32_t status;		 /* ENDED: as from waitpid */
	int32_t syscall_nr;	 /* FORBIDDEN */
	uint32_t syscall_arch;	 /* FORBIDDEN */
	uint64_t at_nsec;	 /* CLOCK_MONOTONIC of the thing itself, not of its report */
	uint64_t files_nsec;	 /* STARTED: when files_in was done */
	uint64_t setup_cpu_nsec; /* STARTED, ENDED: CPU time in the cell's cgroup that is not the job's */
	uint64_t switches_voluntary, switches_involuntary; /* ENDED */
	struct sandbox_error error;			   /* FAILED */
	struct sandbox_collected collected[BOUND_COLLECT]; /* COLLECTED */
};

/* One message with NFDS descriptors. 0 or -errno (-EAGAIN: the socket is full). Allocates nothing. */
int wire_send(int sock, const void *data, size_t size, const int *fds, size_t nfds);

/* Receives one message and its descriptors (CLOEXEC, owned by the caller; slots not used are -1). Returns its size, 0
 * at the end, or -errno: -EMSGSIZE when it or its descriptors did not fit (the descriptors are closed), -EMFILE when it
 * did, but this process can hold no more descriptors (DATA is filled; those that came are closed), -EAGAIN when SOCK
 * is non-blocking (wire_unblock) and nothing is there. Allocates nothing. */
ssize_t wire_receive(int sock, void *data, size_t size, int *fds, size_t max_fds);

/* Makes this end of a pair non-blocking. 0 or -errno. */
int wire_unblock(int sock);
