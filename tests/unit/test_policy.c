/* Policies: what the loader takes and refuses, and what a request may choose within one. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/parse.h"
#include "sandbox/policy/policy.h"
#include "tests/lib/test.h"

#include <jansson.h>
#include <string.h>

/* A language policy in which every key is used. Tests change one thing at a time. */
static const char base[] =
	"{'name':'x','title':'X','version':'1','aliases':['ex','X++'],'file_name':'main.x',"
	"'compile':{'image':'xc','profile':'p','argv':['/usr/bin/"
	"xc','-o','out','{sources}'],'sources':['*.x'],"
	"'env':['PATH=/bin','A='],'writable':['/opt/cache'],'extras':{'x.mod':'module'},'collect':'out',"
	"'has_proc':true,'limits':{}},"
	"'run':{'image':'native','profile':'p','argv':['./prog'],'env':[],'input':'prog','has_proc':false,"
	"'can_execute_files':true,'can_make_memory_executable':true,'limits':{}},"
	"'selftest':{'source':'s','input':'','output':'o'}}";

static json_t *limits(void)
{
	json_t *all = json_object();

	for (int id = 0; id < LIMIT_N; id++)
		ck_assert_int_eq(json_object_set_new(all, limit_infos[id].key,
					 json_pack("{s:i,s:i}", "default", 10 + id, "max", 100 + id)),
			0);
	return all;
}

/* JSON with single quotes for double ones. Owned by the caller. */
static json_t *parse(const char *quoted)
{
	json_error_t error;
	_cleanup_free_ char *text = strdup(quoted);

	ck_assert_ptr_nonnull(text);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
	ck_assert_msg(json != NULL, "%s: %s", text, error.text);
	return json;
}

static json_t *base_policy(void)
{
	json_t *policy = parse(base);

	ck_assert_int_eq(json_object_set_new(json_object_get(policy, "compile"), "limits", limits()), 0);
	ck_assert_int_eq(json_object_set_new(json_object_get(policy, "run"), "limits", limits()), 0);
	return policy;
}

/* Sets the member at WAY ("run.limits.inodes.max") to VALUE (JSON with single quotes); NULL removes it. */
static void change(json_t *policy, const char *way, const char *value)
{
	char key[64];
	json_t *at = policy;

	for (;;) {
		size_t n = strcspn(way, ".");
		(void)snprintf(key, sizeof(key), "%.*s", (int)n, way);
		if (way[n] == '\0')
			break;
		at = json_object_get(at, key);
		ck_assert_msg(at != NULL, "%s", key);
		way += n + 1;
	}
	if (value == NULL)
		ck_assert_int_eq(json_object_del(at, key), 0);
	else
		ck_assert_int_eq(json_object_set_new(at, key, parse(value)), 0);
}

/* Parses JSON (its reference is taken) as the policy "x". */
static int parse_json(json_t *json, enum policy_kind kind, struct policy **ret, struct sandbox_error *err)
{
	_cleanup_free_ char *text = json_dumps(json, 0);

	json_decref(json);
	ck_assert_ptr_nonnull(text);
	return policy_parse(kind, kind == POLICY_LANGUAGE ? "languages/x.json" : "commands/x.json", "x", text,
		strlen(text), ret, err);
}

START_TEST(reads_every_key)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;

	ck_assert_msg(parse_json(base_policy(), POLICY_LANGUAGE, &policy, &err) == 0, "%s", err.message);
	const struct policy_step *compile = &policy->steps[SANDBOX_COMPILE],
				 *run = &policy->steps[SANDBOX_RUN];
	ck_assert_str_eq(policy->name, "x");
	ck_assert_str_eq(policy->title, "X");
	ck_assert_str_eq(policy->version, "1");
	ck_assert_str_eq(policy->aliases[1], "X++");
	ck_assert_ptr_null(policy->aliases[2]);
	ck_assert_str_eq(policy->file_name, "main.x");
	ck_assert(compile->is_present && run->is_present);
	ck_assert_str_eq(compile->image, "xc");
	ck_assert_str_eq(compile->profile, "p");
	ck_assert_str_eq(compile->argv[3], "{sources}");
	ck_assert_ptr_null(compile->argv[4]);
	ck_assert_str_eq(compile->sources[0], "*.x");
	ck_assert_str_eq(compile->env[1], "A=");
	ck_assert_str_eq(compile->writable[0], "/opt/cache");
	ck_assert_uint_eq(compile->nextras, 1);
	ck_assert_str_eq(compile->extras[0].name, "x.mod");
	ck_assert_str_eq(compile->extras[0].content, "module");
	ck_assert_str_eq(compile->collect, "out");
	ck_assert_ptr_null(compile->input);
	ck_assert(compile->has_proc && !run->has_proc);
	/* What is not said is not granted. */
	ck_assert(!compile->can_execute_files && run->can_execute_files);
	ck_assert(!compile->can_make_memory_executable && run->can_make_memory_executable);
	ck_assert_str_eq(run->input, "prog");
	ck_assert_ptr_null(run->collect);
	ck_assert_ptr_null(run->sources[0]);
	ck_assert_uint_eq(run->limits[LIMIT_ID_inodes].standard, 10 + LIMIT_ID_inodes);
	ck_assert_uint_eq(run->limits[LIMIT_ID_inodes].maximum, 100 + LIMIT_ID_inodes);
	ck_assert_str_eq(policy->selftest.source, "s");
	ck_assert_str_eq(policy->selftest.input, "");
	ck_assert_str_eq(policy->selftest.output, "o");
	ck_assert_ptr_null(policy_free(policy));
}
END_TEST

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *way;
	const char *value;
	const char *message; /* after "languages/x.json: " */
} refused[] = {
	{"extra", "1", "extra: unknown key"},
	{"comment", "1", "comment: must be a string"},
	{"run.comment", "[]", "run.comment: must be a string"},
	{"name", NULL, "name: is missing"},
	{"name", "'y'", "name: \"y\" is not the file's name"},
	{"name", "7", "name: must be a string"},
	{"title", NULL, "title: is missing"},
	{"title", "''", "title: is empty"},
	{"version", NULL, "version: is missing"},
	{"aliases", "'ex'", "aliases: must be an array"},
	{"aliases", "['a b']", "aliases[0]: \"a b\" is no name"},
	{"aliases", "['ok','']", "aliases[1]: \"\" is no name"},
	{"aliases", "['" A63 "a']", "aliases[0]: has 64 bytes, at most 63 are allowed"},
	{"aliases", "['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17']",
		"aliases: has 17 elements, at most 16 are allowed"},
	{"file_name", NULL, "file_name: is missing"},
	{"file_name", "'../x'", "file_name: \"../x\" is no name for a file below /box"},
	{"run", NULL, "run: is missing"},
	{"run", "[]", "run: must be an object"},
	{"compile", "1", "compile: must be an object"},
	{"compile.extra", "1", "compile.extra: unknown key"},
	{"compile.input", "'x'", "compile.input: unknown key"},
	{"run.collect", "'x'", "run.collect: unknown key"},
	{"compile.image", NULL, "compile.image: is missing"},
	{"compile.image", "'A'", "compile.image: \"A\" is no name of a-z, 0-9 and '-'"},
	{"compile.image", "'../etc'", "compile.image: \"../etc\" is no name of a-z, 0-9 and '-'"},
	{"compile.image", "'-a'", "compile.image: \"-a\" is no name of a-z, 0-9 and '-'"},
	{"compile.image", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
		"compile.image: has 33 bytes, at most 32 are allowed"},
	{"compile.profile", NULL, "compile.profile: is missing"},
	{"compile.profile", "'a/b'", "compile.profile: \"a/b\" is no name of a-z, 0-9 and '-'"},
	{"compile.argv", NULL, "compile.argv: is missing"},
	{"compile.argv", "[]", "compile.argv: is empty"},
	{"compile.argv", "['xc','{sources}']", "compile.argv[0]: \"xc\" must start with \"/\" or \"./\""},
	{"compile.argv", "['./x','{sources}','{sources}']", "compile.argv: holds {sources} more than once"},
	{"compile.argv", "['./x']", "compile.sources: has no effect: argv holds no {sources}"},
	{"compile.argv", "[1]", "compile.argv[0]: must be a string"},
	{"compile.sources", NULL, "compile.sources: is missing or empty, but argv holds {sources}"},
	{"compile.env", "{}", "compile.env: must be an array"},
	{"compile.env", "['PATH']", "compile.env[0]: \"PATH\" is not NAME=value"},
	{"compile.env", "['=x']", "compile.env[0]: \"=x\" is not NAME=value"},
	{"compile.env", "['1A=x']", "compile.env[0]: \"1A=x\" is not NAME=value"},
	{"compile.env", "['A B=x']", "compile.env[0]: \"A B=x\" is not NAME=value"},
	{"compile.env", "['A=1','AB=2','A=3']", "compile.env[2]: sets A again"},
	{"compile.writable", "['opt']",
		"compile.writable[0]: \"opt\" is no plain absolute directory of an image"},
	{"compile.writable", "['/']",
		"compile.writable[0]: \"/\" is no plain absolute directory of an image"},
	{"compile.writable", "['/a//b']",
		"compile.writable[0]: \"/a//b\" is no plain absolute directory of an image"},
	{"compile.writable", "['/a/']",
		"compile.writable[0]: \"/a/\" is no plain absolute directory of an image"},
	{"compile.writable", "['/a/..']",
		"compile.writable[0]: \"/a/..\" is no plain absolute directory of an image"},
	{"compile.writable", "['/./a']",
		"compile.writable[0]: \"/./a\" is no plain absolute directory of an image"},
	{"compile.writable", "['/proc/x']",
		"compile.writable[0]: \"/proc/x\" is no plain absolute directory of an image"},
	{"compile.writable", "['/box']",
		"compile.writable[0]: \"/box\" is no plain absolute directory of an image"},
	{"compile.extras", "[]", "compile.extras: must be an object"},
	{"compile.extras", "{'/x':''}", "compile.extras./x: is no name for a file below /box"},
	{"compile.extras", "{'x':1}", "compile.extras.x: must be a string"},
	{"compile.collect", NULL, "compile.collect: is missing"},
	{"compile.collect", "'a/../b'", "compile.collect: \"a/../b\" is no name for a file below /box"},
	{"compile.has_proc", NULL, "compile.has_proc: is missing"},
	{"compile.has_proc", "1", "compile.has_proc: must be true or false"},
	{"compile.can_execute_files", "'no'", "compile.can_execute_files: must be true or false"},
	{"run.input", NULL, "run.input: is missing, but there is a compile step"},
	{"compile", NULL, "run.input: has no effect: there is no compile step"},
	{"run.limits", NULL, "run.limits: is missing"},
	{"run.limits.swap_bytes", "{'default':1,'max':1}", "run.limits.swap_bytes: unknown key"},
	{"run.limits.cpu_usec", "5", "run.limits.cpu_usec: must be an object"},
	{"run.limits.cpu_usec.min", "5", "run.limits.cpu_usec.min: unknown key"},
	{"run.limits.cpu_usec.default", "0", "run.limits.cpu_usec.default: 0 is outside 1..1125899906842624"},
	{"run.limits.cpu_usec.default", "1.5", "run.limits.cpu_usec.default: must be a whole number"},
	{"run.limits.cpu_usec.max", "9", "run.limits.cpu_usec.max: smaller than default"},
	{"run.limits.cpu_usec.max", "1125899906842625",
		"run.limits.cpu_usec.max: 1125899906842625 is outside 1..1125899906842624"},
	{"selftest", NULL, "selftest: is missing"},
	{"selftest.expect", "1", "selftest.expect: unknown key"},
	{"selftest.source", "''", "selftest.source: is empty"},
	{"selftest.output", NULL, "selftest.output: is missing"},
};

START_TEST(refuses_and_names_file_key_and_reason)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;
	char message[256];
	json_t *json = base_policy();

	change(json, refused[_i].way, refused[_i].value);
	ck_assert_int_eq(parse_json(json, POLICY_LANGUAGE, &policy, &err), -EINVAL);
	(void)snprintf(message, sizeof(message), "languages/x.json: %s", refused[_i].message);
	ck_assert_str_eq(err.message, message);
	ck_assert_str_eq(err.stage, "policy");
	ck_assert_ptr_null(policy);
}
END_TEST

START_TEST(wants_every_limit)
{
	const char *const steps[] = {"compile", "run"};

	for (size_t s = 0; s < ARRAY_SIZE(steps); s++)
		for (int id = 0; id < LIMIT_N; id++) {
			struct sandbox_error err = {0};
			struct policy *policy = NULL;
			char way[64], message[128];
			json_t *json = base_policy();

			(void)snprintf(way, sizeof(way), "%s.limits.%s", steps[s], limit_infos[id].key);
			change(json, way, NULL);
			ck_assert_int_eq(parse_json(json, POLICY_LANGUAGE, &policy, &err), -EINVAL);
			(void)snprintf(message, sizeof(message), "languages/x.json: %s: is missing", way);
			ck_assert_str_eq(err.message, message);
		}
}
END_TEST

static const struct {
	const char *way;
	const char *value;
} accepted[] = {
	{"comment", "'why'"},
	{"compile.comment", "'why'"},
	{"aliases", NULL},
	{"aliases", "[]"},
	{"aliases", "['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','" A63 "']"},
	{"compile.env", NULL},
	{"compile.writable", NULL},
	{"compile.extras", NULL},
	{"compile.image", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"},
	{"run.env", NULL},
	{"run.limits.cpu_usec", "{'default':1,'max':1125899906842624}"},
	{"run.limits.cpu_usec", "{'default':7,'max':7}"},
	{"selftest.input", "''"},
};

START_TEST(takes_what_may_be_missing_and_every_bound)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;
	json_t *json = base_policy();

	change(json, accepted[_i].way, accepted[_i].value);
	ck_assert_msg(parse_json(json, POLICY_LANGUAGE, &policy, &err) == 0, "%s", err.message);
	ck_assert_ptr_null(policy_free(policy));
}
END_TEST

/* An array of N strings PREFIX<index>SUFFIX. */
static json_t *numbered(size_t n, const char *prefix, const char *suffix)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(json_array_append_new(array, json_sprintf("%s%zu%s", prefix, i, suffix)), 0);
	return array;
}

static int parse_with(const char *key, json_t *value)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;
	json_t *json = base_policy();

	ck_assert_int_eq(json_object_set_new(json_object_get(json, "run"), key, value), 0);
	int r = parse_json(json, POLICY_LANGUAGE, &policy, &err);
	(void)policy_free(policy);
	return r;
}

START_TEST(bounds_arguments_and_environment)
{
	ck_assert_int_eq(parse_with("argv", numbered(BOUND_ARGS, "./", "")), 0);
	ck_assert_int_eq(parse_with("argv", numbered(BOUND_ARGS + 1, "./", "")), -EINVAL);
	ck_assert_int_eq(parse_with("env", numbered(BOUND_ENV, "E", "=")), 0);
	ck_assert_int_eq(parse_with("env", numbered(BOUND_ENV + 1, "E", "=")), -EINVAL);
}
END_TEST

static json_t *command_policy(void)
{
	json_t *json = parse("{'name':'x','title':'X','version':'1','run':{'image':'base','profile':'p','has_"
			     "proc':true}}");

	ck_assert_int_eq(json_object_set_new(json_object_get(json, "run"), "limits", limits()), 0);
	return json;
}

START_TEST(reads_a_command_policy)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;

	ck_assert_msg(parse_json(command_policy(), POLICY_COMMAND, &policy, &err) == 0, "%s", err.message);
	ck_assert_int_eq(policy->kind, POLICY_COMMAND);
	ck_assert(!policy->steps[SANDBOX_COMPILE].is_present && policy->steps[SANDBOX_RUN].is_present);
	ck_assert_ptr_null(policy->steps[SANDBOX_RUN].argv[0]);
	ck_assert_ptr_null(policy->aliases[0]);
	ck_assert_ptr_null(policy_free(policy));
}
END_TEST

static const struct {
	const char *way;
	const char *value;
	const char *message;
} refused_commands[] = {
	{"run.argv", "['/bin/sh']", "commands/x.json: run.argv: unknown key"},
	{"run.sources", "['*']", "commands/x.json: run.sources: unknown key"},
	{"compile", "{}", "commands/x.json: compile: unknown key"},
	{"file_name", "'x'", "commands/x.json: file_name: unknown key"},
	{"selftest", "{}", "commands/x.json: selftest: unknown key"},
};

START_TEST(refuses_a_language_s_keys_in_a_command_policy)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;
	json_t *json = command_policy();

	change(json, refused_commands[_i].way, refused_commands[_i].value);
	ck_assert_int_eq(parse_json(json, POLICY_COMMAND, &policy, &err), -EINVAL);
	ck_assert_str_eq(err.message, refused_commands[_i].message);
}
END_TEST

START_TEST(refuses_duplicate_keys_and_what_is_no_json)
{
	static const char *const texts[] = {"", "{", "{\"name\":\"x\",\"name\":\"x\"}", "{}x",
		"{\"name\":\"a\\u0000\"}", "{\"name\":\"\xff\"}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct sandbox_error err = {0};
		struct policy *policy = NULL;
		ck_assert_int_eq(policy_parse(POLICY_LANGUAGE, "languages/x.json", "x", texts[i],
					 strlen(texts[i]), &policy, &err),
			-EINVAL);
		ck_assert_int_eq(strncmp(err.message, "languages/x.json: line ", 23), 0);
	}
}
END_TEST

static const struct {
	const char *name;
	bool is_ok;
} file_names[] = {
	{"main.cpp", true},
	{"a", true},
	{"A-b_c+d.0", true},
	{".hidden", true},
	{"...", true},
	{"a/b/c/d/e/f/g/h", true},
	{"a/b/c/d/e/f/g/h/i", false},
	{"", false},
	{".", false},
	{"..", false},
	{"a/..", false},
	{"a/./b", false},
	{"../a", false},
	{"/a", false},
	{"a/", false},
	{"a//b", false},
	{"-a", false},
	{"a/-b", false},
	{"a b", false},
	{"a\n", false},
	{"a\\b", false},
	{"a*", false},
	{"\xc3\xa4", false},
};

START_TEST(knows_the_names_of_files_in_the_box)
{
	char longest[BOUND_FILE_NAME + 2];

	ck_assert_msg(
		policy_file_name_ok(file_names[_i].name) == file_names[_i].is_ok, "%s", file_names[_i].name);
	memset(longest, 'a', sizeof(longest));
	longest[BOUND_FILE_NAME] = '\0';
	ck_assert(policy_file_name_ok(longest));
	longest[BOUND_FILE_NAME] = 'a';
	longest[BOUND_FILE_NAME + 1] = '\0';
	ck_assert(!policy_file_name_ok(longest));
}
END_TEST

static struct policy *parsed(json_t *json, enum policy_kind kind)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;

	ck_assert_msg(parse_json(json, kind, &policy, &err) == 0, "%s", err.message);
	return policy;
}

START_TEST(builds_argv_from_template_sources_and_arguments)
{
	struct policy *policy = parsed(base_policy(), POLICY_LANGUAGE);
	const struct sandbox_file files[] = {
		{.name = "b.x"}, {.name = "note.txt"}, {.name = "dir/a.x"}, {.name = "x"}};
	const char *const args[] = {"one", "*.x"};
	static const char *const wanted[] = {"/usr/bin/xc", "-o", "out", "b.x", "dir/a.x", "one", "*.x"};
	const char *argv[BOUND_ARGS + 1];
	struct sandbox_error err = {0};

	int argc = policy_argv(
		policy, SANDBOX_COMPILE, files, ARRAY_SIZE(files), args, ARRAY_SIZE(args), argv, &err);
	ck_assert_int_eq(argc, ARRAY_SIZE(wanted));
	for (int i = 0; i < argc; i++)
		ck_assert_str_eq(argv[i], wanted[i]);
	ck_assert_ptr_null(argv[argc]);
	ck_assert_int_eq(policy_argv(policy, SANDBOX_RUN, NULL, 0, NULL, 0, argv, &err), 1);
	ck_assert_str_eq(argv[0], "./prog");
	(void)policy_free(policy);
}
END_TEST

START_TEST(refuses_a_compile_without_sources)
{
	struct policy *policy = parsed(base_policy(), POLICY_LANGUAGE);
	const struct sandbox_file file = {.name = "x.y"};
	const char *argv[BOUND_ARGS + 1];
	struct sandbox_error err = {0};

	ck_assert_int_eq(policy_argv(policy, SANDBOX_COMPILE, &file, 1, NULL, 0, argv, &err), -EINVAL);
	ck_assert_str_eq(err.stage, "request.argv");
	ck_assert_str_eq(err.message, "no source file: none is named like *.x");
	(void)policy_free(policy);
}
END_TEST

START_TEST(takes_a_command_s_argv_from_the_request)
{
	struct policy *policy = parsed(command_policy(), POLICY_COMMAND);
	const char *const args[] = {"/bin/true", "{sources}"};
	const char *argv[BOUND_ARGS + 1];
	struct sandbox_error err = {0}, absent = {0};

	ck_assert_int_eq(policy_argv(policy, SANDBOX_RUN, NULL, 0, args, 2, argv, &err), 2);
	ck_assert_str_eq(argv[1], "{sources}");
	ck_assert_int_eq(policy_argv(policy, SANDBOX_RUN, NULL, 0, NULL, 0, argv, &err), -EINVAL);
	ck_assert_str_eq(err.message, "a command without arguments");
	ck_assert_int_eq(policy_argv(policy, SANDBOX_COMPILE, NULL, 0, args, 2, argv, &absent), -EINVAL);
	ck_assert_str_eq(absent.message, "x has no compile step");
	(void)policy_free(policy);
}
END_TEST

START_TEST(bounds_the_arguments_of_a_request)
{
	struct policy *policy = parsed(command_policy(), POLICY_COMMAND);
	const char *args[BOUND_ARGS + 1], *argv[BOUND_ARGS + 1];
	struct sandbox_error err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = "a";
	ck_assert_int_eq(policy_argv(policy, SANDBOX_RUN, NULL, 0, args, BOUND_ARGS, argv, &err), BOUND_ARGS);
	ck_assert_ptr_null(argv[BOUND_ARGS]);
	ck_assert_int_eq(policy_argv(policy, SANDBOX_RUN, NULL, 0, args, BOUND_ARGS + 1, argv, &err), -E2BIG);
	ck_assert_str_eq(err.message, "more than 256 arguments");
	(void)policy_free(policy);
}
END_TEST

START_TEST(fills_limits_with_defaults_and_refuses_more_than_the_maximum)
{
	struct policy *policy = parsed(command_policy(), POLICY_COMMAND);
	const struct policy_step *step = &policy->steps[SANDBOX_RUN];

	for (enum limit_id id = 0; id < LIMIT_N; id++) {
		struct sandbox_limits request = {0};
		struct sandbox_error err = {0};
		char message[128];

		*limit_at(&request, id) = step->limits[id].maximum;
		ck_assert_int_eq(policy_limits(step, &request, &err), 0);
		for (enum limit_id other = 0; other < LIMIT_N; other++)
			ck_assert_uint_eq(limit_get(&request, other),
				other == id ? step->limits[id].maximum : step->limits[other].standard);
		*limit_at(&request, id) = step->limits[id].maximum + 1;
		ck_assert_int_eq(policy_limits(step, &request, &err), -ERANGE);
		ck_assert_str_eq(err.stage, "request.limits");
		(void)snprintf(message, sizeof(message), "%s: %d is more than the policy's maximum %d",
			limit_infos[id].key, 101 + (int)id, 100 + (int)id);
		ck_assert_str_eq(err.message, message);
	}
	(void)policy_free(policy);
}
END_TEST

TEST_PROGRAM("policy", 60, tcase_add_test(tc, reads_every_key);
	     tcase_add_loop_test(tc, refuses_and_names_file_key_and_reason, 0, ARRAY_SIZE(refused));
	     tcase_add_test(tc, wants_every_limit);
	     tcase_add_loop_test(tc, takes_what_may_be_missing_and_every_bound, 0, ARRAY_SIZE(accepted));
	     tcase_add_test(tc, bounds_arguments_and_environment); tcase_add_test(tc, reads_a_command_policy);
	     tcase_add_loop_test(
		     tc, refuses_a_language_s_keys_in_a_command_policy, 0, ARRAY_SIZE(refused_commands));
	     tcase_add_test(tc, refuses_duplicate_keys_and_what_is_no_json);
	     tcase_add_loop_test(tc, knows_the_names_of_files_in_the_box, 0, ARRAY_SIZE(file_names));
	     tcase_add_test(tc, builds_argv_from_template_sources_and_arguments);
	     tcase_add_test(tc, refuses_a_compile_without_sources);
	     tcase_add_test(tc, takes_a_command_s_argv_from_the_request);
	     tcase_add_test(tc, bounds_the_arguments_of_a_request);
	     tcase_add_test(tc, fills_limits_with_defaults_and_refuses_more_than_the_maximum))
