/* engine.h: the inside of `struct sandbox`, shared by the files of this folder.
 *
 * One thread, one epoll, one timerfd; everything that happens is an event of a descriptor or of the timer. There are runs,
 * which come from clients, and cells, which come from the launcher. A cell serves one run. Some are made before anybody
 * asks for them (pool.c); what is left of one is cleared away when nobody waits for that any more.
 *
 * A run:
 *   WAITING   accepted; few orders are outstanding at the launcher at one time
 *   ACQUIRING a cell was ordered for it; the launcher's reply brings the pidfd
 *   BUILDING  the cell builds itself; READY brings it the plan; then files in, exec. From the pool: with its READY past
 *   RUNNING   STARTED came: wall and CPU limits count
 *   ENDING    ENDED came and the evidence was read; result files are being copied
 *   KILLED    init was killed (a limit, a cancel, a fault); waiting for the cell to be gone
 *   GONE      no process of the job is left, and the run has no cell; the rest of its output is being passed on
 *
 * The run is reported when it is GONE and both pumps are at their end. */
#pragma once

#include "sandbox/base/priority.h"
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
	ENGINE_SETUP_SEC = 20,		     /* for a cell to become ready and to take its files */
	ENGINE_COLLECT_SEC = 20,	     /* for the result files */
	ENGINE_KILL_SEC = 20,		     /* for a killed cell to be gone; then it is quarantined */
	ENGINE_LOOK_NSEC = 20 * 1000 * 1000, /* is a cell gone whose end no event will tell? */
	ENGINE_END_CPU_USEC = 20 * 1000, /* of init's CPU time since the start; what is more is the job's */
	ENGINE_PAUSE_SEC = 1,		 /* before the next cell for the pool, when one failed */
	/* More than a waiting cell holds. A limit below that could not be set; in a cell of its own, such a run meets it. */
	ENGINE_WAITING_BYTES = 1 << 20,
	ENGINE_HASTE_NSEC =
		2 * 1000 * 1000, /* so long after a run's start the pool can wait: many are over then */
};

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_NEVER UINT64_MAX

struct cell;

/* A descriptor in the engine's epoll. fd -1: not watched. */
struct watch {
	int fd; /* borrowed */
	void (*ready)(struct watch *watch, uint32_t events);
	struct sandbox *sandbox;
	struct sandbox_run *run; /* whose output it is, or NULL */
	struct cell *cell;	 /* which it belongs to, or NULL */
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

/* What cells of one kind have in common: those that a step of a policy runs in, with its default limits. */
struct view {
	const struct policy_step
		*step; /* borrowed; the first of the steps that share it; its filter is theirs too */
	struct wire_order order;      /* without what is each cell's own */
	struct sandbox_limits limits; /* with which its cells are made */
	bool is_used;		      /* somebody has asked for one: some are kept ready */
	unsigned nfree;		      /* pool_refill's count */
};

enum cell_state {
	CELL_ORDERED,  /* the launcher was asked for it */
	CELL_BUILDING, /* it was born */
	CELL_READY,    /* it has said so, and waits for its plan */
	CELL_LEAVING,  /* it was killed, and nobody waits for its end */
};

struct cell {
	struct cell *next, **link;  /* in sandbox->cells */
	struct cell *next_in_queue; /* ORDERED: the launcher's replies come in this order */
	struct sandbox *sandbox;
	const struct view *view; /* borrowed; NULL: one of a kind, made for its run alone */
	struct sandbox_run *run; /* whose it is; NULL: nobody's (yet, or any more) */
	enum cell_state state;
	struct sandbox_limits limits; /* as its cgroup has them */
	int uid_index;		      /* -1: none */
	struct cgroup *cgroup;	      /* owned */
	int control_fd, pidfd;	      /* owned */
	struct watch control_watch, pidfd_watch, event_watches[2];
	bool must_poll;		/* this kernel has no event for a refused fork */
	uint64_t deadline_nsec; /* of a nobody's cell; NSEC_NEVER: none */
};

enum run_state { RUN_WAITING, RUN_ACQUIRING, RUN_BUILDING, RUN_RUNNING, RUN_ENDING, RUN_KILLED, RUN_GONE };

struct sandbox_run {
	struct sandbox_run *next, **link;  /* in sandbox->runs */
	struct sandbox_run *next_in_queue; /* WAITING */
	struct sandbox *sandbox;
	sandbox_done_fn done;
	void *user;
	enum run_state state;

	/* The request. */
	const struct policy_step *step; /* borrowed from the policy set */
	struct view *view;		/* borrowed from the engine */
	struct sandbox_limits limits;
	void *plan; /* owned until sent */
	size_t plan_size;
	int fds[WIRE_PLAN_FDS]; /* owned until sent */
	size_t nfds;
	uint32_t ncollects;

	struct cell *cell; /* ACQUIRING to KILLED; its `run` is this one */
	struct pump pumps[2];

	/* What is known so far. */
	struct verdict_facts facts;
	struct sandbox_result result;
	struct sandbox_error error;
	bool has_evidence;
	uint64_t setup_cpu_usec;
	uint64_t deadline_nsec;	 /* of the state */
	uint64_t cpu_check_nsec; /* the earliest moment at which the CPU budget can be used up */
	uint64_t cpu_pause_nsec; /* at least so long between two looks */
	uint64_t cpu_seen_usec;	 /* at the last look */
	bool is_near_cpu_limit;	 /* and uses CPU time */
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
	int trace_fd; /* borrowed; 0: runs are not traced */
	struct watch timer_watch, launcher_watch;
	uint64_t timer_nsec; /* what it is set to */
	struct policy_set *policies;
	struct cgroup_host *cgroups;
	char *images_dir;
	struct wire_setup setup; /* what the launcher is told */
	int launcher_sock, launcher_pidfd;
	bool is_broken;	 /* the launcher is gone, and with it every cell */
	bool is_closing; /* no run starts any more */
	bool is_first;	 /* the engine's thread runs before ordinary ones, as a run is near its CPU limit */
	struct priority ordinary; /* is_first: as it ran before */
	uint64_t booked_nsec;
	bool is_woken; /* a round is due that no descriptor and no deadline would bring */
	uint32_t uid_first;
	uint64_t uids[BOUND_RUNS / 64]; /* bit set: in use */
	unsigned uid_next;
	unsigned cpus;
	uint64_t ncells_made; /* names the cgroups */
	uint64_t pipe_dev;
	struct sandbox_run *runs;
	size_t nruns;
	struct sandbox_run *waiting, **waiting_end;
	struct sandbox_run *reported; /* to be freed when the round of events is over */
	struct cell *cells;
	struct cell *ordered, **ordered_end;
	unsigned nordered;
	struct cell *buried; /* to be freed when the round of events is over */
	struct dying *dying;
	struct view *views; /* owned: room for one per step of a policy */
	size_t nviews;
	char plan[BOUND_PLAN_BYTES] __attribute__((aligned(16))); /* where each is put together */
	unsigned pool;						  /* cells kept ready of each used view */
	uint64_t pool_pause_nsec; /* one that was made for the pool failed: no other before this */
	uint64_t pool_haste_nsec; /* a run has begun: before this, no other for a view that has one left */
	uint64_t pool_due_nsec;	  /* it lacks one, and has to wait until then; NSEC_NEVER: no */
};

/* loop.c, too */
/* Makes sandbox_dispatch do a round at once. 0, or -errno with ERR. */
int engine_wake(struct sandbox *sandbox, struct sandbox_error *err);
int engine_uid_take(struct sandbox *sandbox); /* an index, or -1: none is free */
bool engine_has_uid(const struct sandbox *sandbox);
/* Removes the group (owned from now on) and frees the id, at once or when the kernel is ready for it. */
void engine_cgroup_bury(struct sandbox *sandbox, struct cgroup *cgroup, int uid_index);
void engine_timer_ready(struct watch *watch, uint32_t events);
void engine_free_reported(struct sandbox *sandbox);

/* orders.c: the engine's side of the launcher. */
int orders_open(struct sandbox *sandbox, struct sandbox_error *err);
void orders_close(struct sandbox *sandbox);
/* Sends the order for CELL: ORDER and what is the cell's own; SOCK is its end of the control socket. */
int orders_send_one(struct cell *cell, const struct wire_order *order, int sock, struct sandbox_error *err);
/* The run gets its cell: at once from the pool, else when its turn comes. */
void orders_submit(struct sandbox_run *run);
/* Takes a WAITING run out of the queue again. */
void orders_withdraw(struct sandbox_run *run);
/* Orders cells for waiting runs, then for the pool, while there is room. */
void orders_fill(struct sandbox *sandbox);

/* cells.c: a cell from its order to its burial. */
/* User id, cgroup, control socket, order. *RET is the engine's. ORDER: VIEW's, or, for one run alone, another like it. */
int cell_order(struct sandbox *sandbox, const struct view *view, const struct wire_order *order,
	const struct sandbox_limits *limits, struct cell **ret, struct sandbox_error *err);
/* The launcher has cloned it. */
void cell_born(struct cell *cell, int pidfd);
/* Kills all that is in it, if it was born. */
void cell_kill(struct cell *cell);
/* It is nobody's from now on: it is killed, and cleared away when it is gone. */
void cell_leave(struct cell *cell);
/* Asks the kernel: it may have died a moment ago, and its pidfd not have been looked at yet. */
bool cell_is_gone(const struct cell *cell);
/* It is gone, or was never born. Freed when the round of events is over. */
void cell_bury(struct cell *cell);
/* Looks after nobody's cells. When that is due next; NSEC_NEVER: not by time. */
uint64_t cells_on_time(struct sandbox *sandbox, uint64_t now_nsec);
/* Will the end of one free a user id soon? */
bool cells_are_leaving(const struct sandbox *sandbox);

/* pool.c: cells made before somebody asks. */
/* The views of all policies. */
int pool_open(struct sandbox *sandbox, unsigned size, struct sandbox_error *err);
struct view *pool_view(struct sandbox *sandbox, const struct policy_step *step);
/* A waiting cell for RUN; NULL: there is none, or none that fits. */
struct cell *pool_take(const struct sandbox_run *run);
/* A nobody's cell is READY: it is kept, or not. */
void pool_put(struct cell *cell);
/* Orders one that is missing. False: nothing is missing, or it did not work. */
bool pool_refill(struct sandbox *sandbox);
/* Gives one up, so that its user id can serve. */
void pool_evict(struct sandbox *sandbox);

/* request.c: checks SPEC and fills RUN's request part; on failure the caller frees RUN. */
int request_prepare(struct sandbox_run *run, const struct sandbox_spec *spec, struct sandbox_error *err);

/* run.c */
/* CELL is the run's from now on. */
void run_take(struct sandbox_run *run, struct cell *cell);
/* The run's cell was born, has said something, is gone. */
void run_cell_born(struct sandbox_run *run);
void run_cell_said(struct sandbox_run *run, const struct wire_event *event);
void run_cell_gone(struct sandbox_run *run);
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
/* At the end of a round: back to ordinary scheduling when no run is near its CPU limit any more. */
void limits_calm(struct sandbox *sandbox);
/* The cgroup has something to say. */
void limits_look(struct sandbox_run *run);

/* pump.c */
int pump_open(
	struct pump *pump, struct sandbox_run *run, int to, int *ret_write_end, struct sandbox_error *err);
int pump_start(struct pump *pump);
void pump_close(struct pump *pump);
