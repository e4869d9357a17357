/* filter.c: from a profile to BPF.
 *
 * The program: a foreign architecture and x32 are reported; then a balanced search over ranges of numbers with the
 * same answer, at whose leaves stands either a plain return or a chain of argument checks. Up to the plain returns it
 * uses only what the kernel can evaluate ahead of time (seccomp_is_const_allow, Linux 5.11: loads of nr and arch,
 * JEQ, JGE, JA, RET), so that calls allowed without argument checks never run the program: they are a bit test.
 *
 * It is emitted from its last instruction to its first. Every jump then goes to instructions that exist already, no
 * label needs patching, and a distance over the 8 bits of a conditional jump is known when the jump is written: a JA
 * (32 bits) is put between. `at` and `target` count from the end of the program. */
#include "sandbox/policy/filter.h"

#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/profile.h"

#include <endian.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "the halves of an argument are addressed as on x86-64");

enum { FAR = 255, NRETURNS = 64 };

struct emitter {
	struct sock_filter insns[BOUND_FILTER_LEN]; /* last instruction first */
	size_t len;
	bool is_full;
	/* Returns already written, newest place of each value: leaves near by share them. */
	struct {
		uint32_t value;
		size_t at;
	} returns[NRETURNS];
	size_t nreturns;
};

static size_t emit(struct emitter *e, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->len == BOUND_FILTER_LEN) {
		e->is_full = true;
		return e->len - 1;
	}
	e->insns[e->len] = (struct sock_filter){code, jt, jf, k};
	return e->len++;
}

/* A target that a conditional jump can reach when at most SLACK instructions come before it. */
static size_t reach(struct emitter *e, size_t target, size_t slack)
{
	size_t distance = e->len - target - 1;

	return distance + slack <= FAR ? target : emit(e, BPF_JMP | BPF_JA, 0, 0, (uint32_t)distance);
}

static size_t emit_jump(struct emitter *e, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	yes = reach(e, yes, 1); /* the other target may cost a JA */
	no = reach(e, no, 0);
	return emit(e, BPF_JMP | op | BPF_K, (uint8_t)(e->len - yes - 1), (uint8_t)(e->len - no - 1), k);
}

static size_t emit_load(struct emitter *e, size_t offset)
{
	return emit(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static size_t emit_return(struct emitter *e, uint32_t value)
{
	size_t i;

	for (i = 0; i < e->nreturns && e->returns[i].value != value; i++)
		;
	if (i < e->nreturns && e->len - e->returns[i].at < FAR)
		return e->returns[i].at;
	size_t at = emit(e, BPF_RET | BPF_K, 0, 0, value);
	if (i < NRETURNS) {
		e->returns[i].value = value;
		e->returns[i].at = at;
		e->nreturns = i == e->nreturns ? i + 1 : e->nreturns;
	}
	return at;
}

static size_t arg_low(unsigned index)
{
	return offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);
}

static size_t arg_high(unsigned index)
{
	return arg_low(index) + sizeof(uint32_t);
}

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static size_t emit_equal(struct emitter *e, const struct profile_condition *c, size_t yes, size_t no)
{
	(void)emit_jump(e, BPF_JEQ, low(c->value), yes, no);
	size_t low_half = emit_load(e, arg_low(c->index));
	(void)emit_jump(e, BPF_JEQ, high(c->value), low_half, no);
	return emit_load(e, arg_high(c->index));
}

/* OP is JGT or JGE: the comparison of the lower halves when the upper ones are equal. */
static size_t emit_order(
	struct emitter *e, uint16_t op, const struct profile_condition *c, size_t yes, size_t no)
{
	(void)emit_jump(e, op, low(c->value), yes, no);
	size_t low_half = emit_load(e, arg_low(c->index));
	size_t is_equal = emit_jump(e, BPF_JEQ, high(c->value), low_half, no);
	(void)emit_jump(e, BPF_JGT, high(c->value), yes, is_equal);
	return emit_load(e, arg_high(c->index));
}

/* One half of a masked comparison; nothing when the mask leaves no bit of it. */
static size_t emit_masked_half(
	struct emitter *e, size_t offset, uint32_t mask, uint32_t wanted, size_t targets[2])
{
	if (mask == 0)
		return targets[0];
	(void)emit_jump(e, BPF_JEQ, wanted, targets[0], targets[1]);
	if (mask != UINT32_MAX)
		(void)emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	return emit_load(e, offset);
}

static size_t emit_masked(struct emitter *e, const struct profile_condition *c, size_t yes, size_t no)
{
	size_t low_targets[2] = {yes, no};
	size_t low_half =
		emit_masked_half(e, arg_low(c->index), low(c->value), low(c->value_two), low_targets);
	size_t high_targets[2] = {low_half, no};

	return emit_masked_half(e, arg_high(c->index), high(c->value), high(c->value_two), high_targets);
}

static size_t emit_condition(struct emitter *e, const struct profile_condition *c, size_t yes, size_t no)
{
	switch (c->op) {
	case PROFILE_EQ:
		return emit_equal(e, c, yes, no);
	case PROFILE_NE:
		return emit_equal(e, c, no, yes);
	case PROFILE_GT:
		return emit_order(e, BPF_JGT, c, yes, no);
	case PROFILE_GE:
		return emit_order(e, BPF_JGE, c, yes, no);
	case PROFILE_LE:
		return emit_order(e, BPF_JGT, c, no, yes);
	case PROFILE_LT:
		return emit_order(e, BPF_JGE, c, no, yes);
	case PROFILE_MASKED_EQ:
		return emit_masked(e, c, yes, no);
	}
	abort();
}

/* An entry's conditions: its own answer, or on to NEXT, the entry after it. */
static size_t emit_entry(struct emitter *e, const struct profile_entry *entry, size_t next)
{
	size_t yes = emit_return(e, entry->ret), no = next;

	for (size_t i = entry->nconditions; i-- > 0;) {
		size_t at = emit_condition(e, &entry->conditions[i], yes, no);
		if (entry->is_any)
			no = at;
		else
			yes = at;
	}
	return entry->is_any ? no : yes;
}

/* What is answered to the numbers from FIRST up to the next range. */
struct range {
	uint32_t first;
	uint32_t ret; /* of those that no entry decides */
	size_t call;  /* first of NCALLS calls of the profile, whose entries are tried in order */
	size_t ncalls;
};

static size_t emit_range(struct emitter *e, const struct profile *profile, const struct range *range)
{
	size_t at = emit_return(e, range->ret);

	for (size_t i = range->ncalls; i-- > 0;)
		at = emit_entry(e, &profile->entries[profile->calls[range->call + i].entry], at);
	return at;
}

static size_t emit_search(
	struct emitter *e, const struct profile *profile, const struct range *ranges, size_t nranges)
{
	if (nranges == 1)
		return emit_range(e, profile, ranges);
	size_t half = nranges / 2;
	size_t right = emit_search(e, profile, ranges + half, nranges - half);
	size_t left = emit_search(e, profile, ranges, half);
	return emit_jump(e, BPF_JGE, ranges[half].first, right, left);
}

static void emit_program(
	struct emitter *e, const struct profile *profile, const struct range *ranges, size_t nranges)
{
	size_t search = emit_search(e, profile, ranges, nranges);
	size_t foreign = emit_return(e, SECCOMP_RET_USER_NOTIF);

	(void)emit_jump(e, BPF_JGE, FILTER_X32_BIT, foreign, search);
	size_t number = emit_load(e, offsetof(struct seccomp_data, nr));
	(void)emit_jump(e, BPF_JEQ, FILTER_ARCH, number, foreign);
	(void)emit_load(e, offsetof(struct seccomp_data, arch));
}

/* Which numbers libseccomp has a name for. Short of memory it has none either, and a filter made of that would answer
 * otherwise: that is an error. */
static int find_known(bool known[FILTER_NUMBERS])
{
	for (int nr = 0; nr < FILTER_NUMBERS; nr++) {
		errno = 0;
		char *name = seccomp_syscall_resolve_num_arch(FILTER_ARCH_SCMP, nr);
		if (name == NULL && errno == ENOMEM)
			return -ENOMEM;
		known[nr] = name != NULL;
		free(name);
	}
	return 0;
}

/* The range of one number: its entries up to the first without conditions, which always matches. */
static struct range range_of(
	const struct profile *profile, const bool known[FILTER_NUMBERS], uint32_t nr, size_t first_call)
{
	struct range range = {.first = nr, .ret = profile->default_ret, .call = first_call};

	for (size_t i = first_call; i < profile->ncalls && profile->calls[i].nr == nr; i++) {
		const struct profile_entry *entry = &profile->entries[profile->calls[i].entry];
		if (entry->nconditions == 0) {
			range.ret = entry->ret;
			return range;
		}
		range.ncalls++;
	}
	bool has_entry = first_call < profile->ncalls && profile->calls[first_call].nr == nr;
	bool is_errno = (profile->default_ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
	if (!has_entry && is_errno && !known[nr])
		range.ret = SECCOMP_RET_ERRNO | ENOSYS;
	return range;
}

/* Numbers with the same plain answer are merged with their neighbours. The last range has no end: it holds every
 * number that no libseccomp knows. */
static size_t find_ranges(const struct profile *profile, const bool known[FILTER_NUMBERS],
	const struct filter_calls *above, struct range ranges[FILTER_NUMBERS])
{
	size_t n = 0, call = 0;

	for (uint32_t nr = 0; nr < FILTER_NUMBERS; nr++) {
		struct range range = range_of(profile, known, nr, call);
		while (call < profile->ncalls && profile->calls[call].nr == nr)
			call++;
		if (filter_calls_hold(above, nr))
			range = (struct range){.first = nr, .ret = SECCOMP_RET_ALLOW};
		if (n == 0 || range.ncalls > 0 || ranges[n - 1].ncalls > 0 || ranges[n - 1].ret != range.ret)
			ranges[n++] = range;
	}
	return n;
}

static bool is_pass(uint32_t ret)
{
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW ||
	       (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_LOG;
}

static void put(struct filter_calls *calls, uint32_t nr)
{
	calls->bits[nr / 64] |= UINT64_C(1) << (nr % 64);
}

void filter_calls_add(struct filter_calls *calls, const struct filter_calls *more)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls->bits); i++)
		calls->bits[i] |= more->bits[i];
}

bool filter_calls_hold(const struct filter_calls *calls, uint32_t nr)
{
	return nr < FILTER_NUMBERS && (calls->bits[nr / 64] >> (nr % 64) & 1) != 0;
}

static struct filter_calls find_passed(
	const struct profile *profile, const struct range *ranges, size_t nranges)
{
	struct filter_calls passed = {0};

	for (size_t i = 0; i < nranges; i++) {
		const struct range *range = &ranges[i];
		uint32_t end = i + 1 < nranges ? ranges[i + 1].first : FILTER_NUMBERS;
		bool passes = is_pass(range->ret);
		for (size_t k = 0; k < range->ncalls; k++)
			passes = passes ||
				 is_pass(profile->entries[profile->calls[range->call + k].entry].ret);
		for (uint32_t nr = range->first; passes && nr < end; nr++)
			put(&passed, nr);
	}
	return passed;
}

static int emit_profile(const char *where, const struct profile *profile, const struct filter_calls *above,
	struct filter_program *ret, struct sandbox_error *err)
{
	_cleanup_free_ struct emitter *e = calloc(1, sizeof(*e));
	_cleanup_free_ struct range *ranges = calloc(FILTER_NUMBERS, sizeof(*ranges));
	bool known[FILTER_NUMBERS];

	if (e == NULL || ranges == NULL || find_known(known) < 0)
		return error_set(err, ENOMEM, "policy", "%s: out of memory", where);
	size_t nranges = find_ranges(profile, known, above, ranges);
	emit_program(e, profile, ranges, nranges);
	if (e->is_full)
		return error_set(err, E2BIG, "policy",
			"%s: syscalls: the program has more than %d instructions", where, BOUND_FILTER_LEN);
	struct sock_filter *insns = calloc(e->len, sizeof(*insns));
	if (insns == NULL)
		return error_set(err, ENOMEM, "policy", "%s: out of memory", where);
	for (size_t i = 0; i < e->len; i++)
		insns[i] = e->insns[e->len - 1 - i];
	*ret = (struct filter_program){
		.insns = insns,
		.len = (unsigned short)e->len,
		.passed = find_passed(profile, ranges, nranges),
	};
	return 0;
}

int filter_compile(const char *where, const char *json_text, size_t size, struct filter_program *ret,
	struct sandbox_error *err)
{
	return filter_compile_under(where, json_text, size, &(struct filter_calls){0}, ret, err);
}

int filter_compile_under(const char *where, const char *json_text, size_t size,
	const struct filter_calls *above, struct filter_program *ret, struct sandbox_error *err)
{
	struct profile profile;

	int r = profile_parse(where, json_text, size, &profile, err);
	if (r < 0)
		return r;
	r = emit_profile(where, &profile, above, ret, err);
	profile_free(&profile);
	return r;
}

void filter_free(struct filter_program *program)
{
	free(program->insns);
	*program = (struct filter_program){0};
}
