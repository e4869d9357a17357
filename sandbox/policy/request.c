/* request.c: what a request may choose within a policy: names, arguments, limits. */
#include "sandbox/policy/policy.h"

#include <fnmatch.h>
#include <string.h>

/* One component of LENGTH bytes of a file's name. */
static bool component_ok(const char *name, size_t length)
{
	if (length == 0 || name[0] == '-')
		return false;
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return false;
	return true;
}

bool policy_file_name_ok(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-/";
	size_t depth = 0;

	if (strnlen(name, BOUND_FILE_NAME + 1) > BOUND_FILE_NAME || name[strspn(name, allowed)] != '\0')
		return false;
	for (;;) {
		size_t length = strcspn(name, "/");
		if (!component_ok(name, length) || ++depth > BOUND_FILE_DEPTH)
			return false;
		if (name[length] == '\0')
			return true;
		name += length + 1;
	}
}

struct argv_out {
	const char **argv;
	size_t n;
};

/* False when there is no room. */
static bool push(struct argv_out *out, const char *text)
{
	if (out->n == BOUND_ARGS)
		return false;
	out->argv[out->n++] = text;
	return true;
}

static bool is_source(const struct policy_step *step, const char *name)
{
	for (size_t i = 0; step->sources[i] != NULL; i++)
		if (fnmatch(step->sources[i], name, 0) == 0)
			return true;
	return false;
}

static int push_sources(const struct policy_step *step, const struct sandbox_file *files, size_t nfiles,
	struct argv_out *out, struct sandbox_error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < nfiles; i++) {
		if (!is_source(step, files[i].name))
			continue;
		if (!push(out, files[i].name))
			return -E2BIG;
		found++;
	}
	if (found == 0)
		return error_set(err, EINVAL, "request.argv", "no source file: none is named like %s%s",
			step->sources[0], step->sources[1] != NULL ? " or the other patterns" : "");
	return 0;
}

static int fill_argv(const struct policy_step *step, const struct sandbox_file *files, size_t nfiles,
	struct argv_out *out, struct sandbox_error *err)
{
	for (size_t i = 0; step->argv[i] != NULL; i++) {
		int r = 0;
		if (strcmp(step->argv[i], "{sources}") == 0)
			r = push_sources(step, files, nfiles, out, err);
		else if (!push(out, step->argv[i]))
			r = -E2BIG;
		if (r < 0)
			return r;
	}
	return 0;
}

int policy_argv(const struct policy *policy, enum sandbox_step id, const struct sandbox_file *files,
	size_t nfiles, const char *const *args, size_t nargs, const char *argv[], struct sandbox_error *err)
{
	const struct policy_step *step = &policy->steps[id];
	struct argv_out out = {.argv = argv};
	int r = 0;

	if (!step->is_present)
		return error_set(err, EINVAL, "request.argv", "%s has no %s step", policy->name,
			id == SANDBOX_COMPILE ? "compile" : "run");
	if (policy->kind == POLICY_COMMAND && nargs == 0)
		return error_set(err, EINVAL, "request.argv", "a command without arguments");
	r = fill_argv(step, files, nfiles, &out, err);
	for (size_t i = 0; r == 0 && i < nargs; i++)
		if (!push(&out, args[i]))
			r = -E2BIG;
	if (r == -E2BIG)
		return error_set(err, E2BIG, "request.argv", "more than %d arguments", BOUND_ARGS);
	if (r < 0)
		return r;
	argv[out.n] = NULL;
	return (int)out.n;
}

int policy_limits(const struct policy_step *step, struct sandbox_limits *limits, struct sandbox_error *err)
{
	for (enum limit_id id = 0; id < LIMIT_N; id++) {
		const struct limit_range *range = &step->limits[id];
		if (limit_get(limits, id) > range->maximum)
			return error_set(err, ERANGE, "request.limits",
				"%s: %llu is more than the policy's maximum %llu", limit_infos[id].key,
				(unsigned long long)limit_get(limits, id),
				(unsigned long long)range->maximum);
		if (limit_get(limits, id) != 0 && limit_get(limits, id) < limit_minimum(id))
			return error_set(err, ERANGE, "request.limits",
				"%s: no run can do with fewer than %llu", limit_infos[id].key,
				(unsigned long long)limit_minimum(id));
	}
	for (enum limit_id id = 0; id < LIMIT_N; id++)
		if (limit_get(limits, id) == 0)
			*limit_at(limits, id) = step->limits[id].standard;
	return 0;
}
