/* database_sync.h: the life of the thread behind database_sync, for database.c. */
#pragma once

#include "service/database.h"

void database_sync_init(struct database_sync *sync);
int database_sync_start(struct database *db, struct sandbox_error *err);
/* Ends the thread, if it was started, after a last sync of what is due; then frees. */
void database_sync_stop(struct database *db);
