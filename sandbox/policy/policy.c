/* policy.c: the set of policies of an installation, read once at start.
 *
 * Everything is opened relative to one held directory and links are not followed below it. Each seccomp profile is
 * compiled once; every step that names it gets its own copy of the program, so that policies own all they hold.
 * The JSON of a policy is described at the head of parse.c. */
#include "sandbox/policy/policy.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/listing.h"
#include "sandbox/policy/parse.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct profile_file {
	char *name;
	struct filter_program filter;
};

struct loader {
	int dirfd; /* owned */
	struct policy_set *set;
	struct profile_file profiles[BOUND_POLICIES];
	size_t nprofiles;
	struct sandbox_error *err;
};

static const char *const directories[] = {[POLICY_LANGUAGE] = "languages", [POLICY_COMMAND] = "commands"};
const char *sandbox_step_name(enum sandbox_step step)
{
	static const char *const names[] = {[SANDBOX_COMPILE] = "compile", [SANDBOX_RUN] = "run"};

	return names[step];
}

enum { WHERE_SIZE = 32 + LISTING_NAME_SIZE };

static void where_of(char where[WHERE_SIZE], const char *directory, const char *name)
{
	(void)snprintf(where, WHERE_SIZE, "%s/%s.json", directory, name);
}

static int out_of_memory(struct loader *loader, const char *where)
{
	(void)error_set(loader->err, ENOMEM, "policy", "%s: out of memory", where);
	return -ENOMEM;
}

static int read_file(struct loader *loader, const char *where, char **ret, size_t *ret_size)
{
	struct stat st;

	/* O_NONBLOCK: a FIFO in the way must not hold the start up. */
	_cleanup_close_ int fd = openat(loader->dirfd, where, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(loader->err, "policy", "%s", where);
	if (!S_ISREG(st.st_mode))
		return error_set(loader->err, EINVAL, "policy", "%s: is no regular file", where);
	int r = fd_read_all(fd, BOUND_POLICY_BYTES, ret, ret_size);
	if (r == -EFBIG)
		return error_set(loader->err, EINVAL, "policy", "%s: has more than %d bytes", where,
			BOUND_POLICY_BYTES);
	if (r < 0)
		return error_set(loader->err, -r, "policy", "%s: %s", where, strerrordesc_np(-r));
	return 0;
}

static bool exists(const struct loader *loader, const char *where)
{
	struct stat st;

	return fstatat(loader->dirfd, where, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The compiled profile NAME, borrowed from LOADER; compiled at its first use. */
static int find_profile(struct loader *loader, const char *name, const struct filter_program **ret)
{
	_cleanup_free_ char *text = NULL;
	char where[WHERE_SIZE];
	size_t size = 0;

	for (size_t i = 0; i < loader->nprofiles; i++)
		if (strcmp(loader->profiles[i].name, name) == 0) {
			*ret = &loader->profiles[i].filter;
			return 0;
		}
	where_of(where, "seccomp", name);
	if (loader->nprofiles == BOUND_POLICIES)
		return error_set(loader->err, EINVAL, "policy", "%s: there are more than %d profiles", where,
			BOUND_POLICIES);
	int r = read_file(loader, where, &text, &size);
	if (r < 0)
		return r;
	struct profile_file *file = &loader->profiles[loader->nprofiles];
	r = filter_compile(where, text, size, &file->filter, loader->err);
	if (r < 0)
		return r;
	loader->nprofiles++;
	file->name = strdup(name);
	*ret = &file->filter;
	return file->name == NULL ? out_of_memory(loader, where) : 0;
}

static int attach_filter(
	struct loader *loader, const char *where, const char *step_name, struct policy_step *step)
{
	const struct filter_program *filter;
	char profile[WHERE_SIZE];

	where_of(profile, "seccomp", step->profile);
	if (!exists(loader, profile))
		return error_set(loader->err, EINVAL, "policy", "%s: %s.profile: there is no %s", where,
			step_name, profile);
	int r = find_profile(loader, step->profile, &filter);
	if (r < 0)
		return r;
	struct sock_filter *insns = calloc(filter->len, sizeof(*insns));
	if (insns == NULL)
		return out_of_memory(loader, where);
	memcpy(insns, filter->insns, filter->len * sizeof(*insns));
	step->filter = *filter;
	step->filter.insns = insns;
	return 0;
}

/* Parses one policy file and appends it to the set. */
static int load_policy(struct loader *loader, enum policy_kind kind, const char *name)
{
	_cleanup_free_ char *text = NULL;
	struct policy *policy;
	char where[WHERE_SIZE];
	size_t size = 0;

	where_of(where, directories[kind], name);
	if (loader->set->npolicies == BOUND_POLICIES)
		return error_set(loader->err, EINVAL, "policy", "%s: there are more than %d policies", where,
			BOUND_POLICIES);
	int r = read_file(loader, where, &text, &size);
	if (r == 0)
		r = policy_parse(kind, where, name, text, size, &policy, loader->err);
	if (r != 0)
		return r;
	loader->set->policies[loader->set->npolicies++] = policy;
	for (int id = 0; r == 0 && id < SANDBOX_STEP_N; id++)
		if (policy->steps[id].is_present)
			r = attach_filter(
				loader, where, sandbox_step_name((enum sandbox_step)id), &policy->steps[id]);
	return r;
}

static int load_kind(struct loader *loader, enum policy_kind kind)
{
	struct listing listing;

	int r = listing_read(loader->dirfd, directories[kind], &listing, loader->err);
	for (size_t i = 0; r == 0 && i < listing.n; i++)
		r = load_policy(loader, kind, listing.names[i]);
	return r;
}

/* Profiles that no policy names are validated too. */
static int load_profiles(struct loader *loader)
{
	const struct filter_program *unused;
	struct listing listing;

	int r = listing_read(loader->dirfd, "seccomp", &listing, loader->err);
	for (size_t i = 0; r == 0 && i < listing.n; i++)
		r = find_profile(loader, listing.names[i], &unused);
	return r;
}

/* A policy's name (INDEX 0) and its aliases (from 1 on); NULL past the last. */
static const char *name_at(const struct policy *policy, size_t index)
{
	return index == 0 ? policy->name : policy->aliases[index - 1];
}

static bool answers_to(const struct policy *policy, const char *name)
{
	for (size_t i = 0; name_at(policy, i) != NULL; i++)
		if (strcasecmp(name_at(policy, i), name) == 0)
			return true;
	return false;
}

static int compare_policies(const void *left, const void *right)
{
	const struct policy *const *a = left, *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

/* No name or alias may lead to two policies, nor twice to one. */
static int check_names(const struct loader *loader, const struct policy *policy, size_t rank)
{
	for (size_t i = 0; name_at(policy, i) != NULL; i++) {
		const char *name = name_at(policy, i);
		for (size_t k = 0; k < i; k++)
			if (strcasecmp(name_at(policy, k), name) == 0)
				return error_set(loader->err, EINVAL, "policy",
					"%s/%s.json: aliases: \"%s\" stands twice", directories[policy->kind],
					policy->name, name);
		for (size_t k = 0; k < rank; k++) {
			const struct policy *other = loader->set->policies[k];
			if (answers_to(other, name))
				return error_set(loader->err, EINVAL, "policy",
					"%s/%s.json: %s: \"%s\" is taken by %s/%s.json",
					directories[policy->kind], policy->name, i == 0 ? "name" : "aliases",
					name, directories[other->kind], other->name);
		}
	}
	return 0;
}

static int load_all(struct loader *loader)
{
	struct policy_set *set = loader->set;

	int r = load_kind(loader, POLICY_LANGUAGE);
	if (r == 0)
		r = load_kind(loader, POLICY_COMMAND);
	if (r == 0)
		r = load_profiles(loader);
	if (r == 0 && set->npolicies == 0)
		return error_set(loader->err, EINVAL, "policy", "languages, commands: there is no policy");
	if (r == 0)
		qsort(set->policies, set->npolicies, sizeof(struct policy *), compare_policies);
	for (size_t i = 0; r == 0 && i < set->npolicies; i++)
		r = check_names(loader, set->policies[i], i);
	return r;
}

/* ONLY as a file's name needs no other file. As an alias it is known once all are read; the others are let go. */
static int load_only(struct loader *loader, const char *only)
{
	struct policy_set *set = loader->set;
	char where[WHERE_SIZE];

	for (enum policy_kind kind = POLICY_LANGUAGE; kind <= POLICY_COMMAND; kind++) {
		if (!policy_name_ok(only, BOUND_POLICY_NAME))
			break;
		where_of(where, directories[kind], only);
		if (exists(loader, where))
			return load_policy(loader, kind, only);
	}
	int r = load_all(loader);
	if (r < 0)
		return r;
	struct policy *found = NULL;
	for (size_t i = 0; i < set->npolicies; i++) {
		if (answers_to(set->policies[i], only))
			found = set->policies[i];
		else
			(void)policy_free(set->policies[i]);
	}
	set->npolicies = found != NULL;
	set->policies[0] = found;
	return found != NULL ? 0
			     : error_set(loader->err, ENOENT, "policy", "there is no policy \"%s\"", only);
}

static void loader_close(struct loader *loader)
{
	for (size_t i = 0; i < loader->nprofiles; i++) {
		free(loader->profiles[i].name);
		filter_free(&loader->profiles[i].filter);
	}
	(void)policy_set_free(loader->set);
	(void)fd_close(loader->dirfd);
}

int policy_set_load(const char *dir, const char *only, struct policy_set **ret, struct sandbox_error *err)
{
	struct loader loader = {.dirfd = -1, .err = err};
	int r = 0;

	loader.dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loader.set = calloc(1, sizeof(*loader.set));
	if (loader.set != NULL)
		loader.set->policies = calloc(BOUND_POLICIES, sizeof(struct policy *));
	if (loader.dirfd < 0)
		r = error_errno(err, "policy", "%s", dir);
	if (r == 0 && (loader.set == NULL || loader.set->policies == NULL))
		r = out_of_memory(&loader, dir);
	if (r == 0)
		r = only != NULL ? load_only(&loader, only) : load_all(&loader);
	if (r == 0)
		*ret = TAKE_PTR(loader.set);
	loader_close(&loader);
	return r;
}

int policy_profile_load(const char *dir, const char *name, const struct filter_calls *above,
	struct filter_program *ret, struct sandbox_error *err)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct loader loader = {.dirfd = dirfd, .err = err};
	_cleanup_free_ char *text = NULL;
	char where[WHERE_SIZE];
	size_t size = 0;

	if (dirfd < 0)
		return error_errno(err, "policy", "%s", dir);
	where_of(where, "seccomp", name);
	int r = read_file(&loader, where, &text, &size);
	return r < 0 ? r : filter_compile_under(where, text, size, above, ret, err);
}

struct filter_calls policy_set_passed(const struct policy_set *set)
{
	struct filter_calls passed = {0};

	for (size_t i = 0; i < set->npolicies; i++)
		for (int id = 0; id < SANDBOX_STEP_N; id++)
			filter_calls_add(&passed, &set->policies[i]->steps[id].filter.passed);
	return passed;
}

struct policy_set *policy_set_free(struct policy_set *set)
{
	if (set == NULL)
		return NULL;
	for (size_t i = 0; i < set->npolicies; i++)
		(void)policy_free(set->policies[i]);
	free(set->policies);
	free(set);
	return NULL;
}

const struct policy *policy_find(const struct policy_set *set, const char *name)
{
	for (size_t i = 0; i < set->npolicies; i++)
		if (answers_to(set->policies[i], name))
			return set->policies[i];
	return NULL;
}
