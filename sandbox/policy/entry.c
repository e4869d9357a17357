/* entry.c: the parts of one profile entry: its action, its conditions, and whether it applies to a cell. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/profile.h"

#include <ctype.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum {
	MAX_LIST = 1024,
	MAX_CONDITIONS = 256,
	MAX_ERRNO_VALUE = 4095, /* Linux: SECCOMP_RET_ERRNO caps its data there (MAX_ERRNO) */
	ERRNO_NAMES = 256,	/* errno names are looked for below it; Linux ends at 133 */
};

static const struct {
	const char *name;
	uint32_t ret;
} actions[] = {
	{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
	{"SCMP_ACT_KILL", SECCOMP_RET_USER_NOTIF},
	{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_USER_NOTIF},
	{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_USER_NOTIF},
	{"SCMP_ACT_TRAP", SECCOMP_RET_USER_NOTIF},
	{"SCMP_ACT_TRACE", SECCOMP_RET_USER_NOTIF},
};

static const char *const op_names[] = {
	[PROFILE_EQ] = "SCMP_CMP_EQ",
	[PROFILE_NE] = "SCMP_CMP_NE",
	[PROFILE_LT] = "SCMP_CMP_LT",
	[PROFILE_LE] = "SCMP_CMP_LE",
	[PROFILE_GT] = "SCMP_CMP_GT",
	[PROFILE_GE] = "SCMP_CMP_GE",
	[PROFILE_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static int errno_from_name(const char *name)
{
	for (int e = 1; e < ERRNO_NAMES; e++) {
		const char *known = strerrorname_np(e);
		if (known != NULL && strcmp(known, name) == 0)
			return e;
	}
	return 0;
}

/* errnoRet (OCI) and errno (Podman's name for the same). Absent: EPERM, as in runc. *IS_GIVEN tells. */
static int read_errno(
	const struct document_at *number, const struct document_at *name, uint64_t *ret, bool *is_given)
{
	const char *text = "";
	uint64_t value = EPERM;
	int r = 0, named = 0;

	if (number->value != NULL)
		r = document_number(number, 0, MAX_ERRNO_VALUE, &value);
	if (r == 0 && name->value != NULL)
		r = document_string(name, 0, 32, &text);
	if (r < 0)
		return r;
	if (text[0] != '\0') {
		named = errno_from_name(text);
		if (named == 0)
			return document_fail(name, "\"%s\" is no errno", text);
		if (number->value != NULL && (uint64_t)named != value)
			return document_fail(
				name, "%s is not %s %llu", text, number->key, (unsigned long long)value);
		value = (uint64_t)named;
	}
	*ret = value;
	*is_given = number->value != NULL || named != 0;
	return 0;
}

int profile_read_action(const struct document_at *parent, const char *action_key, const char *number_key,
	const char *name_key, uint32_t *ret)
{
	struct document_at action = document_member(parent, action_key);
	struct document_at number = document_member(parent, number_key);
	struct document_at name = document_member(parent, name_key);
	const char *text;
	uint64_t errno_ret = 0;
	bool is_given = false;
	size_t i;

	int r = document_string(&action, 1, 64, &text);
	if (r == 0)
		r = read_errno(&number, &name, &errno_ret, &is_given);
	if (r < 0)
		return r;
	if (strcmp(text, "SCMP_ACT_NOTIFY") == 0)
		return document_fail(&action, "%s is refused: there is nobody to notify", text);
	for (i = 0; i < ARRAY_SIZE(actions) && strcmp(actions[i].name, text) != 0; i++)
		;
	if (i == ARRAY_SIZE(actions))
		return document_fail(&action, "\"%s\" is no action", text);
	*ret = actions[i].ret;
	if (*ret == SECCOMP_RET_ERRNO)
		*ret |= (uint32_t)errno_ret;
	else if (is_given && strcmp(text, "SCMP_ACT_TRACE") != 0)
		return document_fail(number.value != NULL ? &number : &name, "%s has no errno", text);
	return 0;
}

static int read_condition(const struct document_at *at, struct profile_condition *ret)
{
	static const char *const keys[] = {"index", "value", "valueTwo", "op", NULL};
	struct document_at index = document_member(at, "index");
	struct document_at value = document_member(at, "value");
	struct document_at value_two = document_member(at, "valueTwo");
	struct document_at op = document_member(at, "op");
	struct profile_condition condition = {0};
	uint64_t number = 0;

	int r = document_object(at, keys);
	if (r == 0)
		r = document_number(&index, 0, 5, &number);
	if (r == 0)
		r = document_number(&value, 0, INT64_MAX, &condition.value);
	if (r == 0 && value_two.value != NULL)
		r = document_number(&value_two, 0, INT64_MAX, &condition.value_two);
	if (r == 0)
		r = document_name(&op, op_names, ARRAY_SIZE(op_names), "comparison");
	if (r < 0)
		return r;
	condition.index = (unsigned)number;
	condition.op = (enum profile_op)r;
	if (condition.op == PROFILE_MASKED_EQ && (condition.value_two & ~condition.value) != 0)
		return document_fail(&value_two, "has bits outside the mask (value): it could never match");
	*ret = condition;
	return 0;
}

int profile_read_conditions(const struct document_at *at, struct profile_entry *entry)
{
	unsigned seen = 0, repeated = 0;

	ssize_t n = at->value == NULL ? 0 : document_array(at, MAX_CONDITIONS);
	if (n <= 0)
		return (int)n;
	entry->conditions = calloc((size_t)n, sizeof(*entry->conditions));
	if (entry->conditions == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	entry->nconditions = (size_t)n;
	for (size_t i = 0; i < (size_t)n; i++) {
		struct document_at element = document_element(at, i);
		int r = read_condition(&element, &entry->conditions[i]);
		if (r < 0)
			return r;
		unsigned bit = 1U << entry->conditions[i].index;
		repeated |= seen & bit;
		seen |= bit;
	}
	if (repeated != 0 && repeated != seen)
		return document_fail(at, "repeats an index beside another one: write several entries");
	entry->is_any = repeated != 0;
	return 0;
}

/* "4.8" against the running kernel. */
static int read_kernel(const struct document_at *at, bool *ret)
{
	struct utsname host;
	unsigned wanted[2], running[2];
	const char *text;
	char rest;

	int r = document_string(at, 1, 32, &text);
	if (r < 0)
		return r;
	if (sscanf(text, "%4u.%4u%c", &wanted[0], &wanted[1], &rest) != 2 || !isdigit((unsigned char)text[0]))
		return document_fail(at, "\"%s\" is no kernel version such as \"4.8\"", text);
	if (uname(&host) < 0 || sscanf(host.release, "%4u.%4u", &running[0], &running[1]) != 2)
		return document_fail(at, "the running kernel's version is unknown");
	*ret = running[0] > wanted[0] || (running[0] == wanted[0] && running[1] >= wanted[1]);
	return 0;
}

/* Does AT, a list of names, hold NAME (NULL: anything)? */
static int list_holds(const struct document_at *at, const char *name, bool *ret)
{
	bool found = false;

	ssize_t n = at->value == NULL ? 0 : document_array(at, MAX_LIST);
	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < (size_t)n; i++) {
		struct document_at element = document_element(at, i);
		const char *text;
		int r = document_string(&element, 1, 64, &text);
		if (r < 0)
			return r;
		found = found || name == NULL || strcmp(text, name) == 0;
	}
	*ret = found;
	return 0;
}

struct selection {
	bool has_caps, has_arches, has_kernel; /* the list is there and not empty */
	bool is_our_arch, is_new_enough;
};

static int read_selection(const struct document_at *at, struct selection *ret)
{
	static const char *const keys[] = {"caps", "arches", "minKernel", NULL};
	struct document_at caps = document_member(at, "caps");
	struct document_at arches = document_member(at, "arches");
	struct document_at kernel = document_member(at, "minKernel");

	*ret = (struct selection){0};
	if (at->value == NULL)
		return 0;
	int r = document_object(at, keys);
	if (r == 0)
		r = list_holds(&caps, NULL, &ret->has_caps);
	if (r == 0)
		r = list_holds(&arches, NULL, &ret->has_arches);
	if (r == 0)
		r = list_holds(&arches, FILTER_ARCH_DOCKER, &ret->is_our_arch);
	ret->has_kernel = kernel.value != NULL;
	if (r == 0 && ret->has_kernel)
		r = read_kernel(&kernel, &ret->is_new_enough);
	return r;
}

int profile_read_applies(const struct document_at *at, bool *ret)
{
	struct document_at includes = document_member(at, "includes");
	struct document_at excludes = document_member(at, "excludes");
	struct selection in, out;

	int r = read_selection(&includes, &in);
	if (r == 0)
		r = read_selection(&excludes, &out);
	if (r != 0)
		return r;
	bool is_included =
		!in.has_caps && (!in.has_arches || in.is_our_arch) && (!in.has_kernel || in.is_new_enough);
	bool is_excluded = (out.has_arches && out.is_our_arch) || (out.has_kernel && out.is_new_enough);
	*ret = is_included && !is_excluded;
	return 0;
}
