/* test_message.c: the only bytes of others that the privileged half reads. At every bound and one past it, cut off at
 * every byte, and changed at random. */
#include "sandbox/base/fd.h"
#include "sandbox/door/message.h"
#include "tests/lib/test.h"

#include <string.h>

static struct message_out out;
static struct message_request request;
static struct sandbox_error err;

static const char *const args[] = {"/bin/echo", "", "two words"};
static const struct sandbox_file files[] = {{"a.cpp", 13, false}, {"bin/tool", 14, true}};
static const struct sandbox_collect collects[] = {{"program", 15, 1000}};

/* A request with a bit of everything; descriptors 10 to 15. */
static struct sandbox_spec sample(void)
{
	struct sandbox_spec spec = {
		.policy = "default",
		.step = SANDBOX_RUN,
		.args = args,
		.nargs = ARRAY_SIZE(args),
		.files = files,
		.nfiles = ARRAY_SIZE(files),
		.collects = collects,
		.ncollects = ARRAY_SIZE(collects),
		.stdin_fd = 10,
		.stdout_fd = 11,
		.stderr_fd = 12,
	};
	for (enum limit_id id = 0; id < LIMIT_N; id++)
		*limit_at(&spec.limits, id) = 1000 + id;
	return spec;
}

static void build(const struct sandbox_spec *spec)
{
	err = (struct sandbox_error){0};
	ck_assert_msg(message_build(spec, &out, &err) == 0, "%s", err.message);
}

static int parse(void)
{
	err = (struct sandbox_error){0};
	return message_parse(out.bytes, out.size, out.nfds, &request, &err);
}

/* The head of what was built, to be tampered with. */
static struct message_request_head *head(void)
{
	return (struct message_request_head *)out.bytes;
}

#define assert_refused(number, words)                                                                        \
	do {                                                                                                 \
		ck_assert_int_eq(parse(), -(number));                                                        \
		ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" in \"%s\"", words, err.message);   \
		ck_assert_int_eq(strncmp(err.stage, "request.", 8), 0);                                      \
	} while (0)

START_TEST(a_request_arrives_as_it_was_sent)
{
	struct sandbox_spec spec = sample();

	build(&spec);
	ck_assert_uint_eq(out.nfds, 6);
	ck_assert_int_eq(parse(), 0);
	message_bind(&request, out.fds);
	ck_assert_int_eq(request.type, MESSAGE_RUN);
	ck_assert_str_eq(request.spec.policy, "default");
	ck_assert_int_eq(request.spec.step, SANDBOX_RUN);
	ck_assert_int_eq(memcmp(&request.spec.limits, &spec.limits, sizeof(spec.limits)), 0);
	ck_assert_uint_eq(request.spec.nargs, ARRAY_SIZE(args));
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		ck_assert_str_eq(request.spec.args[i], args[i]);
	ck_assert_uint_eq(request.spec.nfiles, ARRAY_SIZE(files));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ck_assert_str_eq(request.spec.files[i].name, files[i].name);
		ck_assert_int_eq(request.spec.files[i].fd, files[i].fd);
		ck_assert(request.spec.files[i].is_executable == files[i].is_executable);
	}
	ck_assert_uint_eq(request.spec.ncollects, 1);
	ck_assert_str_eq(request.spec.collects[0].name, "program");
	ck_assert_int_eq(request.spec.collects[0].fd, 15);
	ck_assert_uint_eq(request.spec.collects[0].max_bytes, 1000);
	ck_assert_int_eq(request.spec.stdin_fd, 10);
	ck_assert_int_eq(request.spec.stdout_fd, 11);
	ck_assert_int_eq(request.spec.stderr_fd, 12);
}
END_TEST

START_TEST(streams_keep_their_places)
{
	static const int cases[][3] = {{-1, -1, -1}, {5, -1, -1}, {-1, 5, -1}, {-1, -1, 5}, {5, 6, -1},
		{5, -1, 6}, {-1, 5, 6}, {5, 6, 7}, {5, 6, 6}, {-1, 6, 6}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sandbox_spec spec = sample();
		spec.stdin_fd = cases[i][0];
		spec.stdout_fd = cases[i][1];
		spec.stderr_fd = cases[i][2];
		build(&spec);
		ck_assert_int_eq(parse(), 0);
		message_bind(&request, out.fds);
		ck_assert_int_eq(request.spec.stdin_fd, cases[i][0]);
		ck_assert_int_eq(request.spec.stdout_fd, cases[i][1]);
		ck_assert_int_eq(request.spec.stderr_fd, cases[i][2]);
		ck_assert_int_eq(request.spec.files[0].fd, 13);
		ck_assert_int_eq(request.spec.collects[0].fd, 15);
	}
}
END_TEST

START_TEST(bare_messages_are_heads)
{
	static const enum message_type types[] = {MESSAGE_HELLO, MESSAGE_CANCEL};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct message_head bare = message_bare(types[i]);
		memcpy(out.bytes, &bare, sizeof(bare));
		out.size = sizeof(bare);
		out.nfds = 0;
		ck_assert_int_eq(parse(), 0);
		ck_assert_int_eq(request.type, types[i]);
		out.nfds = 1;
		assert_refused(EINVAL, "is a bare head");
		out.nfds = 0;
		head()->head.size = out.size = sizeof(bare) + 1;
		assert_refused(EINVAL, "is a bare head");
	}
}
END_TEST

START_TEST(cut_off_at_any_byte_it_is_refused)
{
	struct sandbox_spec spec = sample();
	char *exact;

	build(&spec);
	size_t whole = out.size;
	for (size_t size = 0; size < whole; size++) {
		/* A buffer of just that size, so that a sanitizer sees a read beyond it; the message's own size is
		 * once what was sent and once what arrived. */
		exact = malloc(size + 1);
		memcpy(exact, out.bytes, size);
		err = (struct sandbox_error){0};
		ck_assert_int_eq(message_parse(exact, size, out.nfds, &request, &err), -EINVAL);
		if (size >= sizeof(struct message_head)) {
			((struct message_head *)exact)->size = (uint32_t)size;
			err = (struct sandbox_error){0};
			ck_assert_int_eq(message_parse(exact, size, out.nfds, &request, &err), -EINVAL);
		}
		free(exact);
	}
	ck_assert_int_eq(parse(), 0);
	head()->head.size = (uint32_t)++out.size;
	assert_refused(EINVAL, "do not add up");
}
END_TEST

START_TEST(another_protocol_or_version_is_told_so)
{
	struct sandbox_spec spec = sample();

	build(&spec);
	head()->head.version = MESSAGE_VERSION + 1;
	assert_refused(EPROTONOSUPPORT, "the client speaks version 2 of the door's protocol");
	ck_assert_str_eq(err.stage, "request.version");
	build(&spec);
	head()->head.magic++;
	assert_refused(EINVAL, "not a message of Cofferdam's");
	build(&spec);
	head()->head.type = MESSAGE_RESULT;
	assert_refused(EINVAL, "no message of type 16");
	build(&spec);
	head()->head.type = 0;
	assert_refused(EINVAL, "no message of type 0");
}
END_TEST

START_TEST(descriptors_must_be_as_many_as_announced)
{
	struct sandbox_spec spec = sample();

	build(&spec);
	out.nfds = 5;
	assert_refused(EINVAL, "5 descriptors arrived, 6 were announced");
	out.nfds = 7;
	assert_refused(EINVAL, "7 descriptors arrived, 6 were announced");
	out.nfds = 0;
	assert_refused(EINVAL, "0 descriptors arrived, 6 were announced");
}
END_TEST

START_TEST(unused_fields_are_zero)
{
	struct sandbox_spec spec = sample();

	build(&spec);
	head()->reserved = 1;
	assert_refused(EINVAL, "unused");
	build(&spec);
	head()->head.reserved = 1;
	ck_assert_int_eq(parse(), -EINVAL);
	build(&spec);
	head()->executables |= 1 << 2;
	assert_refused(EINVAL, "unused");
	build(&spec);
	head()->collect_max[1] = 1;
	assert_refused(EINVAL, "unused");
	build(&spec);
	head()->policy[BOUND_POLICY_NAME] = 'x';
	assert_refused(EINVAL, "policy");
	build(&spec);
	head()->step = SANDBOX_STEP_N;
	assert_refused(EINVAL, "no step 2");
	for (uint32_t bit = 16; bit != 0; bit <<= 1) {
		build(&spec);
		head()->streams |= bit;
		assert_refused(EINVAL, "streams");
	}
	build(&spec);
	head()->streams = MESSAGE_STDIN | MESSAGE_STDOUT | MESSAGE_STDERR | MESSAGE_MERGED;
	assert_refused(EINVAL, "streams");
	build(&spec);
	head()->streams = MESSAGE_MERGED;
	assert_refused(EINVAL, "streams");
}
END_TEST

START_TEST(strings_must_be_as_many_as_announced)
{
	struct sandbox_spec spec = sample();

	build(&spec);
	head()->nargs++;
	assert_refused(EINVAL, "fewer arguments");
	build(&spec);
	head()->nargs--;
	assert_refused(EINVAL, "more arguments");
	build(&spec);
	head()->args_bytes--; /* the last argument loses its NUL, the names gain one byte */
	head()->names_bytes++;
	assert_refused(EINVAL, "fewer arguments");
	build(&spec);
	head()->nfiles++;
	out.nfds++;
	assert_refused(EINVAL, "fewer file names");
	build(&spec);
	head()->nfiles--;
	head()->executables = 0;
	out.nfds--;
	assert_refused(EINVAL, "more file names");
	build(&spec);
	out.bytes[out.size - 1] = 'x';
	assert_refused(EINVAL, "fewer file names");
}
END_TEST

/* A spec at a bound: text of exactly so many bytes in so many strings. */
static struct {
	char text[BOUND_ARG_BYTES + 64];
	const char *args[BOUND_ARGS + 1];
	struct sandbox_file files[BOUND_FILES + 1];
	struct sandbox_collect collects[BOUND_COLLECT + 1];
} large;

/* N strings that take BYTES with their NULs; each but the first is empty. */
static const char *large_string(size_t i, size_t n, size_t bytes)
{
	(void)memset(large.text, 'x', bytes - n);
	large.text[bytes - n] = '\0';
	return i == 0 ? large.text : "";
}

static struct sandbox_spec sized(size_t nargs, size_t arg_bytes, size_t nfiles, size_t ncollects)
{
	for (size_t i = 0; i < nargs; i++)
		large.args[i] = large_string(i, nargs, arg_bytes);
	for (size_t i = 0; i < nfiles; i++)
		large.files[i] = (struct sandbox_file){"f", 20 + (int)i, true};
	for (size_t i = 0; i < ncollects; i++)
		large.collects[i] = (struct sandbox_collect){"c", 200 + (int)i, i};
	return (struct sandbox_spec){
		.policy = "p",
		.step = SANDBOX_RUN,
		.args = large.args,
		.nargs = nargs,
		.files = large.files,
		.nfiles = nfiles,
		.collects = large.collects,
		.ncollects = ncollects,
		.stdin_fd = 10,
		.stdout_fd = 11,
		.stderr_fd = 12,
	};
}

START_TEST(the_largest_request_passes)
{
	struct sandbox_spec spec = sized(BOUND_ARGS, BOUND_ARG_BYTES, BOUND_FILES, BOUND_COLLECT);

	build(&spec);
	ck_assert_uint_eq(out.nfds, MESSAGE_FDS_MAX);
	ck_assert_int_eq(parse(), 0);
	message_bind(&request, out.fds);
	ck_assert_uint_eq(strlen(request.spec.args[0]), BOUND_ARG_BYTES - BOUND_ARGS);
	ck_assert_int_eq(request.spec.files[BOUND_FILES - 1].fd, 20 + BOUND_FILES - 1);
	ck_assert(request.spec.files[BOUND_FILES - 1].is_executable);
	ck_assert_int_eq(request.spec.collects[BOUND_COLLECT - 1].fd, 200 + BOUND_COLLECT - 1);
	ck_assert_uint_eq(request.spec.collects[BOUND_COLLECT - 1].max_bytes, BOUND_COLLECT - 1);
}
END_TEST

START_TEST(one_past_a_bound_is_not_even_sent)
{
	struct sandbox_spec specs[] = {sized(BOUND_ARGS + 1, BOUND_ARG_BYTES, 1, 1),
		sized(1, BOUND_ARG_BYTES + 1, 1, 1), sized(1, 10, BOUND_FILES + 1, 1),
		sized(1, 10, 1, BOUND_COLLECT + 1)};
	char name[BOUND_POLICY_NAME + 2];

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		/* sized() shares its strings: the one of specs[1] is made again. */
		struct sandbox_spec spec = i == 1 ? sized(1, BOUND_ARG_BYTES + 1, 1, 1) : specs[i];
		ck_assert_int_eq(message_build(&spec, &out, NULL), -EINVAL);
	}
	(void)memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	struct sandbox_spec spec = sample();
	spec.policy = name;
	ck_assert_int_eq(message_build(&spec, &out, NULL), -EINVAL);
	spec.policy = name + 1;
	build(&spec);
	ck_assert_int_eq(parse(), 0);
	spec.policy = "";
	ck_assert_int_eq(message_build(&spec, &out, NULL), -EINVAL);
	spec.policy = NULL;
	ck_assert_int_eq(message_build(&spec, &out, NULL), -EINVAL);
}
END_TEST

START_TEST(names_have_their_own_bound)
{
	static char name[BOUND_NAME_BYTES + 1];
	struct sandbox_file file = {name, 20, false};
	struct sandbox_spec spec = {
		.policy = "p", .files = &file, .nfiles = 1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};

	(void)memset(name, 'n', BOUND_NAME_BYTES - 1);
	build(&spec);
	ck_assert_int_eq(parse(), 0);
	(void)memset(name, 'n', BOUND_NAME_BYTES);
	ck_assert_int_eq(message_build(&spec, &out, NULL), -EINVAL);
}
END_TEST

/* Counts beyond their bounds, up to the largest, where a sum would wrap around. */
START_TEST(one_past_a_bound_is_refused)
{
	static const uint32_t past[] = {1, 2, 0x10000, UINT32_MAX};
	struct sandbox_spec spec = sample();
	const struct {
		uint32_t *field;
		uint32_t bound;
	} fields[] = {
		{&head()->nargs, BOUND_ARGS},
		{&head()->args_bytes, BOUND_ARG_BYTES},
		{&head()->nfiles, BOUND_FILES},
		{&head()->ncollects, BOUND_COLLECT},
		{&head()->names_bytes, BOUND_NAME_BYTES},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		for (size_t p = 0; p < ARRAY_SIZE(past); p++) {
			build(&spec);
			*fields[i].field = past[p] > UINT32_MAX - fields[i].bound ? UINT32_MAX
										  : fields[i].bound + past[p];
			assert_refused(E2BIG, "more than");
		}
	build(&spec);
	head()->args_bytes += UINT32_MAX / 2 + 1;
	head()->names_bytes += UINT32_MAX / 2 + 1; /* the sum is right modulo 2^32 */
	assert_refused(E2BIG, "more than");
}
END_TEST

/* xorshift64: the same mutations every time. */
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Everything that was accepted lies within the message, and every descriptor has its place. */
static void check_accepted(const char *bytes, size_t size, size_t nfds)
{
	int fds[MESSAGE_FDS_MAX];

	if (request.type != MESSAGE_RUN)
		return;
	ck_assert_uint_le(request.spec.nargs, BOUND_ARGS);
	ck_assert_uint_le(request.spec.nfiles, BOUND_FILES);
	ck_assert_uint_le(request.spec.ncollects, BOUND_COLLECT);
	for (size_t i = 0; i < request.spec.nargs; i++) {
		const char *arg = request.spec.args[i];
		ck_assert(arg >= bytes && arg + strlen(arg) < bytes + size);
	}
	for (size_t i = 0; i < request.spec.nfiles; i++) {
		const char *name = request.spec.files[i].name;
		ck_assert(name >= bytes && name + strlen(name) < bytes + size);
	}
	for (size_t i = 0; i < nfds; i++)
		fds[i] = 1000 + (int)i;
	message_bind(&request, fds);
	for (size_t i = 0; i < request.spec.nfiles; i++)
		ck_assert(request.spec.files[i].fd >= 1000 && request.spec.files[i].fd < 1000 + (int)nfds);
}

START_TEST(changed_at_random_it_is_refused_or_makes_sense)
{
	struct sandbox_spec spec = sample();
	unsigned accepted = 0, refused = 0;

	build(&spec);
	for (unsigned round = 0; round < 200000; round++) {
		size_t size = out.size, nfds = out.nfds;
		char *bytes = malloc(size); /* its own, so that a sanitizer guards its end */
		memcpy(bytes, out.bytes, size);
		for (unsigned n = 1 + (unsigned)(random_next() % 4); n > 0; n--) {
			char value = (char)(random_next() % 3 ? random_next() : random_next() % 5);
			bytes[random_next() % size] = value;
		}
		if (random_next() % 8 == 0)
			nfds = random_next() % (MESSAGE_FDS_MAX + 1);
		err = (struct sandbox_error){0};
		int r = message_parse(bytes, size, nfds, &request, &err);
		ck_assert(r == 0 ? err.errno_value == 0 : err.errno_value == -r);
		if (r == 0)
			check_accepted(bytes, size, nfds);
		*(r == 0 ? &accepted : &refused) += 1;
		free(bytes);
	}
	ck_assert_uint_gt(accepted, 1000); /* limits, names and arguments may have any value here */
	ck_assert_uint_gt(refused, 1000);
}
END_TEST

START_TEST(replies_come_back_as_they_were)
{
	struct sandbox_result result = {.cause = SANDBOX_CPU_LIMIT, .exit_code = -1, .wall_usec = 77};
	struct sandbox_error error = {.errno_value = EIO, .stage = "s", .message = "m"};
	struct message_reply reply;

	message_reply_build(&result, NULL, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), &err), 0);
	ck_assert_int_eq(reply.head.type, MESSAGE_RESULT);
	ck_assert_int_eq(memcmp(&reply.result, &result, sizeof(result)), 0);
	message_reply_build(NULL, &error, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), &err), 0);
	ck_assert_int_eq(reply.head.type, MESSAGE_ERROR);
	ck_assert_int_eq(memcmp(&reply.error, &error, sizeof(error)), 0);
	message_reply_build(NULL, NULL, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), &err), 0);
	ck_assert_int_eq(reply.head.type, MESSAGE_HELLO);
}
END_TEST

START_TEST(replies_that_make_no_sense_are_refused)
{
	struct sandbox_result result = {.cause = SANDBOX_CAUSE_N};
	struct sandbox_error error = {.errno_value = 0};
	struct message_reply reply;

	message_reply_build(&result, NULL, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), NULL), -EPROTO);
	result.cause = SANDBOX_EXITED;
	(void)memset(result.syscall_name, 'x', sizeof(result.syscall_name));
	message_reply_build(&result, NULL, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), NULL), -EPROTO);
	message_reply_build(NULL, &error, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), NULL), -EPROTO);
	error.errno_value = EIO;
	(void)memset(error.message, 'x', sizeof(error.message));
	message_reply_build(NULL, &error, &reply);
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), NULL), -EPROTO);
	message_reply_build(NULL, NULL, &reply);
	for (size_t size = 0; size < sizeof(reply); size++)
		ck_assert_int_eq(message_reply_check(&reply, size, NULL), -EPROTO);
	reply.head.version++;
	err = (struct sandbox_error){0};
	ck_assert_int_eq(message_reply_check(&reply, sizeof(reply), &err), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.message, "the supervisor speaks version 2"));
}
END_TEST

TEST_PROGRAM(
	"message", 120, tcase_add_test(tc, a_request_arrives_as_it_was_sent);
	tcase_add_test(tc, streams_keep_their_places); tcase_add_test(tc, bare_messages_are_heads);
	tcase_add_test(tc, cut_off_at_any_byte_it_is_refused);
	tcase_add_test(tc, another_protocol_or_version_is_told_so);
	tcase_add_test(tc, descriptors_must_be_as_many_as_announced);
	tcase_add_test(tc, unused_fields_are_zero); tcase_add_test(tc, strings_must_be_as_many_as_announced);
	tcase_add_test(tc, the_largest_request_passes); tcase_add_test(tc, one_past_a_bound_is_not_even_sent);
	tcase_add_test(tc, names_have_their_own_bound); tcase_add_test(tc, one_past_a_bound_is_refused);
	tcase_add_test(tc, changed_at_random_it_is_refused_or_makes_sense);
	tcase_add_test(tc, replies_come_back_as_they_were);
	tcase_add_test(tc, replies_that_make_no_sense_are_refused))
