#include "sandbox/cli/notes.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/tracing.h"
#include "sandbox/verify/sweep.h"

#include <linux/seccomp.h>
#include <string.h>

/* What is made of one note. */
struct finding {
	const struct sandbox_traced *call;
	char name[32], answer[16];
	const char *why_not; /* it is not proposed; NULL: it is */
};

static bool is_told(const struct sandbox_traced *call, unsigned index)
{
	return (call->told >> index & 1) != 0;
}

static const char *why_not(const struct finding *finding)
{
	const struct sandbox_traced *call = finding->call;
	struct seccomp_data data = {.nr = call->nr, .arch = call->arch};

	if (!call->is_made) {
		memcpy(data.args, call->args, sizeof(data.args));
		const char *reason = tracing_never(&data);
		return reason != NULL ? reason : "dangerous with some arguments";
	}
	if (call->is_various)
		return "too many different arguments";
	return finding->name[0] == '#' ? "no name is known for it" : NULL;
}

static struct finding find_out(const struct sandbox_traced *call)
{
	struct finding finding = {.call = call};

	filter_syscall_name(call->arch, call->nr, finding.name, sizeof(finding.name));
	sweep_answer_name(call->answer, finding.answer, sizeof(finding.answer));
	finding.why_not = why_not(&finding);
	return finding;
}

/* --- for people --------------------------------------------------------------------------------------------------- */

/* "ioctl(_, 0x5451)": the name, and the arguments that tell. */
static void describe(const struct finding *finding, char *buf, size_t size)
{
	const struct sandbox_traced *call = finding->call;
	FILE *out = fmemopen(buf, size, "w");

	if (out == NULL)
		return;
	(void)fprintf(out, "%s", finding->name);
	for (unsigned i = 0; call->told >> i != 0; i++) {
		(void)fputs(i == 0 ? "(" : ", ", out);
		if (!is_told(call, i))
			(void)fputc('_', out);
		else
			(void)fprintf(out, call->args[i] < 1000 ? "%llu" : "%#llx",
				(unsigned long long)call->args[i]);
	}
	(void)fputs(call->told != 0 ? ")" : "", out);
	(void)fclose(out);
}

static void say(const struct finding *finding)
{
	const struct sandbox_traced *call = finding->call;
	char text[160] = "";

	describe(finding, text, sizeof(text));
	(void)fprintf(stderr, "%9llu  %-32s %-12s %s%s%s\n", (unsigned long long)call->count, text,
		finding->answer, call->is_made ? "made" : "refused",
		finding->why_not == NULL ? ""
		: call->is_made		 ? ", not proposed: "
					 : ": ",
		finding->why_not != NULL ? finding->why_not : "");
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static int list_call(json_t *calls, const struct finding *finding)
{
	const struct sandbox_traced *call = finding->call;
	json_t *args = json_array();
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(call->args); i++)
		if (is_told(call, i))
			r |= json_array_append_new(args,
				json_pack("{s:i, s:I}", "index", i, "value", (json_int_t)call->args[i]));
	return r | json_array_append_new(calls, json_pack("{s:s, s:o, s:I, s:s, s:b}", "name", finding->name,
							"args", args, "count", (json_int_t)call->count,
							"answer", finding->answer, "made", call->is_made));
}

static int list_never(json_t *never, const struct finding *finding)
{
	return json_array_append_new(
		never, json_pack("{s:s, s:I, s:s}", "name", finding->name, "count",
			       (json_int_t)finding->call->count, "reason", finding->why_not));
}

/* A number that a program asks with is small, or the sign extension of one that is; what lies between is an address, which
 * tells nothing about the next run. Profiles hold no number above INT64_MAX. */
static bool is_address(uint64_t value)
{
	return value > UINT32_MAX && value <= INT64_MAX;
}

static json_t *make_condition(unsigned index, uint64_t value)
{
	if (value <= INT64_MAX)
		return json_pack(
			"{s:i, s:I, s:s}", "index", index, "value", (json_int_t)value, "op", "SCMP_CMP_EQ");
	return json_pack("{s:i, s:I, s:I, s:s}", "index", index, "value", (json_int_t)UINT32_MAX, "valueTwo",
		(json_int_t)(uint32_t)value, "op", "SCMP_CMP_MASKED_EQ");
}

/* Just this call with just these arguments. */
static int propose(json_t *entries, const struct finding *finding)
{
	const struct sandbox_traced *call = finding->call;
	json_t *entry = json_pack("{s:[s], s:s}", "names", finding->name, "action", "SCMP_ACT_ALLOW");
	json_t *conditions = json_array(), *other;
	size_t k;
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(call->args); i++)
		if (is_told(call, i) && !is_address(call->args[i]))
			r |= json_array_append_new(conditions, make_condition(i, call->args[i]));
	if (json_array_size(conditions) > 0)
		r |= json_object_set(entry, "args", conditions);
	json_decref(conditions);
	json_array_foreach(entries, k, other)
	{
		if (!json_equal(entry, other))
			continue;
		json_decref(entry);
		return r;
	}
	return r | json_array_append_new(entries, entry);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static ssize_t read_notes(int fd, struct sandbox_traced *calls, struct sandbox_error *err)
{
	ssize_t size = pread(fd, calls, BOUND_TRACED * sizeof(*calls), 0);

	if (size < 0 || ftruncate(fd, 0) < 0)
		return error_errno(err, "trace", "notes");
	return size / (ssize_t)sizeof(*calls);
}

int notes_take(int fd, const char *profile, json_t **ret, struct sandbox_error *err)
{
	_cleanup_free_ struct sandbox_traced *notes = calloc(BOUND_TRACED, sizeof(*notes));
	json_t *calls = json_array(), *entries = json_array(), *never = json_array();
	int r = 0;

	ssize_t n = notes != NULL ? read_notes(fd, notes, err) : error_set(err, ENOMEM, "trace", "no memory");
	if (n >= 0)
		(void)fprintf(stderr, "cofferdam: traced: seccomp/%s.json refuses %s\n", profile,
			n > 0 ? "these calls:" : "nothing that was called");
	for (ssize_t i = 0; i < n; i++) {
		const struct finding finding = find_out(&notes[i]);
		say(&finding);
		r |= list_call(calls, &finding);
		r |= finding.why_not != NULL ? list_never(never, &finding) : propose(entries, &finding);
	}
	json_t *trace = json_pack("{s:o, s:{s:o}, s:o}", "calls", calls, "proposal", "syscalls", entries,
		"never_proposed", never);
	if (n >= 0 && r == 0 && trace != NULL) {
		*ret = trace;
		return 0;
	}
	json_decref(trace);
	return n < 0 ? (int)n : error_set(err, ENOMEM, "trace", "no memory");
}
