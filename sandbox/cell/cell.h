/* cell.h: the life of a cell, from the inside (docs/architecture.md: "The life of a cell").
 *
 * Everything here runs after clone: it allocates nothing, takes no lock and uses no stdio. Each function is one step;
 * it returns 0, or a negative errno with ERR filled, and then the cell is given up. */
#pragma once

#include "sandbox/base/layers.h"
#include "sandbox/cell/wire.h"

#include <linux/filter.h>
#include <stdbool.h>

enum {
	CELL_ID = 1000,	     /* user and group id inside every cell: "box" in the images' passwd */
	CELL_CONTROL_FD = 3, /* the control socket, once everything else is closed */
};

/* What a new cell process starts from. All descriptors owned by the process. */
struct cell_birth {
	struct wire_order order;
	int control_fd;
	int join_fds[WIRE_JOIN_FDS];
	int proc_fd; /* a detached procfs of the host's pid namespace, for uid_map and sysctls; closed before the wait */
	const struct layers *layers; /* what the kernel offers; borrowed */
	uint32_t without;	     /* sandbox_options.without */
};

/* Is LAYER to be put on? 0 in WITHOUT, as in every engine that is not being measured: all are. */
static inline bool cell_has(uint32_t without, enum sandbox_layer layer)
{
	return (without & 1U << layer) == 0;
}

/* What the target puts on, its seccomp program last. */
struct cell_layers {
	int ruleset_fd;	  /* owned; -1: no Landlock here */
	uint32_t without; /* sandbox_options.without */
	bool seals_memory;
	bool has_mdwe;
	struct sock_fprog program;  /* borrowed */
	unsigned long filter_flags; /* with which it is put on, where the kernel has them */
};

/* The process that is, or will be, the target. */
struct cell_target {
	pid_t pid;
	int listener;		 /* the seccomp notification descriptor (owned) */
	uint64_t setup_cpu_nsec; /* once it is the target: the CPU time that its process used before */
};

/* The plan as parsed; points into the buffer it came in. */
struct cell_plan {
	const struct wire_plan *head;
	char *argv[BOUND_ARGS + 1];
	char *env[BOUND_ENV + 1];
	char *file_names[BOUND_FILES];
	char *collect_names[BOUND_COLLECT];
	int stdio[3];		   /* owned */
	int file_fds[BOUND_FILES]; /* -1: not to be copied */
	int collect_fds[BOUND_COLLECT];
	int trace_fd;	  /* -1: the run is not traced */
	char program[32]; /* what to exec instead of argv[0]; "": that */
};

/* pid 1 of a cell, from clone to _exit. */
_Noreturn void cell_main(const struct cell_birth *birth);

/* Mounts image, scratch, writable layers and proc, and makes the image the root; cwd is /box. (mounts.c) */
int cell_mounts(const struct wire_order *order, struct sandbox_error *err);

/* Takes the outer ids, enters the user namespace, sheds all privileges for good. (identity.c) */
int cell_identity(const struct cell_birth *birth, struct sandbox_error *err);

/* Checks and splits a received plan. FDS: the received descriptors, moved into PLAN. (plan.c) */
int cell_plan_parse(void *buf, size_t size, int *fds, struct cell_plan *plan, struct sandbox_error *err);

/* Is argv[0] an input file of ORDER's cell that can be executed as it is? Then it is not to be copied, and has a link in its
 * place. (program.c) */
int cell_program(
	const struct wire_order *order, pid_t target, struct cell_plan *plan, struct sandbox_error *err);
/* Writes the input files below /box and closes their descriptors; turns a file on standard input into a copy of its
 * own. (files.c) */
int cell_files_in(struct cell_plan *plan, struct sandbox_error *err);
/* Copies the result files out. What the job made of them is said in RET, file by file. (files.c) */
int cell_collect(
	const struct cell_plan *plan, struct sandbox_collected ret[BOUND_COLLECT], struct sandbox_error *err);

/* The Landlock ruleset of this cell, once its mounts are its root. Writes *RET (owned) only where the kernel's ABI will do.
 * (landlock.c) */
int landlock_open(const struct wire_order *order, int abi, int *ret, struct sandbox_error *err);
/* Puts the calling process, and all it will start, under the ruleset, and closes it. -1: there is none, nothing to do. 0, or
 * -1 with errno. (landlock.c) */
int landlock_enter(int *ruleset_fd);

/* From here on the calling process, and all it will start, is refused memory that is both writable and executable, and memory
 * that becomes executable afterwards, with EACCES. Without MDWE it needs no_new_privs. 0, or -1 with errno. (memory.c) */
int memory_seal(bool has_mdwe);

struct seccomp_notif;

/* From here on the job is traced: keeps LAYERS' seccomp program and puts its tracing form in its place. (trace.c) */
void trace_begin(struct cell_layers *layers);
/* Where the notes go, once the plan has brought it. (trace.c) */
void trace_into(int notes_fd);
bool trace_is_on(void);
/* Notes the call that NOTIF tells of and answers it. (trace.c) */
int trace_answer(int listener, const struct seccomp_notif *notif, struct sandbox_error *err);

/* Makes the target's process. It has put on LAYERS and waits for its start. SIGNAL_FD: reads SIGCHLD. 0 or a negative errno.
 * Once in a cell. (target.c) */
int cell_target_prepare(
	struct cell_layers *layers, int signal_fd, struct cell_target *ret, struct sandbox_error *err);
/* Gives it descriptors 0, 1, 2 and its rlimits, and lets it exec. 0 or a negative errno; when it returns 0, execve has
 * succeeded. (target.c) */
int cell_target_start(struct cell_target *target, struct cell_plan *plan, struct sandbox_error *err);
