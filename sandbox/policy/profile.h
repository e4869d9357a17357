/* profile.h: a seccomp profile as read, before it is compiled. Only filter.c needs it. */
#pragma once

#include "sandbox/base/error.h"
#include "sandbox/policy/filter.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one architecture that filters let through; everything else is a foreign architecture to them. */
#define FILTER_ARCH AUDIT_ARCH_X86_64
#define FILTER_ARCH_SCMP SCMP_ARCH_X86_64
#define FILTER_ARCH_DOCKER "amd64" /* as includes.arches and excludes.arches spell it */
/* Linux x86: numbers with this bit are x32 calls although their architecture says x86-64. */
#define FILTER_X32_BIT 0x40000000U

enum profile_op { PROFILE_EQ, PROFILE_NE, PROFILE_LT, PROFILE_LE, PROFILE_GT, PROFILE_GE, PROFILE_MASKED_EQ };

struct profile_condition {
	unsigned index; /* 0..5 */
	enum profile_op op;
	uint64_t value;	    /* MASKED_EQ: the mask */
	uint64_t value_two; /* MASKED_EQ: what the masked argument must be */
};

struct profile_entry {
	uint32_t ret; /* SECCOMP_RET_* with its data */
	struct profile_condition *conditions;
	size_t nconditions; /* 0: always matches */
	bool is_any;	    /* one condition suffices (all are on the same argument); else all must hold */
};

/* Entry ENTRY names call NR. */
struct profile_call {
	uint16_t nr;
	uint16_t entry;
};

struct profile {
	uint32_t default_ret;
	struct profile_entry
		*entries; /* in the order of the file; those that do not apply here are left out */
	size_t nentries;
	struct profile_call *calls; /* by number, then in the order of the entries */
	size_t ncalls;
};

/* The contract of filter_compile, up to the instructions. */
int profile_parse(
	const char *where, const char *text, size_t size, struct profile *ret, struct sandbox_error *err);

void profile_free(struct profile *profile);

/* entry.c: the parts of an entry, for profile.c. Each returns 0, -EINVAL or -ENOMEM. */
struct document_at;

/* An action with its errno as a SECCOMP_RET_* value. The keys are those of the top or of an entry. */
int profile_read_action(const struct document_at *parent, const char *action_key, const char *number_key,
	const char *name_key, uint32_t *ret);

/* args, into ENTRY. runc: conditions on one argument are alternatives, on several they must all hold. An entry that
 * mixes the two is read differently by different runtimes: refused, it can be written as several entries. */
int profile_read_conditions(const struct document_at *at, struct profile_entry *entry);

/* Docker's includes and excludes of the entry AT. A cell holds no capability, so a list of them never includes and
 * never excludes. */
int profile_read_applies(const struct document_at *at, bool *ret);
