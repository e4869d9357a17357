#include "tests/torture/torture.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* What really allocates: glibc's own, or the sanitizer's. (The latter has a strdup of its own, too, which cannot be
 * failed; and it looks for leaks itself.) */
#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
enum { CAN_COUNT = 0 };
#else
#define REAL(name) __libc_##name
enum { CAN_COUNT = 1 };
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *old, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);
void REAL(free)(void *block);

static atomic_long live;
static atomic_ulong served; /* allocations ever */
static atomic_ulong left;   /* allocations until the one that fails; 0: none is to fail */
static atomic_bool is_failing, is_lasting, has_failed;
static pid_t owner; /* 0: not armed */

/* --- the allocator --------------------------------------------------------------------------------------------- */

/* Is it this one that fails? */
static bool is_due(void)
{
	if (owner == 0)
		return false;
	if (getpid() != owner) /* "after clone: no malloc" */
		abort();
	if (!is_failing && left > 0 && atomic_fetch_sub(&left, 1) == 1)
		is_failing = true;
	if (!is_failing)
		return false;
	is_failing = is_lasting;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

static void *noted(void *block)
{
	if (block != NULL) {
		(void)atomic_fetch_add(&live, 1);
		(void)atomic_fetch_add(&served, 1);
	}
	return block;
}

void *malloc(size_t size)
{
	return is_due() ? NULL : noted(REAL(malloc)(size));
}

void *calloc(size_t n, size_t size)
{
	return is_due() ? NULL : noted(REAL(calloc)(n, size));
}

void *realloc(void *old, size_t size)
{
	if (is_due())
		return NULL;
	void *block = REAL(realloc)(old, size);
	if (old == NULL)
		return noted(block);
	if (size == 0 && block == NULL)
		(void)atomic_fetch_sub(&live, 1);
	return block;
}

void *memalign(size_t alignment, size_t size)
{
	return is_due() ? NULL : noted(REAL(memalign)(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *block = memalign(alignment, size);

	if (block == NULL)
		return ENOMEM;
	*ret = block;
	return 0;
}

void free(void *block)
{
	if (block != NULL)
		(void)atomic_fetch_sub(&live, 1);
	REAL(free)(block);
}

/* Thousands of turns need not wait for a disk. */
__attribute__((constructor)) static void prefer_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
}

/* --- the turns -------------------------------------------------------------------------------------------------- */

enum { SETTLING_TURNS = 3 };

struct torture torture_begin(unsigned long stride)
{
	const char *wish = getenv("TORTURE");
	bool is_full = wish != NULL && strcmp(wish, "full") == 0;

	return (struct torture){.stride = is_full ? 1 : stride, .settling = SETTLING_TURNS, .served = served};
}

/* What the turn that ends now has left behind. */
static void check_turn(const struct torture *turn)
{
	long more = atomic_load(&live) - turn->live;

	ck_assert_msg(owner == 0, "a turn has ended armed");
	if (turn->n == 0) {
		ck_assert_msg(!turn->has_failed, "an allocation failed by itself");
		return;
	}
	ck_assert_msg(!CAN_COUNT || more == 0, "allocation %lu%s: %ld blocks are left", turn->n,
		turn->is_lasting ? " and all after it" : "", more);
}

bool torture_next(struct torture *turn)
{
	if (turn->is_begun)
		check_turn(turn);
	turn->is_begun = true;
	if (turn->settling > 0) {
		turn->settling--;
	} else if (turn->n == 0) {
		turn->n = 1;
	} else if (turn->has_failed) {
		turn->n += turn->stride;
	} else if (!turn->is_lasting) {
		turn->is_lasting = true;
		turn->n = 1;
	} else {
		/* An operation may do without (SQLite 3.46 has most of the queue's in its own slots): not so the turns
		 * around it. */
		ck_assert_msg(served > turn->served, "another malloc than this program's is in use");
		return false;
	}
	turn->has_failed = false;
	turn->live = live;
	return true;
}

void torture_arm(struct torture *turn)
{
	left = turn->n;
	is_failing = has_failed = false;
	is_lasting = turn->is_lasting;
	owner = getpid();
}

void torture_disarm(struct torture *turn)
{
	owner = 0;
	turn->has_failed = has_failed;
}
