/* The compiler of seccomp profiles: what it refuses, and that the program says what the profile says. */
#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/filter.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define ALLOW SECCOMP_RET_ALLOW
#define NOTIFY SECCOMP_RET_USER_NOTIF

/* The start of a profile whose one entry follows; and its end. */
#define HEAD "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
#define TAIL "]}"
#define ALLOWED "\"action\":\"SCMP_ACT_ALLOW\""
#define ARG(index, value, op) "{\"index\":" #index ",\"value\":" #value ",\"op\":\"SCMP_CMP_" op "\"}"

static struct filter_program compile(const char *json)
{
	struct sandbox_error err = {0};
	struct filter_program program = {0};

	int r = filter_compile("p.json", json, strlen(json), &program, &err);
	ck_assert_msg(r == 0, "%s\n%s", err.message, json);
	return program;
}

static uint32_t ask(const struct filter_program *program, int nr, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

	if (args != NULL)
		memcpy(data.args, args, sizeof(data.args));
	return filter_evaluate(program, &data);
}

/* The answer of the profile JSON to one call whose arguments are A0 and A1. */
static uint32_t answer(const char *json, int nr, uint64_t a0, uint64_t a1)
{
	struct filter_program program = compile(json);
	uint32_t ret = ask(&program, nr, (uint64_t[6]){a0, a1});

	filter_free(&program);
	return ret;
}

/* What a program says of itself: one without a condition, one with, one whose condition denies; and one that is not there. */
START_TEST(tells_which_calls_it_lets_through)
{
	struct filter_program program = compile(HEAD
		"{\"names\":[\"read\"]," ALLOWED "},"
		"{\"names\":[\"write\"]," ALLOWED ",\"args\":[" ARG(0, 7,
			"EQ") "]},"
			      "{\"names\":[\"close\"],\"action\":\"SCMP_"
			      "ACT_KILL\",\"args\":[" ARG(0, 7, "EQ") "]},"
								      "{\"names\":[\"close\"],"
								      "\"action\":\"SCMP_ACT_LOG\"},"
								      "{\"names\":[\"fork\"],"
								      "\"action\":\"SCMP_ACT_KILL\"}" TAIL);
	static const int passed[] = {SYS_read, SYS_write, SYS_close};
	unsigned n = 0;

	for (uint32_t nr = 0; nr < FILTER_NUMBERS + 100; nr++)
		n += filter_calls_hold(&program.passed, nr);
	ck_assert_uint_eq(n, ARRAY_SIZE(passed));
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		ck_assert(filter_calls_hold(&program.passed, (uint32_t)passed[i]));
	filter_free(&program);
}
END_TEST

START_TEST(under_others_lets_through_what_they_do)
{
	static const char json[] = HEAD "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\"}" TAIL;
	struct filter_calls above = {.bits = {[0] = 1 << SYS_read, [FILTER_NUMBERS / 64 - 1] = 1}};
	struct filter_program program = {0};
	struct sandbox_error err = {0};

	ck_assert_int_eq(filter_compile_under("p.json", json, strlen(json), &above, &program, &err), 0);
	ck_assert_uint_eq(ask(&program, SYS_read, NULL), ALLOW);
	ck_assert_uint_eq(ask(&program, FILTER_NUMBERS - 64, NULL), ALLOW);
	ck_assert_uint_eq(ask(&program, FILTER_NUMBERS - 63, NULL), ERRNO(ENOSYS));
	ck_assert_uint_eq(ask(&program, SYS_write, NULL), ERRNO(EPERM));
	filter_free(&program);
}
END_TEST

static const struct {
	const char *json;
	const char *message;
} refused[] = {
	{"", "p.json: line 1, column 1: unexpected end"},
	{"[]", "p.json: must be an object"},
	{"{\"a\":1,\"a\":2}", "p.json: line 1, column 10: duplicate object key near '\"a\"'"},
	{"{\"syscalls\":[]}", "p.json: defaultAction: is missing"},
	{"{\"defaultAction\":1,\"syscalls\":[]}", "p.json: defaultAction: must be a string"},
	{"{\"defaultAction\":\"SCMP_ACT_DENY\",\"syscalls\":[]}",
		"p.json: defaultAction: \"SCMP_ACT_DENY\" is no action"},
	{"{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"syscalls\":[]}",
		"p.json: defaultAction: SCMP_ACT_NOTIFY is refused: there is nobody to notify"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\"}", "p.json: syscalls: is missing"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":{}}", "p.json: syscalls: must be an array"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"extra\":1}", "p.json: extra: unknown key"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"listenerPath\":\"/x\"}",
		"p.json: listenerPath: is refused: the engine is the only listener"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"listenerMetadata\":\"x\"}",
		"p.json: listenerMetadata: is refused: the engine is the only listener"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"flags\":[\"TSYNC\"]}",
		"p.json: flags[0]: \"TSYNC\" is no flag"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"architectures\":[\"x86\"]}",
		"p.json: architectures[0]: \"x86\" is no architecture such as \"SCMP_ARCH_X86_64\""},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"archMap\":[{\"subArchitectures\":[]}]}",
		"p.json: archMap[0].architecture: is missing"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[],\"archMap\":[{\"architecture\":"
	 "\"SCMP_ARCH_X86_64\",\"sub\":1}]}",
		"p.json: archMap[0].sub: unknown key"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096,\"syscalls\":[]}",
		"p.json: defaultErrnoRet: 4096 is outside 0..4095"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENOPE\",\"syscalls\":[]}",
		"p.json: defaultErrno: \"ENOPE\" is no errno"},
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"defaultErrno\":\"ENOSYS\","
	 "\"syscalls\":[]}",
		"p.json: defaultErrno: ENOSYS is not defaultErrnoRet 1"},
	{HEAD "1" TAIL, "p.json: syscalls[0]: must be an object"},
	{HEAD "{" ALLOWED "}" TAIL, "p.json: syscalls[0].names: is missing"},
	{HEAD "{\"names\":[]," ALLOWED "}" TAIL, "p.json: syscalls[0].names: is empty"},
	{HEAD "{\"names\":[1]," ALLOWED "}" TAIL, "p.json: syscalls[0].names[0]: must be a string"},
	{HEAD "{\"names\":[\"\"]," ALLOWED "}" TAIL, "p.json: syscalls[0].names[0]: is empty"},
	{HEAD "{\"name\":\"read\",\"names\":[\"read\"]," ALLOWED "}" TAIL,
		"p.json: syscalls[0].name: stands beside names"},
	{HEAD "{\"names\":[\"read\"]}" TAIL, "p.json: syscalls[0].action: is missing"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"errnoRet\":1}" TAIL,
		"p.json: syscalls[0].errnoRet: SCMP_ACT_ALLOW has no errno"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"errno\":\"EPERM\"}" TAIL,
		"p.json: syscalls[0].errno: SCMP_ACT_ALLOW has no errno"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"arg\":[]}" TAIL, "p.json: syscalls[0].arg: unknown key"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"comment\":1}" TAIL,
		"p.json: syscalls[0].comment: must be a string"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[" ARG(6, 0, "EQ") "]}" TAIL,
		"p.json: syscalls[0].args[0].index: 6 is outside 0..5"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[" ARG(0, 0, "IS") "]}" TAIL,
		"p.json: syscalls[0].args[0].op: \"SCMP_CMP_IS\" is no comparison"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[" ARG(0, -1, "EQ") "]}" TAIL,
		"p.json: syscalls[0].args[0].value: -1 is outside 0..9223372036854775807"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\"}]}" TAIL,
		"p.json: syscalls[0].args[0].value: is missing"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[{\"index\":0,\"value\":6,\"valueTwo\":1,\"op\":"
	      "\"SCMP_CMP_MASKED_EQ\"}]}" TAIL,
		"p.json: syscalls[0].args[0].valueTwo: has bits outside the mask (value): it could never "
		"match"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED
	      ",\"args\":[" ARG(0, 1, "EQ") "," ARG(0, 2, "EQ") "," ARG(1, 1, "EQ") "]}" TAIL,
		"p.json: syscalls[0].args: repeats an index beside another one: write several entries"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"includes\":{\"cap\":[]}}" TAIL,
		"p.json: syscalls[0].includes.cap: unknown key"},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"excludes\":{\"minKernel\":\"new\"}}" TAIL,
		"p.json: syscalls[0].excludes.minKernel: \"new\" is no kernel version such as \"4.8\""},
	{HEAD "{\"names\":[\"read\"]," ALLOWED ",\"includes\":{\"arches\":[3]}}" TAIL,
		"p.json: syscalls[0].includes.arches[0]: must be a string"},
};

START_TEST(refuses_and_names_file_key_and_reason)
{
	struct sandbox_error err = {0};
	struct filter_program program = {0};
	const char *json = refused[_i].json;

	ck_assert_int_eq(filter_compile("p.json", json, strlen(json), &program, &err), -EINVAL);
	ck_assert_str_eq(err.message, refused[_i].message);
	ck_assert_str_eq(err.stage, "policy");
	ck_assert_ptr_null(program.insns);
}
END_TEST

static const struct {
	const char *action;
	uint32_t ret;
} actions[] = {
	{"\"SCMP_ACT_ALLOW\"", ALLOW},
	{"\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG},
	{"\"SCMP_ACT_ERRNO\"", ERRNO(EPERM)},
	{"\"SCMP_ACT_ERRNO\",\"errnoRet\":0", ERRNO(0)},
	{"\"SCMP_ACT_ERRNO\",\"errnoRet\":4095", ERRNO(4095)},
	{"\"SCMP_ACT_ERRNO\",\"errno\":\"ENOTTY\"", ERRNO(ENOTTY)},
	{"\"SCMP_ACT_ERRNO\",\"errno\":\"\",\"errnoRet\":22", ERRNO(EINVAL)},
	{"\"SCMP_ACT_ERRNO\",\"errno\":\"ENOTTY\",\"errnoRet\":25", ERRNO(ENOTTY)},
	{"\"SCMP_ACT_KILL\"", NOTIFY},
	{"\"SCMP_ACT_KILL_THREAD\"", NOTIFY},
	{"\"SCMP_ACT_KILL_PROCESS\"", NOTIFY},
	{"\"SCMP_ACT_TRAP\"", NOTIFY},
	{"\"SCMP_ACT_TRACE\",\"errnoRet\":7", NOTIFY},
};

START_TEST(turns_each_action_into_its_answer)
{
	char json[256];

	(void)snprintf(json, sizeof(json),
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":99,\"syscalls\":[{\"names\":["
		"\"read\"],"
		"\"action\":%s}]}",
		actions[_i].action);
	ck_assert_uint_eq(answer(json, SYS_read, 0, 0), actions[_i].ret);
	ck_assert_uint_eq(answer(json, SYS_write, 0, 0), ERRNO(99));
}
END_TEST

static bool compare(const char *op, uint64_t argument, uint64_t value)
{
	if (strcmp(op, "EQ") == 0)
		return argument == value;
	if (strcmp(op, "NE") == 0)
		return argument != value;
	if (strcmp(op, "LT") == 0)
		return argument < value;
	if (strcmp(op, "LE") == 0)
		return argument <= value;
	if (strcmp(op, "GT") == 0)
		return argument > value;
	return argument >= value;
}

/* Values on both sides of every border between the halves. */
static const uint64_t edges[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000,
	0x100000001, 0x1ffffffff, 0x200000000, 0x7fffffff00000000, 0x7ffffffffffffffe, 0x7fffffffffffffff,
	0x8000000000000000, 0xffffffff00000000, 0xffffffffffffffff};

static const char *const comparisons[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};

START_TEST(compares_arguments_as_64_bit_numbers)
{
	const char *op = comparisons[_i];

	for (size_t v = 0; v < ARRAY_SIZE(edges) && edges[v] <= INT64_MAX; v++) {
		char json[256];
		(void)snprintf(json, sizeof(json),
			HEAD "{\"names\":[\"read\"]," ALLOWED
			     ",\"args\":[{\"index\":5,\"value\":%llu,\"op\":\"SCMP_CMP_%s\"}]}" TAIL,
			(unsigned long long)edges[v], op);
		struct filter_program program = compile(json);
		for (size_t a = 0; a < ARRAY_SIZE(edges); a++) {
			uint32_t wanted = compare(op, edges[a], edges[v]) ? ALLOW : ERRNO(EPERM);
			uint32_t got = ask(&program, SYS_read, (uint64_t[6]){7, 7, 7, 7, 7, edges[a]});
			ck_assert_msg(got == wanted, "%#llx %s %#llx", (unsigned long long)edges[a], op,
				(unsigned long long)edges[v]);
		}
		filter_free(&program);
	}
}
END_TEST

START_TEST(compares_under_a_mask)
{
	static const uint64_t masks[] = {
		0, 1, 0x7e020000, 0xffffffff, 0x100000000, 0x7fffffff00000000, 0x7fffffffffffffff};

	for (size_t m = 0; m < ARRAY_SIZE(masks); m++)
		for (size_t v = 0; v < ARRAY_SIZE(edges); v++) {
			uint64_t value = edges[v] & masks[m];
			char json[256];
			(void)snprintf(json, sizeof(json),
				HEAD "{\"names\":[\"read\"]," ALLOWED
				     ",\"args\":[{\"index\":1,\"value\":%llu,\"valueTwo\":%llu,\"op\":"
				     "\"SCMP_CMP_MASKED_EQ\"}]}" TAIL,
				(unsigned long long)masks[m], (unsigned long long)value);
			struct filter_program program = compile(json);
			for (size_t a = 0; a < ARRAY_SIZE(edges); a++) {
				uint32_t wanted = (edges[a] & masks[m]) == value ? ALLOW : ERRNO(EPERM);
				ck_assert_uint_eq(
					ask(&program, SYS_read, (uint64_t[6]){7, edges[a]}), wanted);
			}
			filter_free(&program);
		}
}
END_TEST

START_TEST(lets_the_first_matching_entry_decide)
{
	const char *json = HEAD "{\"names\":[\"ioctl\"]," ALLOWED ",\"args\":[" ARG(
		1, 5, "EQ") "]},"
			    "{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[" ARG(
				    1, 5, "LE") "]},"
						"{\"names\":[\"ioctl\",\"read\"],\"action\":\"SCMP_ACT_"
						"ERRNO\",\"errnoRet\":25},"
						"{\"names\":[\"ioctl\",\"read\"]," ALLOWED "}" TAIL;

	ck_assert_uint_eq(answer(json, SYS_ioctl, 0, 5), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_ioctl, 0, 4), NOTIFY);
	ck_assert_uint_eq(answer(json, SYS_ioctl, 0, 6), ERRNO(ENOTTY));
	ck_assert_uint_eq(answer(json, SYS_read, 0, 5), ERRNO(ENOTTY));
}
END_TEST

START_TEST(falls_back_to_the_default_when_no_entry_matches)
{
	const char *json = HEAD "{\"names\":[\"read\"]," ALLOWED ",\"args\":[" ARG(0, 1, "EQ") "]}" TAIL;

	ck_assert_uint_eq(answer(json, SYS_read, 1, 0), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_read, 2, 0), ERRNO(EPERM));
}
END_TEST

START_TEST(takes_conditions_on_one_argument_as_alternatives)
{
	const char *json = HEAD "{\"names\":[\"read\"]," ALLOWED
				",\"args\":[" ARG(0, 1, "EQ") "," ARG(0, 3, "EQ") "]}" TAIL;

	ck_assert_uint_eq(answer(json, SYS_read, 1, 0), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_read, 2, 0), ERRNO(EPERM));
	ck_assert_uint_eq(answer(json, SYS_read, 3, 0), ALLOW);
}
END_TEST

START_TEST(wants_conditions_on_several_arguments_all_to_hold)
{
	const char *json = HEAD "{\"names\":[\"read\"]," ALLOWED
				",\"args\":[" ARG(0, 1, "EQ") "," ARG(1, 3, "EQ") "]}" TAIL;

	ck_assert_uint_eq(answer(json, SYS_read, 1, 3), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_read, 1, 2), ERRNO(EPERM));
	ck_assert_uint_eq(answer(json, SYS_read, 2, 3), ERRNO(EPERM));
}
END_TEST

START_TEST(answers_enosys_to_numbers_that_nobody_knows)
{
	const char *denying = HEAD "{\"names\":[\"read\",\"no_such_call\"]," ALLOWED "}" TAIL;
	const char *killing = "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[]}";
	const char *allowing = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}";
	static const int unknown[] = {400, 700, 1023, 1024, 0x3fffffff};

	ck_assert_uint_eq(answer(denying, SYS_mount, 0, 0), ERRNO(EPERM));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		ck_assert_uint_eq(answer(denying, unknown[i], 0, 0), ERRNO(ENOSYS));
		ck_assert_uint_eq(answer(killing, unknown[i], 0, 0), NOTIFY);
		ck_assert_uint_eq(answer(allowing, unknown[i], 0, 0), ALLOW);
	}
}
END_TEST

START_TEST(reports_foreign_architectures_and_x32_whatever_the_profile_says)
{
	static const struct {
		uint32_t arch;
		uint32_t nr;
	} foreign[] = {
		{AUDIT_ARCH_I386, 0},
		{AUDIT_ARCH_I386, SYS_read},
		{AUDIT_ARCH_AARCH64, 63},
		{0, 0},
		{AUDIT_ARCH_X86_64, 0x40000000},
		{AUDIT_ARCH_X86_64, 0x40000000 | 520},
		{AUDIT_ARCH_X86_64, 0x80000000},
		{AUDIT_ARCH_X86_64, 0xffffffff},
	};
	struct filter_program program = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}");

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		struct seccomp_data data = {.nr = (int)foreign[i].nr, .arch = foreign[i].arch};
		ck_assert_uint_eq(filter_evaluate(&program, &data), NOTIFY);
	}
	filter_free(&program);
}
END_TEST

/* Docker's selection, for a cell: no capability, amd64, this kernel. */
static const struct {
	const char *selection;
	bool applies;
} selections[] = {
	{"\"includes\":{},\"excludes\":{}", true},
	{"\"includes\":null,\"excludes\":null,\"args\":null,\"comment\":null", true},
	{"\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", false},
	{"\"includes\":{\"caps\":[]}", true},
	{"\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", true},
	{"\"includes\":{\"arches\":[\"amd64\",\"x32\"]}", true},
	{"\"includes\":{\"arches\":[\"arm64\"]}", false},
	{"\"excludes\":{\"arches\":[\"s390\",\"s390x\"]}", true},
	{"\"excludes\":{\"arches\":[\"amd64\"]}", false},
	{"\"includes\":{\"minKernel\":\"4.8\"}", true},
	{"\"includes\":{\"minKernel\":\"999.0\"}", false},
	{"\"excludes\":{\"minKernel\":\"4.8\"}", false},
	{"\"includes\":{\"arches\":[\"amd64\"],\"caps\":[\"CAP_BPF\"]}", false},
};

START_TEST(applies_dockers_includes_and_excludes_for_a_cell)
{
	char json[512];

	(void)snprintf(json, sizeof(json), HEAD "{\"names\":[\"read\"]," ALLOWED ",%s}" TAIL,
		selections[_i].selection);
	ck_assert_uint_eq(answer(json, SYS_read, 0, 0), selections[_i].applies ? ALLOW : ERRNO(EPERM));
}
END_TEST

START_TEST(loads_a_profile_in_the_format_of_docker_and_podman)
{
	const char *json =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"defaultErrno\":\"ENOSYS\","
		"\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\","
		"\"SCMP_ARCH_X32\"]},{\"architecture\":\"SCMP_ARCH_RISCV64\",\"subArchitectures\":null}],"
		"\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],\"syscalls\":["
		"{\"names\":[\"read\",\"write\",\"_llseek\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[],"
		"\"comment\":"
		"\"\",\"includes\":{},\"excludes\":{}},"
		"{\"names\":[\"bpf\",\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":["
		"\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":"
		"2114060288,"
		"\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}],\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"],"
		"\"arches\":[\"s390\",\"s390x\"]}},"
		"{\"name\":\"bdflush\",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1,\"errno\":\"EPERM\"}]}";

	ck_assert_uint_eq(answer(json, SYS_write, 0, 0), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_bpf, 0, 0), ERRNO(ENOSYS));
	ck_assert_uint_eq(answer(json, SYS_clone, 0x11, 0), ALLOW);
	ck_assert_uint_eq(answer(json, SYS_clone, 0x10000011, 0), ERRNO(ENOSYS));
	ck_assert_uint_eq(answer(json, SYS_lseek, 0, 0), ERRNO(ENOSYS));
}
END_TEST

/* A profile in which each of NCALLS calls has NVALUES alternatives. Owned by the caller. */
static char *large_profile(size_t ncalls, size_t nvalues)
{
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);

	ck_assert_ptr_nonnull(out);
	(void)fputs(HEAD, out);
	for (size_t c = 0; c < ncalls; c++) {
		char name[64];
		filter_syscall_name(AUDIT_ARCH_X86_64, (int)c, name, sizeof(name));
		(void)fprintf(out, "%s{\"names\":[\"%s\"]," ALLOWED ",\"args\":[", c > 0 ? "," : "", name);
		for (size_t v = 0; v < nvalues; v++)
			(void)fprintf(out, "%s{\"index\":0,\"value\":%zu,\"op\":\"SCMP_CMP_EQ\"}",
				v > 0 ? "," : "", c + 2 * v);
		(void)fputs("]}", out);
	}
	(void)fputs(TAIL, out);
	ck_assert_int_eq(fclose(out), 0);
	return json;
}

/* Every jump of such a program is longer than the 8 bits of a conditional jump. */
START_TEST(jumps_over_any_distance)
{
	enum { NCALLS = 8, NVALUES = 100 };
	_cleanup_free_ char *json = large_profile(NCALLS, NVALUES);
	struct filter_program program = compile(json);

	ck_assert_uint_gt(program.len, NCALLS * NVALUES * 4);
	for (size_t c = 0; c < NCALLS; c++)
		for (uint64_t value = 0; value < 3 * NVALUES; value++) {
			bool is_listed = value >= c && (value - c) % 2 == 0 && (value - c) / 2 < NVALUES;
			ck_assert_uint_eq(ask(&program, (int)c, &(uint64_t[6]){value}[0]),
				is_listed ? ALLOW : ERRNO(EPERM));
		}
	ck_assert_uint_eq(ask(&program, NCALLS, NULL), ERRNO(EPERM));
	filter_free(&program);
}
END_TEST

START_TEST(refuses_a_program_that_the_kernel_would_not_take)
{
	struct sandbox_error err = {0};
	struct filter_program program = {0};
	_cleanup_free_ char *json = large_profile(40, 100);

	ck_assert_int_eq(filter_compile("p.json", json, strlen(json), &program, &err), -E2BIG);
	ck_assert_str_eq(err.message, "p.json: syscalls: the program has more than 4096 instructions");
	ck_assert_int_eq(BOUND_FILTER_LEN, 4096);
}
END_TEST

static const struct {
	uint32_t arch;
	int nr;
	const char *name;
} names[] = {
	{AUDIT_ARCH_X86_64, SYS_mount, "mount"},
	{AUDIT_ARCH_X86_64, 0, "read"},
	{AUDIT_ARCH_X86_64, 999, "#999"},
	{AUDIT_ARCH_X86_64, 0x40000000 | 165, "x32:165"},
	{AUDIT_ARCH_I386, 21, "i386:21"},
	{AUDIT_ARCH_AARCH64, 40, "arch 0xc00000b7:40"},
};

START_TEST(names_calls_for_people)
{
	char name[32], cut[4];

	filter_syscall_name(names[_i].arch, names[_i].nr, name, sizeof(name));
	ck_assert_str_eq(name, names[_i].name);
	filter_syscall_name(names[_i].arch, names[_i].nr, cut, sizeof(cut));
	ck_assert_int_eq(strncmp(cut, names[_i].name, sizeof(cut) - 1), 0);
	ck_assert_uint_le(strlen(cut), sizeof(cut) - 1);
}
END_TEST

TEST_PROGRAM(
	"filter", 60, tcase_add_loop_test(tc, refuses_and_names_file_key_and_reason, 0, ARRAY_SIZE(refused));
	tcase_add_test(tc, tells_which_calls_it_lets_through);
	tcase_add_test(tc, under_others_lets_through_what_they_do);
	tcase_add_loop_test(tc, turns_each_action_into_its_answer, 0, ARRAY_SIZE(actions));
	tcase_add_loop_test(tc, compares_arguments_as_64_bit_numbers, 0, ARRAY_SIZE(comparisons));
	tcase_add_test(tc, compares_under_a_mask); tcase_add_test(tc, lets_the_first_matching_entry_decide);
	tcase_add_test(tc, falls_back_to_the_default_when_no_entry_matches);
	tcase_add_test(tc, takes_conditions_on_one_argument_as_alternatives);
	tcase_add_test(tc, wants_conditions_on_several_arguments_all_to_hold);
	tcase_add_test(tc, answers_enosys_to_numbers_that_nobody_knows);
	tcase_add_test(tc, reports_foreign_architectures_and_x32_whatever_the_profile_says);
	tcase_add_loop_test(tc, applies_dockers_includes_and_excludes_for_a_cell, 0, ARRAY_SIZE(selections));
	tcase_add_test(tc, loads_a_profile_in_the_format_of_docker_and_podman);
	tcase_add_test(tc, jumps_over_any_distance);
	tcase_add_test(tc, refuses_a_program_that_the_kernel_would_not_take);
	tcase_add_loop_test(tc, names_calls_for_people, 0, ARRAY_SIZE(names)))
