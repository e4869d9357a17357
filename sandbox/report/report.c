#include "sandbox/report/report.h"

#include "sandbox/base/fd.h"

#include <stdio.h>
#include <string.h>

/* --- verdicts ----------------------------------------------------------------------------------------------- */

static const char *const verdict_names[REPORT_VERDICT_N] = {
#define X(symbol, name) [REPORT_##symbol] = (name),
	REPORT_VERDICT_TABLE(X)
#undef X
};

const char *report_verdict_name(enum report_verdict verdict)
{
	return (unsigned)verdict < REPORT_VERDICT_N ? verdict_names[verdict] : NULL;
}

enum report_verdict report_verdict_parse(const char *name)
{
	for (unsigned i = REPORT_NONE + 1; i < REPORT_VERDICT_N; i++)
		if (strcmp(verdict_names[i], name) == 0)
			return (enum report_verdict)i;
	return REPORT_NONE;
}

static bool is_success(const struct sandbox_result *result)
{
	return result->cause == SANDBOX_EXITED && result->exit_code == 0;
}

enum report_verdict report_verdict(const struct sandbox_result *compile, const struct sandbox_result *run)
{
	static const enum report_verdict by_cause[SANDBOX_CAUSE_N] = {
		[SANDBOX_EXITED] = REPORT_RUNTIME_ERROR,
		[SANDBOX_SIGNALED] = REPORT_RUNTIME_ERROR,
		[SANDBOX_CPU_LIMIT] = REPORT_TIME_LIMIT,
		[SANDBOX_WALL_LIMIT] = REPORT_TIME_LIMIT,
		[SANDBOX_MEMORY_LIMIT] = REPORT_MEMORY_LIMIT,
		[SANDBOX_PROCESS_LIMIT] = REPORT_PROCESS_LIMIT,
		[SANDBOX_OUTPUT_LIMIT] = REPORT_OUTPUT_LIMIT,
		[SANDBOX_FILE_LIMIT] = REPORT_RUNTIME_ERROR,
		[SANDBOX_FORBIDDEN_SYSCALL] = REPORT_FORBIDDEN_SYSCALL,
		[SANDBOX_CANCELLED] = REPORT_CANCELLED,
	};

	if (compile != NULL && compile->cause == SANDBOX_CANCELLED)
		return REPORT_CANCELLED;
	if (compile != NULL && !is_success(compile))
		return REPORT_COMPILE_ERROR;
	if (run == NULL)
		return REPORT_NONE;
	if (is_success(run))
		return REPORT_ACCEPTED;
	return run->cause < SANDBOX_CAUSE_N ? by_cause[run->cause] : REPORT_INTERNAL_ERROR;
}

/* --- for people --------------------------------------------------------------------------------------------- */

static const char *show_limit(enum limit_id id, uint64_t value, char *buf, size_t size)
{
	static const char *const binary[] = {"bytes", "KiB", "MiB", "GiB"};
	unsigned long long number = value;
	size_t power = 0;

	switch (limit_infos[id].unit) {
	case LIMIT_USEC:
		if (number % 1000000 == 0)
			(void)snprintf(buf, size, "%llu s", number / 1000000);
		else if (number % 1000 == 0)
			(void)snprintf(buf, size, "%llu ms", number / 1000);
		else
			(void)snprintf(buf, size, "%llu us", number);
		break;
	case LIMIT_BYTES:
		for (; power < ARRAY_SIZE(binary) - 1 && number != 0 && number % 1024 == 0; power++)
			number /= 1024;
		(void)snprintf(buf, size, "%llu %s", number, binary[power]);
		break;
	default:
		(void)snprintf(buf, size, "%llu", number);
	}
	return buf;
}

/* "the program BEFORE 10 s AFTER"; without numbers "the program BARE". */
struct limit_phrase {
	enum limit_id id;
	const char *before, *after, *bare;
};

static const struct limit_phrase phrases[SANDBOX_CAUSE_N] = {
	[SANDBOX_CPU_LIMIT] = {LIMIT_ID_cpu_usec, "used more than its", " of CPU time",
		"used more CPU time than it may"},
	[SANDBOX_WALL_LIMIT] = {LIMIT_ID_wall_usec, "ran longer than", "", "ran longer than it may"},
	[SANDBOX_MEMORY_LIMIT] = {LIMIT_ID_memory_bytes, "needed more than its", " of memory",
		"needed more memory than it may have"},
	[SANDBOX_PROCESS_LIMIT] = {LIMIT_ID_processes, "wanted more than its", " processes and threads",
		"wanted more processes and threads than it may have"},
	[SANDBOX_OUTPUT_LIMIT] = {LIMIT_ID_output_bytes, "wrote more than its", " of output",
		"wrote more output than it may"},
	[SANDBOX_FILE_LIMIT] = {LIMIT_ID_file_bytes, "wrote a file larger than", "",
		"wrote a larger file than it may"},
};

static void explain_limit(
	const struct limit_phrase *phrase, const struct sandbox_limits *limits, char *buf, size_t size)
{
	char value[64];

	if (limits == NULL)
		(void)snprintf(buf, size, "the program %s", phrase->bare);
	else
		(void)snprintf(buf, size, "the program %s %s%s", phrase->before,
			show_limit(phrase->id, limit_get(limits, phrase->id), value, sizeof(value)),
			phrase->after);
}

static void explain_signal(int signal, char *buf, size_t size)
{
	const char *name = sigabbrev_np(signal); /* NULL for the real-time ones */

	if (name != NULL)
		(void)snprintf(buf, size, "killed by signal %d (SIG%s)", signal, name);
	else
		(void)snprintf(buf, size, "killed by signal %d", signal);
}

void report_explain(
	const struct sandbox_result *result, const struct sandbox_limits *limits, char *buf, size_t size)
{
	switch (result->cause) {
	case SANDBOX_EXITED:
		(void)snprintf(buf, size, "exit code %d", result->exit_code);
		break;
	case SANDBOX_SIGNALED:
		explain_signal(result->signal, buf, size);
		break;
	case SANDBOX_FORBIDDEN_SYSCALL:
		(void)snprintf(buf, size, "forbidden system call: %.*s", (int)sizeof(result->syscall_name),
			result->syscall_name);
		break;
	case SANDBOX_CANCELLED:
		(void)snprintf(buf, size, "cancelled");
		break;
	default:
		if (result->cause < SANDBOX_CAUSE_N)
			explain_limit(&phrases[result->cause], limits, buf, size);
		else
			(void)snprintf(buf, size, "unknown cause %u", result->cause);
	}
}

/* --- JSON --------------------------------------------------------------------------------------------------- */

/* The counters, by the same name in the struct and in JSON. */
#define COUNTER_TABLE(X)                                                                                     \
	X(cpu_usec)                                                                                          \
	X(cpu_user_usec)                                                                                     \
	X(cpu_system_usec)                                                                                   \
	X(wall_usec)                                                                                         \
	X(memory_peak_bytes)                                                                                 \
	X(processes_peak)                                                                                    \
	X(output_bytes)                                                                                      \
	X(switches_voluntary)                                                                                \
	X(switches_involuntary)                                                                              \
	X(oom_kills)                                                                                         \
	X(forks_refused)

struct counter {
	const char *key;
	size_t offset;
};

static const struct counter counters[] = {
#define X(field) {#field, offsetof(struct sandbox_result, field)},
	COUNTER_TABLE(X)
#undef X
};

static const struct counter phase_counters[] = {
#define X(field) {#field "_nsec", offsetof(struct sandbox_phases, field##_nsec)},
	SANDBOX_PHASE_TABLE(X)
#undef X
};

static int put_counters(json_t *json, const struct counter *table, size_t n, const void *base)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t value = *(const uint64_t *)((const char *)base + table[i].offset);
		r |= json_object_set_new(json, table[i].key, json_integer((json_int_t)value));
	}
	return r;
}

/* Through the table, so that an unknown cause is null and not a crash. */
static json_t *cause_json(const struct sandbox_result *result)
{
	const char *name = sandbox_cause_name((enum sandbox_cause)result->cause);

	return name ? json_string(name) : json_null();
}

/* The layers that it ran without. */
static json_t *without_json(const struct sandbox_result *result)
{
	json_t *list = json_array();

	for (unsigned layer = 0; layer < SANDBOX_LAYER_N; layer++)
		if (result->without & 1U << layer)
			(void)json_array_append_new(list, json_string(sandbox_layer_name(layer)));
	return list;
}

json_t *report_result(const struct sandbox_result *result)
{
	json_t *json = json_object(), *phases = json_object();
	bool is_exit = result->cause == SANDBOX_EXITED;
	size_t name_length = strnlen(result->syscall_name, sizeof(result->syscall_name));
	int r = 0;

	if (result->is_traced != 0)
		r |= json_object_set_new(json, "traced", json_true());
	if (result->without != 0)
		r |= json_object_set_new(json, "unsafe", without_json(result));
	r |= json_object_set_new(json, "cause", cause_json(result));
	r |= json_object_set_new(json, "exit_code", is_exit ? json_integer(result->exit_code) : json_null());
	r |= json_object_set_new(
		json, "signal", result->signal > 0 ? json_integer(result->signal) : json_null());
	r |= json_object_set_new(json, "syscall",
		name_length > 0 ? json_stringn(result->syscall_name, name_length) : json_null());
	r |= put_counters(json, counters, ARRAY_SIZE(counters), result);
	if (result->processes_peak == 0) /* this kernel does not tell */
		r |= json_object_set_new(json, "processes_peak", json_null());
	r |= put_counters(phases, phase_counters, ARRAY_SIZE(phase_counters), &result->phases);
	r |= json_object_set_new(json, "phases", phases);
	if (r != 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static int get_counters(const json_t *json, const struct counter *table, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(json, table[i].key);
		if (!json_is_null(value) && (!json_is_integer(value) || json_integer_value(value) < 0))
			return -EINVAL;
		*(uint64_t *)((char *)base + table[i].offset) = (uint64_t)json_integer_value(value);
	}
	return 0;
}

/* An integer within [0, MAX], or ABSENT for null. */
static int get_small(const json_t *json, const char *key, int max, int32_t absent, int32_t *ret)
{
	const json_t *value = json_object_get(json, key);

	*ret = absent;
	if (json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
		return -EINVAL;
	*ret = (int32_t)json_integer_value(value);
	return 0;
}

static int get_cause(const json_t *json, uint32_t *ret)
{
	const char *name = json_string_value(json_object_get(json, "cause"));

	for (unsigned i = 0; name != NULL && i < SANDBOX_CAUSE_N; i++)
		if (strcmp(sandbox_cause_name((enum sandbox_cause)i), name) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int get_syscall(const json_t *json, struct sandbox_result *result)
{
	const json_t *value = json_object_get(json, "syscall");

	if (json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) >= sizeof(result->syscall_name))
		return -EINVAL;
	memcpy(result->syscall_name, json_string_value(value), json_string_length(value));
	return 0;
}

int report_result_parse(const json_t *json, struct sandbox_result *ret)
{
	struct sandbox_result result = {.syscall_nr = -1};
	enum { EXIT_CODE_MAX = 255, SIGNAL_MAX = 64 };

	int r = get_cause(json, &result.cause);
	if (r == 0)
		r = get_small(json, "exit_code", EXIT_CODE_MAX, -1, &result.exit_code);
	if (r == 0 && result.cause == SANDBOX_EXITED && result.exit_code < 0)
		r = -EINVAL;
	if (r == 0)
		r = get_small(json, "signal", SIGNAL_MAX, 0, &result.signal);
	if (r == 0)
		r = get_syscall(json, &result);
	if (r == 0)
		r = get_counters(json, counters, ARRAY_SIZE(counters), &result);
	if (r == 0)
		r = get_counters(json_object_get(json, "phases"), phase_counters, ARRAY_SIZE(phase_counters),
			&result.phases);
	if (r == 0)
		*ret = result;
	return r;
}

/* A path in a message need not be UTF-8, and a cut one may end within a sequence; JSON must be UTF-8. */
static json_t *any_text(const char *text)
{
	char ascii[sizeof(((struct sandbox_error *)NULL)->message)];
	json_t *json = json_string(text);
	size_t i = 0;

	if (json != NULL)
		return json;
	for (; i < sizeof(ascii) - 1 && text[i] != '\0'; i++)
		ascii[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	ascii[i] = '\0';
	return json_string(ascii);
}

json_t *report_error(const struct sandbox_error *error)
{
	const char *name = strerrorname_np(error->errno_value);
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", error->errno_value);
	return json_pack("{s:s, s:s, s:o}", "stage", error->stage, "errno", name ? name : number, "message",
		any_text(error->message));
}
