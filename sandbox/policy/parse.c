/* parse.c: one policy file.
 *
 * A language policy, languages/<name>.json:
 *
 *   name       [a-z0-9-], as the file
 *   title      for people: "C++17 (g++)"
 *   version    for people: "GCC 14.2"
 *   aliases    other names, compared without regard to case: ["c++", "g++"]; may be missing
 *   file_name  the name given to a single source file: "main.cpp"
 *   compile    a step; may be missing
 *   run        a step
 *   selftest   {"source", "input", "output"}: a program, its standard input and what it must print
 *
 * A step:
 *
 *   image      root image: [a-z0-9-]
 *   profile    seccomp profile: seccomp/<profile>.json
 *   argv       template; the first element starts with "/" or "./"; an element "{sources}" becomes the input files
 *              that match `sources`
 *   sources    patterns (fnmatch) of source files, with "{sources}" and only with it
 *   env        the whole environment: ["NAME=value"]; may be missing
 *   writable   directories of the image that get a private writable layer; may be missing
 *   extras     {"file name": "content"}: put into /box when the request has no file of that name; may be missing
 *   collect    compile only: the file that it makes
 *   input      run only, with a compile step and only with it: the name its product gets in /box
 *   has_proc   is /proc mounted
 *   limits     every limit of limits.h: {"cpu_usec": {"default": N, "max": N}, …}
 *
 * and what it may do beyond the common; a key that is missing grants nothing:
 *
 *   can_execute_files  files in /box, /tmp and the writable layers may be executed: the run step of a compiled language
 *                      needs it, a compiler that calls nothing but its image's programs does not
 *   can_make_memory_executable  memory may be writable and executable, at once or one after the other: a runtime that
 *                      compiles while it runs (a JVM, a JavaScript engine) needs it
 *
 * A command policy, commands/<name>.json, has name, title, version, aliases and run; its step has no argv, sources,
 * extras and input: the request brings argv.
 *
 * A policy and a step may have a "comment". Unknown keys are errors everywhere. */
#include "sandbox/policy/parse.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"

#include <string.h>

enum { MAX_TITLE = 100, MAX_ALIASES = 16, MAX_SELFTEST = 64 * 1024 };

bool policy_name_ok(const char *name, size_t max)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= max && name[n] == '\0' && name[0] != '-';
}

static bool alias_ok(const char *alias)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#._-";

	return alias[0] != '\0' && alias[strspn(alias, allowed)] == '\0';
}

static int read_aliases(const struct document_at *at, struct policy *policy)
{
	int r = document_strings(at, MAX_ALIASES, BOUND_POLICY_NAME, &policy->aliases);

	for (size_t i = 0; r == 0 && policy->aliases[i] != NULL; i++) {
		struct document_at element = document_element(at, i);
		if (!alias_ok(policy->aliases[i]))
			return document_fail(&element, "\"%s\" is no name", policy->aliases[i]);
	}
	return r;
}

static int read_head(const struct document_at *top, const char *name, struct policy *policy)
{
	struct document_at name_at = document_member(top, "name");
	struct document_at title = document_member(top, "title");
	struct document_at version = document_member(top, "version");
	struct document_at aliases = document_member(top, "aliases");

	int r = document_comment(top);
	if (r == 0)
		r = document_copy(&name_at, 1, BOUND_POLICY_NAME, &policy->name);
	if (r == 0 && strcmp(policy->name, name) != 0)
		r = document_fail(&name_at, "\"%s\" is not the file's name", policy->name);
	if (r == 0)
		r = document_copy(&title, 1, MAX_TITLE, &policy->title);
	if (r == 0)
		r = document_copy(&version, 1, MAX_TITLE, &policy->version);
	if (r == 0)
		r = read_aliases(&aliases, policy);
	return r;
}

static int read_selftest(const struct document_at *at, struct policy_selftest *selftest)
{
	static const char *const keys[] = {"source", "input", "output", NULL};
	struct document_at source = document_member(at, "source");
	struct document_at input = document_member(at, "input");
	struct document_at output = document_member(at, "output");

	int r = document_object(at, keys);
	if (r == 0)
		r = document_copy(&source, 1, MAX_SELFTEST, &selftest->source);
	if (r == 0)
		r = document_copy(&input, 0, MAX_SELFTEST, &selftest->input);
	if (r == 0)
		r = document_copy(&output, 1, MAX_SELFTEST, &selftest->output);
	return r;
}

/* What joins the two steps: the product of the one is the input of the other. */
static int check_input(const struct document_at *run, const struct policy *policy)
{
	struct document_at input = document_member(run, "input");
	bool has_compile = policy->steps[SANDBOX_COMPILE].is_present;
	bool has_input = policy->steps[SANDBOX_RUN].input != NULL;

	if (has_compile && !has_input)
		return document_fail(&input, "is missing, but there is a compile step");
	if (!has_compile && has_input)
		return document_fail(&input, "has no effect: there is no compile step");
	return 0;
}

static int read_language(const struct document_at *top, struct policy *policy)
{
	struct document_at file_name = document_member(top, "file_name");
	struct document_at compile = document_member(top, "compile");
	struct document_at run = document_member(top, "run");
	struct document_at selftest = document_member(top, "selftest");

	int r = document_copy(&file_name, 1, BOUND_FILE_NAME, &policy->file_name);
	if (r == 0 && !policy_file_name_ok(policy->file_name))
		r = document_fail(&file_name, "\"%s\" is no name for a file below /box", policy->file_name);
	if (r == 0 && compile.value != NULL)
		r = policy_parse_step(
			&compile, POLICY_LANGUAGE, SANDBOX_COMPILE, &policy->steps[SANDBOX_COMPILE]);
	if (r == 0)
		r = policy_parse_step(&run, POLICY_LANGUAGE, SANDBOX_RUN, &policy->steps[SANDBOX_RUN]);
	if (r == 0)
		r = check_input(&run, policy);
	if (r == 0)
		r = read_selftest(&selftest, &policy->selftest);
	return r;
}

static int read_policy(const struct document_at *top, const char *name, struct policy *policy)
{
	static const char *const language[] = {"comment", "name", "title", "version", "aliases", "file_name",
		"compile", "run", "selftest", NULL};
	static const char *const command[] = {"comment", "name", "title", "version", "aliases", "run", NULL};
	struct document_at run = document_member(top, "run");

	int r = document_object(top, policy->kind == POLICY_LANGUAGE ? language : command);
	if (r == 0)
		r = read_head(top, name, policy);
	if (r == 0 && policy->kind == POLICY_LANGUAGE)
		r = read_language(top, policy);
	if (r == 0 && policy->kind == POLICY_COMMAND)
		r = policy_parse_step(&run, POLICY_COMMAND, SANDBOX_RUN, &policy->steps[SANDBOX_RUN]);
	return r;
}

int policy_parse(enum policy_kind kind, const char *where, const char *name, const char *text, size_t size,
	struct policy **ret, struct sandbox_error *err)
{
	json_t *tree;

	int r = document_parse(where, text, size, &tree, err);
	if (r < 0)
		return r;
	struct document_at top = {.where = where, .value = tree, .err = err};
	struct policy *policy = calloc(1, sizeof(*policy));
	if (policy == NULL) {
		r = error_set(err, ENOMEM, "policy", "%s: out of memory", where);
	} else {
		policy->kind = kind;
		r = read_policy(&top, name, policy);
	}
	json_decref(tree);
	if (r < 0)
		(void)policy_free(policy);
	else
		*ret = policy;
	return r;
}

struct policy *policy_free(struct policy *policy)
{
	if (policy == NULL)
		return NULL;
	for (size_t i = 0; i < SANDBOX_STEP_N; i++)
		policy_step_free(&policy->steps[i]);
	free(policy->name);
	free(policy->title);
	free(policy->version);
	(void)document_strings_free(policy->aliases);
	free(policy->file_name);
	free(policy->selftest.source);
	free(policy->selftest.input);
	free(policy->selftest.output);
	free(policy);
	return NULL;
}
