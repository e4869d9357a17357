/* Every row of the corpus (sandbox/verify), at every site of the shipped policies that it is for: it fails for the reason
 * given, and the host stays as it was. `cofferdam verify` tries the same rows; here each has an engine of its own, so
 * that opening and closing it is looked at too. */
#include "sandbox/base/fd.h"
#include "sandbox/verify/trial.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"

#include <signal.h>
#include <string.h>

static struct policy_set *policies;
static struct site sites[SITES_MAX];
static size_t nsites;
static int64_t full_sums[SITES_MAX];

static const char *policies_dir(void)
{
	const char *dir = getenv("POLICIES_DIR");

	return dir != NULL ? dir : DEFAULT_POLICIES_DIR;
}

static struct bench_options bench_options(void)
{
	return (struct bench_options){.policies_dir = policies_dir(),
		.images_dir = cell_images_dir(),
		.probes_dir = cell_probes_dir(),
		.signal_fd = -1};
}

static void look_at_images(int64_t *sums)
{
	const struct bench bench = {.options = bench_options()};

	for (size_t i = 0; i < nsites; i++)
		sums[i] = bench_image_sum(&bench, &sites[i], true);
}

static void expect_closed(const struct witness *before, const struct host_slot *slot)
{
	struct witness after;

	for (int i = 0; i < 500; i++) {
		host_look(&after);
		if (witness_equal(&after, before))
			break;
		(void)usleep(20000);
	}
	ck_assert_msg(witness_equal(&after, before), "after the engine: %s", host_difference(&after, before));
	ck_assert_msg(host_slot_is_gone(slot), "the slot's cgroup is still there");
}

/* At each site that the row is for. */
static void try_everywhere(struct bench *bench, const struct corpus_row *row)
{
	static struct trial trial;
	char name[400];
	unsigned tried = 0;

	for (size_t i = 0; i < bench->nsites; i++) {
		if (!corpus_fits(row, bench->sites, i))
			continue;
		tried++;
		trial_perform(bench, row, &bench->sites[i], &trial);
		(void)snprintf(
			name, sizeof(name), "row %d, %s, %s", row->number, row->name, bench->sites[i].name);
		ck_assert_msg(trial.status != TRIAL_FAILED, "%s: %s", name, trial.why);
		if (trial.status == TRIAL_SKIPPED)
			test_skip(name, trial.why);
	}
	(void)snprintf(name, sizeof(name), "row %d, %s", row->number, row->name);
	if (tried == 0)
		test_skip(name, "no deployed step is of this kind");
}

START_TEST(an_attack_fails_for_the_reason_given)
{
	const struct corpus_row *row = corpus_row((size_t)_i);
	const struct bench_options options = bench_options();
	static struct bench bench;
	struct sandbox_error err = {0};
	struct witness before, open;
	struct host_slot slot;

	(void)printf("# row %d, %s (%s)\n", row->number, row->name, row->origin);
	(void)fflush(stdout);
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	if (row->needs & CORPUS_INHERITED)
		cell_make_a_mess();
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(bench_leave_others_alone(&err) == 0, "%s", err.message);
	host_look(&before);
	int r = bench_open(&bench, &options, &err);
	if (r == -ENOENT && strcmp(err.stage, "launcher.image") == 0) {
		bench_close(&bench);
		TEST_SKIP(err.message);
	}
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
	bench_look(&bench, &open);
	host_slot_read((int)open.facts[WITNESS_SLOT], &slot);
	try_everywhere(&bench, row);
	bench_close(&bench);
	expect_closed(&before, &slot);
}
END_TEST

/* Last: page caches included, the images are bit for bit what they were before the first attack. */
START_TEST(the_images_are_bit_for_bit_what_they_were)
{
	const char *reason = cell_skip_reason();
	static int64_t now[SITES_MAX];

	if (reason != NULL)
		TEST_SKIP(reason);
	look_at_images(now);
	for (size_t i = 0; i < nsites; i++)
		ck_assert_msg(now[i] == full_sums[i], "image %s has changed", sites[i].body->image);
}
END_TEST

/* How many rows there are. */
static int prepare(void)
{
	struct sandbox_error err = {0};
	int n = 0;

	if (policy_set_load(policies_dir(), NULL, &policies, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	nsites = site_list(policies, sites);
	look_at_images(full_sums);
	while (corpus_row((size_t)n) != NULL)
		n++;
	return n;
}

TEST_PROGRAM("attacks", 240, int n = prepare();
	     tcase_add_loop_test(tc, an_attack_fails_for_the_reason_given, 0, n);
	     tcase_add_test(tc, the_images_are_bit_for_bit_what_they_were))
