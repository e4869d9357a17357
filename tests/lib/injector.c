#include "tests/lib/injector.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRACEES = 64, SYSCALL_STOP = SIGTRAP | 0x80 };

/* Shared between the test and the tracer. The test writes while none of its processes is in a call; the tracer while
 * one is stopped. */
struct injector {
	volatile bool is_armed, is_closing;
	struct injector_fault fault;
	struct injector_report report;
};

/* --- the tracer ------------------------------------------------------------------------------------------------ */

struct tracee {
	pid_t pid;	 /* 0: no entry */
	bool is_known;	 /* its parent's report of it has come, and with it its role */
	bool is_waiting; /* its first stop came before that */
	bool is_struck;	 /* the call it is in is the one */
	bool was_struck; /* its last call was */
	enum injector_role role;
};

static struct tracee tracees[TRACEES];
static struct injector *shared;

static struct tracee *find(pid_t pid)
{
	struct tracee *free_entry = NULL;

	for (size_t i = 0; i < TRACEES; i++) {
		if (tracees[i].pid == pid)
			return &tracees[i];
		if (tracees[i].pid == 0)
			free_entry = &tracees[i];
	}
	if (free_entry == NULL)
		_exit(1); /* and everything that is traced dies (EXITKILL) */
	*free_entry = (struct tracee){.pid = pid};
	return free_entry;
}

/* A tracee may be killed at any moment: what then fails needs no care, its end is reported. */
static void resume(const struct tracee *tracee, int signal)
{
	(void)ptrace(PTRACE_SYSCALL, tracee->pid, NULL, signal);
}

static void read_path(pid_t pid, unsigned long address, char *ret, size_t size)
{
	struct iovec local = {ret, size - 1}, remote = {(void *)address, size - 1};
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	ret[n > 0 ? n : 0] = '\0';
}

/* The call's second argument when it is a path that is not empty, else the file that its first is open on. */
static void name_file(pid_t pid, struct injector_call *call)
{
	static const long with_path[] = {SYS_openat, SYS_openat2, SYS_faccessat, SYS_faccessat2, SYS_unlinkat,
		SYS_newfstatat, SYS_mkdirat};
	char link[64];

	call->text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(with_path); i++)
		if (call->nr == with_path[i])
			read_path(pid, call->args[1], call->text, sizeof(call->text));
	if (call->text[0] != '\0')
		return;
	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)call->args[0]);
	ssize_t n = readlink(link, call->text, sizeof(call->text) - 1);
	call->text[n > 0 ? n : 0] = '\0';
}

static void note_call(const struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	struct injector_call *call = &shared->report.call;

	call->nr = (long)info->entry.nr;
	for (size_t i = 0; i < 6; i++)
		call->args[i] = info->entry.args[i];
	name_file(tracee->pid, call);
}

static bool is_same_call(const struct __ptrace_syscall_info *info)
{
	const struct injector_call *call = &shared->report.call;

	return (long)info->entry.nr == call->nr &&
	       memcmp(info->entry.args, call->args, sizeof(call->args)) == 0;
}

/* Calls that cannot fail, and brk, which knows no errno (memory that runs out is what tests/torture is for). */
static bool is_certain(uint64_t nr)
{
	return nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn ||
	       nr == SYS_restart_syscall || nr == SYS_umask || nr == SYS_getpid || nr == SYS_getppid ||
	       nr == SYS_brk;
}

/* close frees its descriptor whatever it returns; what is not there any more has been removed. */
static bool is_done_all_the_same(uint64_t nr)
{
	return nr == SYS_close || (nr == SYS_unlinkat && shared->fault.error == ENOENT);
}

/* In the place of the call comes one without effect, which every profile allows. */
static void replace_call(pid_t pid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	regs.orig_rax = SYS_getpid;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void replace_answer(pid_t pid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	regs.rax = (unsigned long long)-(long long)shared->fault.error;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void on_entry(struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	struct injector_report *report = &shared->report;

	if (tracee->was_struck) {
		report->is_retried = is_same_call(info);
		tracee->was_struck = false;
	}
	if (!shared->is_armed)
		return;
	unsigned at = report->counts[tracee->role]++;
	if (tracee->role != shared->fault.role || at != shared->fault.at || shared->fault.error == 0)
		return;
	report->is_met = true;
	report->is_spared = is_certain(info->entry.nr);
	note_call(tracee, info);
	tracee->is_struck = !report->is_spared;
	if (tracee->is_struck && !is_done_all_the_same(info->entry.nr))
		replace_call(tracee->pid);
}

static void on_exit_of_call(struct tracee *tracee)
{
	if (!tracee->is_struck)
		return;
	replace_answer(tracee->pid);
	tracee->is_struck = false;
	tracee->was_struck = true;
}

static void on_call(struct tracee *tracee)
{
	struct __ptrace_syscall_info info;

	if (shared->is_closing && tracee->role == INJECTOR_ENGINE) {
		(void)ptrace(PTRACE_DETACH, tracee->pid, NULL, NULL);
		_exit(0);
	}
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_entry(tracee, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		on_exit_of_call(tracee);
}

static void on_birth(const struct tracee *parent)
{
	unsigned long pid = 0;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) < 0)
		return;
	struct tracee *child = find((pid_t)pid);
	child->is_known = true;
	child->role = parent->role < INJECTOR_TARGET ? parent->role + 1 : INJECTOR_TARGET;
	if (child->is_waiting)
		resume(child, 0);
}

static void on_stop(struct tracee *tracee, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
		on_birth(tracee);
		resume(tracee, 0);
	} else if (event == PTRACE_EVENT_STOP && !tracee->is_known) {
		tracee->is_waiting = true;
	} else if (event == PTRACE_EVENT_EXEC && tracee->role == INJECTOR_TARGET) {
		(void)ptrace(PTRACE_DETACH, tracee->pid, NULL, NULL);
		tracee->pid = 0;
	} else if (event != 0) {
		resume(tracee, 0);
	} else if (signal == SYSCALL_STOP) {
		on_call(tracee);
		resume(tracee, 0);
	} else {
		resume(tracee, signal);
	}
}

_Noreturn static void trace(pid_t engine, int ready_fd)
{
	const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
				      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status;

	if (ptrace(PTRACE_SEIZE, engine, NULL, options) < 0 ||
		ptrace(PTRACE_INTERRUPT, engine, NULL, NULL) < 0)
		_exit(1);
	struct tracee *first = find(engine);
	first->is_known = true;
	for (bool is_begun = false;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			_exit(0);
		struct tracee *tracee = find(pid);
		if (WIFSTOPPED(status))
			on_stop(tracee, status);
		else
			tracee->pid = 0;
		if (!is_begun && write(ready_fd, "", 1) != 1)
			_exit(1);
		is_begun = true;
	}
}

/* --- the test's side ------------------------------------------------------------------------------------------- */

struct injector *injector_open(void)
{
	pid_t engine = getpid();
	int pair[2];
	char byte;

	void *memory = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	shared = memory;
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	/* Not this process's child: that is to have no other children than those of the code under test. */
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			trace(engine, pair[1]);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	(void)close(pair[1]);
	ck_assert_msg(read(pair[0], &byte, 1) == 1, "this machine lets nobody trace us");
	(void)close(pair[0]);
	return shared;
}

void injector_arm(struct injector *injector, const struct injector_fault *fault)
{
	injector->fault = *fault;
	injector->report = (struct injector_report){0};
	injector->is_armed = true;
}

void injector_disarm(struct injector *injector, struct injector_report *ret)
{
	injector->is_armed = false;
	*ret = injector->report;
}

void injector_close(struct injector *injector)
{
	injector->is_closing = true;
	(void)getppid(); /* the tracer wakes up */
	(void)munmap(injector, sizeof(*injector));
}

const char *injector_call_name(const struct injector_call *call)
{
	static char name[32];
	char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)call->nr);

	(void)snprintf(name, sizeof(name), "%s", found != NULL ? found : "?");
	free(found);
	return name;
}
