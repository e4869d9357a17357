/* fuzz_policy.c: policy files. What loads has all its limits, a usable argv, and names that are safe. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/parse.h"
#include "tests/fuzz/fuzz.h"

/* Said once more, without the code's own words: where would this name lead below /box? */
static void check_name(const char *name)
{
	if (!policy_file_name_ok(name))
		return;
	FUZZ_REQUIRE(name[0] != '\0' && name[0] != '/' && name[0] != '-');
	FUZZ_REQUIRE(strlen(name) <= BOUND_FILE_NAME && strstr(name, "//") == NULL);
	FUZZ_REQUIRE(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && strstr(name, "/../") == NULL);
	FUZZ_REQUIRE(strlen(name) < 3 || strcmp(name + strlen(name) - 3, "/..") != 0);
	for (; *name != '\0'; name++)
		FUZZ_REQUIRE(*name > ' ' && *name < 0x7f &&
			     strchr("\\'\"`$;|&<>()*?[]{}~!#%^=:,@", *name) == NULL);
}

static void check_limits(const struct policy_step *step)
{
	struct sandbox_limits limits = {0};

	FUZZ_REQUIRE(policy_limits(step, &limits, NULL) == 0);
	for (enum limit_id id = 0; id < LIMIT_N; id++) {
		const struct limit_range *range = &step->limits[id];
		FUZZ_REQUIRE(range->standard > 0 && range->standard <= range->maximum);
		FUZZ_REQUIRE(limit_get(&limits, id) == range->standard);
		struct sandbox_limits more = limits;
		*limit_at(&more, id) = range->maximum + 1;
		FUZZ_REQUIRE(policy_limits(step, &more, NULL) == -ERANGE);
	}
}

static void check_argv(const struct policy *policy, enum sandbox_step id)
{
	static const struct sandbox_file files[] = {
		{.name = "main.cpp"}, {.name = "src/a.c"}, {.name = "go.mod"}};
	static const char *const args[] = {"./x", "-v"};
	const char *argv[BOUND_ARGS + 1];
	struct sandbox_error err = {0};

	int argc = policy_argv(policy, id, files, ARRAY_SIZE(files), args, ARRAY_SIZE(args), argv, &err);
	if (argc < 0) {
		FUZZ_REQUIRE(strcmp(err.stage, "request.argv") == 0);
		return;
	}
	FUZZ_REQUIRE(argc >= (int)ARRAY_SIZE(args) && argc <= BOUND_ARGS && argv[argc] == NULL);
	FUZZ_REQUIRE(argv[argc - 1] == args[1] && argv[argc - 2] == args[0]);
	for (int i = 0; i < argc; i++)
		FUZZ_REQUIRE(strcmp(argv[i], "{sources}") != 0 || policy->kind == POLICY_COMMAND);
}

static void check_step(const struct policy *policy, enum sandbox_step id)
{
	const struct policy_step *step = &policy->steps[id];

	FUZZ_REQUIRE(policy_name_ok(step->image, 32) && policy_name_ok(step->profile, BOUND_POLICY_NAME));
	for (size_t i = 0; step->env[i] != NULL; i++)
		FUZZ_REQUIRE(strchr(step->env[i], '=') > step->env[i]);
	for (size_t i = 0; step->writable[i] != NULL; i++)
		FUZZ_REQUIRE(step->writable[i][0] == '/' && strstr(step->writable[i], "/..") == NULL);
	for (size_t i = 0; i < step->nextras; i++)
		FUZZ_REQUIRE(policy_file_name_ok(step->extras[i].name) && step->extras[i].content != NULL);
	check_limits(step);
	check_argv(policy, id);
}

static void load(enum policy_kind kind, const char *name, const char *text, size_t size)
{
	struct sandbox_error err = {0};
	struct policy *policy = NULL;

	int r = policy_parse(kind, "p.json", name, text, size, &policy, &err);
	FUZZ_REQUIRE(r == -err.errno_value);
	if (r < 0) {
		FUZZ_REQUIRE(strcmp(err.stage, "policy") == 0 && policy == NULL);
		return;
	}
	FUZZ_REQUIRE(strcmp(policy->name, name) == 0 && policy->steps[SANDBOX_RUN].is_present);
	for (enum sandbox_step id = 0; id < SANDBOX_STEP_N; id++)
		if (policy->steps[id].is_present)
			check_step(policy, id);
	(void)policy_free(policy);
}

/* The loader takes a policy's name from its file. Here the file is called as the policy says it is. */
static void name_of(const char *text, size_t size, char name[BOUND_POLICY_NAME + 1])
{
	json_t *tree = json_loadb(text, size, 0, NULL);
	const char *said = json_string_value(json_object_get(tree, "name"));
	bool is_fit = said != NULL && policy_name_ok(said, BOUND_POLICY_NAME);

	(void)snprintf(name, BOUND_POLICY_NAME + 1, "%s", is_fit ? said : "default");
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char name[BOUND_POLICY_NAME + 1];
	_cleanup_free_ char *string = strndup(text, size);

	name_of(text, size, name);
	load(POLICY_LANGUAGE, name, text, size);
	load(POLICY_COMMAND, name, text, size);
	check_name(string);
	return 0;
}
