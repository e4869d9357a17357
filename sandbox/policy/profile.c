/* profile.c: reads OCI, Docker and Podman seccomp profiles.
 *
 * All three share one shape; Docker adds archMap, includes and excludes, Podman errno names beside the numbers. What
 * depends on the container is decided here, once: a cell has no capability, runs on FILTER_ARCH, and minKernel is
 * held against the running kernel. An entry that does not apply is validated all the same and then left out.
 *
 * Read but without effect: archMap, architectures (foreign architectures are always reported) and flags (the engine
 * loads filters its own way). */
#include "sandbox/policy/profile.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_ENTRIES = 4096,
	MAX_NAMES = 1024,
};

static const char *const flag_names[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};

/* One name: known calls of this architecture are noted for ENTRY. Names of other architectures and newer kernels are
 * skipped, as in runc: their numbers are not known, so they get what unknown numbers get. */
static int read_call(const struct document_at *at, struct profile *profile, size_t entry)
{
	const char *text;

	int r = document_string(at, 1, 64, &text);
	if (r < 0)
		return r;
	int nr = seccomp_syscall_resolve_name_arch(FILTER_ARCH_SCMP, text);
	if (nr < 0 || nr >= FILTER_NUMBERS)
		return 0;
	profile->calls[profile->ncalls++] = (struct profile_call){(uint16_t)nr, (uint16_t)entry};
	return 0;
}

static int read_calls(const struct document_at *at, struct profile *profile, size_t entry)
{
	struct document_at name = document_member(at, "name"); /* before Docker 1.13 */
	struct document_at names = document_member(at, "names");

	if (name.value != NULL && names.value != NULL)
		return document_fail(&name, "stands beside names");
	ssize_t n = name.value != NULL ? 1 : document_array(&names, MAX_NAMES);
	if (n == 0)
		return document_fail(&names, "is empty");
	if (n < 0)
		return (int)n;
	struct profile_call *larger =
		reallocarray(profile->calls, profile->ncalls + (size_t)n, sizeof(*larger));
	if (larger == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	profile->calls = larger;
	int r = 0;
	for (size_t i = 0; r == 0 && i < (size_t)n; i++) {
		struct document_at element = name.value != NULL ? name : document_element(&names, i);
		r = read_call(&element, profile, entry);
	}
	return r;
}

static int read_entry(const struct document_at *at, struct profile *profile)
{
	static const char *const keys[] = {"name", "names", "action", "args", "comment", "includes",
		"excludes", "errnoRet", "errno", NULL};
	struct document_at args = document_member(at, "args");
	struct profile_entry *entry = &profile->entries[profile->nentries];
	size_t ncalls = profile->ncalls;
	bool applies = false;

	int r = document_object(at, keys);
	if (r == 0)
		r = document_comment(at);
	if (r == 0)
		r = read_calls(at, profile, profile->nentries);
	if (r == 0)
		r = profile_read_action(at, "action", "errnoRet", "errno", &entry->ret);
	if (r == 0)
		r = profile_read_conditions(&args, entry);
	if (r == 0)
		r = profile_read_applies(at, &applies);
	if (r == 0 && applies) {
		profile->nentries++;
	} else {
		free(entry->conditions);
		*entry = (struct profile_entry){0};
		profile->ncalls = ncalls;
	}
	return r;
}

/* "SCMP_ARCH_X86_64": checked for form only; the list of architectures grows with libseccomp. */
static int check_arch(const struct document_at *at)
{
	static const char prefix[] = "SCMP_ARCH_";
	const char *text;

	int r = document_string(at, 1, 64, &text);
	if (r < 0)
		return r;
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0 ||
		text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] != '\0')
		return document_fail(at, "\"%s\" is no architecture such as \"SCMP_ARCH_X86_64\"", text);
	return 0;
}

static int check_arches(const struct document_at *at)
{
	ssize_t n = at->value == NULL ? 0 : document_array(at, MAX_NAMES);

	for (ssize_t i = 0; i < n; i++) {
		struct document_at element = document_element(at, (size_t)i);
		int r = check_arch(&element);
		if (r < 0)
			return r;
	}
	return n < 0 ? (int)n : 0;
}

static int check_arch_map(const struct document_at *at)
{
	static const char *const keys[] = {"architecture", "subArchitectures", NULL};
	ssize_t n = at->value == NULL ? 0 : document_array(at, MAX_NAMES);
	int r = n < 0 ? (int)n : 0;

	for (ssize_t i = 0; r == 0 && i < n; i++) {
		struct document_at element = document_element(at, (size_t)i);
		struct document_at arch = document_member(&element, "architecture");
		struct document_at sub = document_member(&element, "subArchitectures");
		r = document_object(&element, keys);
		if (r == 0)
			r = check_arch(&arch);
		if (r == 0)
			r = check_arches(&sub);
	}
	return r;
}

static int check_flags(const struct document_at *at)
{
	ssize_t n = at->value == NULL ? 0 : document_array(at, ARRAY_SIZE(flag_names));
	int r = n < 0 ? (int)n : 0;

	for (ssize_t i = 0; r >= 0 && i < n; i++) {
		struct document_at element = document_element(at, (size_t)i);
		r = document_name(&element, flag_names, ARRAY_SIZE(flag_names), "flag");
	}
	return r < 0 ? r : 0;
}

static int read_top(const struct document_at *top, struct profile *profile)
{
	static const char *const keys[] = {"defaultAction", "defaultErrnoRet", "defaultErrno", "archMap",
		"architectures", "flags", "listenerPath", "listenerMetadata", "syscalls", NULL};
	static const char *const refused[] = {"listenerPath", "listenerMetadata"};
	struct document_at map = document_member(top, "archMap");
	struct document_at arches = document_member(top, "architectures");
	struct document_at flags = document_member(top, "flags");

	int r = document_object(top, keys);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused); i++) {
		struct document_at at = document_member(top, refused[i]);
		if (at.value != NULL)
			return document_fail(&at, "is refused: the engine is the only listener");
	}
	if (r == 0)
		r = check_arch_map(&map);
	if (r == 0)
		r = check_arches(&arches);
	if (r == 0)
		r = check_flags(&flags);
	if (r == 0)
		r = profile_read_action(
			top, "defaultAction", "defaultErrnoRet", "defaultErrno", &profile->default_ret);
	return r;
}

static int read_entries(const struct document_at *at, struct profile *profile)
{
	ssize_t n = document_array(at, MAX_ENTRIES);
	if (n < 0)
		return (int)n;
	profile->entries = calloc((size_t)n + 1, sizeof(*profile->entries));
	if (profile->entries == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	for (size_t i = 0; i < (size_t)n; i++) {
		struct document_at element = document_element(at, i);
		int r = read_entry(&element, profile);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_calls(const void *left, const void *right)
{
	const struct profile_call *a = left, *b = right;

	return a->nr != b->nr ? (int)a->nr - (int)b->nr : (int)a->entry - (int)b->entry;
}

int profile_parse(
	const char *where, const char *text, size_t size, struct profile *ret, struct sandbox_error *err)
{
	struct profile profile = {0};
	json_t *tree;

	int r = document_parse(where, text, size, &tree, err);
	if (r < 0)
		return r;
	struct document_at top = {.where = where, .value = tree, .err = err};
	struct document_at syscalls = document_member(&top, "syscalls");
	r = read_top(&top, &profile);
	if (r == 0)
		r = read_entries(&syscalls, &profile);
	json_decref(tree);
	if (r < 0) {
		profile_free(&profile);
		return r;
	}
	if (profile.ncalls > 0)
		qsort(profile.calls, profile.ncalls, sizeof(*profile.calls), compare_calls);
	*ret = profile;
	return 0;
}

void profile_free(struct profile *profile)
{
	for (size_t i = 0; i < profile->nentries; i++)
		free(profile->entries[i].conditions);
	free(profile->entries);
	free(profile->calls);
	*profile = (struct profile){0};
}
