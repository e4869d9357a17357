/* store_sqlite_expire.h: jobs past their time are removed. Internal to store_sqlite.c. */
#pragma once

#include "service/sqlite_util.h"

int store_sqlite_expiry_open(struct database *db, struct sqlite_client *ret, struct sandbox_error *err);

/* Removes the job that expired first, after EACH was called with its output_path, if it has one. 1: it is gone; 0: there is
 * none; a negative errno with ERR. The lock is not held while EACH runs. */
int store_sqlite_expire(struct sqlite_client *client, int (*each)(const char *output_path, void *user),
	void *user, struct sandbox_error *err);
