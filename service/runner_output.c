#include "service/runner_output.h"

#include "sandbox/base/fd.h"
#include "service/runner_text.h"

#include <string.h>

int runner_output_open(uint64_t max, struct runner_output *ret, struct sandbox_error *err)
{
	int fd = fd_memfd("output", NULL, 0);

	if (fd < 0)
		return error_set(err, -fd, "runner.output", "memfd: %s", strerrordesc_np(-fd));
	ret->fd = fd;
	ret->max = max;
	ret->size = ret->head_size = 0;
	ret->has_more = ret->is_mixed = false;
	return 0;
}

void runner_output_close(struct runner_output *output)
{
	output->fd = fd_close(output->fd);
}

static void keep_head(struct runner_output *output, const char *data, size_t size)
{
	size_t room = sizeof(output->head) - output->head_size;
	size_t kept = size < room ? size : room;

	memcpy(output->head + output->head_size, data, kept);
	output->head_size += kept;
	output->has_more |= kept < size;
}

int runner_output_take(struct runner_output *output, const char *data, size_t size, bool is_stdout,
	struct sandbox_error *err)
{
	uint64_t room = output->max - output->size;
	size_t kept = size < room ? size : (size_t)room;

	if (is_stdout)
		keep_head(output, data, kept);
	int r = fd_write_all(output->fd, data, kept);
	if (r < 0)
		return error_set(err, -r, "runner.output", "write: %s", strerrordesc_np(-r));
	output->size += kept;
	enum live_stream stream = is_stdout ? LIVE_STDOUT : LIVE_STDERR;
	live_grow(output->live, output->is_mixed ? LIVE_MIXED : stream, kept);
	return 0;
}

char *runner_output_preview(const struct runner_output *output)
{
	static const struct runner_text_limits limits = {JOB_PREVIEW_CHARS, SIZE_MAX};

	return runner_text(output->head, output->head_size, output->has_more, &limits);
}

int runner_output_text(const struct runner_output *output, char **ret, struct sandbox_error *err)
{
	static const struct runner_text_limits limits = {SIZE_MAX, JOB_ERROR_BYTES};
	_cleanup_free_ char *bytes = malloc(JOB_ERROR_BYTES);
	if (bytes == NULL)
		return error_set(err, ENOMEM, "runner.output", "no memory");
	ssize_t size = pread(output->fd, bytes, JOB_ERROR_BYTES, 0);
	if (size < 0)
		return error_errno(err, "runner.output", "read");
	char *text = runner_text(bytes, (size_t)size, output->size > (uint64_t)size, &limits);
	if (text == NULL)
		return error_set(err, ENOMEM, "runner.output", "no memory");
	*ret = text;
	return 0;
}
