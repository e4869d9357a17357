#include "tests/lib/aws_place.h"

#include "service/objects_s3.h"
#include "service/queue_sqs.h"
#include "service/store_dynamodb.h"
#include "tests/lib/program.h"

#include <string.h>
#include <unistd.h>

static struct sandbox_error err;

/* --- the program's emulators -------------------------------------------------------------------------------------- */

static struct emulator emulators[EMULATOR_KIND_N];
static bool is_shared[EMULATOR_KIND_N];
static const char *skip_reason = "no emulators are started";

/* Those whose keys are made up come first: the others take any. */
static const enum emulator_kind order[EMULATOR_KIND_N] = {
	EMULATOR_MOTO_AUTH, EMULATOR_MOTO, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW};

static void start_emulators(void)
{
	const struct emulator *first = NULL;

	skip_reason = emulator_skip_reason();
	for (size_t i = 0; i < EMULATOR_KIND_N && skip_reason == NULL; i++) {
		struct emulator *emulator = &emulators[order[i]];
		if (!is_shared[order[i]])
			continue;
		emulator_start(emulator, order[i], first);
		first = first != NULL ? first : emulator;
	}
}

static void stop_emulators(void)
{
	for (size_t i = 0; i < EMULATOR_KIND_N; i++)
		emulator_stop(&emulators[i]);
}

void aws_place_share(TCase *tc, const enum emulator_kind *kinds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		is_shared[kinds[i]] = true;
	tcase_add_unchecked_fixture(tc, start_emulators, stop_emulators);
}

const char *aws_place_skip_reason(void)
{
	return skip_reason;
}

const struct emulator *aws_place_emulator(enum emulator_kind kind)
{
	ck_assert_msg(emulators[kind].pid != 0, "the program does not share this emulator (%d)", (int)kind);
	return &emulators[kind];
}

void aws_place_expect_alive(void)
{
	for (size_t i = 0; i < EMULATOR_KIND_N; i++)
		if (emulators[i].pid != 0)
			emulator_expect_alive(&emulators[i]);
}

/* --- a test's place ----------------------------------------------------------------------------------------------- */

/* Unlike those of any other test of the program, each of which is a process. */
static void name(struct aws_place *place)
{
	static unsigned n;
	long pid = (long)getpid();

	n++;
	(void)snprintf(place->table, sizeof(place->table), "jobs-%ld-%u", pid, n);
	(void)snprintf(place->bucket, sizeof(place->bucket), "cofferdam-tests-%ld-%u", pid, n);
	(void)snprintf(place->queue_name, sizeof(place->queue_name), "jobs-%ld-%u", pid, n);
}

static void export(const char *variable, const char *value)
{
	ck_assert_int_eq(setenv(variable, value, 1), 0);
}

/* The address that setup said of the queue whose name ends so. */
static void take_url(const char *said, const struct aws_place *place, const char *end, char url[256])
{
	char wanted[128];

	(void)snprintf(wanted, sizeof(wanted), "/%s%s: ", place->queue_name, end);
	const char *at = strstr(said, wanted);
	ck_assert_msg(at != NULL, "no %s in: %s", wanted, said);
	const char *begin = at;
	while (begin > said && begin[-1] != ' ')
		begin--;
	(void)snprintf(url, 256, "%.*s", (int)((size_t)(at - begin) + strlen(wanted) - strlen(": ")), begin);
}

/* Twice: the second time it finds everything. */
static void set_up(struct aws_place *place, const struct aws_place_plan *plan)
{
	char table[128], bucket[128], queue[128], urgent[128], receives[32];
	const char *argv[8] = {"cofferdam-service", "setup"};
	size_t n = 2;

	(void)snprintf(table, sizeof(table), "--dynamodb-table=%s", place->table);
	(void)snprintf(bucket, sizeof(bucket), "--code-exec-bucket=%s", place->bucket);
	(void)snprintf(queue, sizeof(queue), "--sqs-queue-url=%s", place->queue_name);
	(void)snprintf(urgent, sizeof(urgent), "--sqs-queue-url-high=%s-high", place->queue_name);
	(void)snprintf(receives, sizeof(receives), "--max-receives=%u", plan->max_receives);
	if (plan->has_dynamodb)
		argv[n++] = table;
	if (plan->has_s3)
		argv[n++] = bucket;
	if (plan->has_sqs) {
		argv[n++] = queue;
		argv[n++] = urgent;
		if (plan->max_receives > 0)
			argv[n++] = receives;
	}
	for (int i = 0; i < 2; i++) {
		struct program program = program_run_plan(&(struct program_plan){.argv = argv});
		expect_status(program, 0);
		if (plan->has_sqs) {
			take_url(program.out, place, "", place->queue_url);
			take_url(program.out, place, "-high", place->urgent_url);
			take_url(program.out, place, "-dead", place->dead_url);
		}
		ck_assert_msg(i == 0 || strstr(program.out, ": made") == NULL, "again: %s", program.out);
		program_free(&program);
	}
}

static struct aws_client *client_of(const struct aws_place *place, enum aws_service service)
{
	struct aws_client *client = NULL;

	int r = aws_client_open(place->environment, service, &client, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
	return client;
}

static void open_queue(struct aws_place *place, bool has_urgent)
{
	const struct queue_sqs_route routes[] = {
		{place->queue_url, NULL, false}, {place->urgent_url, NULL, true}};

	place->sqs = client_of(place, AWS_SQS);
	const struct queue_sqs_options options = {place->sqs, routes, has_urgent ? 2 : 1};
	ck_assert_int_eq(queue_sqs_open(&options, &place->queue, &err), 0);
	export("SQS_QUEUE_URL", place->queue_url);
	if (has_urgent)
		export("SQS_QUEUE_URL_HIGH", place->urgent_url);
}

static void open_objects(struct aws_place *place)
{
	place->s3 = client_of(place, AWS_S3);
	const struct objects_s3_options options = {place->s3, place->bucket, NULL};
	ck_assert_int_eq(objects_s3_open(&options, &place->objects, &err), 0);
	export("CODE_EXEC_BUCKET", place->bucket);
}

static void open_store(struct aws_place *place)
{
	place->dynamodb = client_of(place, AWS_DYNAMODB);
	const struct store_dynamodb_options options = {place->dynamodb, place->table, place->objects};
	ck_assert_int_eq(store_dynamodb_open(&options, &place->store, &err), 0);
	export("DYNAMODB_TABLE", place->table);
}

static void start_proxies(struct aws_place *place)
{
	static const char *const names[AWS_PLACE_PROXY_N] = {"SQS", "DYNAMODB", "S3"};
	const struct aws_place_plan *plan = &place->plan;
	const enum emulator_kind kinds[AWS_PLACE_PROXY_N] = {plan->sqs, plan->dynamodb, plan->s3};
	char variable[64], url[64];

	for (size_t i = 0; i < AWS_PLACE_PROXY_N; i++) {
		faulty_start(&place->proxies[i], aws_place_emulator(kinds[i])->port);
		(void)snprintf(variable, sizeof(variable), "AWS_ENDPOINT_URL_%s", names[i]);
		(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", place->proxies[i].port);
		export(variable, url);
	}
}

static void open_backends(struct aws_place *place)
{
	int r = aws_environment_open(&place->environment, &err);

	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
	if (place->plan.has_sqs)
		open_queue(place, place->plan.has_urgent);
	if (place->plan.has_s3)
		open_objects(place);
	if (place->plan.has_dynamodb)
		open_store(place);
}

static void close_backends(struct aws_place *place)
{
	if (place->queue != NULL)
		place->queue = place->queue->operations->close(place->queue);
	if (place->store != NULL)
		place->store = place->store->operations->close(place->store);
	if (place->objects != NULL)
		place->objects = place->objects->operations->close(place->objects);
	place->sqs = aws_client_close(place->sqs);
	place->dynamodb = aws_client_close(place->dynamodb);
	place->s3 = aws_client_close(place->s3);
	place->environment = aws_environment_close(place->environment);
}

void aws_place_open(struct aws_place *place, const struct aws_place_plan *plan)
{
	*place = (struct aws_place){.plan = *plan};
	name(place);
	ck_assert_int_eq(unsetenv("AWS_CA_BUNDLE"), 0);
	if (plan->has_sqs)
		emulator_export(aws_place_emulator(plan->sqs), "SQS");
	if (plan->has_dynamodb)
		emulator_export(aws_place_emulator(plan->dynamodb), "DYNAMODB");
	if (plan->has_s3)
		emulator_export(aws_place_emulator(plan->s3), "S3");
	set_up(place, plan);
	if (plan->has_proxies)
		start_proxies(place);
	open_backends(place);
}

void aws_place_reopen(struct aws_place *place)
{
	close_backends(place);
	open_backends(place);
}

json_t *aws_place_ask(struct aws_client *client, const char *operation, json_t *input)
{
	const struct aws_json_request request = {.operation = operation, .in = input};
	json_t *answer = NULL;

	ck_assert_ptr_nonnull(input);
	ck_assert_msg(aws_json_call(client, &request, &answer, &err) == 0, "%s", err.message);
	json_decref(input);
	return answer;
}

unsigned aws_place_messages(const struct aws_place *place, const char *url)
{
	static const char *const names[] = {
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"};
	json_t *answer = aws_place_ask(place->sqs, "GetQueueAttributes",
		json_pack("{s:s, s:[s, s]}", "QueueUrl", url, "AttributeNames", names[0], names[1]));
	unsigned n = 0;

	for (size_t i = 0; i < 2; i++) {
		const json_t *attributes = json_object_get(answer, "Attributes");
		const char *text = json_string_value(json_object_get(attributes, names[i]));
		ck_assert_ptr_nonnull(text);
		n += (unsigned)strtoul(text, NULL, 10);
	}
	json_decref(answer);
	return n;
}

void aws_place_close(struct aws_place *place)
{
	close_backends(place);
	for (size_t i = 0; i < AWS_PLACE_PROXY_N && place->plan.has_proxies; i++)
		faulty_stop(&place->proxies[i]);
}
