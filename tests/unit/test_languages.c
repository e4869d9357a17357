#include "sandbox/base/fd.h"
#include "service/languages.h"
#include "tests/lib/schema.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"
#include "tests/lib/yaml.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct languages *languages;
static struct sandbox_error err;

static void set_up(void)
{
	int r = languages_open("policies", &languages, &err);

	ck_assert_msg(r == 0, "%s", err.message);
}

static void tear_down(void)
{
	languages = languages_close(languages);
	ck_assert_ptr_null(languages);
}

static const struct {
	const char *name, *id; /* NULL: unsupported */
} names[] = {
	{"cpp", "cpp"},
	{"CPP", "cpp"},
	{"c++", "cpp"},
	{"C++", "cpp"},
	{"G++", "cpp"},
	{"go", "go"},
	{"Go", "go"},
	{"golang", "go"},
	{"GoLang", "go"},
	{"default", NULL}, /* a policy, but a command's */
	{"brainfuck", NULL},
	{"c", NULL},
	{"cpp ", NULL},
	{" cpp", NULL},
	{"cp", NULL},
	{"../languages/cpp", NULL},
	{"", NULL},
};

START_TEST(finds_a_language_by_each_of_its_names)
{
	set_up();
	const struct policy *policy = languages_find(languages, names[_i].name);
	ck_assert_pstr_eq(policy ? policy->name : NULL, names[_i].id);
	tear_down();
}
END_TEST

START_TEST(holds_languages_only)
{
	set_up();
	ck_assert_uint_ge(languages_count(languages), 2);
	for (size_t i = 0; i < languages_count(languages); i++) {
		const struct policy *policy = languages_at(languages, i);
		ck_assert_int_eq((int)policy->kind, POLICY_LANGUAGE);
		ck_assert_ptr_eq(languages_find(languages, policy->name), policy);
		if (i > 0)
			ck_assert_str_lt(languages_at(languages, i - 1)->name, policy->name);
	}
	tear_down();
}
END_TEST

START_TEST(lists_the_ids)
{
	set_up();
	json_t *list = languages_ids(languages);
	ck_assert_uint_eq(json_array_size(list), languages_count(languages));
	for (size_t i = 0; i < json_array_size(list); i++)
		ck_assert_str_eq(
			json_string_value(json_array_get(list, i)), languages_at(languages, i)->name);
	json_decref(list);
	tear_down();
}
END_TEST

/* Each as the schema Language in the documentation of the API says. */
START_TEST(describes_each_as_documented)
{
	json_t *document = yaml_load("docs/http-api.yaml");
	char why[256];

	set_up();
	json_t *schema = json_pack("{s:s}", "$ref", "#/components/schemas/Language"),
	       *json = languages_json(languages);
	const json_t *list = json_object_get(json, "languages");
	ck_assert_uint_eq(json_array_size(list), languages_count(languages));
	for (size_t i = 0; i < json_array_size(list); i++)
		ck_assert_msg(
			schema_holds(document, schema, json_array_get(list, i), why, sizeof(why)), "%s", why);
	json_decref(schema);
	json_decref(json);
	json_decref(document);
	tear_down();
}
END_TEST

START_TEST(describes_what_the_policy_says)
{
	set_up();
	const struct policy *policy = languages_find(languages, "cpp");
	json_t *json = languages_json(languages);
	const json_t *cpp = json_array_get(json_object_get(json, "languages"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(cpp, "id")), "cpp");
	ck_assert_str_eq(json_string_value(json_object_get(cpp, "name")), policy->title);
	ck_assert_str_eq(json_string_value(json_object_get(cpp, "version")), policy->version);
	ck_assert_str_eq(json_string_value(json_object_get(cpp, "fileName")), "main.cpp");
	ck_assert(json_is_true(json_object_get(cpp, "isCompiled")));
	ck_assert_str_eq(
		json_string_value(json_array_get(json_object_get(cpp, "aliases"), 0)), policy->aliases[0]);
	const json_t *limits = json_object_get(cpp, "limits");
	ck_assert_uint_eq(json_object_size(limits), LIMIT_N);
	for (unsigned i = 0; i < LIMIT_N; i++) {
		const struct limit_range *range = &policy->steps[SANDBOX_RUN].limits[i];
		const json_t *limit = json_object_get(limits, limit_infos[i].key);
		ck_assert_uint_eq(
			(uint64_t)json_integer_value(json_object_get(limit, "default")), range->standard);
		ck_assert_uint_eq(
			(uint64_t)json_integer_value(json_object_get(limit, "maximum")), range->maximum);
	}
	json_decref(json);
	tear_down();
}
END_TEST

static struct scratch new_policies(void)
{
	static const char *const parts[] = {"languages", "commands", "seccomp"};
	struct scratch scratch;
	char path[128];

	scratch_open(&scratch);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		ck_assert_int_eq(mkdir(scratch_path(&scratch, parts[i], path, sizeof(path)), 0700), 0);
	return scratch;
}

static void copy_shipped(const struct scratch *scratch, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[128];
	size_t size;

	(void)snprintf(path, sizeof(path), "policies/%s", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_read_all(fd, BOUND_POLICY_BYTES, &text, &size), 0);
	scratch_write(scratch, name, text, size);
}

START_TEST(needs_a_language_beside_the_commands)
{
	struct scratch scratch = new_policies();

	copy_shipped(&scratch, "commands/default.json");
	copy_shipped(&scratch, "seccomp/command.json");
	ck_assert_int_eq(languages_open(scratch.dir, &languages, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "holds no language"));
	ck_assert_ptr_null(languages);
	scratch_close(&scratch);
}
END_TEST

START_TEST(passes_on_what_is_wrong_with_a_policy)
{
	struct scratch scratch = new_policies();

	scratch_write(&scratch, "languages/x.json", "{}", 2);
	ck_assert_int_eq(languages_open(scratch.dir, &languages, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "languages/x.json"));
	ck_assert_ptr_null(languages);
	scratch_close(&scratch);
}
END_TEST

TEST_PROGRAM("languages", 20,
	     tcase_add_loop_test(tc, finds_a_language_by_each_of_its_names, 0, (int)ARRAY_SIZE(names));
	     tcase_add_test(tc, holds_languages_only); tcase_add_test(tc, lists_the_ids);
	     tcase_add_test(tc, describes_each_as_documented);
	     tcase_add_test(tc, describes_what_the_policy_says);
	     tcase_add_test(tc, needs_a_language_beside_the_commands);
	     tcase_add_test(tc, passes_on_what_is_wrong_with_a_policy))
