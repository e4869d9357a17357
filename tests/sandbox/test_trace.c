/* test_trace.c: `cofferdam trace`: refusals become notes, and nothing else is loosened. */
#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "tests/lib/client.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* --- helpers -------------------------------------------------------------------------------------------------- */

/* `cofferdam HOW` of the probe's case, with the report in "r". */
#define PROBE(how, ...)                                                                                      \
	program_run("cofferdam", how, "--policy=attack-run", place_probe("refused"), "--report",             \
		place_path("r"), __VA_ARGS__)

/* The note of the call NAME; NULL: there is none. Borrowed. */
static json_t *note_of(json_t *report, const char *list, const char *name)
{
	json_t *note;
	size_t i;

	json_array_foreach(json_object_get(report, list), i, note)
	{
		if (strcmp(json_string_value(json_object_get(note, "name")), name) == 0)
			return note;
	}
	return NULL;
}

static json_int_t count_of(json_t *report, const char *name)
{
	return json_integer_value(json_object_get(note_of(report, "calls", name), "count"));
}

static json_t *proposal(json_t *report)
{
	return json_object_get(json_object_get(report, "proposal"), "syscalls");
}

/* As the documentation says: in front of what the profile has. */
static void apply(json_t *report, const char *profile)
{
	char path[300];
	size_t i;
	json_t *entry;

	(void)snprintf(path, sizeof(path), "%s/seccomp/%s.json", getenv("POLICIES_DIR"), profile);
	json_t *json = json_load_file(path, 0, NULL);
	ck_assert_ptr_nonnull(json);
	json_array_foreach(proposal(report), i, entry)
		ck_assert_int_eq(json_array_insert(json_object_get(json, "syscalls"), i, entry), 0);
	ck_assert_int_eq(json_dump_file(json, path, 0), 0);
	json_decref(json);
}

/* --- notes and proposals ---------------------------------------------------------------------------------------- */

START_TEST(a_refused_call_is_made_and_noted)
{
	PLACE_ENTER(before);
	struct program program = PROBE("run", "--", "./refused", "watch", "3");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "inotify_init1=ENOSYS\ninotify_init1=ENOSYS\ninotify_init1=ENOSYS\n");
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_ptr_null(json_object_get(report, "traced"));
	json_decref(report);
	program = PROBE("trace", "--", "./refused", "watch", "3");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "inotify_init1=OK\ninotify_init1=OK\ninotify_init1=OK\n");
	expect_text(program.err, "cofferdam: traced: seccomp/native.json refuses these calls:\n"
				 "        3  inotify_init1                    ENOSYS       made\n");
	program_free(&program);
	report = place_report("r");
	ck_assert(json_is_true(json_object_get(report, "traced")));
	expect_string(report, "cause", "exited");
	json_t *note = note_of(report, "calls", "inotify_init1");
	ck_assert_int_eq(json_integer_value(json_object_get(note, "count")), 3);
	expect_string(note, "answer", "ENOSYS");
	ck_assert(json_is_true(json_object_get(note, "made")));
	ck_assert_uint_eq(json_array_size(json_object_get(report, "calls")), 1);
	json_decref(report);
	place_leave(&before);
}
END_TEST

START_TEST(with_the_proposal_the_run_passes_and_others_do_not)
{
	static const char made[] =
		"socket=OK\nsocket=OK\nsocket=EINVAL\nprctl=OK\nfcntl=OK\nsetpriority=OK\n";

	PLACE_ENTER(before);
	struct program program = PROBE("run", "--", "./refused", "arguments");
	expect_status(program, 0);
	ck_assert_str_ne(program.out, made);
	program_free(&program);
	program = PROBE("trace", "--", "./refused", "arguments");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, made);
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_uint_eq(json_array_size(proposal(report)), 6);
	apply(report, "native");
	json_decref(report);
	program = PROBE("run", "--", "./refused", "arguments");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, made);
	program_free(&program);
	PLACE_EXPECT(0, "seccomp/native.json refuses nothing that was called\n", "trace",
		"--policy=attack-run", place_probe("refused"), "--", "./refused", "arguments");
	program = PROBE("run", "--", "./refused", "kinds", "3"); /* sockets of other types */
	ck_assert_str_eq(program.out, "socket: tries=3 ok=0 EAFNOSUPPORT=3 other=0\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(the_worst_calls_are_refused_and_never_proposed)
{
	static const char *const names[] = {"ptrace", "bpf", "mount", "unshare", "clone", "clone3", "seccomp",
		"prctl", "keyctl", "io_uring_setup", "socket", "tee", "prlimit64", "#900"};

	PLACE_ENTER(before);
	struct program program = PROBE("trace", "--", "./refused", "never");
	expect_status(program, 0); /* no breach; and no forbidden_syscall, though the profile says so */
	ck_assert_ptr_null(strstr(program.out, "=OK"));
	expect_text(program.out, "ptrace=ENOSYS\n"); /* where the profile would end the run */
	expect_text(program.out, "unshare=EPERM\n"); /* its own answers */
	expect_text(program.out, "socket=EAFNOSUPPORT\n");
	program_free(&program);
	json_t *report = place_report("r");
	expect_string(report, "cause", "exited");
	ck_assert_uint_eq(json_array_size(proposal(report)), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(report, "never_proposed")), ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_msg(note_of(report, "never_proposed", names[i]) != NULL, "%s", names[i]);
		ck_assert(json_is_false(json_object_get(note_of(report, "calls", names[i]), "made")));
	}
	json_decref(report);
	place_leave(&before);
}
END_TEST

START_TEST(a_foreign_entry_is_refused)
{
	PLACE_ENTER(before);
	if (!cell_host_has_i386())
		TEST_SKIP("this kernel has no 32-bit system calls");
	struct program program = PROBE("trace", "--", "./refused", "i386");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "i386=ENOSYS\n");
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_ptr_nonnull(note_of(report, "never_proposed", "i386:20"));
	json_decref(report);
	place_leave(&before);
}
END_TEST

START_TEST(kinds_beyond_their_bound_are_counted_and_not_proposed)
{
	PLACE_ENTER(before);
	struct program program = PROBE("trace", "--", "./refused", "kinds", "16");
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_uint_eq(json_array_size(proposal(report)), 16);
	ck_assert_ptr_null(note_of(report, "never_proposed", "socket"));
	json_decref(report);
	program = PROBE("trace", "--", "./refused", "kinds", "30");
	ck_assert_str_eq(program.out, "socket: tries=30 ok=0 EINVAL=30 other=0\n"); /* the kernel's word */
	program_free(&program);
	report = place_report("r");
	ck_assert_uint_eq(json_array_size(proposal(report)), 16);
	json_t *note = note_of(report, "never_proposed", "socket");
	ck_assert_int_eq(json_integer_value(json_object_get(note, "count")), 14);
	json_decref(report);
	place_leave(&before);
}
END_TEST

START_TEST(a_trace_that_has_no_room_ends_as_a_fault)
{
	PLACE_ENTER(before);
	PLACE_EXPECT(0, "", "trace", "--policy=attack-run", place_probe("refused"), "--", "./refused",
		"flood", "500");
	PLACE_EXPECT(125, "cell.trace: more than 512 kinds", "trace", "--policy=attack-run",
		place_probe("refused"), "--", "./refused", "flood", "513");
	place_leave(&before);
}
END_TEST

START_TEST(both_steps_of_a_language_are_traced)
{
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	const char *source = place_write("watch.cpp", "#include <sys/inotify.h>\n"
						      "int main() { return inotify_init1(0) < 0; }\n");
	PLACE_EXPECT(1, "", "exec", "cpp", source);
	PLACE_EXPECT(0, "seccomp/compile.json", "trace", "cpp", source, "--report", place_path("r"));
	json_t *report = place_report("r");
	ck_assert(json_is_true(json_object_get(json_object_get(report, "compile"), "traced")));
	ck_assert_int_eq(count_of(json_object_get(report, "compile"), "inotify_init1"), 0);
	ck_assert_int_eq(count_of(json_object_get(report, "run"), "inotify_init1"), 1);
	apply(json_object_get(report, "run"), "native");
	json_decref(report);
	PLACE_EXPECT(0, "", "exec", "cpp", source);
	place_leave(&before);
}
END_TEST

/* --- what a program may be like -------------------------------------------------------------------------------- */

START_TEST(threads_and_processes_are_traced_together)
{
	PLACE_ENTER(before);
	struct program program = PROBE("trace", "--", "./refused", "crowd", "3", "4", "50");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "failed=0\n");
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_int_eq(count_of(report, "inotify_init1"), 1 + 3 * 4 * 50);
	json_decref(report);
	place_leave(&before);
}
END_TEST

START_TEST(callers_that_die_while_they_are_held_hold_up_nobody)
{
	PLACE_ENTER(before);
	struct program program =
		PROBE("trace", "--wall-time=50", "--cpu-time=50", "--", "./refused", "dying", "200");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "survived=1\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(a_call_that_signals_interrupt_is_noted_once)
{
	struct utsname host;
	unsigned major = 0, minor = 0;

	PLACE_ENTER(before);
	ck_assert_int_eq(uname(&host), 0);
	ck_assert_int_eq(sscanf(host.release, "%u.%u", &major, &minor), 2);
	if (major < 5 || (major == 5 && minor < 19))
		TEST_SKIP("before Linux 5.19 it is interrupted and made anew");
	struct program program =
		PROBE("trace", "--cpu-time=50", "--wall-time=50", "--", "./refused", "alarms", "500");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "inotify_init1: tries=500 ok=500 other=0\n");
	program_free(&program);
	json_t *report = place_report("r");
	ck_assert_int_eq(count_of(report, "inotify_init1"), 500);
	json_decref(report);
	place_leave(&before);
}
END_TEST

/* --- what stays ------------------------------------------------------------------------------------------------- */

START_TEST(limits_hold_and_what_was_noted_is_kept)
{
	static const struct {
		const char *option, *cause, *const words[5];
	} limits[] = {
		{"--wall-time=0.5", "wall_limit", {"loop"}},
		{"--cpu-time=0.2", "cpu_limit", {"loop"}},
		{"--processes=5", "process_limit", {"crowd", "8", "2", "100"}},
	};

	PLACE_ENTER(before);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const char *const *words = limits[i].words;
		struct program program = PROBE(
			"trace", limits[i].option, "--", "./refused", words[0], words[1], words[2], words[3]);
		expect_status(program, 124);
		program_free(&program);
		json_t *report = place_report("r");
		expect_string(report, "cause", limits[i].cause);
		ck_assert_int_gt(count_of(report, "inotify_init1"), 0);
		json_decref(report);
	}
	place_leave(&before);
}
END_TEST

START_TEST(every_other_control_is_on)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char ours[ARRAY_SIZE(kinds)][24];
	struct stat st;

	PLACE_ENTER(before);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		(void)snprintf(ours[i], sizeof(ours[i]), "%llu", (unsigned long long)st.st_ino);
	}
	struct program program = program_run("cofferdam", "trace", "--policy=attack-layers", "--cpu-time=2",
		place_probe("controls"), "--", "/box/controls", "all", ours[0], ours[1], ours[2], ours[3],
		ours[4], ours[5], ours[6]);
	const char *breach = strstr(program.out, "BREACH");
	ck_assert_msg(breach == NULL, "%s", breach);
	expect_status(program, 0);
	expect_text(program.out, "CapEff=yes\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

/* --- who may ask for it ------------------------------------------------------------------------------------------ */

/* `refused watch` with its output into OUT. FILE's descriptor is the caller's to close. */
static struct sandbox_spec watch_spec(struct sandbox_file *file, int out)
{
	static const char *const words[] = {"/box/refused", "watch", "1"};
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/refused", cell_probes_dir());
	*file = (struct sandbox_file){"refused", open(path, O_RDONLY | O_CLOEXEC), true};
	ck_assert_int_ge(file->fd, 0);
	return (struct sandbox_spec){.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = words,
		.nargs = ARRAY_SIZE(words),
		.files = file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = out,
		.stderr_fd = -1};
}

START_TEST(nobody_at_the_door_can_ask_for_it)
{
	SUPERVISOR(supervisor);
	struct sandbox_result result = {.is_traced = 99};
	struct sandbox_error err = {0};
	_cleanup_free_ char *text = NULL;
	struct sandbox_file file;
	int pair[2];
	size_t size;

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	struct sandbox_spec spec = watch_spec(&file, pair[1]);
	_cleanup_close_ int connection = door_start(supervisor.socket, &spec, &err), out = pair[0];
	ck_assert_msg(connection >= 0, "%s", err.message);
	(void)close(file.fd);
	(void)close(pair[1]);
	ck_assert_int_eq(fd_read_all(out, 1000, &text, &size), 0);
	ck_assert_str_eq(text, "inotify_init1=ENOSYS\n");
	ck_assert_msg(door_finish(connection, &result, &err) == 0, "%s", err.message);
	ck_assert_uint_eq(result.is_traced, 0);
	supervisor_close(&supervisor);
	PLACE_EXPECT(125, "there is no option --trace", "supervise", "--trace");
	PLACE_EXPECT(125, "there is no option --trace", "serve", "--trace");
	PLACE_EXPECT(125, "there is no option --trace", "run", "--trace", "--", "/bin/true");
}
END_TEST

/* A profile that allows everything: what refuses is what lies under it, for init and job alike. */
START_TEST(without_a_trace_nobody_answers_for_a_seccomp_program)
{
	PLACE_ENTER(before);
	struct program program = program_run("cofferdam", "run", "--policy=attack-open",
		place_probe("refused"), "--", "./refused", "answer");
	ck_assert_str_eq(program.out,
		"send=ENOSYS\nsend high=ENOSYS\naddfd=ENOSYS\naddfd larger=ENOSYS\nrecv=ENOTTY\n");
	program_free(&program);
	program = program_run("cofferdam", "trace", "--policy=attack-open", place_probe("refused"), "--",
		"./refused", "answer");
	ck_assert_str_eq(program.out,
		"send=ENOTTY\nsend high=ENOTTY\naddfd=ENOTTY\naddfd larger=ENOTTY\nrecv=ENOTTY\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

/* --- the library ------------------------------------------------------------------------------------------------- */

static struct sandbox *open_engine(int trace_fd)
{
	struct sandbox_error err = {0};
	struct sandbox *sandbox = NULL;
	char policies[64];

	cell_make_policies(policies, sizeof(policies));
	const struct sandbox_options options = {
		.policies_dir = policies, .images_dir = cell_images_dir(), .trace_fd = trace_fd};
	int r = sandbox_open(&options, &sandbox, &err);
	cell_remove_policies(policies);
	ck_assert_msg(r == 0, "%s", err.message);
	return sandbox;
}

static void note_mark(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	(void)run, (void)error;
	*(uint32_t *)user = result != NULL ? result->is_traced : 99;
}

START_TEST(an_engine_traces_one_run_at_a_time)
{
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	_cleanup_close_ int notes = fd_memfd("notes", "", 0);
	struct sandbox *sandbox = open_engine(notes);
	struct sandbox_file file;
	struct sandbox_spec spec = watch_spec(&file, -1);
	uint32_t mark = 0;

	ck_assert_int_eq(sandbox_start(sandbox, &spec, note_mark, &mark, NULL, NULL), 0);
	ck_assert_int_eq(sandbox_start(sandbox, &spec, note_mark, &mark, NULL, NULL), -EBUSY);
	sandbox = sandbox_close(sandbox);
	ck_assert_uint_eq(mark, 1);
	(void)close(file.fd);
}
END_TEST

/* Notes that cannot be written: no file is one, and one that must not grow. */
START_TEST(a_trace_that_cannot_take_notes_ends_as_a_fault)
{
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), sealed = fd_memfd("notes", "", 0);
	struct sandbox *sandbox = open_engine(null);
	struct sandbox_result result = {0};
	struct sandbox_error err = {0};
	struct sandbox_file file;
	struct sandbox_spec spec = watch_spec(&file, -1);

	ck_assert_int_eq(sandbox_run_one(sandbox, &spec, &result, &err), -EINVAL);
	ck_assert_str_eq(err.stage, "request.descriptor");
	sandbox = sandbox_close(sandbox);
	ck_assert_int_eq(fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW), 0);
	sandbox = open_engine(sealed);
	err = (struct sandbox_error){0};
	ck_assert_int_eq(sandbox_run_one(sandbox, &spec, &result, &err), -EPERM);
	ck_assert_str_eq(err.stage, "cell.trace");
	sandbox = sandbox_close(sandbox);
	(void)close(file.fd);
}
END_TEST

TEST_PROGRAM("trace", 120, tcase_add_test(tc, a_refused_call_is_made_and_noted);
	     tcase_add_test(tc, with_the_proposal_the_run_passes_and_others_do_not);
	     tcase_add_test(tc, the_worst_calls_are_refused_and_never_proposed);
	     tcase_add_test(tc, a_foreign_entry_is_refused);
	     tcase_add_test(tc, kinds_beyond_their_bound_are_counted_and_not_proposed);
	     tcase_add_test(tc, a_trace_that_has_no_room_ends_as_a_fault);
	     tcase_add_test(tc, both_steps_of_a_language_are_traced);
	     tcase_add_test(tc, threads_and_processes_are_traced_together);
	     tcase_add_test(tc, callers_that_die_while_they_are_held_hold_up_nobody);
	     tcase_add_test(tc, a_call_that_signals_interrupt_is_noted_once);
	     tcase_add_test(tc, limits_hold_and_what_was_noted_is_kept);
	     tcase_add_test(tc, every_other_control_is_on);
	     tcase_add_test(tc, nobody_at_the_door_can_ask_for_it);
	     tcase_add_test(tc, without_a_trace_nobody_answers_for_a_seccomp_program);
	     tcase_add_test(tc, an_engine_traces_one_run_at_a_time);
	     tcase_add_test(tc, a_trace_that_cannot_take_notes_ends_as_a_fault))
