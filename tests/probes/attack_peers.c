/* attack_peers: init, everybody else, and whoever outlives the program. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Row 27: signals at everybody. Init takes none from within, whatever kill says. */
static void attack_signals(int argc, char **argv)
{
	struct tally strangers = {.what = "kill(strangers)"};
	siginfo_t info = {.si_signo = SIGKILL, .si_code = SI_QUEUE};

	(void)argc, (void)argv;
	(void)tried("kill(1,KILL)", kill(1, SIGKILL));
	(void)tried("kill(1,STOP)", kill(1, SIGSTOP));
	(void)tried("tgkill(1,KILL)", syscall(SYS_tgkill, 1, 1, SIGKILL));
	(void)tried("rt_sigqueueinfo(1)", syscall(SYS_rt_sigqueueinfo, 1, SIGKILL, &info));
	long pidfd = syscall(SYS_pidfd_open, 1, 0);
	(void)tried("pidfd_send_signal(1)", syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
	for (int sig = 1; sig < 65; sig++)
		(void)kill(1, sig);
	for (pid_t pid = 2; pid < 70000; pid++)
		if (pid != getpid())
			tally_add(&strangers, kill(pid, SIGKILL));
	tally_say(&strangers);
	pid_t child = fork();
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	(void)tried("kill(-1,KILL)", kill(-1, SIGKILL));
	int status = 0;
	(void)waitpid(child, &status, 0);
	say("child died of=%d", WTERMSIG(status));
	(void)holds("no_stranger", strangers.ok == 0 && strangers.by_errno[EPERM] == 0);
	(void)holds("init_lives", kill(1, 0) == 0 || errno == EPERM);
}

/* Row 27, second half: everyone stops; only the deadline can end it. */
static void attack_stop(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("stopping");
	if (fork() == 0)
		for (;;)
			(void)kill(getppid(), SIGSTOP), (void)kill(getpid(), SIGSTOP);
	for (;;)
		(void)kill(0, SIGSTOP);
}

static void ignore_everything(void)
{
	sigset_t all;

	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Rows 28 and 29: daemons, stopped children, children that wait in vfork; main leaves at once. */
static void attack_survivors(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			(void)setsid();
			ignore_everything();
			if (i == 0 && fork() != 0)
				_exit(0);
			if (i == 1)
				(void)kill(getpid(), SIGSTOP);
			if (i == 2 && vfork() == 0)
				for (;;)
					(void)pause();
			for (;;)
				(void)pause();
		}
	(void)usleep(20000);
	say("main ends");
}

/* Row 30: numbers change as fast as they can while main ends. */
static void attack_churn(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			(void)setsid();
			for (;;) {
				/* The parent of each generation ends at once: nobody to wait for, a new number each time. */
				pid_t pid = fork();
				if (pid > 0)
					_exit(0);
			}
		}
	(void)usleep(50000);
	say("main ends");
}

/* Row 31: an own memory hog that tries to make init the better victim. */
static void attack_init_victim(int argc, char **argv)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	(void)refused("oom_score_adj(-1000)", fd < 0 ? -1 : write(fd, "-1000", 5));
	int init = open("/proc/1/oom_score_adj", O_WRONLY | O_CLOEXEC);
	(void)refused("init's oom_score_adj", init < 0 ? -1 : write(init, "1000", 4));
	if (breaches > 0)
		return;
	for (;;) {
		char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; at != MAP_FAILED && i < 1 << 20; i += 4096)
			at[i] = 1;
	}
}

static const struct probe_case cases[] = {
	{"signals", attack_signals},
	{"stop", attack_stop},
	{"survivors", attack_survivors},
	{"churn", attack_churn},
	{"init-victim", attack_init_victim},
};

PROBE_PROGRAM(cases)
