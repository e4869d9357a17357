/* pool.c: cells made before somebody asks for them.
 *
 * A cell is complete but for its limits and its plan: it has its namespaces, its file system and its user id, no privilege
 * any more, and waits. It has never run anything; that is why it can serve whoever comes first. Of each view that was ever
 * asked for, a few are kept; they are made when nobody waits for the launcher. */
#include "sandbox/engine/engine.h"

#include "sandbox/cell/sys.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- views ------------------------------------------------------------------------------------------------------- */

static struct view view_of(const struct policy_step *step)
{
	struct view view = {.step = step};

	for (size_t i = 0; i < LIMIT_N; i++)
		*limit_at(&view.limits, (enum limit_id)i) = step->limits[i].standard;
	view.order = (struct wire_order){
		.has_proc = step->has_proc,
		.can_execute_files = step->can_execute_files,
		.can_make_memory_executable = step->can_make_memory_executable,
		.disk_bytes = view.limits.disk_bytes,
		.inodes = view.limits.inodes,
	};
	(void)snprintf(view.order.image, sizeof(view.order.image), "%s", step->image);
	for (; step->writable[view.order.nwritable] != NULL; view.order.nwritable++)
		(void)snprintf(view.order.writable[view.order.nwritable], WIRE_WRITABLE_PATH, "%s",
			step->writable[view.order.nwritable]);
	return view;
}

static bool is_same_order(const struct wire_order *a, const struct wire_order *b)
{
	if (strcmp(a->image, b->image) != 0 || a->nwritable != b->nwritable || a->has_proc != b->has_proc ||
		a->can_execute_files != b->can_execute_files ||
		a->can_make_memory_executable != b->can_make_memory_executable ||
		a->disk_bytes != b->disk_bytes || a->inodes != b->inodes)
		return false;
	for (uint32_t i = 0; i < a->nwritable; i++)
		if (strcmp(a->writable[i], b->writable[i]) != 0)
			return false;
	return true;
}

static bool is_same(const struct view *a, const struct view *b)
{
	assert(a->step != NULL && b->step != NULL);
	const struct filter_program *one = &a->step->filter, *other = &b->step->filter;

	return is_same_order(&a->order, &b->order) && one->len == other->len &&
	       memcmp(one->insns, other->insns, one->len * sizeof(*one->insns)) == 0;
}

int pool_open(struct sandbox *sandbox, unsigned size, struct sandbox_error *err)
{
	sandbox->pool = size;
	sandbox->views = calloc(sandbox->policies->npolicies * SANDBOX_STEP_N, sizeof(*sandbox->views));
	if (sandbox->views == NULL)
		return error_set(err, ENOMEM, "engine.open", "views");
	for (size_t i = 0; i < sandbox->policies->npolicies; i++)
		for (int s = 0; s < SANDBOX_STEP_N; s++) {
			const struct policy_step *step = &sandbox->policies->policies[i]->steps[s];
			if (step->is_present && pool_view(sandbox, step) == NULL)
				sandbox->views[sandbox->nviews++] = view_of(step);
		}
	return 0;
}

struct view *pool_view(struct sandbox *sandbox, const struct policy_step *step)
{
	for (size_t i = 0; i < sandbox->nviews; i++)
		if (sandbox->views[i].step == step)
			return &sandbox->views[i];
	struct view view = view_of(step);
	for (size_t i = 0; i < sandbox->nviews; i++)
		if (is_same(&sandbox->views[i], &view))
			return &sandbox->views[i];
	return NULL;
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

static bool is_free(const struct cell *cell)
{
	return cell->run == NULL && cell->state != CELL_LEAVING;
}

struct cell *pool_take(const struct sandbox_run *run)
{
	const struct view *view = run->view;

	/* Their sizes are fixed when a cell's file system is made. */
	if (run->limits.disk_bytes != view->limits.disk_bytes || run->limits.inodes != view->limits.inodes)
		return NULL;
	if (run->limits.memory_bytes < ENGINE_WAITING_BYTES)
		return NULL;
	for (struct cell *cell = run->sandbox->cells; cell != NULL; cell = cell->next)
		if (is_free(cell) && cell->state == CELL_READY && cell->view == view && !cell_is_gone(cell)) {
			run->sandbox->pool_haste_nsec = sys_now_nsec() + ENGINE_HASTE_NSEC;
			return cell;
		}
	return NULL;
}

/* How many of each view are nobody's. */
static void count_free(struct sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->nviews; i++)
		sandbox->views[i].nfree = 0;
	for (struct cell *cell = sandbox->cells; cell != NULL; cell = cell->next)
		if (is_free(cell) && cell->view != NULL)
			sandbox->views[cell->view - sandbox->views].nfree++;
}

void pool_put(struct cell *cell)
{
	struct sandbox *sandbox = cell->sandbox;

	count_free(sandbox);
	if (sandbox->is_closing || cell->view == NULL || cell->view->nfree > sandbox->pool)
		cell_leave(cell);
	else
		cell->deadline_nsec = NSEC_NEVER;
}

/* When VIEW's next cell may be ordered; NSEC_NEVER: it has enough. */
static uint64_t due_nsec(const struct sandbox *sandbox, const struct view *view)
{
	if (!view->is_used || view->nfree >= sandbox->pool)
		return NSEC_NEVER;
	bool can_wait = view->nfree > 0 && sandbox->pool_haste_nsec > sandbox->pool_pause_nsec;
	return can_wait ? sandbox->pool_haste_nsec : sandbox->pool_pause_nsec;
}

bool pool_refill(struct sandbox *sandbox)
{
	struct sandbox_error err = {0};
	uint64_t now = sys_now_nsec();
	struct cell *cell;

	sandbox->pool_due_nsec = NSEC_NEVER;
	if (sandbox->pool == 0 || sandbox->is_closing || sandbox->is_broken || !engine_has_uid(sandbox))
		return false;
	count_free(sandbox);
	for (size_t i = 0; i < sandbox->nviews; i++) {
		const struct view *view = &sandbox->views[i];
		uint64_t due = due_nsec(sandbox, view);
		if (due > now) {
			if (due < sandbox->pool_due_nsec)
				sandbox->pool_due_nsec = due;
			continue;
		}
		if (cell_order(sandbox, view, &view->order, &view->limits, &cell, &err) == 0)
			return true;
		sandbox->pool_pause_nsec = sys_now_nsec() + ENGINE_PAUSE_SEC * NSEC_PER_SEC;
		return false;
	}
	return false;
}

void pool_evict(struct sandbox *sandbox)
{
	for (struct cell *cell = sandbox->cells; cell != NULL; cell = cell->next)
		if (is_free(cell) && cell->state == CELL_READY) {
			cell_leave(cell);
			return;
		}
}
