#include "service/store_sqlite_list.h"

#include "service/store_sqlite_row.h"

#include <inttypes.h>
#include <string.h>

enum statement { LIST, STATEMENT_N };

static const char *const statements[STATEMENT_N] = {
	[LIST] = "SELECT " STORE_SQLITE_COLUMNS ", seq FROM jobs WHERE user_id = ?1 AND seq < ?2"
		 " AND (expires_usec IS NULL OR expires_usec > ?3) ORDER BY seq DESC LIMIT ?4",
};

int store_sqlite_list_open(struct database *db, struct sqlite_client *ret, struct sandbox_error *err)
{
	return sqlite_client_open(db, "store.sqlite", statements, STATEMENT_N, ret, err);
}

/* The cursor is the place, in the order of creation, of the last job of the page before. */
static int read_cursor(const char *cursor, int64_t *ret, struct sandbox_error *err)
{
	char *end = NULL;

	*ret = INT64_MAX;
	if (cursor == NULL)
		return 0;
	errno = 0;
	*ret = strtoll(cursor, &end, 10);
	if (errno != 0 || end == cursor || *end != '\0' || *ret <= 0 || strspn(cursor, "0123456789") == 0)
		return error_set(err, EINVAL, "store.cursor", "the cursor is none of this store");
	return 0;
}

/* Takes the rows that are there into PAGE, which has room for LIMIT. One more row than that: there is a next page. */
static int take_page(
	struct sqlite_call *call, struct store_page *page, unsigned limit, struct sandbox_error *err)
{
	int64_t last = 0;
	int r;

	while ((r = sqlite_run(call, err)) > 0 && page->n < limit) {
		r = store_sqlite_row(call, &page->jobs[page->n++], err);
		last = sqlite_take_int(call, 0);
		if (r < 0)
			return r;
	}
	if (r <= 0)
		return r;
	if (asprintf(&page->cursor, "%" PRId64, last) < 0) {
		page->cursor = NULL;
		return error_set(err, ENOMEM, call->client->stage, "no memory");
	}
	return 0;
}

static int list_locked(struct sqlite_client *client, const char *user_id, int64_t before, unsigned limit,
	struct store_page *page, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, LIST);

	sqlite_put_text(&call, user_id);
	sqlite_put_int(&call, before);
	sqlite_put_int(&call, job_now_usec());
	sqlite_put_int(&call, (int64_t)limit + 1);
	return take_page(&call, page, limit, err);
}

int store_sqlite_list(struct sqlite_client *client, const char *user_id, const char *cursor, unsigned limit,
	struct store_page *ret, struct sandbox_error *err)
{
	struct store_page page = {0};
	int64_t before;

	int r = read_cursor(cursor, &before, err);
	if (r < 0)
		return r;
	page.jobs = calloc(limit, sizeof(page.jobs[0]));
	if (page.jobs == NULL)
		return error_set(err, ENOMEM, client->stage, "no memory");
	sqlite_lock(client);
	r = list_locked(client, user_id, before, limit, &page, err);
	sqlite_unlock(client);
	if (r < 0)
		store_page_free(&page);
	else
		*ret = page;
	return r;
}
