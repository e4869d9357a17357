#include "tests/lib/aws_place.h"

#include "tests/lib/program.h"

#include <string.h>

static struct sandbox_error err;

static void start(struct aws_place *place, enum emulator_kind kind, const char *service)
{
	static enum emulator_kind kinds[AWS_PLACE_EMULATORS];
	size_t i = 0;

	while (i < place->nemulators && kinds[i] != kind)
		i++;
	if (i == place->nemulators) {
		emulator_start(&place->emulators[i], kind, i > 0 ? &place->emulators[0] : NULL);
		kinds[i] = kind;
		place->nemulators++;
	}
	emulator_export(&place->emulators[i], service);
}

/* The one that has keys of its own comes first: IS_OWN. */
static void start_all(struct aws_place *place, const struct aws_place_plan *plan, bool is_own)
{
	if (plan->has_dynamodb && (plan->dynamodb == EMULATOR_MOTO_AUTH) == is_own)
		start(place, plan->dynamodb, "DYNAMODB");
	if (plan->has_sqs && (plan->sqs == EMULATOR_MOTO_AUTH) == is_own)
		start(place, plan->sqs, "SQS");
	if (plan->has_s3 && (plan->s3 == EMULATOR_MOTO_AUTH) == is_own)
		start(place, plan->s3, "S3");
}

/* The address that setup said. */
static void take_url(const char *said, const char *name, char *url, size_t size)
{
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "/%s: ", name);
	const char *end = strstr(said, wanted);
	ck_assert_msg(end != NULL, "no %s in: %s", wanted, said);
	const char *begin = end;
	while (begin > said && begin[-1] != ' ')
		begin--;
	(void)snprintf(url, size, "%.*s", (int)(end - begin + (long)strlen(name) + 1), begin);
}

/* Twice: the second time it finds everything. */
static void set_up(struct aws_place *place, const struct aws_place_plan *plan)
{
	const char *argv[8] = {"cofferdam-service", "setup"};
	char receives[32];
	size_t n = 2;

	if (plan->has_dynamodb)
		argv[n++] = "--dynamodb-table=" AWS_PLACE_TABLE;
	if (plan->has_s3)
		argv[n++] = "--code-exec-bucket=" AWS_PLACE_BUCKET;
	if (plan->has_sqs) {
		argv[n++] = "--sqs-queue-url=" AWS_PLACE_QUEUE;
		argv[n++] = "--sqs-queue-url-high=" AWS_PLACE_URGENT;
		(void)snprintf(receives, sizeof(receives), "--max-receives=%u", plan->max_receives);
		if (plan->max_receives > 0)
			argv[n++] = receives;
	}
	for (int i = 0; i < 2; i++) {
		struct program program = program_run_plan(&(struct program_plan){.argv = argv});
		expect_status(program, 0);
		if (plan->has_sqs) {
			take_url(program.out, AWS_PLACE_QUEUE, place->queue_url, sizeof(place->queue_url));
			take_url(program.out, AWS_PLACE_URGENT, place->urgent_url, sizeof(place->urgent_url));
			take_url(program.out, AWS_PLACE_QUEUE "-dead", place->dead_url,
				sizeof(place->dead_url));
		}
		ck_assert_msg(i == 0 || strstr(program.out, ": made") == NULL, "again: %s", program.out);
		program_free(&program);
	}
}

static void open_client(struct aws_place *place, enum aws_service service, struct aws_client **ret)
{
	int r = aws_client_open(place->environment, service, ret, &err);

	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

void aws_place_open(struct aws_place *place, const struct aws_place_plan *plan)
{
	*place = (struct aws_place){0};
	ck_assert_int_eq(unsetenv("AWS_CA_BUNDLE"), 0);
	start_all(place, plan, true);
	start_all(place, plan, false);
	set_up(place, plan);
	int r = aws_environment_open(&place->environment, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
	if (plan->has_s3)
		open_client(place, AWS_S3, &place->s3);
	if (plan->has_dynamodb)
		open_client(place, AWS_DYNAMODB, &place->dynamodb);
	if (plan->has_sqs)
		open_client(place, AWS_SQS, &place->sqs);
}

void aws_place_close(struct aws_place *place)
{
	place->sqs = aws_client_close(place->sqs);
	place->dynamodb = aws_client_close(place->dynamodb);
	place->s3 = aws_client_close(place->s3);
	place->environment = aws_environment_close(place->environment);
	for (size_t i = 0; i < place->nemulators; i++)
		emulator_stop(&place->emulators[i]);
}
