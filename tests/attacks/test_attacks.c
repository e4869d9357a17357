/* Every attack of table.h, in every phase it names: it fails for the reason given, and the host stays as it was. */
#include "sandbox/base/fd.h"
#include "tests/attacks/table.h"
#include "tests/lib/cell.h"

#include <signal.h>
#include <string.h>

enum { PHASES = 4, ROW_INHERITANCE = 23 };

static const struct phase {
	const char *policy;
	const char *image;
} phases[PHASES] = {{"attack-run", "native"}, {"attack-compile", "cpp"}, {"attack-compile-go", "go"},
	{"attack-command", "base"}};

static struct {
	const struct attack *attack;
	const struct phase *phase;
} tries[ARRAY_SIZE(attacks) * PHASES];

static uint64_t full_sums[PHASES];

static int list_tries(void)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++)
		for (int p = 0; p < PHASES; p++)
			if (attacks[i].phases & (1U << p)) {
				tries[n].attack = &attacks[i];
				tries[n++].phase = &phases[p];
			}
	return n;
}

static bool has_image(const char *image)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", cell_images_dir(), image);
	return access(path, R_OK | X_OK) == 0;
}

static void expect_failure_as_told(const struct attack *attack, const struct cell *cell)
{
	const struct sandbox_result *result = &cell->result;

	cell_expect_cause(cell, attack->cause);
	cell_expect(cell, strstr(cell->out.text, "BREACH") == NULL);
	if (attack->cause == SANDBOX_FORBIDDEN_SYSCALL) {
		ck_assert_msg(strcmp(result->syscall_name, attack->evidence[0]) == 0,
			"expected the call %s; %s", attack->evidence[0], cell_describe(cell));
		cell_expect(cell, strchr(cell->out.text, '=') == NULL || result->syscall_nr >= 0);
		return;
	}
	if (attack->cause == SANDBOX_EXITED)
		cell_expect_exit(cell, 0);
	else
		cell_expect(cell, result->exit_code == -1);
	for (size_t i = 0; i < ARRAY_SIZE(attack->evidence) && attack->evidence[i] != NULL; i++)
		cell_expect_output(cell, attack->evidence[i]);
}

/* The counters behind the verdict. */
static void expect_evidence_of_the_kernel(const struct cell *cell)
{
	const struct sandbox_result *result = &cell->result;

	switch (result->cause) {
	case SANDBOX_MEMORY_LIMIT:
		cell_expect(cell, result->oom_kills > 0);
		break;
	case SANDBOX_PROCESS_LIMIT:
		cell_expect(cell, result->forks_refused > 0);
		break;
	case SANDBOX_CPU_LIMIT:
	case SANDBOX_WALL_LIMIT:
	case SANDBOX_OUTPUT_LIMIT:
		cell_expect(cell, result->oom_kills == 0);
		break;
	default:
		break;
	}
}

static bool is_foreign(const struct attack *attack)
{
	return attack->evidence[0] != NULL && strncmp(attack->evidence[0], "i386:", 5) == 0;
}

/* Without 32-bit system calls the instruction is a fault, and what the filter would say cannot be seen. */
static void expect_fault(const char *name, const struct cell *cell)
{
	cell_expect_cause(cell, SANDBOX_SIGNALED);
	cell_expect(cell, cell->result.signal == SIGSEGV);
	test_skip(name, "this machine has no 32-bit system calls");
}

START_TEST(an_attack_fails_for_the_reason_given)
{
	const struct attack *attack = tries[_i].attack;
	const struct phase *phase = tries[_i].phase;
	const char *reason = cell_skip_reason();
	char name[128];

	(void)snprintf(name, sizeof(name), "row %d, %s, %s", attack->row, attack->name, phase->policy);
	(void)printf("# %s (%s)\n", name, attack->origin);
	(void)fflush(stdout);
	if (reason == NULL && !has_image(phase->image))
		reason = "the image is not built";
	if (reason != NULL) {
		test_skip(name, reason);
		return;
	}
	uint64_t before = cell_image_sum(phase->image, false);
	ck_assert_uint_ne(before, 0);
	if (attack->row == ROW_INHERITANCE)
		cell_make_a_mess();
	struct cell_host *host = cell_open(phase->policy);
	struct cell *cell = cell_run(
		host, &(struct cell_plan){
			      .policy = phase->policy, .command = attack->command, .limits = attack->limits});
	if (is_foreign(attack) && !cell_host_has_i386())
		expect_fault(name, cell);
	else
		expect_failure_as_told(attack, cell);
	expect_evidence_of_the_kernel(cell);
	cell_free(cell);
	cell_close(host);
	ck_assert_msg(cell_image_sum(phase->image, false) == before, "%s: the image has changed", name);
}
END_TEST

/* Last: page caches included, the images are bit for bit what they were before the first attack. */
START_TEST(the_images_are_bit_for_bit_what_they_were)
{
	const char *reason = cell_skip_reason();

	if (reason != NULL)
		TEST_SKIP(reason);
	for (int p = 0; p < PHASES; p++)
		if (has_image(phases[p].image))
			ck_assert_msg(cell_image_sum(phases[p].image, true) == full_sums[p],
				"image %s has changed", phases[p].image);
}
END_TEST

static void sum_images(void)
{
	for (int p = 0; p < PHASES; p++)
		if (has_image(phases[p].image))
			full_sums[p] = cell_image_sum(phases[p].image, true);
}

TEST_PROGRAM("attacks", 120, sum_images();
	     tcase_add_loop_test(tc, an_attack_fails_for_the_reason_given, 0, list_tries());
	     tcase_add_test(tc, the_images_are_bit_for_bit_what_they_were))
