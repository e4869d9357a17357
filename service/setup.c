#include "service/setup.h"

#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "service/setup_calls.h"
#include "service/setup_policies.h"

#include <string.h>

static const struct config_row rows[] = {
	{"DYNAMODB_TABLE", CONFIG_STRING, offsetof(struct setup, table), 1, 255, NULL, "the table's name"},
	{"SQS_QUEUE_URL", CONFIG_STRING, offsetof(struct setup, queues[0]), 1, 1024, NULL,
		"the queue's address, or its name"},
	{"SQS_QUEUE_URL_HIGH", CONFIG_STRING, offsetof(struct setup, queues[1]), 1, 1024, NULL,
		"the same for jobs of priority high"},
	{"SQS_QUEUES", CONFIG_STRING, offsetof(struct setup, more_queues), 1, 4096, NULL,
		"further queues (of languages), separated by commas"},
	{"CODE_EXEC_BUCKET", CONFIG_STRING, offsetof(struct setup, bucket), 1, 63, NULL, "the bucket's name"},
	{"KEEP_DAYS", CONFIG_NUMBER, offsetof(struct setup, keep_days), 0, 36500, "0",
		"days after which the bucket forgets outputs; 0: never"},
	{"LEASE_SEC", CONFIG_NUMBER, offsetof(struct setup, lease_sec), 3, 43200, "30",
		"visibility timeout of the queues"},
	{"MAX_RECEIVES", CONFIG_NUMBER, offsetof(struct setup, max_receives), 1, 1000, "10",
		"deliveries of a message before it goes to the dead-letter queue"},
	{"dry-run", CONFIG_FLAG, offsetof(struct setup, is_dry), 0, 0, "no",
		"print the calls, and the IAM policies that api and worker need, and ask nobody"},
};

static const char usage[] = "cofferdam-service setup [options]\n"
			    "Makes the table, the queues and the bucket of the service in AWS, as far as "
			    "they are named; again: nothing changes.\n";

enum { EXIT_USAGE = 2 };

static int configure(struct setup *setup, int argc, char *argv[], struct sandbox_error *err)
{
	int next = argc;

	int r = config_parse(rows, ARRAY_SIZE(rows), setup, argc, argv, usage, stdout, &next, err);
	if (r != 0)
		return r;
	if (next < argc)
		return error_set(err, EINVAL, "config", "unexpected argument: %.64s", argv[next]);
	if (setup->table == NULL && setup->queues[0] == NULL && setup->bucket == NULL)
		return error_set(err, EINVAL, "config",
			"nothing to do: none of DYNAMODB_TABLE, SQS_QUEUE_URL and CODE_EXEC_BUCKET is set");
	return 0;
}

static int perform(struct setup *setup, struct sandbox_error *err)
{
	int r = setup_open(setup, err);

	if (r == 0 && setup->table != NULL)
		r = setup_table(setup, err);
	if (r == 0)
		r = setup_queues(setup, err);
	if (r == 0 && setup->bucket != NULL)
		r = setup_bucket(setup, err);
	if (r == 0 && setup->is_dry)
		r = setup_print_policies(setup, err);
	setup_close(setup);
	return r;
}

int setup_main(int argc, char *argv[])
{
	struct setup setup = {0};
	struct sandbox_error err = {0};

	int r = configure(&setup, argc, argv, &err);
	if (r == CONFIG_HELP)
		return EXIT_SUCCESS;
	if (r < 0) {
		(void)fprintf(stderr, "cofferdam-service setup: %s\n", err.message);
		return EXIT_USAGE;
	}
	r = perform(&setup, &err);
	if (r < 0)
		(void)fprintf(stderr, "cofferdam-service setup: %s: %s\n", err.stage, err.message);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
