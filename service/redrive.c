#include "service/redrive.h"

#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "service/backends.h"
#include "service/languages.h"

#include <string.h>

struct redrive {
	struct service service; /* its configuration, first */
	const char *language, *id;
	uint64_t count;
	bool is_dry;
	unsigned ndone;
	bool has_failed;
};

#define ROW(name, type, field, min, max, standard, help)                                                     \
	{                                                                                                    \
		name, type, offsetof(struct redrive, field), min, max, standard, help                        \
	}

static const struct config_row rows[] = {
	ROW("DYNAMODB_TABLE", CONFIG_STRING, service.config.dynamodb_table, 1, 255, NULL, "the table"),
	ROW("SQS_QUEUE_URL", CONFIG_STRING, service.config.queue_url, 1, 1024, NULL, "the queue"),
	ROW("SQS_QUEUE_URL_HIGH", CONFIG_STRING, service.config.urgent_queue_url, 1, 1024, NULL,
		"the queue for jobs of priority high"),
	ROW("POLICIES_DIR", CONFIG_STRING, service.config.policies_dir, 1, 4000, DEFAULT_POLICIES_DIR,
		"directory of the policies"),
	ROW("count", CONFIG_NUMBER, count, 1, 1000000, "1000", "at most so many jobs"),
	ROW("language", CONFIG_STRING, language, 1, 64, NULL, "only those in this language"),
	ROW("id", CONFIG_STRING, id, 36, 36, NULL, "only this one"),
	ROW("dry-run", CONFIG_FLAG, is_dry, 0, 0, "no", "only say which they are"),
};

static const char usage[] = "cofferdam-service redrive [options]\n"
			    "Queues jobs again that were given up after too many deliveries.\n";

enum { EXIT_USAGE = 2, LOOKED_THROUGH_MAX = 1000000 };

static int configure(struct redrive *redrive, int argc, char *argv[], struct sandbox_error *err)
{
	int next = argc;

	int r = config_parse(rows, ARRAY_SIZE(rows), redrive, argc, argv, usage, stdout, &next, err);
	if (r != 0)
		return r;
	if (next < argc)
		return error_set(err, EINVAL, "config", "unexpected argument: %.64s", argv[next]);
	if (redrive->service.config.dynamodb_table == NULL || redrive->service.config.queue_url == NULL)
		return error_set(err, EINVAL, "config",
			"DYNAMODB_TABLE and SQS_QUEUE_URL are needed; the embedded queue has no dead "
			"letters");
	return 0;
}

static bool is_wanted(const struct redrive *redrive, const struct job_ticket *ticket)
{
	return redrive->ndone < redrive->count &&
	       (redrive->language == NULL || strcmp(redrive->language, ticket->language) == 0) &&
	       (redrive->id == NULL || strcmp(redrive->id, ticket->id) == 0);
}

/* Queued in the store first: a worker that gets the message at once finds the job so. If the message cannot be sent, it is
 * still there, and the next redrive sends it. */
static enum queue_fate decide(struct job_ticket *ticket, void *user)
{
	struct redrive *redrive = user;
	struct store *store = redrive->service.store;
	struct sandbox_error err = {0};
	struct job job = {0};

	if (!is_wanted(redrive, ticket))
		return QUEUE_KEEP;
	if (redrive->is_dry) {
		redrive->ndone++;
		(void)printf("%s %s\n", ticket->id, ticket->language);
		return QUEUE_KEEP;
	}
	int r = store->operations->revive(store, ticket->id, &job, &err);
	ticket->is_urgent = job.is_urgent;
	bool is_queued = r == 0 ||
			 (r == STORE_CONFLICT && store->operations->get(store, ticket->id, &job, &err) == 0 &&
				 job.status == JOB_QUEUED);
	job_free(&job);
	if (r < 0) {
		redrive->has_failed = true;
		(void)fprintf(stderr, "cofferdam-service redrive: %s: %s\n", ticket->id, err.message);
	}
	if (!is_queued)
		return QUEUE_KEEP;
	redrive->ndone++;
	(void)printf("%s %s\n", ticket->id, ticket->language);
	return QUEUE_SEND_AGAIN;
}

static int perform(struct redrive *redrive, struct sandbox_error *err)
{
	struct service *service = &redrive->service;
	struct backends *backends = NULL;
	unsigned nseen = 0;

	/* The objects are not needed; embedded ones would want a directory. */
	service->config.bucket = "none";
	int r = languages_open(service->config.policies_dir, &service->languages, err);
	if (r == 0)
		r = backends_open(service, "", &backends, err);
	if (r == 0)
		r = service->queue->operations->dead(
			service->queue, LOOKED_THROUGH_MAX, decide, redrive, &nseen, err);
	(void)backends_close(backends, service);
	service->languages = languages_close(service->languages);
	(void)fprintf(stderr, "%u of %u\n", redrive->ndone, nseen);
	return r < 0 ? r : redrive->has_failed ? -EIO : 0;
}

int redrive_main(int argc, char *argv[])
{
	struct redrive redrive = {0};
	struct sandbox_error err = {0};

	int r = configure(&redrive, argc, argv, &err);
	if (r == CONFIG_HELP)
		return EXIT_SUCCESS;
	if (r < 0) {
		(void)fprintf(stderr, "cofferdam-service redrive: %s\n", err.message);
		return EXIT_USAGE;
	}
	r = perform(&redrive, &err);
	if (r < 0 && err.errno_value != 0)
		(void)fprintf(stderr, "cofferdam-service redrive: %s: %s\n", err.stage, err.message);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
