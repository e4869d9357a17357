#include "sandbox/verify/sweep.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>

enum { NR_URETPROBE = 335, NR_UPROBE = 336, X32_BIT = 0x40000000, COMMAND = 6144 };

void sweep_ask(const struct filter_program *filter, int64_t argument, struct sweep_answers *ret)
{
	struct seccomp_data data = {.arch = AUDIT_ARCH_X86_64};

	for (int i = 0; i < 6; i++)
		data.args[i] = (uint64_t)argument;
	for (data.nr = 0; data.nr < SWEEP_NUMBERS; data.nr++)
		ret->values[data.nr] = filter_evaluate(filter, &data);
}

static bool ends_the_run(uint32_t value)
{
	uint32_t action = value & SECCOMP_RET_ACTION_FULL;

	return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG && action != SECCOMP_RET_ERRNO;
}

void sweep_answer_name(uint32_t value, char *buf, size_t size)
{
	uint32_t data = value & SECCOMP_RET_DATA;
	const char *name = "allow";

	if (ends_the_run(value))
		name = "ends";
	else if ((value & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		name = data == 0 ? "OK" : strerrorname_np((int)data);
	(void)snprintf(buf, size, "%s", name != NULL ? name : "E?");
}

bool sweep_is_filtered(int nr)
{
	return nr != NR_URETPROBE && nr != NR_UPROBE;
}

/* Is SEEN, what a program told of a call, what ANSWER must lead to? */
static bool agrees(int nr, uint32_t answer, const char *seen)
{
	char name[16];

	sweep_answer_name(answer, name, sizeof(name));
	if (!sweep_is_filtered(nr) && (strcmp(seen, "SIGILL") == 0 || strcmp(seen, "ENXIO") == 0))
		return true;
	/* What is allowed has the kernel's own answer, which with such arguments is never EPERM; ENOSYS: an older kernel. */
	if (strcmp(name, "allow") == 0)
		return strcmp(seen, "EPERM") != 0 && strcmp(seen, "SIGSYS") != 0;
	return strcmp(seen, name) == 0;
}

/* The rest of the line that begins with "NR="; false: there is none. */
static bool find_line(const char *text, int nr, char *seen, size_t size)
{
	char key[16];
	int length = snprintf(key, sizeof(key), "%d=", nr);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, (size_t)length) != 0)
			continue;
		line += length;
		(void)snprintf(seen, size, "%.*s", (int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

static void compare(struct trial *trial, const struct attempt *attempt, const struct sweep_answers *answers)
{
	unsigned made = 0, allowed = 0;
	char seen[32], wanted[16];

	for (int nr = 0; nr < SWEEP_NUMBERS; nr++) {
		if (ends_the_run(answers->values[nr]))
			continue;
		sweep_answer_name(answers->values[nr], wanted, sizeof(wanted));
		if (!find_line(attempt->out.text, nr, seen, sizeof(seen)))
			trial_fail(trial, "%d was not made", nr);
		else if (!agrees(nr, answers->values[nr], seen))
			trial_fail(trial, "%d: the profile says %s, the kernel said %s", nr, wanted, seen);
		made++;
		allowed += strcmp(wanted, "allow") == 0;
	}
	trial_see(trial, "%u calls made, %u of them allowed", made, allowed);
}

void sweep_numbers(struct trial *trial, int64_t argument, const struct sweep_answers *answers)
{
	char command[COMMAND];
	size_t used =
		(size_t)snprintf(command, sizeof(command), "attack_sweep numbers %lld", (long long)argument);
	const char *joint = " ";

	for (int nr = 0; nr < SWEEP_NUMBERS; nr++)
		if (ends_the_run(answers->values[nr])) {
			used += (size_t)snprintf(command + used, sizeof(command) - used, "%s%d", joint, nr);
			joint = ",";
		}
	struct attempt *attempt =
		attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site,
						  .command = command,
						  .limits = {.cpu_usec = 100000000, .wall_usec = 200000000}});
	if (!trial_is_void(trial, attempt) && trial_exited(trial, attempt, 0))
		compare(trial, attempt, answers);
	(void)attempt_free(attempt);
}

void sweep_forbidden(struct trial *trial, enum sweep_table table, int nr)
{
	static const char *const prefixes[] = {
		[SWEEP_X86_64] = "", [SWEEP_X32] = "x32:", [SWEEP_I386] = "i386:"};
	char command[64], wanted[64], name[32];

	(void)snprintf(command, sizeof(command), "attack_sweep %s %d", table == SWEEP_I386 ? "int80" : "one",
		table == SWEEP_X32 ? X32_BIT | nr : nr);
	if (table == SWEEP_X86_64)
		filter_syscall_name(AUDIT_ARCH_X86_64, nr, name, sizeof(name));
	else
		(void)snprintf(name, sizeof(name), "%s%d", prefixes[table], nr);
	(void)snprintf(wanted, sizeof(wanted), "forbidden_syscall %s", name);
	struct attempt *attempt =
		attempt_run(trial->bench, &(struct attempt_plan){.site = trial->site, .command = command});
	if (!trial_is_void(trial, attempt)) {
		char summary[ATTEMPT_SUMMARY];
		attempt_summary(attempt, summary, sizeof(summary));
		if (strcmp(summary, wanted) != 0)
			trial_fail(trial, "%s, not %s; %s", summary, wanted, attempt->out.text);
	}
	(void)attempt_free(attempt);
}

/* --- the rows -------------------------------------------------------------------------------------------------- */

void sweep_profile(struct trial *trial)
{
	struct sweep_answers answers;

	sweep_ask(&trial->site->body->filter, 0, &answers);
	sweep_numbers(trial, 0, &answers);
}

void sweep_x32(struct trial *trial)
{
	/* Harmless ones, harmful ones, the range that only x32 has (512 to 547), and the ends. */
	static const int numbers[] = {0, 1, 2, 57, 59, 101, 321, 435, 512, 520, 547, 1023};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && trial->status == TRIAL_OK; i++)
		sweep_forbidden(trial, SWEEP_X32, numbers[i]);
	trial_see(trial, "%zu numbers, each ended its run", sizeof(numbers) / sizeof(numbers[0]));
}

void sweep_i386(struct trial *trial)
{
	/* exit, fork, read, open, execve, mount, getpid, setuid, ptrace, ioctl, socketcall, clone, bpf, the end. */
	static const int numbers[] = {1, 2, 3, 5, 11, 21, 20, 23, 26, 54, 102, 120, 357, 1023};

	if (!bench_has_i386()) {
		trial_skip(trial, "this kernel or processor has no 32-bit system calls");
		return;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && trial->status == TRIAL_OK; i++)
		sweep_forbidden(trial, SWEEP_I386, numbers[i]);
	trial_see(trial, "%zu numbers, each ended its run", sizeof(numbers) / sizeof(numbers[0]));
}
