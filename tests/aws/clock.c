/* clock.c: preloaded into a program of a test (struct test_service), whose wall clock is then CLOCK_AHEAD_SEC off. Time that
 * only passes (CLOCK_MONOTONIC) is as it is. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Not through the vDSO: that is what this stands in for. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static long ahead_sec;
	static int is_known;
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (!is_known) {
		const char *text = getenv("CLOCK_AHEAD_SEC");
		ahead_sec = text != NULL ? strtol(text, NULL, 10) : 0;
		is_known = 1;
	}
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += ahead_sec;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *ret, void *zone)
{
	struct timespec now;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}
