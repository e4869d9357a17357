/* fuzz_profile.c: seccomp profiles. Whatever compiles must be a program that the kernel takes, and must answer as the
 * profile says, read entry by entry; its tracing form asks where that is a refusal. */
#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/filter.h"
#include "sandbox/policy/profile.h"
#include "sandbox/policy/tracing.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- the kernel's word --------------------------------------------------------------------------------------- */

struct trial {
	struct sock_fprog program;
	int refused; /* errno; 0: taken */
};

/* Shares our memory until its end; nothing in it may be instrumented. */
__attribute__((no_sanitize("address", "undefined", "coverage"))) static int install(void *arg)
{
	struct trial *trial = arg;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	trial->refused = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &trial->program) < 0 ? errno : 0;
	(void)syscall(SYS_exit, 0);
	__builtin_trap();
}

/* The kernel checks instructions, jumps and loads, not values: with every answer turned into ALLOW the child can end. */
static int ask_kernel(const struct filter_program *program)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	static struct sock_filter insns[BOUND_FILTER_LEN];
	struct trial trial = {.program = {.len = program->len, .filter = insns}, .refused = ECHILD};

	memcpy(insns, program->insns, program->len * sizeof(insns[0]));
	for (size_t i = 0; i < program->len; i++)
		if (insns[i].code == (BPF_RET | BPF_K))
			insns[i].k = SECCOMP_RET_ALLOW;
	pid_t pid = clone(install, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &trial);
	FUZZ_REQUIRE(pid > 0);
	while (waitpid(pid, NULL, 0) < 0)
		FUZZ_REQUIRE(errno == EINTR); /* libFuzzer's alarm */
	return trial.refused;
}

/* Where filters cannot be installed at all, the rest is fuzzed without the kernel. */
static int can_ask_kernel(void)
{
	static int answer = -1;
	struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};

	if (answer < 0) {
		answer = ask_kernel(&(struct filter_program){.insns = &allow, .len = 1}) == 0;
		if (!answer)
			(void)fprintf(
				stderr, "INFO: seccomp is not to be had here, the kernel is not asked\n");
	}
	return answer;
}

/* --- the profile's word --------------------------------------------------------------------------------------- */

static bool holds(const struct profile_condition *c, const uint64_t args[6])
{
	uint64_t arg = args[c->index];

	switch (c->op) {
	case PROFILE_EQ:
		return arg == c->value;
	case PROFILE_NE:
		return arg != c->value;
	case PROFILE_LT:
		return arg < c->value;
	case PROFILE_LE:
		return arg <= c->value;
	case PROFILE_GT:
		return arg > c->value;
	case PROFILE_GE:
		return arg >= c->value;
	case PROFILE_MASKED_EQ:
		return (arg & c->value) == c->value_two;
	}
	abort();
}

static bool matches(const struct profile_entry *entry, const uint64_t args[6])
{
	size_t n = 0;

	for (size_t i = 0; i < entry->nconditions; i++)
		n += holds(&entry->conditions[i], args);
	return entry->is_any ? n > 0 : n == entry->nconditions;
}

static uint32_t expected(const struct profile *profile, uint32_t nr, const uint64_t args[6])
{
	bool is_errno = (profile->default_ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
	bool is_named = false;

	for (size_t i = 0; i < profile->ncalls; i++) {
		const struct profile_entry *entry = &profile->entries[profile->calls[i].entry];
		if (profile->calls[i].nr != nr)
			continue;
		is_named = true;
		if (matches(entry, args))
			return entry->ret;
	}
	_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(FILTER_ARCH_SCMP, (int)nr);
	return is_errno && !is_named && name == NULL ? SECCOMP_RET_ERRNO | ENOSYS : profile->default_ret;
}

static bool is_tracing_form; /* what is compared */

static bool refuses(uint32_t ret)
{
	return ret != SECCOMP_RET_ALLOW && ret != SECCOMP_RET_LOG && ret != SECCOMP_RET_ERRNO;
}

static void compare(const struct filter_program *program, const struct profile *profile, uint32_t nr,
	const uint64_t args[6])
{
	struct seccomp_data data = {.nr = (int)nr, .arch = FILTER_ARCH};

	memcpy(data.args, args, sizeof(data.args));
	uint32_t wanted = expected(profile, nr, args);
	if (is_tracing_form && refuses(wanted))
		wanted = SECCOMP_RET_USER_NOTIF;
	FUZZ_REQUIRE(filter_evaluate(program, &data) == wanted);
}

/* Around what the conditions of ENTRY compare with: each value, one less, one more, and the other half. */
static void compare_around(const struct filter_program *program, const struct profile *profile, uint32_t nr,
	const struct profile_entry *entry)
{
	static const uint64_t offsets[] = {0, 1, UINT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63};
	uint64_t args[6] = {0};

	compare(program, profile, nr, args);
	for (size_t i = 0; i < entry->nconditions; i++) {
		const struct profile_condition *c = &entry->conditions[i];
		uint64_t base = c->op == PROFILE_MASKED_EQ ? c->value_two : c->value;
		for (size_t k = 0; k < ARRAY_SIZE(offsets); k++) {
			args[c->index] = base + offsets[k];
			compare(program, profile, nr, args);
		}
		args[c->index] = base; /* so that in the end all conditions may hold */
	}
	compare(program, profile, nr, args);
}

static void compare_all(const struct filter_program *program, const struct profile *profile)
{
	static const uint64_t none[6] = {0};
	struct seccomp_data foreign = {.nr = 1, .arch = AUDIT_ARCH_I386};

	for (uint32_t nr = 0; nr < FILTER_NUMBERS + 1; nr += 7)
		compare(program, profile, nr, none);
	for (size_t i = 0; i < profile->ncalls && i < 64; i++)
		compare_around(
			program, profile, profile->calls[i].nr, &profile->entries[profile->calls[i].entry]);
	FUZZ_REQUIRE(filter_evaluate(program, &foreign) == SECCOMP_RET_USER_NOTIF);
	foreign = (struct seccomp_data){.nr = FILTER_X32_BIT | 1, .arch = FILTER_ARCH};
	FUZZ_REQUIRE(filter_evaluate(program, &foreign) == SECCOMP_RET_USER_NOTIF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_program program = {0};
	struct profile profile = {0};
	struct sandbox_error err = {0};

	int r = filter_compile("p.json", (const char *)data, size, &program, &err);
	FUZZ_REQUIRE(r == -err.errno_value);
	if (r < 0) {
		FUZZ_REQUIRE(strcmp(err.stage, "policy") == 0 && strncmp(err.message, "p.json: ", 8) == 0);
		FUZZ_REQUIRE(program.insns == NULL);
		return 0;
	}
	FUZZ_REQUIRE(profile_parse("p.json", (const char *)data, size, &profile, &err) == 0);
	is_tracing_form = false;
	compare_all(&program, &profile);
	is_tracing_form = true;
	tracing_rewrite(program.insns, program.len);
	compare_all(&program, &profile);
	if (can_ask_kernel()) {
		int refused = ask_kernel(&program);
		/* Anything else is the host's: it has no memory left for programs (524, ENOMEM). */
		FUZZ_REQUIRE(refused != EINVAL && refused != EFAULT);
	}
	profile_free(&profile);
	filter_free(&program);
	return 0;
}
