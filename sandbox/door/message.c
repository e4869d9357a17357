#include "sandbox/door/message.h"

#include "sandbox/base/fd.h"

#include <string.h>

static const char STAGE[] = "request.message";

/* --- parsing ------------------------------------------------------------------------------------------------ */

static int check_head(const void *bytes, size_t size, struct message_head *ret, struct sandbox_error *err)
{
	if (size < sizeof(*ret))
		return error_set(err, EINVAL, STAGE, "%zu bytes are no message", size);
	memcpy(ret, bytes, sizeof(*ret));
	if (ret->magic != MESSAGE_MAGIC)
		return error_set(err, EINVAL, STAGE, "not a message of Cofferdam's");
	if (ret->version != MESSAGE_VERSION)
		return error_set(err, EPROTONOSUPPORT, "request.version",
			"the client speaks version %u of the door's protocol, this supervisor %d",
			ret->version, MESSAGE_VERSION);
	if (ret->size != size || ret->reserved != 0)
		return error_set(
			err, EINVAL, STAGE, "%zu bytes arrived, the message says %u", size, ret->size);
	return 0;
}

static int check_counts(const struct message_request_head *head, struct sandbox_error *err)
{
	const struct {
		const char *what;
		uint32_t value, max;
	} bounds[] = {
		{"arguments", head->nargs, BOUND_ARGS},
		{"bytes of arguments", head->args_bytes, BOUND_ARG_BYTES},
		{"input files", head->nfiles, BOUND_FILES},
		{"result files", head->ncollects, BOUND_COLLECT},
		{"bytes of file names", head->names_bytes, BOUND_NAME_BYTES},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
		if (bounds[i].value > bounds[i].max)
			return error_set(err, E2BIG, STAGE, "more than %u %s", bounds[i].max, bounds[i].what);
	return 0;
}

static bool is_zero(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		if (at[i] != 0)
			return false;
	return true;
}

/* One meaning, one message: what is not used is 0. A later version may give it a meaning. */
static int check_unused(const struct message_request_head *head, struct sandbox_error *err)
{
	size_t name = strnlen(head->policy, sizeof(head->policy));
	bool is_merged = head->streams & MESSAGE_MERGED;

	if (name == 0 || name == sizeof(head->policy) ||
		!is_zero(head->policy + name, sizeof(head->policy) - name))
		return error_set(err, EINVAL, STAGE, "the policy's name");
	if (head->step >= SANDBOX_STEP_N)
		return error_set(err, EINVAL, STAGE, "there is no step %u", head->step);
	if (head->streams & ~(uint32_t)(MESSAGE_STDIN | MESSAGE_STDOUT | MESSAGE_STDERR | MESSAGE_MERGED) ||
		(is_merged && (head->streams & (MESSAGE_STDOUT | MESSAGE_STDERR)) != MESSAGE_STDOUT))
		return error_set(err, EINVAL, STAGE, "the standard streams");
	if (head->reserved != 0 || (head->nfiles < 64 && head->executables >> head->nfiles != 0) ||
		!is_zero(head->collect_max + head->ncollects,
			(BOUND_COLLECT - head->ncollects) * sizeof(head->collect_max[0])))
		return error_set(err, EINVAL, STAGE, "an unused field is set");
	return 0;
}

/* The strings of one block. */
struct strings {
	const char *at;
	size_t left;
};

/* The next string; NULL when there is no whole one. */
static const char *next_string(struct strings *strings)
{
	const char *string = strings->at;
	const char *end = memchr(string, '\0', strings->left);

	if (end == NULL)
		return NULL;
	size_t size = (size_t)(end - string) + 1;
	strings->at += size;
	strings->left -= size;
	return string;
}

static int read_args(const struct message_request_head *head, struct strings strings,
	struct message_request *ret, struct sandbox_error *err)
{
	for (uint32_t i = 0; i < head->nargs; i++) {
		ret->args[i] = next_string(&strings);
		if (ret->args[i] == NULL)
			return error_set(err, EINVAL, STAGE, "fewer arguments than announced");
	}
	if (strings.left != 0)
		return error_set(err, EINVAL, STAGE, "more arguments than announced");
	ret->spec.args = ret->args;
	ret->spec.nargs = head->nargs;
	return 0;
}

/* Names, and the places of the descriptors from FD on. */
static int read_names(const struct message_request_head *head, struct strings strings, int fd,
	struct message_request *ret, struct sandbox_error *err)
{
	for (uint32_t i = 0; i < head->nfiles + head->ncollects; i++) {
		const char *name = next_string(&strings);
		uint32_t c = i - head->nfiles;
		if (name == NULL)
			return error_set(err, EINVAL, STAGE, "fewer file names than announced");
		if (i < head->nfiles)
			ret->files[i] = (struct sandbox_file){name, fd++, (head->executables >> i & 1) != 0};
		else
			ret->collects[c] = (struct sandbox_collect){name, fd++, head->collect_max[c]};
	}
	if (strings.left != 0)
		return error_set(err, EINVAL, STAGE, "more file names than announced");
	ret->spec.files = ret->files;
	ret->spec.nfiles = head->nfiles;
	ret->spec.collects = ret->collects;
	ret->spec.ncollects = head->ncollects;
	return 0;
}

/* Gives the streams their places; returns how many there are. */
static int read_streams(uint32_t streams, struct sandbox_spec *spec)
{
	int fd = 0;

	spec->stdin_fd = streams & MESSAGE_STDIN ? fd++ : -1;
	spec->stdout_fd = streams & MESSAGE_STDOUT ? fd++ : -1;
	spec->stderr_fd = streams & MESSAGE_STDERR ? fd++ : -1;
	if (streams & MESSAGE_MERGED)
		spec->stderr_fd = spec->stdout_fd;
	return fd;
}

static int parse_run(
	const char *bytes, size_t size, size_t nfds, struct message_request *ret, struct sandbox_error *err)
{
	struct message_request_head head;

	if (size < sizeof(head))
		return error_set(err, EINVAL, STAGE, "%zu bytes are no request", size);
	memcpy(&head, bytes, sizeof(head));
	int r = check_counts(&head, err);
	if (r == 0)
		r = check_unused(&head, err);
	if (r < 0)
		return r;
	/* Small after check_counts: none of these sums can overflow. */
	if (size != sizeof(head) + head.args_bytes + head.names_bytes)
		return error_set(err, EINVAL, STAGE, "the parts do not add up to %zu bytes", size);
	int streams = read_streams(head.streams, &ret->spec);
	if (nfds != (size_t)streams + head.nfiles + head.ncollects)
		return error_set(err, EINVAL, STAGE, "%zu descriptors arrived, %zu were announced", nfds,
			(size_t)streams + head.nfiles + head.ncollects);
	memcpy(ret->policy, head.policy, sizeof(ret->policy));
	ret->spec.policy = ret->policy;
	ret->spec.step = (enum sandbox_step)head.step;
	ret->spec.limits = head.limits;
	r = read_args(&head, (struct strings){bytes + sizeof(head), head.args_bytes}, ret, err);
	if (r < 0)
		return r;
	struct strings names = {bytes + sizeof(head) + head.args_bytes, head.names_bytes};
	return read_names(&head, names, streams, ret, err);
}

int message_parse(
	const void *bytes, size_t size, size_t nfds, struct message_request *ret, struct sandbox_error *err)
{
	struct message_head head = {0};

	int r = check_head(bytes, size, &head, err);
	if (r < 0)
		return r;
	*ret = (struct message_request){.type = (enum message_type)head.type};
	if (head.type == MESSAGE_RUN)
		return parse_run(bytes, size, nfds, ret, err);
	if (head.type != MESSAGE_HELLO && head.type != MESSAGE_CANCEL)
		return error_set(err, EINVAL, STAGE, "there is no message of type %u", head.type);
	if (size != sizeof(head) || nfds != 0)
		return error_set(err, EINVAL, STAGE, "a message of type %u is a bare head", head.type);
	return 0;
}

void message_bind(struct message_request *request, const int *fds)
{
	struct sandbox_spec *spec = &request->spec;
	int *streams[] = {&spec->stdin_fd, &spec->stdout_fd, &spec->stderr_fd};

	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		if (*streams[i] >= 0)
			*streams[i] = fds[*streams[i]];
	for (size_t i = 0; i < spec->nfiles; i++)
		request->files[i].fd = fds[request->files[i].fd];
	for (size_t i = 0; i < spec->ncollects; i++)
		request->collects[i].fd = fds[request->collects[i].fd];
}

/* --- building ----------------------------------------------------------------------------------------------- */

/* Appends TEXT with its NUL, counting into *BYTES, which stays within MAX. */
static int put_string(
	struct message_out *out, const char *text, uint32_t *bytes, uint32_t max, struct sandbox_error *err)
{
	size_t size = strnlen(text, max) + 1;

	if (size > max - *bytes)
		return error_set(err, EINVAL, STAGE, "more than %u bytes of arguments or names", max);
	memcpy(out->bytes + out->size, text, size);
	out->size += size;
	*bytes += (uint32_t)size;
	return 0;
}

static void put_streams(
	const struct sandbox_spec *spec, struct message_request_head *head, struct message_out *out)
{
	const int fds[] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
	bool is_merged = spec->stdout_fd >= 0 && spec->stdout_fd == spec->stderr_fd;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0 || (i == 2 && is_merged))
			continue;
		head->streams |= UINT32_C(1) << i;
		out->fds[out->nfds++] = fds[i];
	}
	if (is_merged)
		head->streams |= MESSAGE_MERGED;
}

static int put_names(const struct sandbox_spec *spec, struct message_request_head *head,
	struct message_out *out, struct sandbox_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->nfiles; i++) {
		out->fds[out->nfds++] = spec->files[i].fd;
		if (spec->files[i].is_executable)
			head->executables |= UINT64_C(1) << i;
		r = put_string(out, spec->files[i].name, &head->names_bytes, BOUND_NAME_BYTES, err);
	}
	for (size_t i = 0; r == 0 && i < spec->ncollects; i++) {
		out->fds[out->nfds++] = spec->collects[i].fd;
		head->collect_max[i] = spec->collects[i].max_bytes;
		r = put_string(out, spec->collects[i].name, &head->names_bytes, BOUND_NAME_BYTES, err);
	}
	return r;
}

static int start_head(
	const struct sandbox_spec *spec, struct message_request_head *head, struct sandbox_error *err)
{
	size_t length = spec->policy ? strlen(spec->policy) : 0;

	if (length == 0 || length > BOUND_POLICY_NAME)
		return error_set(err, EINVAL, STAGE, "a policy's name has 1 to %d bytes", BOUND_POLICY_NAME);
	if (spec->nargs > BOUND_ARGS || spec->nfiles > BOUND_FILES || spec->ncollects > BOUND_COLLECT)
		return error_set(err, EINVAL, STAGE, "more than %d arguments, %d files or %d result files",
			BOUND_ARGS, BOUND_FILES, BOUND_COLLECT);
	memcpy(head->policy, spec->policy, length);
	head->step = spec->step;
	head->limits = spec->limits;
	head->nargs = (uint32_t)spec->nargs;
	head->nfiles = (uint32_t)spec->nfiles;
	head->ncollects = (uint32_t)spec->ncollects;
	return 0;
}

struct message_head message_bare(enum message_type type)
{
	return (struct message_head){
		.magic = MESSAGE_MAGIC,
		.version = MESSAGE_VERSION,
		.type = (uint16_t)type,
		.size = sizeof(struct message_head),
	};
}

int message_build(const struct sandbox_spec *spec, struct message_out *ret, struct sandbox_error *err)
{
	struct message_request_head head = {.head = message_bare(MESSAGE_RUN)};

	int r = start_head(spec, &head, err);
	if (r < 0)
		return r;
	ret->size = sizeof(head);
	ret->nfds = 0;
	put_streams(spec, &head, ret);
	for (size_t i = 0; r == 0 && i < spec->nargs; i++)
		r = put_string(ret, spec->args[i], &head.args_bytes, BOUND_ARG_BYTES, err);
	if (r == 0)
		r = put_names(spec, &head, ret, err);
	if (r < 0)
		return r;
	head.head.size = (uint32_t)ret->size;
	memcpy(ret->bytes, &head, sizeof(head));
	return 0;
}

/* --- replies ------------------------------------------------------------------------------------------------ */

void message_reply_build(
	const struct sandbox_result *result, const struct sandbox_error *error, struct message_reply *ret)
{
	*ret = (struct message_reply){.head = message_bare(result  ? MESSAGE_RESULT
							   : error ? MESSAGE_ERROR
								   : MESSAGE_HELLO)};
	ret->head.size = sizeof(*ret);
	if (result != NULL)
		ret->result = *result;
	else if (error != NULL)
		ret->error = *error;
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

int message_reply_check(const struct message_reply *reply, size_t size, struct sandbox_error *err)
{
	static const char stage[] = "door.reply";
	const struct sandbox_error *error = &reply->error;

	if (size < sizeof(reply->head) || reply->head.magic != MESSAGE_MAGIC)
		return error_set(err, EPROTO, stage, "that was no supervisor's reply");
	if (reply->head.version != MESSAGE_VERSION)
		return error_set(err, EPROTONOSUPPORT, stage,
			"the supervisor speaks version %u of the door's protocol, this program %d",
			reply->head.version, MESSAGE_VERSION);
	if (size != sizeof(*reply) || reply->head.size != size)
		return error_set(err, EPROTO, stage, "a reply of %zu bytes", size);
	if (reply->head.type == MESSAGE_HELLO)
		return 0;
	if (reply->head.type == MESSAGE_RESULT && reply->result.cause < SANDBOX_CAUSE_N &&
		is_terminated(reply->result.syscall_name, sizeof(reply->result.syscall_name)))
		return 0;
	if (reply->head.type == MESSAGE_ERROR && error->errno_value > 0 &&
		is_terminated(error->stage, sizeof(error->stage)) &&
		is_terminated(error->message, sizeof(error->message)))
		return 0;
	return error_set(err, EPROTO, stage, "a reply that makes no sense");
}
