#include "sandbox/base/priority.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLICE_NSEC = 100 * 1000 }; /* the shortest that the kernel takes */

static int set(int32_t nice, uint64_t slice_nsec)
{
	const struct priority_attributes attributes = {
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
	const struct priority_attributes first = {
		.size = sizeof(first), .policy = SCHED_FIFO, .flags = RESET_ON_FORK, .priority = 1};
	struct priority was;

	if (sched_getaffinity(0, sizeof(was.cpus), &was.cpus) < 0 ||
		syscall(SYS_sched_getattr, 0, &was.attributes, sizeof(was.attributes), 0) < 0 ||
		syscall(SYS_sched_setattr, 0, &first, 0) < 0)
		return -1;
	*ret = was;
	return 0;
}

int priority_visit_cpus(const struct priority *was)
{
	int r = 0, here = sched_getcpu(); /* what ran here was booked when this thread began to */

	for (int cpu = 0; r == 0 && cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (cpu != here && CPU_ISSET(cpu, &was->cpus))
			r = sched_setaffinity(0, sizeof(one), &one);
	}
	return r;
}

int priority_restore(const struct priority *was)
{
	if (sched_setaffinity(0, sizeof(was->cpus), &was->cpus) < 0)
		return -1;
	return (int)syscall(SYS_sched_setattr, 0, &was->attributes, 0);
}
