/* `cofferdam verify` is worth what it notices: a profile that was widened, an attack that came through, a host that was
 * not left as it was. And its corpus has every case. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/verify/trial.h"
#include "tests/lib/cell.h"
#include "tests/lib/program.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CASES = 85, ROWS_MIN = 150 };

#define NEEDS_CELLS()                                                                                        \
	if (cell_skip_reason() != NULL)                                                                      \
	TEST_SKIP(cell_skip_reason())

/* --- the command ----------------------------------------------------------------------------------------------- */

static char policies[64];

static void open_policies(void)
{
	cell_make_shipped_policies(policies, sizeof(policies));
	(void)setenv("IMAGES_DIR", cell_images_dir(), 1);
	(void)setenv("PROBES_DIR", cell_probes_dir(), 1);
	(void)setenv("POLICIES_DIR", policies, 1);
}

/* PROFILE as it is, but with RULE before all others. */
static void widen(const char *profile, const char *rule)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/seccomp/%s.json", policies, profile);
	json_t *json = json_load_file(path, 0, NULL), *entry = json_loads(rule, 0, NULL);
	ck_assert(json != NULL && entry != NULL);
	ck_assert_int_eq(json_array_insert_new(json_object_get(json, "syscalls"), 0, entry), 0);
	ck_assert_int_eq(json_dump_file(json, path, JSON_INDENT(1)), 0);
	json_decref(json);
}

START_TEST(a_widened_profile_is_noticed)
{
	static const struct {
		const char *profile, *rule, *row, *words;
	} tries[] = {
		{"native", "{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\"}", "5",
			"FAILED: row 5, ptrace ends the run, at cpp.run"},
		{"native", "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\"}", "1",
			"FAILED: row 1, mount ends the run, at cpp.run"},
		{"compile", "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\"}", "8",
			"FAILED: row 8, every family, type and protocol, at cpp.compile"},
		{"command", "{\"names\":[\"splice\"],\"action\":\"SCMP_ACT_ALLOW\"}", "10",
			"FAILED: row 10, page-cache writes through pipes, at"},
		{"native", "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1}", "3",
			"FAILED: row 3, clone3"},
	};

	NEEDS_CELLS();
	open_policies();
	widen(tries[_i].profile, tries[_i].rule);
	struct program program = program_run("cofferdam", "verify", "--row", tries[_i].row);
	cell_remove_policies(policies);
	expect_status(program, 1);
	expect_text(program.out, tries[_i].words);
	program_free(&program);
}
END_TEST

enum { WIDENED = 5 };

START_TEST(the_shipped_profiles_pass_where_the_widened_fail)
{
	static const char *const numbers[] = {"3", "5", "10"};

	NEEDS_CELLS();
	open_policies();
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct program program = program_run("cofferdam", "verify", "--row", numbers[i]);
		expect_status(program, 0);
		expect_text(program.out, " 0 failed");
		ck_assert_ptr_null(strstr(program.out, "FAILED"));
		program_free(&program);
	}
	cell_remove_policies(policies);
}
END_TEST

START_TEST(machines_get_json)
{
	NEEDS_CELLS();
	open_policies();
	widen("native", "{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\"}");
	struct program program = program_run("cofferdam", "verify", "--row", "5", "--json");
	cell_remove_policies(policies);
	expect_status(program, 1);
	json_t *json = json_loads(program.out, JSON_REJECT_DUPLICATES, NULL), *trial;
	ck_assert_msg(json != NULL, "not JSON: %s", program.out);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "failed")), 2); /* ptrace, and TRACEME */
	ck_assert_int_ge(json_integer_value(json_object_get(json, "ok")), 2);
	size_t i, failed = 0;
	json_array_foreach(json_object_get(json, "trials"), i, trial)
	{
		const char *site = json_string_value(json_object_get(trial, "site"));
		bool has_failed = strcmp(json_string_value(json_object_get(trial, "status")), "FAILED") == 0;
		ck_assert_int_eq(json_integer_value(json_object_get(trial, "row")), 5);
		ck_assert_msg(!has_failed || strstr(site, "cpp.run") != NULL, "%s", site);
		ck_assert_str_ne(json_string_value(json_object_get(trial, "expected")), "");
		ck_assert(has_failed == (json_string_length(json_object_get(trial, "reason")) > 0));
		failed += has_failed;
	}
	ck_assert_uint_eq(failed, 2);
	json_decref(json);
	program_free(&program);
}
END_TEST

START_TEST(nothing_tried_is_nothing_verified)
{
	NEEDS_CELLS();
	open_policies();
	struct program program = program_run("cofferdam", "verify", "--row", "999");
	expect_status(program, 125);
	expect_text(program.err, "nothing was tried");
	program_free(&program);
	program = program_run("cofferdam", "verify", "--images-dir", "/nowhere");
	expect_status(program, 125);
	expect_text(program.err, "/nowhere");
	program_free(&program);
	program = program_run("cofferdam", "verify", "--probes-dir", "/nowhere", "--row", "20");
	expect_status(program, 1);
	expect_text(program.out, "/nowhere");
	program_free(&program);
	cell_remove_policies(policies);
}
END_TEST

/* systemd's groups have such names (cofferdam-supervisor.service). */
START_TEST(a_parent_may_be_named_like_a_slot)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct sandbox_error err = {0};
	char parent[64], path[2048];

	NEEDS_CELLS();
	open_policies();
	(void)snprintf(parent, sizeof(parent), "/cofferdam-parent-%d", (int)getpid());
	ck_assert_int_eq(cgroup_probe(NULL, where, &err), 0);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s%s", where[c].mount, parent);
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	}
	struct program program = program_run("cofferdam", "verify", "--row", "80", "--cgroup-parent", parent);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s%s", where[c].mount, parent);
		ck_assert(rmdir(path) == 0 || errno == ENOENT);
	}
	cell_remove_policies(policies);
	expect_status(program, 0);
	program_free(&program);
}
END_TEST

START_TEST(the_list_names_every_row)
{
	struct program program = program_run("cofferdam", "verify", "--list");
	size_t lines = 0, rows = 0;

	expect_status(program, 0);
	for (const char *at = program.out; *at != '\0'; at++)
		lines += *at == '\n';
	while (corpus_row(rows) != NULL)
		rows++;
	ck_assert_uint_eq(lines, rows);
	ck_assert_uint_ge(rows, ROWS_MIN);
	program_free(&program);
}
END_TEST

/* --- the corpus ------------------------------------------------------------------------------------------------ */

START_TEST(every_case_of_the_list_has_a_row)
{
	bool has[CASES + 1] = {false};

	for (size_t i = 0; corpus_row(i) != NULL; i++) {
		const struct corpus_row *row = corpus_row(i);
		char expected[TRIAL_TEXT];
		ck_assert_msg(row->number >= 1 && row->number <= CASES, "%s: row %d", row->name, row->number);
		ck_assert_msg(row->name[0] != '\0' && row->origin[0] != '\0' && row->kinds != 0, "row %d",
			row->number);
		ck_assert_msg(row->command != NULL || row->perform != NULL, "%s tries nothing", row->name);
		corpus_expected(row, expected, sizeof(expected));
		ck_assert_msg(expected[0] != '\0', "%s expects nothing", row->name);
		has[row->number] = true;
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(corpus_row(k)->number != row->number ||
					      strcmp(corpus_row(k)->name, row->name) != 0,
				"two rows are %d, %s", row->number, row->name);
	}
	for (int number = 1; number <= CASES; number++)
		ck_assert_msg(has[number], "case %d has no row", number);
}
END_TEST

/* --- the judgement --------------------------------------------------------------------------------------------- */

static struct bench bench;

/* A row of its own, at the site of compiled programs. */
static void try_one(const struct corpus_row *row, struct trial *ret)
{
	const struct bench_options options = {.policies_dir = DEFAULT_POLICIES_DIR,
		.images_dir = cell_images_dir(),
		.probes_dir = cell_probes_dir(),
		.signal_fd = -1};
	struct sandbox_error err = {0};
	size_t i = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(bench_leave_others_alone(&err) == 0, "%s", err.message);
	ck_assert_msg(bench_open(&bench, &options, &err) == 0, "%s: %s", err.stage, err.message);
	while (i < bench.nsites && bench.sites[i].kind != SITE_RUN)
		i++;
	ck_assert_uint_lt(i, bench.nsites);
	bench.rest_sec = 1;
	trial_perform(&bench, row, &bench.sites[i], ret);
	bench_close(&bench);
}

START_TEST(an_attack_that_came_otherwise_has_failed)
{
	static const struct {
		struct corpus_row row;
		const char *words;
	} tries[] = {
		/* Refused, but with another errno than the row's. */
		{{.command = "attack_calls call chroot", .evidence = {"chroot=ENOSYS"}}, "chroot=ENOSYS"},
		/* Not refused at all: the probe tells a breach. */
		{{.command = "attack_calls call getpid_that_works", .evidence = {NULL}}, "exited 2"},
		{{.command = "attack_ways spike", .cause = SANDBOX_MEMORY_LIMIT}, "exited 0"},
		/* Forbidden, but another call. */
		{{.command = "attack_calls call mount",
			 .cause = SANDBOX_FORBIDDEN_SYSCALL,
			 .evidence = {"umount2"}},
			"forbidden_syscall mount"},
		/* The right cause, with an exit code that tells of a breach. */
		{{.command = "attack_sweep one 39", .evidence = {"39=OK"}}, "exited 1"},
		{{.command = "work exit 3"}, "exited 3"},
		{{.command = "no_such_program"}, "verify.programs"},
	};
	static struct trial trial;

	NEEDS_CELLS();
	try_one(&tries[_i].row, &trial);
	ck_assert_int_eq(trial.status, TRIAL_FAILED);
	ck_assert_msg(strstr(trial.why, tries[_i].words) != NULL, "no \"%s\" in \"%s\"", tries[_i].words,
		trial.why);
}
END_TEST

enum { OTHERWISE = 7 };

/* What an attack could leave behind, done here by the trial itself. */
static void leave_descriptor(struct trial *trial)
{
	(void)trial;
	ck_assert_int_ge(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

static void leave_mount(struct trial *trial)
{
	(void)trial;
	ck_assert_int_eq(mount("verify-test", "/mnt", "tmpfs", 0, NULL), 0);
}

static void leave_process(struct trial *trial)
{
	(void)trial;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
}

static void leave_load(struct trial *trial)
{
	(void)trial;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			;
	}
}

static void stop_the_bystander(struct trial *trial)
{
	ck_assert_int_eq(kill(trial->bench->bystander, SIGSTOP), 0);
}

static void kill_the_bystander(struct trial *trial)
{
	ck_assert_int_eq(kill(trial->bench->bystander, SIGKILL), 0);
	ck_assert_int_eq(waitpid(trial->bench->bystander, NULL, 0), trial->bench->bystander);
	trial->bench->bystander = 0;
}

static void leave_cgroup(struct trial *trial)
{
	char path[1024];
	struct witness now;

	bench_look(trial->bench, &now);
	ck_assert(witness_slot_path(NULL, (int)now.facts[WITNESS_SLOT], 2, path, sizeof(path)));
	(void)strncat(path, "/left", sizeof(path) - strlen(path) - 1);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void remove_cgroup(void)
{
	char path[1024];

	for (int slot = 0; slot < 64; slot++)
		if (witness_slot_path(NULL, slot, 2, path, sizeof(path))) {
			(void)strncat(path, "/left", sizeof(path) - strlen(path) - 1);
			(void)rmdir(path);
		}
}

START_TEST(a_host_that_is_not_as_it_was_is_noticed)
{
	static const struct {
		void (*leave)(struct trial *trial);
		const char *words;
	} tries[] = {
		{leave_descriptor, "descriptors of the engine"},
		{leave_mount, "mounts"},
		{leave_process, "processes below the engine"},
		{leave_load, "runnable"},
		{stop_the_bystander, "stopped"},
		{kill_the_bystander, "processes below the engine"},
		{leave_cgroup, "cgroups of cells"},
	};
	static struct trial trial;
	struct corpus_row row = {.number = 1, .name = "a leak", .origin = "here", .perform = tries[_i].leave};

	NEEDS_CELLS();
	try_one(&row, &trial);
	remove_cgroup();
	(void)umount2("/mnt", MNT_DETACH);
	ck_assert_int_eq(trial.status, TRIAL_FAILED);
	ck_assert_msg(strstr(trial.why, tries[_i].words) != NULL, "no \"%s\" in \"%s\"", tries[_i].words,
		trial.why);
}
END_TEST

enum { LEAKS = 7 };

START_TEST(an_image_that_changed_is_noticed)
{
	char dir[] = "/tmp/verify-image-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_eq(fd_write_all(fd, "one", 3), 0);
	struct stat st;
	ck_assert_int_eq(fstat(fd, &st), 0);
	uint64_t names = witness_image_sum(dir, false), bytes = witness_image_sum(dir, true);
	ck_assert_uint_ne(names, 0);
	ck_assert_uint_eq(witness_image_sum(dir, false), names);
	ck_assert_uint_eq(witness_image_sum(dir, true), bytes);
	ck_assert_int_eq(fchmod(fd, 0755), 0);
	ck_assert_uint_ne(witness_image_sum(dir, false), names);
	bytes = witness_image_sum(dir, true);
	ck_assert_int_eq(pwrite(fd, "two", 3, 0), 3);
	ck_assert_uint_ne(witness_image_sum(dir, true), bytes);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

TEST_PROGRAM("verify", 120, tcase_add_loop_test(tc, a_widened_profile_is_noticed, 0, WIDENED);
	     tcase_add_test(tc, the_shipped_profiles_pass_where_the_widened_fail);
	     tcase_add_test(tc, machines_get_json); tcase_add_test(tc, nothing_tried_is_nothing_verified);
	     tcase_add_test(tc, a_parent_may_be_named_like_a_slot);
	     tcase_add_test(tc, the_list_names_every_row);
	     tcase_add_test(tc, every_case_of_the_list_has_a_row);
	     tcase_add_loop_test(tc, an_attack_that_came_otherwise_has_failed, 0, OTHERWISE);
	     tcase_add_loop_test(tc, a_host_that_is_not_as_it_was_is_noticed, 0, LEAKS);
	     tcase_add_test(tc, an_image_that_changed_is_noticed))
