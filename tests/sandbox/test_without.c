/* test_without.c: layers that are left out, to be measured: only with --unsafe, the report says so, and that layer, and no
 * other, is really not there. */
#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "tests/lib/place.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* What a probe (tests/probes) finds missing without LAYER. ARGS: its case and more. */
static const struct row {
	const char *layer, *probe, *policy, *args[2];
	const char *missing[6]; /* NULL at the end */
	const char *may_miss;	/* what begins so, too; NULL: nothing else */
} rows[] = {
	{"network", "controls", "attack-layers", {"all"}, {"/proc/self/ns/net"}},
	{"ipc", "controls", "attack-layers", {"all"}, {"/proc/self/ns/ipc"}},
	{"uts", "controls", "attack-layers", {"all"}, {"host name", "/proc/self/ns/uts"}},
	{"cgroup", "controls", "attack-layers", {"all"}, {"cgroup root", "/proc/self/ns/cgroup"}},
	{"seccomp", "controls", "attack-layers", {"all"}, {"Seccomp"}},
	{"rlimits", "controls", "attack-layers", {"all"}, {"rlimit 7"}, "rlimit "},
	{"memory-seal", "attack_calls", "attack-run", {"code"},
		{"mmap(W+X)", "mprotect(W to X)", "mprotect(W+X)"}, "pkey_mprotect"},
};

enum { NAMESPACES = 7 };

/* The inodes of our own namespaces, for `controls all`. */
static char (*own_namespaces(void))[24]
{
	static const char *const kinds[NAMESPACES] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	static char numbers[NAMESPACES][24];

	for (size_t i = 0; i < NAMESPACES; i++) {
		char path[64];
		struct stat st;
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		(void)snprintf(numbers[i], sizeof(numbers[i]), "%llu", (unsigned long long)st.st_ino);
	}
	return numbers;
}

/* Runs ROW's probe; WITHOUT its layer or with all. */
static struct program look(const struct row *row, bool without)
{
	char(*namespaces)[24] = own_namespaces(), policy[64], program[64], report[4200], layer[64];
	const char *argv[32] = {"cofferdam", "run", place_probe(row->probe)};
	size_t n = 3;

	(void)snprintf(policy, sizeof(policy), "--policy=%s", row->policy);
	(void)snprintf(program, sizeof(program), "/box/%s", row->probe);
	(void)snprintf(report, sizeof(report), "--report=%s", place_path("report"));
	(void)snprintf(layer, sizeof(layer), "--without=%s", row->layer);
	argv[n++] = policy;
	argv[n++] = report;
	if (without) {
		argv[n++] = "--unsafe";
		argv[n++] = layer;
	}
	argv[n++] = "--";
	argv[n++] = program;
	argv[n++] = row->args[0];
	if (row->args[1] != NULL)
		argv[n++] = row->args[1];
	for (size_t i = 0; i < NAMESPACES; i++)
		argv[n++] = namespaces[i];
	return program_run_plan(&(struct program_plan){.argv = argv});
}

static void expect_missing(const struct row *row, const char *said)
{
	const char *at = said;
	char line[64];

	for (size_t i = 0; row->missing[i] != NULL; i++) {
		(void)snprintf(line, sizeof(line), "BREACH %s\n", row->missing[i]);
		ck_assert_msg(strstr(said, line) != NULL, "without %s: %s is there: %s", row->layer,
			row->missing[i], said);
	}
	for (; (at = strstr(at, "BREACH ")) != NULL; at++) {
		const char *what = at + strlen("BREACH ");
		bool is_known =
			row->may_miss != NULL && strncmp(what, row->may_miss, strlen(row->may_miss)) == 0;
		for (size_t i = 0; row->missing[i] != NULL; i++)
			is_known |= strncmp(what, row->missing[i], strlen(row->missing[i])) == 0;
		ck_assert_msg(is_known, "without %s: %s", row->layer, at);
	}
}

static void expect_unsafe(const char *layer)
{
	json_t *report = place_report("report"), *list = json_object_get(report, "unsafe");

	if (layer == NULL) {
		ck_assert_ptr_null(list);
	} else {
		ck_assert_uint_eq(json_array_size(list), 1);
		ck_assert_str_eq(json_string_value(json_array_get(list, 0)), layer);
	}
	json_decref(report);
}

START_TEST(the_layer_is_missing_and_no_other)
{
	PLACE_ENTER(before);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct program all = look(&rows[i], false);
		ck_assert_msg(strstr(all.out, "BREACH") == NULL, "%s: %s", rows[i].layer, all.out);
		expect_unsafe(NULL);
		program_free(&all);
		struct program less = look(&rows[i], true);
		expect_missing(&rows[i], less.out);
		expect_unsafe(rows[i].layer);
		program_free(&less);
	}
	place_leave(&before);
}
END_TEST

/* Landlock shows in what it refuses: init's own domain is another one. */
START_TEST(landlock_can_be_left_out)
{
	static const struct row row = {"landlock", "layers", "attack-open", {"device"}, {NULL}};
	struct layers layers = {0};

	PLACE_ENTER(before);
	ck_assert_int_eq(layers_probe(&layers, NULL), 0);
	if (layers.landlock_abi < 5)
		TEST_SKIP("this kernel's Landlock has no ABI 5");
	struct program all = look(&row, false);
	expect_text(all.out, "ioctl=EACCES\n");
	program_free(&all);
	struct program less = look(&row, true);
	ck_assert_ptr_null(strstr(less.out, "EACCES"));
	expect_unsafe("landlock");
	program_free(&less);
	place_leave(&before);
}
END_TEST

static bool is_restrained(const char *status)
{
	return strstr(status, "\tthread vulnerable\n") == NULL &&
	       strstr(status, "\tconditional enabled\n") == NULL;
}

START_TEST(processors_can_be_let_guess)
{
	static const struct row row = {
		"speculation", "probe", "attack-run", {"cat", "/proc/self/status"}, {NULL}, NULL};
	struct layers layers = {0};

	PLACE_ENTER(before);
	ck_assert_int_eq(layers_probe(&layers, NULL), 0);
	if (((layers.speculation[PR_SPEC_STORE_BYPASS] | layers.speculation[PR_SPEC_INDIRECT_BRANCH]) &
		    PR_SPEC_PRCTL) == 0)
		TEST_SKIP("this kernel offers no control over speculation, or this processor needs none");
	struct program all = look(&row, false);
	ck_assert_msg(is_restrained(all.out), "%s", all.out);
	program_free(&all);
	struct program less = look(&row, true);
	ck_assert_msg(!is_restrained(less.out), "%s", less.out);
	expect_unsafe("speculation");
	program_free(&less);
	place_leave(&before);
}
END_TEST

START_TEST(nothing_is_left_out_by_accident)
{
	PLACE_ENTER(before);
	PLACE_EXPECT(125, "only with --unsafe", "run", "--without=seccomp", "--", "/bin/true");
	PLACE_EXPECT(125, "pid: no such layer", "run", "--unsafe", "--without=pid", "--", "/bin/true");
	PLACE_EXPECT(0, "", "run", "--unsafe", "--", "/bin/true");
	/* Neither the environment nor a supervisor can be asked. */
	ck_assert_int_eq(setenv("WITHOUT", "seccomp", 1), 0);
	ck_assert_int_eq(setenv("UNSAFE", "yes", 1), 0);
	PLACE_EXPECT(0, "", "run", "--report", place_path("report"), "--", "/bin/true");
	expect_unsafe(NULL);
	PLACE_EXPECT(125, "", "supervise", "--unsafe", "--without=seccomp");
	PLACE_EXPECT(125, "", "serve", "--unsafe", "--without=seccomp");
	place_leave(&before);
}
END_TEST

TEST_PROGRAM("without", 120, tcase_add_test(tc, the_layer_is_missing_and_no_other);
	     tcase_add_test(tc, landlock_can_be_left_out); tcase_add_test(tc, processors_can_be_let_guess);
	     tcase_add_test(tc, nothing_is_left_out_by_accident))
