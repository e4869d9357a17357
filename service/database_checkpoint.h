/* database_checkpoint.h: what database.c has of database_checkpoint.c. */
#pragma once

#include "service/database.h"

enum {
	CHECKPOINT_STEP_FRAMES = 1000, /* so many new pages in the log make a checkpoint */
	CHECKPOINT_MAX_FRAMES = 8000,  /* and so many in all, 32 MiB, make commits wait for one */
};

/* From here on no commit of DB makes one by itself. 0 or a negative errno with ERR. */
int database_checkpoint_start(struct database *db, struct sandbox_error *err);
/* Accepts one that was not started, or not wholly. */
void database_checkpoint_stop(struct database *db);
