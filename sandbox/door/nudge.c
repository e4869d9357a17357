#include "sandbox/door/nudge.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static void wake(int sig)
{
	(void)sig;
}

int nudge_open(struct sandbox_error *err)
{
	struct sigaction action = {.sa_handler = wake}; /* without SA_RESTART */
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	if (sigaction(SIGALRM, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return error_errno(err, "door.open", "SIGALRM");
	return 0;
}

static void set(long usec)
{
	const struct itimerval timer = {.it_interval.tv_usec = usec, .it_value.tv_usec = usec};

	(void)setitimer(ITIMER_REAL, &timer, NULL); /* fails only on bad arguments */
}

void nudge_start(void)
{
	set(NUDGE_MSEC * 1000L);
}

void nudge_stop(void)
{
	set(0);
}
