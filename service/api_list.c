/* api_list.c: the jobs of a user. */
#include "service/api.h"

#include <string.h>

enum { LIMIT_STANDARD = 20 };

static int add_job(json_t *jobs, const struct job *job)
{
	return json_array_append_new(jobs, job_json(job));
}

static json_t *page_json(const struct store_page *page)
{
	json_t *jobs = json_array();
	int r = 0;

	for (size_t i = 0; i < page->n && r == 0; i++)
		r = add_job(jobs, &page->jobs[i]);
	if (r == 0)
		return json_pack("{s:o, s:s?}", "jobs", jobs, "cursor", page->cursor);
	json_decref(jobs);
	return NULL;
}

static void refuse(struct http_reply *reply, enum api_error_code code, const char *field, const char *message)
{
	struct api_error error;

	(void)api_error_set(&error, code, field, "%s", message);
	http_reply_error(reply, &error);
}

/* False: REPLY says what is wrong with the user's id. */
static bool read_user(const struct http_request *request, struct http_reply *reply, const char **ret)
{
	*ret = http_query(request, "userId");
	if (*ret == NULL)
		refuse(reply, API_ERROR_MISSING_FIELD, "userId", "the parameter userId is missing");
	else if (**ret == '\0' || strlen(*ret) > JOB_USER_ID_BYTES)
		refuse(reply, API_ERROR_INVALID_VALUE, "userId", "there is no such user id");
	else
		return true;
	return false;
}

void api_jobs(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	static const struct api_number limit_number = {"limit", 1, STORE_PAGE_MAX, LIMIT_STANDARD};
	struct store *store = api->service->store;
	const char *cursor = http_query(request, "cursor");
	struct store_page page = {0};
	struct sandbox_error err = {0};
	const char *user_id;
	unsigned limit;

	if (!read_user(request, reply, &user_id) || !api_read_number(request, reply, &limit_number, &limit))
		return;
	int r = store->operations->list(store, user_id, cursor, limit, &page, &err);
	if (r == 0)
		http_reply_json(reply, 200, page_json(&page));
	else if (r == -EINVAL && strcmp(err.stage, "store.cursor") == 0)
		refuse(reply, API_ERROR_INVALID_VALUE, "cursor",
			"the cursor is not one that this service gave");
	else
		api_reply_unavailable(reply, "store.list", &err);
	store_page_free(&page);
}
