/* priority.h: how soon the calling thread runs when it is woken while others keep every CPU busy. Safe after clone. */
#pragma once

#include <sched.h>
#include <stdint.h>

/* For those that others wait for, and that work for moments only: the highest share of ordinary scheduling, and (Linux 6.12)
 * a short slice, which lets it run before the slice of who runs is over. Fallback before: the share alone decides. Without
 * CAP_SYS_NICE the slice alone. 0, or -1 with errno. */
int priority_prompt(void);
/* As a process is by default. Needs no privilege. 0, or -1 with errno. */
int priority_plain(void);

struct priority {
	/* The kernel's sched_attr in its first size, under a name that no libc has. */
	struct priority_attributes {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline,
			period; /* RUNTIME of an ordinary thread: its slice; 0: the default */
	} attributes;
	cpu_set_t cpus;
};

/* Before every ordinary thread; for moments, of which each counts. *RET: as it was. Needs CAP_SYS_NICE. 0, or -1 with errno. */
int priority_first(struct priority *ret);
/* After priority_first: runs for a moment on each CPU that the thread may use, a hundredth of a millisecond or some of them.
 * What ran there is interrupted, and the kernel books its CPU time, which it does at ticks otherwise. The thread stays on the
 * last. 0, or -1 with errno. */
int priority_visit_cpus(const struct priority *was);
/* Back to WAS. 0, or -1 with errno: to be tried again. */
int priority_restore(const struct priority *was);
