/* engine.h: the inside of `struct sandbox`, shared by the files of this folder.
 *
 * One thread, one epoll, one timerfd. A run passes through these states; everything that happens to it is an event
 * of a descriptor or of the timer:
 *
 *   WAITING   accepted; few orders are outstanding at the launcher at one time
 *   ACQUIRING ordered; the launcher's reply brings the pidfd
 *   BUILDING  the cell builds itself; READY brings it the plan; then files in, exec
 *   RUNNING   STARTED came: wall and CPU limits count
 *   ENDING    ENDED came and the evidence was read; result files are being copied
 *   KILLED    init was killed (a limit, a cancel, a fault, or nothing more to do); waiting for the cell to be gone
 *   GONE      no process of the cell is left; the rest of its output is being passed on
 *
 * The run is reported when it is GONE and both pumps are at their end. */
#pragma once

#include "sandbox/cell/wire.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/engine/verdict.h"
#include "sandbox/policy/policy.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
	ENGINE_ORDERS_MAX =
		4, /* outstanding at the launcher: less than the kernel's smallest queue (10), or both
	                        * sides could wait for each other */
	ENGINE_SETUP_SEC = 20,	 /* for a cell to become ready and to take its files */
	ENGINE_COLLECT_SEC = 20, /* for the result files */
	ENGINE_KILL_SEC = 20,	 /* for a killed cell to be gone; then it is quarantined */
};

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_NEVER UINT64_MAX

/* A descriptor in the engine's epoll. fd -1: not watched. */
struct watch {
	int fd; /* borrowed */
	void (*ready)(struct watch *watch, uint32_t events);
	struct sandbox *sandbox;
	struct sandbox_run *run; /* NULL: the engine's own */
};

/* loop.c */
int watch_add(struct watch *watch, int fd, uint32_t events);
void watch_remove(struct watch *watch);

/* One output stream: bytes move from the cell's pipe to the client's inside the kernel and are counted. */
struct pump {
	int from; /* owned; -1: at its end */
	int to;	  /* owned; -1: dropped */
	struct watch from_watch, to_watch;
};

enum run_state { RUN_WAITING, RUN_ACQUIRING, RUN_BUILDING, RUN_RUNNING, RUN_ENDING, RUN_KILLED, RUN_GONE };

struct sandbox_run {
	struct sandbox_run *next, **link;  /* in sandbox->runs */
	struct sandbox_run *next_in_queue; /* WAITING, ACQUIRING: the engine's FIFOs */
	struct sandbox *sandbox;
	sandbox_done_fn done;
	void *user;
	enum run_state state;

	/* The request. */
	const struct policy_step *step; /* borrowed from the policy set */
	struct sandbox_limits limits;
	void *plan; /* owned until sent */
	size_t plan_size;
	int fds[WIRE_PLAN_FDS]; /* owned until sent */
	size_t nfds;
	uint32_t ncollects;

	/* The cell. */
	int uid_index;	       /* -1: none */
	struct cgroup *cgroup; /* owned */
	int control_fd, pidfd; /* owned */
	struct watch control_watch, pidfd_watch, event_watches[2];
	bool must_poll; /* this kernel has no event for a refused fork */
	struct pump pumps[2];

	/* What is known so far. */
	struct verdict_facts facts;
	struct sandbox_result result;
	struct sandbox_error error;
	bool has_evidence;
	uint64_t setup_cpu_usec;
	uint64_t deadline_nsec;	 /* of the state */
	uint64_t cpu_check_nsec; /* the earliest moment at which the CPU budget can be used up */
	uint64_t poll_nsec;	 /* look at the cgroup's evidence then; NSEC_NEVER: not due */
	uint64_t requested_nsec, ready_nsec, files_nsec, started_nsec, ended_nsec, collected_nsec, gone_nsec;
};

/* A cgroup whose removal has to wait for the kernel. */
struct dying {
	struct dying *next;
	struct cgroup *cgroup;
	int uid_index;
	uint64_t retry_nsec, wait_nsec;
};

struct sandbox {
	int epoll_fd, timer_fd, null_fd;
	int spare_fd; /* given up for a moment when there is no other to read evidence with (limits_read) */
	struct watch timer_watch, launcher_watch;
	uint64_t timer_nsec; /* what it is set to */
	struct policy_set *policies;
	struct cgroup_host *cgroups;
	char *images_dir;
	struct wire_setup setup; /* what the launcher is told */
	int launcher_sock, launcher_pidfd;
	bool is_broken;	 /* the launcher is gone, and with it every cell */
	bool is_closing; /* no run starts any more */
	bool is_woken;	 /* a round is due that no descriptor and no deadline would bring */
	uint32_t uid_first;
	uint64_t uids[BOUND_RUNS / 64]; /* bit set: in use */
	unsigned uid_next;
	unsigned cpus;
	uint64_t cells; /* made so far: names the cgroups */
	uint64_t pipe_dev;
	struct sandbox_run *runs;
	size_t nruns;
	struct sandbox_run *waiting, **waiting_end;
	struct sandbox_run *acquiring, **acquiring_end;
	unsigned nacquiring;
	struct sandbox_run *reported; /* to be freed when the round of events is over */
	struct dying *dying;
};

/* loop.c, too */
/* Makes sandbox_dispatch do a round at once. 0, or -errno with ERR. */
int engine_wake(struct sandbox *sandbox, struct sandbox_error *err);
int engine_uid_take(struct sandbox *sandbox); /* an index, or -1: none is free */
/* Removes the group (owned from now on) and frees the id, at once or when the kernel is ready for it. */
void engine_cgroup_bury(struct sandbox *sandbox, struct cgroup *cgroup, int uid_index);
void engine_timer_ready(struct watch *watch, uint32_t events);
void engine_free_reported(struct sandbox *sandbox);

/* orders.c: the engine's side of the launcher. */
int orders_open(struct sandbox *sandbox, struct sandbox_error *err);
void orders_close(struct sandbox *sandbox);
void orders_submit(struct sandbox_run *run);
/* Takes a WAITING run out of the queue again. */
void orders_withdraw(struct sandbox_run *run);
/* Sends orders while there is room. */
void orders_send(struct sandbox *sandbox);

/* request.c: checks SPEC and fills RUN's request part; on failure the caller frees RUN. */
int request_prepare(struct sandbox_run *run, const struct sandbox_spec *spec, struct sandbox_error *err);

/* run.c */
void run_acquired(struct sandbox_run *run, int pidfd);
/* The host failed: the run ends with *ERR. */
void run_fail(struct sandbox_run *run, const struct sandbox_error *err);
/* There is no cell (any more): the run ends with *ERR if it holds one, else as it stands. */
void run_abandon(struct sandbox_run *run, const struct sandbox_error *err);
/* Ends the run for REASON unless it is ending already. */
void run_kill(struct sandbox_run *run, enum sandbox_cause reason);
/* Kills the cell; the verdict is decided or follows from the evidence. Does nothing when it is killed already. */
void run_end(struct sandbox_run *run);
/* Reports the run if all is known. */
void run_settle(struct sandbox_run *run);
struct sandbox_run *run_free(struct sandbox_run *run);

/* limits.c */
/* The target has started: its limits count from run->started_nsec. */
void limits_start(struct sandbox_run *run);
/* When the run wants to be looked at next; NSEC_NEVER: not by time. */
uint64_t limits_next_deadline(const struct sandbox_run *run);
void limits_on_time(struct sandbox_run *run, uint64_t now_nsec);
void limits_counters_ready(struct watch *watch, uint32_t events);
/* Reads what the run's cgroup says; USAGE or EVIDENCE may be NULL. 0 or -errno with ERR. Works also when this process
 * is out of descriptors: whoever used them up must not end the runs of others. */
int limits_read(struct sandbox_run *run, struct cgroup_usage *usage, struct cgroup_evidence *evidence,
	struct sandbox_error *err);

/* pump.c */
int pump_open(
	struct pump *pump, struct sandbox_run *run, int to, int *ret_write_end, struct sandbox_error *err);
int pump_start(struct pump *pump);
void pump_close(struct pump *pump);
