/* fuzz_message.c: the door's messages: all that the privileged half reads of what others wrote.
 *
 * The input is a byte, the number of descriptors that came along, and the message. A request that is accepted has one
 * meaning and one spelling: built again it is the same bytes. */
#include "sandbox/base/fd.h"
#include "sandbox/door/message.h"
#include "sandbox/report/report.h"
#include "tests/fuzz/fuzz.h"

enum { FD_FIRST = 1000 }; /* never used, only told apart */

static void check_request(const uint8_t *bytes, size_t size, size_t nfds)
{
	static struct message_request request;
	static struct message_out again;
	struct sandbox_error err = {0};
	int fds[MESSAGE_FDS_MAX];

	int r = message_parse(bytes, size, nfds, &request, &err);
	FUZZ_REQUIRE(r == -err.errno_value);
	if (r < 0) {
		FUZZ_REQUIRE(strncmp(err.stage, "request.", strlen("request.")) == 0);
		return;
	}
	if (request.type != MESSAGE_RUN) {
		struct message_head bare = message_bare(request.type);
		FUZZ_REQUIRE(size == sizeof(bare) && memcmp(bytes, &bare, size) == 0);
		return;
	}
	for (size_t i = 0; i < MESSAGE_FDS_MAX; i++)
		fds[i] = FD_FIRST + (int)i;
	message_bind(&request, fds);
	FUZZ_REQUIRE(message_build(&request.spec, &again, &err) == 0);
	FUZZ_REQUIRE(again.size == size && memcmp(again.bytes, bytes, size) == 0);
	FUZZ_REQUIRE(again.nfds == nfds && memcmp(again.fds, fds, nfds * sizeof(int)) == 0);
}

/* A reply that passes the check is printed, as clients do. */
static void check_reply(const uint8_t *bytes, size_t size)
{
	static struct message_reply reply;
	struct sandbox_error err = {0};
	char line[256];

	memset(&reply, 0, sizeof(reply));
	memcpy(&reply, bytes, size < sizeof(reply) ? size : sizeof(reply));
	if (message_reply_check(&reply, size, &err) < 0)
		return;
	if (reply.head.type == MESSAGE_RESULT) {
		report_explain(&reply.result, NULL, line, sizeof(line));
		json_decref(report_result(&reply.result));
	} else if (reply.head.type == MESSAGE_ERROR) {
		json_decref(report_error(&reply.error));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_request(data + 1, size - 1, data[0]);
	check_reply(data + 1, size - 1);
	return 0;
}

/* --- mutations that keep sums right -------------------------------------------------------------------------- */

/* The bytes of the first N strings within [AT, AT + SIZE). */
static uint32_t strings_bytes(const uint8_t *at, size_t size, uint32_t n)
{
	const uint8_t *start = at, *end = at + size;

	for (; n > 0 && at < end; n--) {
		const uint8_t *nul = memchr(at, '\0', (size_t)(end - at));
		if (nul == NULL)
			break;
		at = nul + 1;
	}
	return (uint32_t)(at - start);
}

static void repair_run(uint8_t *data, size_t size)
{
	struct message_request_head head;
	uint8_t *message = data + 1;
	size_t strings = size - 1 - sizeof(head);

	memcpy(&head, message, sizeof(head));
	head.args_bytes = strings_bytes(message + sizeof(head), strings, head.nargs);
	head.names_bytes = (uint32_t)strings - head.args_bytes;
	head.policy[BOUND_POLICY_NAME] = '\0';
	memcpy(message, &head, sizeof(head));
	data[0] = (uint8_t)((uint32_t)__builtin_popcount(head.streams & 7) + head.nfiles + head.ncollects);
}

/* Blind mutations hardly ever get past the sums; most of the time they are made to fit. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct message_head head = message_bare(MESSAGE_RUN);

	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 8 == 0 || size < 1 + sizeof(head))
		return size;
	memcpy(&head.type, data + 1 + offsetof(struct message_head, type), sizeof(head.type));
	head.size = (uint32_t)(size - 1);
	memcpy(data + 1, &head, sizeof(head));
	if (head.type == MESSAGE_RUN && size >= 1 + sizeof(struct message_request_head))
		repair_run(data, size);
	return size;
}
