/* plan.c: the plan's strings become arrays of pointers. The engine made the plan, yet every count is checked: this is
 * the side that survives a fault on the other. */
#include "sandbox/cell/cell.h"

#include <errno.h>
#include <string.h>

struct reader {
	char *at, *end;
};

static char *next_string(struct reader *reader)
{
	char *start = reader->at;
	char *nul = memchr(start, '\0', (size_t)(reader->end - start));
	if (nul == NULL)
		return NULL;
	reader->at = nul + 1;
	return start;
}

/* COUNT strings into RET, and a NULL behind them when TERMINATE. */
static int read_strings(struct reader *reader, uint32_t count, char **ret)
{
	for (uint32_t i = 0; i < count; i++) {
		ret[i] = next_string(reader);
		if (ret[i] == NULL)
			return -EBADMSG;
	}
	return 0;
}

static int check_counts(const struct wire_plan *head, size_t size)
{
	if (head->nargs < 1 || head->nargs > BOUND_ARGS || head->nenv > BOUND_ENV ||
		head->nfiles > BOUND_FILES || head->ncollects > BOUND_COLLECT)
		return -EBADMSG;
	return sizeof(*head) + head->strings_bytes == size ? 0 : -EBADMSG;
}

static int read_all_strings(struct reader *reader, struct cell_plan *plan)
{
	const struct wire_plan *head = plan->head;
	int r = read_strings(reader, head->nargs, plan->argv);
	if (r == 0)
		r = read_strings(reader, head->nenv, plan->env);
	plan->argv[head->nargs] = NULL;
	plan->env[head->nenv] = NULL;
	if (r == 0)
		r = read_strings(reader, head->nfiles, plan->file_names);
	if (r == 0)
		r = read_strings(reader, head->ncollects, plan->collect_names);
	return r == 0 && reader->at != reader->end ? -EBADMSG : r;
}

/* Moves the descriptors to where they belong; a missing one is an error. */
static int place_fds(struct cell_plan *plan, const int *fds)
{
	const struct wire_plan *head = plan->head;
	size_t next = 0;

	plan->stdio[0] = head->has_stdin ? fds[next++] : -1;
	plan->stdio[1] = fds[next++];
	plan->stdio[2] = fds[next++];
	for (uint32_t i = 0; i < head->nfiles; i++)
		plan->file_fds[i] = fds[next++];
	for (uint32_t i = 0; i < head->ncollects; i++)
		plan->collect_fds[i] = fds[next++];
	plan->trace_fd = head->is_traced ? fds[next++] : -1;
	for (size_t i = 0; i < next; i++)
		if (fds[i] < 0)
			return -EBADMSG;
	return next == WIRE_PLAN_FDS || fds[next] < 0 ? 0 : -EBADMSG;
}

int cell_plan_parse(void *buf, size_t size, int *fds, struct cell_plan *plan, struct sandbox_error *err)
{
	if (size < sizeof(struct wire_plan))
		return error_set(err, EBADMSG, "cell.plan", "shorter than its head");
	plan->head = buf;
	if (check_counts(plan->head, size) < 0)
		return error_set(err, EBADMSG, "cell.plan", "counts and size do not agree");
	char *strings = (char *)buf + sizeof(struct wire_plan);
	struct reader reader = {.at = strings, .end = strings + plan->head->strings_bytes};
	if (read_all_strings(&reader, plan) < 0)
		return error_set(err, EBADMSG, "cell.plan", "strings and counts do not agree");
	if (place_fds(plan, fds) < 0)
		return error_set(err, EBADMSG, "cell.plan", "descriptors and counts do not agree");
	return 0;
}
