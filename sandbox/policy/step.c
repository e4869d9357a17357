/* step.c: one step of a policy: what runs, in which image, under which limits. parse.c describes the keys. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/parse.h"

#include <string.h>

enum {
	MAX_IMAGE_NAME = 32,
	MAX_TEXT = 4096, /* an element of argv or env */
	MAX_LIST = 16,	 /* sources, writable, extras */
	MAX_CONTENT = 64 * 1024,
};

/* Above it no limit makes sense (1 PiB, 35 years), and below it unit conversions cannot overflow. */
#define MAX_LIMIT (UINT64_C(1) << 50)

static int read_name(const struct document_at *at, size_t max, char **ret)
{
	int r = document_copy(at, 1, max, ret);

	if (r == 0 && !policy_name_ok(*ret, max))
		r = document_fail(at, "\"%s\" is no name of a-z, 0-9 and '-'", *ret);
	return r;
}

static int read_file_name(const struct document_at *at, char **ret)
{
	int r = document_copy(at, 1, BOUND_FILE_NAME, ret);

	if (r == 0 && !policy_file_name_ok(*ret))
		r = document_fail(at, "\"%s\" is no name for a file below /box", *ret);
	return r;
}

static int check_argv(const struct document_at *at, const struct policy_step *step)
{
	struct document_at first = document_element(at, 0);
	struct document_at sources = document_member(at->parent, "sources");
	size_t nsources = 0;

	if (step->argv[0] == NULL)
		return document_fail(at, "is %s", at->value == NULL ? "missing" : "empty");
	if (step->argv[0][0] != '/' && strncmp(step->argv[0], "./", 2) != 0)
		return document_fail(&first, "\"%s\" must start with \"/\" or \"./\"", step->argv[0]);
	for (size_t i = 0; step->argv[i] != NULL; i++)
		nsources += strcmp(step->argv[i], "{sources}") == 0;
	if (nsources > 1)
		return document_fail(at, "holds {sources} more than once");
	if (nsources == 1 && step->sources[0] == NULL)
		return document_fail(&sources, "is missing or empty, but argv holds {sources}");
	if (nsources == 0 && step->sources[0] != NULL)
		return document_fail(&sources, "has no effect: argv holds no {sources}");
	return 0;
}

/* The bytes before '=' of an environment entry; 0: it has no valid name. */
static size_t env_name_length(const char *entry)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = strspn(entry, all);

	return entry[n] == '=' && n > 0 && strchr(letters, entry[0]) != NULL ? n : 0;
}

static int read_env(const struct document_at *at, struct policy_step *step)
{
	int r = document_strings(at, BOUND_ENV, MAX_TEXT, &step->env);

	for (size_t i = 0; r == 0 && step->env[i] != NULL; i++) {
		struct document_at element = document_element(at, i);
		size_t n = env_name_length(step->env[i]);
		if (n == 0)
			return document_fail(&element, "\"%s\" is not NAME=value", step->env[i]);
		for (size_t k = 0; k < i; k++)
			if (strncmp(step->env[k], step->env[i], n + 1) == 0)
				return document_fail(&element, "sets %.*s again", (int)n, step->env[i]);
	}
	return r;
}

/* An absolute path without empty, "." and ".." components, outside of what every cell mounts itself. */
static bool writable_ok(const char *path)
{
	static const char *const taken[] = {"box", "tmp", "proc", "dev"};
	size_t depth = 0;

	if (path[0] != '/')
		return false;
	while (*path == '/') {
		const char *name = path + 1;
		size_t n = strcspn(name, "/");
		if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		for (size_t i = 0; depth == 0 && i < ARRAY_SIZE(taken); i++)
			if (strlen(taken[i]) == n && strncmp(name, taken[i], n) == 0)
				return false;
		path = name + n;
		depth++;
	}
	return true;
}

static int read_writable(const struct document_at *at, struct policy_step *step)
{
	int r = document_strings(at, MAX_LIST, MAX_TEXT, &step->writable);

	for (size_t i = 0; r == 0 && step->writable[i] != NULL; i++) {
		struct document_at element = document_element(at, i);
		if (!writable_ok(step->writable[i]))
			return document_fail(&element, "\"%s\" is no plain absolute directory of an image",
				step->writable[i]);
	}
	return r;
}

/* An object: file name → content. */
static int read_extras(const struct document_at *at, struct policy_step *step)
{
	const char *name;
	json_t *content;

	if (at->value == NULL)
		return 0;
	if (!json_is_object(at->value))
		return document_fail(at, "must be an object");
	if (json_object_size(at->value) > MAX_LIST)
		return document_fail(at, "has more than %d files", MAX_LIST);
	step->extras = calloc(json_object_size(at->value) + 1, sizeof(*step->extras));
	if (step->extras == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	json_object_foreach(at->value, name, content)
	{
		struct document_at file = document_member(at, name);
		struct policy_extra *extra = &step->extras[step->nextras++];
		if (!policy_file_name_ok(name))
			return document_fail(&file, "is no name for a file below /box");
		int r = document_copy(&file, 0, MAX_CONTENT, &extra->content);
		if (r < 0)
			return r;
		extra->name = strdup(name);
		if (extra->name == NULL)
			return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	}
	return 0;
}

static int read_range(const struct document_at *at, uint64_t minimum, struct limit_range *ret)
{
	static const char *const keys[] = {"default", "max", NULL};
	struct document_at standard = document_member(at, "default");
	struct document_at maximum = document_member(at, "max");

	int r = document_object(at, keys);
	if (r == 0)
		r = document_number(&standard, minimum, MAX_LIMIT, &ret->standard);
	if (r == 0)
		r = document_number(&maximum, minimum, MAX_LIMIT, &ret->maximum);
	if (r == 0 && ret->maximum < ret->standard)
		r = document_fail(&maximum, "smaller than default");
	return r;
}

/* Every limit must be there: nothing is ever unlimited. */
static int read_limits(const struct document_at *at, struct policy_step *step)
{
	const char *keys[LIMIT_N + 1] = {NULL};

	for (int id = 0; id < LIMIT_N; id++)
		keys[id] = limit_infos[id].key;
	int r = document_object(at, keys);
	for (enum limit_id id = 0; r == 0 && id < LIMIT_N; id++) {
		struct document_at limit = document_member(at, limit_infos[id].key);
		r = read_range(&limit, limit_minimum(id), &step->limits[id]);
	}
	return r;
}

/* What a step may do beyond the common. A key that is missing grants nothing. */
static int read_permission(const struct document_at *step, const char *key, bool *ret)
{
	struct document_at at = document_member(step, key);

	return at.value == NULL ? 0 : document_bool(&at, ret);
}

/* What every step has; a command policy's argv and sources are empty lists. */
static int read_common(const struct document_at *at, struct policy_step *step)
{
	struct document_at image = document_member(at, "image");
	struct document_at profile = document_member(at, "profile");
	struct document_at argv = document_member(at, "argv");
	struct document_at sources = document_member(at, "sources");
	struct document_at env = document_member(at, "env");
	struct document_at writable = document_member(at, "writable");
	struct document_at has_proc = document_member(at, "has_proc");
	struct document_at limits = document_member(at, "limits");

	int r = document_comment(at);
	if (r == 0)
		r = read_name(&image, MAX_IMAGE_NAME, &step->image);
	if (r == 0)
		r = read_name(&profile, BOUND_POLICY_NAME, &step->profile);
	if (r == 0)
		r = document_strings(&argv, BOUND_ARGS, MAX_TEXT, &step->argv);
	if (r == 0)
		r = document_strings(&sources, MAX_LIST, BOUND_FILE_NAME, &step->sources);
	if (r == 0)
		r = read_env(&env, step);
	if (r == 0)
		r = read_writable(&writable, step);
	if (r == 0)
		r = document_bool(&has_proc, &step->has_proc);
	if (r == 0)
		r = read_permission(at, "can_execute_files", &step->can_execute_files);
	if (r == 0)
		r = read_permission(at, "can_make_memory_executable", &step->can_make_memory_executable);
	if (r == 0)
		r = read_limits(&limits, step);
	return r;
}

/* What a command policy's step has not: the request brings the whole argv. */
static int read_language(const struct document_at *at, enum sandbox_step id, struct policy_step *step)
{
	struct document_at argv = document_member(at, "argv");
	struct document_at extras = document_member(at, "extras");
	struct document_at collect = document_member(at, "collect");
	struct document_at input = document_member(at, "input");

	int r = check_argv(&argv, step);
	if (r == 0)
		r = read_extras(&extras, step);
	if (r == 0 && id == SANDBOX_COMPILE)
		r = read_file_name(&collect, &step->collect);
	if (r == 0 && id == SANDBOX_RUN && input.value != NULL)
		r = read_file_name(&input, &step->input);
	return r;
}

int policy_parse_step(
	const struct document_at *at, enum policy_kind kind, enum sandbox_step id, struct policy_step *step)
{
	static const char *const command[] = {"comment", "image", "profile", "env", "writable", "has_proc",
		"can_execute_files", "can_make_memory_executable", "limits", NULL};
	static const char *const compile[] = {"comment", "image", "profile", "argv", "sources", "env",
		"writable", "extras", "collect", "has_proc", "can_execute_files",
		"can_make_memory_executable", "limits", NULL};
	static const char *const run[] = {"comment", "image", "profile", "argv", "sources", "env", "writable",
		"extras", "input", "has_proc", "can_execute_files", "can_make_memory_executable", "limits",
		NULL};
	const char *const *language = id == SANDBOX_COMPILE ? compile : run;

	step->is_present = true;
	int r = document_object(at, kind == POLICY_COMMAND ? command : language);
	if (r == 0)
		r = read_common(at, step);
	if (r == 0 && kind == POLICY_LANGUAGE)
		r = read_language(at, id, step);
	return r;
}

void policy_step_free(struct policy_step *step)
{
	for (size_t i = 0; i < step->nextras; i++) {
		free(step->extras[i].name);
		free(step->extras[i].content);
	}
	free(step->extras);
	free(step->image);
	free(step->profile);
	free(step->collect);
	free(step->input);
	(void)document_strings_free(step->argv);
	(void)document_strings_free(step->sources);
	(void)document_strings_free(step->env);
	(void)document_strings_free(step->writable);
	filter_free(&step->filter);
	*step = (struct policy_step){0};
}
