/* Every system call number from 0 to 1023, made from inside a cell, is answered by the kernel as the golden table of its
 * profile says (tests/attacks/golden, written by `make golden`); so is every number of the x32 range, and of the 32-bit
 * table where the kernel has one. (bubblewrap's try-syscall and sandbox2's bpf_evaluator are the models.) */
#include "sandbox/base/fd.h"
#include "sandbox/verify/sweep.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>

enum { ARGUMENTS = 2, GOLDEN_BYTES = 1 << 20, I386_NUMBERS = 512 };

static const char *const profiles[] = {"command", "compile", "native"};
static const int64_t arguments[ARGUMENTS] = {0, -1};

struct golden {
	bool is_known[SWEEP_NUMBERS]; /* the libseccomp that wrote the table had a name for it */
	struct sweep_answers answers[ARGUMENTS];
};

/* --- the table ------------------------------------------------------------------------------------------------- */

static uint32_t parse_answer(const char *word)
{
	if (strcmp(word, "allow") == 0)
		return SECCOMP_RET_ALLOW;
	if (strcmp(word, "ends") == 0)
		return SECCOMP_RET_USER_NOTIF;
	if (strcmp(word, "OK") == 0)
		return SECCOMP_RET_ERRNO;
	for (uint32_t e = 1; e < 134; e++)
		if (strerrorname_np((int)e) != NULL && strcmp(strerrorname_np((int)e), word) == 0)
			return SECCOMP_RET_ERRNO | e;
	ck_abort_msg("no answer: %s", word);
}

/* "16 ioctl ENOTTY ENOTTY" or "471-1023 - ENOSYS ENOSYS". Returns the number after the last one. */
static int parse_line(const char *line, int next, struct golden *golden)
{
	char name[64], words[ARGUMENTS][16];
	int first, last, used = 0;

	if (sscanf(line, "%d-%d%n", &first, &last, &used) != 2) {
		ck_assert_msg(sscanf(line, "%d%n", &first, &used) == 1, "%s", line);
		last = first;
	}
	ck_assert_msg(sscanf(line + used, "%63s %15s %15s", name, words[0], words[1]) == 3, "%s", line);
	ck_assert_msg(first == next && last >= first && last < SWEEP_NUMBERS, "%s", line);
	for (int nr = first; nr <= last; nr++) {
		golden->is_known[nr] = strcmp(name, "-") != 0;
		for (int a = 0; a < ARGUMENTS; a++)
			golden->answers[a].values[nr] = parse_answer(words[a]);
	}
	return last + 1;
}

static void read_golden(const char *profile, struct golden *golden)
{
	_cleanup_free_ char *text = NULL;
	char path[256];
	size_t size;
	int next = 0;

	(void)snprintf(path, sizeof(path), "tests/attacks/golden/%s.txt", profile);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s (make golden)", path, strerror(errno));
	ck_assert_int_eq(fd_read_all(fd, GOLDEN_BYTES, &text, &size), 0);
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] >= '0' && line[0] <= '9')
			next = parse_line(line, next, golden);
	ck_assert_int_eq(next, SWEEP_NUMBERS);
}

static bool is_known_here(int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
	bool is_known = name != NULL;

	free(name);
	return is_known;
}

/* --- the bench ------------------------------------------------------------------------------------------------- */

static struct bench bench;

static const struct site *open_bench(const char *profile)
{
	const struct bench_options options = {.policies_dir = DEFAULT_POLICIES_DIR,
		.images_dir = cell_images_dir(),
		.probes_dir = cell_probes_dir(),
		.signal_fd = -1};
	struct sandbox_error err = {0};

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(bench_open(&bench, &options, &err) == 0, "%s: %s", err.stage, err.message);
	for (size_t i = 0; i < bench.nsites; i++)
		if (strcmp(bench.sites[i].body->profile, profile) == 0)
			return &bench.sites[i];
	ck_abort_msg("no step has the profile %s", profile);
}

#define NEEDS_CELLS()                                                                                        \
	if (cell_skip_reason() != NULL)                                                                      \
	TEST_SKIP(cell_skip_reason())

/* --- the tests ------------------------------------------------------------------------------------------------- */

/* A profile does not change without its table, which is what one reviews. A number that only one libseccomp has a name
 * for is not compared: without a name it is ENOSYS. */
START_TEST(a_profile_is_what_its_golden_table_says)
{
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;
	static struct golden golden;
	unsigned compared = 0;

	read_golden(profiles[_i], &golden);
	ck_assert_msg(policy_set_load(DEFAULT_POLICIES_DIR, NULL, &set, &err) == 0, "%s", err.message);
	static struct site sites[SITES_MAX];
	size_t n = site_list(set, sites), s = 0;
	while (s < n && strcmp(sites[s].body->profile, profiles[_i]) != 0)
		s++;
	ck_assert_uint_lt(s, n);
	for (int a = 0; a < ARGUMENTS; a++) {
		struct sweep_answers now;
		sweep_ask(&sites[s].body->filter, arguments[a], &now);
		for (int nr = 0; nr < SWEEP_NUMBERS; nr++) {
			char is[16], was[16];
			if (golden.is_known[nr] != is_known_here(nr))
				continue;
			sweep_answer_name(now.values[nr], is, sizeof(is));
			sweep_answer_name(golden.answers[a].values[nr], was, sizeof(was));
			ck_assert_msg(strcmp(is, was) == 0,
				"%s: %d with %lld: the profile says %s, the table %s (make golden, and read "
				"the "
				"difference)",
				profiles[_i], nr, (long long)arguments[a], is, was);
			compared++;
		}
	}
	ck_assert_uint_gt(compared, ARGUMENTS * (SWEEP_NUMBERS - 100));
	(void)policy_set_free(set);
}
END_TEST

START_TEST(the_kernel_answers_as_the_golden_table_says)
{
	static struct golden golden;

	NEEDS_CELLS();
	read_golden(profiles[_i / ARGUMENTS], &golden);
	struct sweep_answers *answers = &golden.answers[_i % ARGUMENTS], now;
	const struct site *site = open_bench(profiles[_i / ARGUMENTS]);
	sweep_ask(&site->body->filter, arguments[_i % ARGUMENTS], &now);
	for (int nr = 0; nr < SWEEP_NUMBERS; nr++)
		if (golden.is_known[nr] != is_known_here(nr))
			answers->values[nr] = now.values[nr];
	static struct trial trial;
	trial = (struct trial){.bench = &bench, .site = site};
	sweep_numbers(&trial, arguments[_i % ARGUMENTS], answers);
	bench_close(&bench);
	ck_assert_msg(trial.status == TRIAL_OK, "%s: %s", profiles[_i / ARGUMENTS], trial.why);
}
END_TEST

/* Each in a cell of its own. */
static void expect_forbidden(const char *profile, enum sweep_table table, int first, int last)
{
	const struct site *site = open_bench(profile);
	static struct trial trial;

	trial = (struct trial){.bench = &bench, .site = site};
	for (int nr = first; nr <= last && trial.status == TRIAL_OK; nr++)
		sweep_forbidden(&trial, table, nr);
	bench_close(&bench);
	ck_assert_msg(trial.status == TRIAL_OK, "%s: %s", profile, trial.why);
}

START_TEST(a_forbidden_number_ends_the_run_with_its_name)
{
	static struct golden golden;
	unsigned forbidden = 0;

	NEEDS_CELLS();
	read_golden(profiles[_i], &golden);
	const struct site *site = open_bench(profiles[_i]);
	static struct trial trial;
	trial = (struct trial){.bench = &bench, .site = site};
	for (int nr = 0; nr < SWEEP_NUMBERS && trial.status == TRIAL_OK; nr++)
		if (golden.answers[0].values[nr] == SECCOMP_RET_USER_NOTIF && is_known_here(nr)) {
			sweep_forbidden(&trial, SWEEP_X86_64, nr);
			forbidden++;
		}
	bench_close(&bench);
	ck_assert_msg(trial.status == TRIAL_OK, "%s: %s", profiles[_i], trial.why);
	ck_assert_uint_ge(forbidden, 20);
}
END_TEST

/* The filter decides by the range, and here all of it is asked. */
START_TEST(every_number_of_the_x32_range_ends_the_run)
{
	NEEDS_CELLS();
	expect_forbidden(profiles[_i], SWEEP_X32, 0, SWEEP_NUMBERS - 1);
}
END_TEST

START_TEST(every_number_of_the_32_bit_table_ends_the_run)
{
	NEEDS_CELLS();
	if (!bench_has_i386())
		TEST_SKIP("this kernel or processor has no 32-bit system calls");
	expect_forbidden(profiles[_i], SWEEP_I386, 0, I386_NUMBERS - 1);
}
END_TEST

enum { PROFILES = ARRAY_SIZE(profiles) };

TEST_PROGRAM("numbers", 240, tcase_add_loop_test(tc, a_profile_is_what_its_golden_table_says, 0, PROFILES);
	     tcase_add_loop_test(tc, the_kernel_answers_as_the_golden_table_says, 0, ARGUMENTS *PROFILES);
	     tcase_add_loop_test(tc, a_forbidden_number_ends_the_run_with_its_name, 0, PROFILES);
	     tcase_add_loop_test(tc, every_number_of_the_x32_range_ends_the_run, 0, PROFILES);
	     tcase_add_loop_test(tc, every_number_of_the_32_bit_table_ends_the_run, 0, PROFILES))
