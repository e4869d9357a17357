/* batch_sqlite.c: a batch is one transaction, and its thread holds the database's lock meanwhile. The transactions of the
 * calls in between become part of it (sqlite_util.c). */
#include "service/batch.h"

#include "sandbox/base/fd.h"
#include "service/sqlite_util.h"

struct batch_sqlite {
	struct batch base;
	struct sqlite_client client; /* it has no statements of its own */
};

static struct sqlite_client *client_of(struct batch *batch)
{
	return &((struct batch_sqlite *)batch)->client;
}

/* Errors are left to those who then make the calls one by one. */
static bool begin(struct batch *batch)
{
	struct sqlite_client *client = client_of(batch);
	struct sandbox_error err = {0};

	sqlite_lock(client);
	bool is_begun = sqlite_begin(client, &err) == 0;
	client->db->is_batch = is_begun;
	if (!is_begun)
		sqlite_unlock(client);
	return is_begun;
}

static bool end(struct batch *batch, bool is_good)
{
	struct sqlite_client *client = client_of(batch);
	struct sandbox_error err = {0};
	int r = -ECANCELED;

	client->db->is_batch = false;
	if (is_good)
		r = sqlite_commit(client, &err);
	else
		sqlite_rollback(client);
	return sqlite_end(client, r, SYNC_NONE, &err) == 0;
}

static struct batch *batch_close(struct batch *batch)
{
	free(batch);
	return NULL;
}

static const struct batch_operations operations = {.begin = begin, .end = end, .close = batch_close};

int batch_sqlite_open(struct database *db, struct batch **ret, struct sandbox_error *err)
{
	struct batch_sqlite *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return error_set(err, ENOMEM, "batch.sqlite", "no memory");
	batch->base.operations = &operations;
	batch->client = (struct sqlite_client){.db = db, .stage = "batch.sqlite"};
	*ret = (struct batch *)batch;
	return 0;
}
