/* fuzz_plan.c: the plan that init of a cell reads. The input is a byte, the number of descriptors that came along, and
 * the message, in memory of exactly its size. */
#include "sandbox/base/fd.h"
#include "sandbox/cell/cell.h"
#include "tests/fuzz/fuzz.h"

enum { FD_FIRST = 1000 }; /* never used, only told apart */

/* STRINGS follow each other from AT on; returns where the next would be. */
static const char *check_strings(char *const *strings, uint32_t n, const char *at, const char *end)
{
	for (uint32_t i = 0; i < n; i++) {
		FUZZ_REQUIRE(strings[i] == at && at < end);
		at += strlen(at) + 1;
		FUZZ_REQUIRE(at <= end);
	}
	return at;
}

static void check_plan(const struct cell_plan *plan, const char *buf, size_t size, size_t nfds)
{
	const struct wire_plan *head = plan->head;
	const char *at = buf + sizeof(*head), *end = buf + size;
	int next = FD_FIRST;

	at = check_strings(plan->argv, head->nargs, at, end);
	at = check_strings(plan->env, head->nenv, at, end);
	at = check_strings(plan->file_names, head->nfiles, at, end);
	at = check_strings(plan->collect_names, head->ncollects, at, end);
	FUZZ_REQUIRE(at == end);
	FUZZ_REQUIRE(head->nargs > 0 && plan->argv[head->nargs] == NULL && plan->env[head->nenv] == NULL);
	FUZZ_REQUIRE(plan->stdio[0] == (head->has_stdin ? next++ : -1));
	FUZZ_REQUIRE(plan->stdio[1] == next++ && plan->stdio[2] == next++);
	for (uint32_t i = 0; i < head->nfiles; i++)
		FUZZ_REQUIRE(plan->file_fds[i] == next++);
	for (uint32_t i = 0; i < head->ncollects; i++)
		FUZZ_REQUIRE(plan->collect_fds[i] == next++);
	FUZZ_REQUIRE(plan->trace_fd == (head->is_traced ? next++ : -1));
	FUZZ_REQUIRE((size_t)(next - FD_FIRST) == nfds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cell_plan plan;
	struct sandbox_error err = {0};
	int fds[WIRE_PLAN_FDS];

	if (size == 0 || data[0] > WIRE_PLAN_FDS || size - 1 > BOUND_PLAN_BYTES)
		return 0;
	for (size_t i = 0; i < WIRE_PLAN_FDS; i++)
		fds[i] = i < data[0] ? FD_FIRST + (int)i : -1;
	_cleanup_free_ char *buf = malloc(size - 1);
	memcpy(buf, data + 1, size - 1);
	int r = cell_plan_parse(buf, size - 1, fds, &plan, &err);
	FUZZ_REQUIRE(r == -err.errno_value);
	if (r == 0)
		check_plan(&plan, buf, size - 1, data[0]);
	else
		FUZZ_REQUIRE(r == -EBADMSG && strcmp(err.stage, "cell.plan") == 0);
	return 0;
}

/* Blind mutations hardly ever get past the sums; most of the time they are made to fit. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct wire_plan head;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 8 == 0 || size < 1 + sizeof(head))
		return size;
	memcpy(&head, data + 1, sizeof(head));
	head.strings_bytes = (uint32_t)(size - 1 - sizeof(head));
	memcpy(data + 1, &head, sizeof(head));
	data[0] = (uint8_t)((head.has_stdin != 0) + (head.is_traced != 0) + 2 +
			    (head.nfiles + head.ncollects) % WIRE_PLAN_FDS);
	return size;
}
