#include "sandbox/base/priority.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLICE_NSEC = 100 * 1000 }; /* the shortest that the kernel takes */

static int set(int32_t nice, uint64_t slice_nsec)
{
	const struct priority attributes = {
		.size = sizeof(attributes), .policy = SCHED_OTHER, .nice = nice, .runtime = slice_nsec};

	return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

int priority_prompt(void)
{
	int r = set(-20, SLICE_NSEC);

	return r < 0 && errno == EPERM ? set(0, SLICE_NSEC) : r;
}

int priority_plain(void)
{
	return set(0, 0);
}

int priority_first(struct priority *ret)
{
	enum { RESET_ON_FORK = 1 };
	const struct priority first = {
		.size = sizeof(first), .policy = SCHED_FIFO, .flags = RESET_ON_FORK, .priority = 1};
	struct priority was;

	if (syscall(SYS_sched_getattr, 0, &was, sizeof(was), 0) < 0 ||
		syscall(SYS_sched_setattr, 0, &first, 0) < 0)
		return -1;
	*ret = was;
	return 0;
}

int priority_restore(const struct priority *was)
{
	return (int)syscall(SYS_sched_setattr, 0, was, 0);
}

int priority_visit_cpus(void)
{
	cpu_set_t own, one;
	int r = 0, here = sched_getcpu(); /* what ran here was booked when this thread began to */

	if (sched_getaffinity(0, sizeof(own), &own) < 0)
		return -1;
	for (int cpu = 0; r == 0 && cpu < CPU_SETSIZE; cpu++) {
		if (cpu == here || !CPU_ISSET(cpu, &own))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		r = sched_setaffinity(0, sizeof(one), &one);
	}
	return sched_setaffinity(0, sizeof(own), &own) < 0 ? -1 : r;
}
