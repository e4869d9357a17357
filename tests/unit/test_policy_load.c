/* Directories of policies: what is read, what is refused, and the shipped ones. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* A directory below /tmp with languages/, commands/ and seccomp/p.json. */
struct tree {
	char path[32];
	int fd;
};

static const char *const parts[] = {"languages", "commands", "seccomp"};

static void put(const struct tree *tree, const char *name, const char *text, size_t size)
{
	_cleanup_close_ int fd = openat(tree->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_eq(fd_write_all(fd, text, size), 0);
}

static struct tree tree_make(void)
{
	static const char profile[] = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}";
	struct tree tree = {.path = "/tmp/policy-test-XXXXXX", .fd = -1};

	ck_assert_ptr_nonnull(mkdtemp(tree.path));
	tree.fd = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(tree.fd, 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		ck_assert_int_eq(mkdirat(tree.fd, parts[i], 0700), 0);
	put(&tree, "seccomp/p.json", profile, sizeof(profile) - 1);
	return tree;
}

static void remove_part(const struct tree *tree, const char *part)
{
	int fd = openat(tree->fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (stream == NULL) { /* a test put something else there, or removed it */
		(void)unlinkat(tree->fd, part, 0);
		return;
	}
	while ((entry = readdir(stream)) != NULL)
		if (unlinkat(fd, entry->d_name, 0) < 0)
			(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	(void)closedir(stream);
	ck_assert_int_eq(unlinkat(tree->fd, part, AT_REMOVEDIR), 0);
}

static void tree_remove(struct tree *tree)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		remove_part(tree, parts[i]);
	tree->fd = fd_close(tree->fd);
	ck_assert_int_eq(rmdir(tree->path), 0);
}

/* The text of a command policy. Owned by the caller. */
static char *command(const char *name, const char *aliases, const char *profile, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	ck_assert_ptr_nonnull(out);
	(void)fprintf(out,
		"{\"name\":\"%s\",\"title\":\"T\",\"version\":\"1\",\"aliases\":[%s],\"run\":{\"image\":"
		"\"base\","
		"\"profile\":\"%s\",\"has_proc\":true,\"limits\":{",
		name, aliases, profile);
	for (int id = 0; id < LIMIT_N; id++)
		(void)fprintf(
			out, "%s\"%s\":{\"default\":8,\"max\":9}", id > 0 ? "," : "", limit_infos[id].key);
	(void)fputs("}}}", out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void put_command(const struct tree *tree, const char *name, const char *aliases, const char *profile)
{
	char path[128];
	size_t size;
	_cleanup_free_ char *text = command(name, aliases, profile, &size);

	(void)snprintf(path, sizeof(path), "commands/%s.json", name);
	put(tree, path, text, size);
}

static void expect_loaded(const struct tree *tree, const char *only, size_t npolicies)
{
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	ck_assert_msg(policy_set_load(tree->path, only, &set, &err) == 0, "%s", err.message);
	ck_assert_uint_eq(set->npolicies, npolicies);
	ck_assert_ptr_null(policy_set_free(set));
}

static void expect_refused(const struct tree *tree, const char *only, int wanted, const char *message)
{
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	ck_assert_int_eq(policy_set_load(tree->path, only, &set, &err), wanted);
	ck_assert_str_eq(err.message, message);
	ck_assert_ptr_null(set);
}

START_TEST(loads_every_policy_in_the_order_of_the_names)
{
	struct tree tree = tree_make();
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	put_command(&tree, "b", "\"Bee\"", "p");
	put_command(&tree, "a", "", "p");
	put(&tree, "commands/.b.json.swp", "", 0);
	ck_assert_msg(policy_set_load(tree.path, NULL, &set, &err) == 0, "%s", err.message);
	ck_assert_uint_eq(set->npolicies, 2);
	ck_assert_str_eq(set->policies[0]->name, "a");
	ck_assert_str_eq(set->policies[1]->name, "b");
	ck_assert_ptr_eq(policy_find(set, "b"), set->policies[1]);
	ck_assert_ptr_eq(policy_find(set, "bEE"), set->policies[1]);
	ck_assert_ptr_null(policy_find(set, "c"));
	ck_assert_ptr_null(policy_find(set, ""));
	ck_assert_ptr_null(policy_set_free(set));
	tree_remove(&tree);
}
END_TEST

START_TEST(loads_only_the_one_that_is_asked_for)
{
	struct tree tree = tree_make();

	put_command(&tree, "a", "\"Ay\"", "p");
	put_command(&tree, "b", "", "p");
	expect_loaded(&tree, "a", 1);
	expect_loaded(&tree, "aY", 1);
	expect_refused(&tree, "c", -ENOENT, "there is no policy \"c\"");
	expect_refused(&tree, "../commands/a", -ENOENT, "there is no policy \"../commands/a\"");
	put(&tree, "commands/broken.json", "", 0);
	expect_loaded(&tree, "a", 1); /* as a file's name it needs no other file */
	tree_remove(&tree);
}
END_TEST

START_TEST(shares_no_memory_between_policies_of_one_profile)
{
	struct tree tree = tree_make();
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	put_command(&tree, "a", "", "p");
	put_command(&tree, "b", "", "p");
	ck_assert_int_eq(policy_set_load(tree.path, NULL, &set, &err), 0);
	const struct filter_program *a = &set->policies[0]->steps[SANDBOX_RUN].filter;
	const struct filter_program *b = &set->policies[1]->steps[SANDBOX_RUN].filter;
	ck_assert_ptr_ne(a->insns, b->insns);
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_mem_eq(a->insns, b->insns, a->len * sizeof(*a->insns));
	(void)policy_set_free(set);
	tree_remove(&tree);
}
END_TEST

START_TEST(refuses_a_name_that_leads_to_two_policies)
{
	struct tree tree = tree_make();

	put_command(&tree, "a", "\"x\",\"X\"", "p");
	expect_refused(&tree, NULL, -EINVAL, "commands/a.json: aliases: \"X\" stands twice");
	put_command(&tree, "a", "\"x\"", "p");
	put_command(&tree, "b", "\"X\"", "p");
	expect_refused(&tree, NULL, -EINVAL, "commands/b.json: aliases: \"X\" is taken by commands/a.json");
	put_command(&tree, "b", "\"A\"", "p");
	expect_refused(&tree, NULL, -EINVAL, "commands/b.json: aliases: \"A\" is taken by commands/a.json");
	put_command(&tree, "a", "\"b\"", "p");
	put_command(&tree, "b", "", "p");
	expect_refused(&tree, NULL, -EINVAL, "commands/b.json: name: \"b\" is taken by commands/a.json");
	tree_remove(&tree);
}
END_TEST

START_TEST(refuses_what_is_no_policy_file)
{
	struct tree tree = tree_make();
	char where[256];

	expect_refused(&tree, NULL, -EINVAL, "languages, commands: there is no policy");
	put_command(&tree, "a", "", "p");
	put(&tree, "commands/README", "", 0);
	expect_refused(&tree, NULL, -EINVAL,
		"commands/README: is not called NAME.json with a NAME of a-z, 0-9 and '-'");
	ck_assert_int_eq(unlinkat(tree.fd, "commands/README", 0), 0);
	put(&tree, "commands/B.json", "", 0);
	expect_refused(&tree, NULL, -EINVAL,
		"commands/B.json: is not called NAME.json with a NAME of a-z, 0-9 and '-'");
	ck_assert_int_eq(unlinkat(tree.fd, "commands/B.json", 0), 0);
	ck_assert_int_eq(mkdirat(tree.fd, "commands/b.json", 0700), 0);
	expect_refused(&tree, NULL, -EINVAL, "commands/b.json: is no regular file");
	ck_assert_int_eq(unlinkat(tree.fd, "commands/b.json", AT_REMOVEDIR), 0);
	ck_assert_int_eq(mkfifoat(tree.fd, "commands/b.json", 0600), 0);
	expect_refused(&tree, NULL, -EINVAL, "commands/b.json: is no regular file");
	ck_assert_int_eq(unlinkat(tree.fd, "commands/b.json", 0), 0);
	ck_assert_int_eq(symlinkat("a.json", tree.fd, "commands/b.json"), 0);
	expect_refused(&tree, NULL, -ELOOP, "commands/b.json: Too many levels of symbolic links");
	ck_assert_int_eq(unlinkat(tree.fd, "commands/b.json", 0), 0);
	expect_loaded(&tree, NULL, 1);
	remove_part(&tree, "languages");
	ck_assert_int_eq(symlinkat("commands", tree.fd, "languages"), 0);
	expect_refused(&tree, NULL, -ENOTDIR, "languages: Not a directory");
	tree_remove(&tree);
	(void)snprintf(where, sizeof(where), "%s: No such file or directory", tree.path);
	expect_refused(&tree, NULL, -ENOENT, where);
}
END_TEST

START_TEST(refuses_profiles_that_are_missing_or_broken)
{
	struct tree tree = tree_make();

	put_command(&tree, "a", "", "q");
	expect_refused(&tree, NULL, -EINVAL, "commands/a.json: run.profile: there is no seccomp/q.json");
	expect_refused(&tree, "a", -EINVAL, "commands/a.json: run.profile: there is no seccomp/q.json");
	put(&tree, "seccomp/q.json", "{}", 2);
	expect_refused(&tree, NULL, -EINVAL, "seccomp/q.json: defaultAction: is missing");
	put_command(&tree, "a", "", "p"); /* a profile that nobody names is validated too */
	expect_refused(&tree, NULL, -EINVAL, "seccomp/q.json: defaultAction: is missing");
	expect_loaded(&tree, "a", 1);
	tree_remove(&tree);
}
END_TEST

/* A policy of exactly SIZE bytes: JSON may end in spaces. */
static void put_padded(const struct tree *tree, size_t size)
{
	size_t used;
	_cleanup_free_ char *text = command("a", "", "p", &used);
	_cleanup_free_ char *padded = malloc(size);

	ck_assert_ptr_nonnull(padded);
	memset(padded, ' ', size);
	memcpy(padded, text, used);
	put(tree, "commands/a.json", padded, size);
}

START_TEST(bounds_the_size_of_a_file)
{
	struct tree tree = tree_make();

	put_padded(&tree, BOUND_POLICY_BYTES);
	expect_loaded(&tree, NULL, 1);
	put_padded(&tree, BOUND_POLICY_BYTES + 1);
	expect_refused(&tree, NULL, -EINVAL, "commands/a.json: has more than 1048576 bytes");
	tree_remove(&tree);
}
END_TEST

START_TEST(bounds_the_number_of_policies)
{
	struct tree tree = tree_make();

	for (int i = 0; i < BOUND_POLICIES; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "n%d", i);
		put_command(&tree, name, "", "p");
	}
	expect_loaded(&tree, NULL, BOUND_POLICIES);
	put_command(&tree, "one-more", "", "p");
	expect_refused(&tree, NULL, -EINVAL, "commands: has more than 128 files");
	tree_remove(&tree);
}
END_TEST

START_TEST(bounds_the_length_of_a_name)
{
	struct tree tree = tree_make();
	char name[BOUND_POLICY_NAME + 2], path[128], message[256];

	memset(name, 'a', sizeof(name));
	name[BOUND_POLICY_NAME] = '\0';
	put_command(&tree, name, "", "p");
	expect_loaded(&tree, NULL, 1);
	expect_loaded(&tree, name, 1);
	name[BOUND_POLICY_NAME] = 'a';
	name[BOUND_POLICY_NAME + 1] = '\0';
	(void)snprintf(path, sizeof(path), "commands/%s.json", name);
	put(&tree, path, "{}", 2);
	(void)snprintf(message, sizeof(message),
		"%s: is not called NAME.json with a NAME of a-z, 0-9 and '-'", path);
	expect_refused(&tree, NULL, -EINVAL, message);
	tree_remove(&tree);
}
END_TEST

/* What the issue promises for the languages: names, files, limits. */
START_TEST(ships_policies_for_cpp_go_and_commands)
{
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	ck_assert_msg(policy_set_load(DEFAULT_POLICIES_DIR, NULL, &set, &err) == 0, "%s", err.message);
	const struct policy *cpp = policy_find(set, "C++"), *go = policy_find(set, "golang");
	const struct policy *command_policy = policy_find(set, "default");
	ck_assert(cpp != NULL && go != NULL && command_policy != NULL);
	ck_assert_str_eq(cpp->name, "cpp");
	ck_assert_str_eq(cpp->file_name, "main.cpp");
	ck_assert_str_eq(go->name, "go");
	ck_assert_str_eq(go->file_name, "main.go");
	ck_assert_int_eq(command_policy->kind, POLICY_COMMAND);
	for (size_t i = 0; i < set->npolicies; i++) {
		const struct limit_range *run = set->policies[i]->steps[SANDBOX_RUN].limits;
		ck_assert_uint_eq(run[LIMIT_ID_memory_bytes].standard, 256 << 20);
		ck_assert_uint_eq(run[LIMIT_ID_processes].standard, 64);
		ck_assert_uint_eq(run[LIMIT_ID_cpu_millis].standard, 1000);
		ck_assert_uint_eq(run[LIMIT_ID_output_bytes].standard, 10 << 20);
		ck_assert_uint_lt(run[LIMIT_ID_cpu_usec].standard, run[LIMIT_ID_wall_usec].standard);
	}
	(void)policy_set_free(set);
}
END_TEST

/* What `cofferdam verify` attacks is the step; and nothing but verify can name it. */
START_TEST(a_variant_is_the_step_under_another_name)
{
	struct sandbox_error err = {0};
	struct policy_set *set = NULL;

	ck_assert_msg(policy_set_load(DEFAULT_POLICIES_DIR, NULL, &set, &err) == 0, "%s", err.message);
	ck_assert_ptr_null(policy_find(set, "go@compile"));
	size_t before = set->npolicies;
	ck_assert_int_eq(policy_set_add_variants(set, &err), 0);
	ck_assert_uint_eq(set->npolicies, before + 5); /* cpp and go have two steps, default has one */
	const struct policy *go = policy_find(set, "go"), *variant = policy_find(set, "go@compile");
	ck_assert(variant != NULL && variant->kind == POLICY_COMMAND);
	const struct policy_step *step = &go->steps[SANDBOX_COMPILE], *copy = &variant->steps[SANDBOX_RUN];
	ck_assert(copy->is_present && !variant->steps[SANDBOX_COMPILE].is_present);
	ck_assert_str_eq(copy->image, step->image);
	ck_assert_str_eq(copy->profile, step->profile);
	ck_assert_str_eq(copy->writable[0], "/opt/go-cache");
	ck_assert_ptr_null(copy->writable[1]);
	ck_assert(copy->argv[0] == NULL && copy->sources[0] == NULL && copy->nextras == 0);
	ck_assert(copy->collect == NULL && copy->has_proc == step->has_proc);
	ck_assert(!step->can_execute_files && copy->can_execute_files); /* or no attack could be started */
	for (size_t i = 0; step->env[i] != NULL || copy->env[i] != NULL; i++)
		ck_assert_str_eq(copy->env[i], step->env[i]);
	ck_assert_mem_eq(copy->limits, step->limits, sizeof(step->limits));
	ck_assert_uint_eq(copy->filter.len, step->filter.len);
	ck_assert(copy->filter.insns != step->filter.insns);
	ck_assert_mem_eq(
		copy->filter.insns, step->filter.insns, step->filter.len * sizeof(*step->filter.insns));
	(void)policy_set_free(set);
}
END_TEST

TEST_PROGRAM("policy_load", 60, tcase_add_test(tc, loads_every_policy_in_the_order_of_the_names);
	     tcase_add_test(tc, loads_only_the_one_that_is_asked_for);
	     tcase_add_test(tc, shares_no_memory_between_policies_of_one_profile);
	     tcase_add_test(tc, refuses_a_name_that_leads_to_two_policies);
	     tcase_add_test(tc, refuses_what_is_no_policy_file);
	     tcase_add_test(tc, refuses_profiles_that_are_missing_or_broken);
	     tcase_add_test(tc, bounds_the_size_of_a_file); tcase_add_test(tc, bounds_the_number_of_policies);
	     tcase_add_test(tc, bounds_the_length_of_a_name);
	     tcase_add_test(tc, ships_policies_for_cpp_go_and_commands);
	     tcase_add_test(tc, a_variant_is_the_step_under_another_name))
