/* store_sqlite_list.h: the jobs of a user, page by page. Internal to store_sqlite.c. */
#pragma once

#include "service/sqlite_util.h"
#include "service/store.h"

int store_sqlite_list_open(struct database *db, struct sqlite_client *ret, struct sandbox_error *err);
/* store->list. */
int store_sqlite_list(struct sqlite_client *client, const char *user_id, const char *cursor, unsigned limit,
	struct store_page *ret, struct sandbox_error *err);
