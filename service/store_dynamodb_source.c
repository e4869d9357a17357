#include "service/store_dynamodb_source.h"

#include "sandbox/base/fd.h"
#include "service/store_dynamodb_item.h"

#include <string.h>

static const char stage[] = "store.dynamodb";

enum {
	INLINE_BYTES = 100 * 1000, /* of code and input together; an item has at most 400 KB, names and all */
	SOURCE_MAX = 256 << 20,	   /* code and input as JSON */
};

static int no_memory(struct sandbox_error *err)
{
	return error_set(err, ENOMEM, stage, "no memory");
}

bool dynamodb_source_is_small(const struct job *job)
{
	return job->code_size + job->input_size <= INLINE_BYTES;
}

void dynamodb_source_name(const char *id, char name[OBJECTS_NAME_SIZE])
{
	(void)snprintf(name, OBJECTS_NAME_SIZE, "sources/%s.json", id);
}

int dynamodb_source_put(struct objects *objects, const struct job *job, struct sandbox_error *err)
{
	char name[OBJECTS_NAME_SIZE];

	json_t *source = json_pack("{s:s%, s:s%}", "code", job->code ? job->code : "", job->code_size,
		"input", job->input ? job->input : "", job->input_size);
	_cleanup_free_ char *text = source ? json_dumps(source, JSON_COMPACT) : NULL;
	json_decref(source);
	if (text == NULL)
		return no_memory(err);
	size_t size = strlen(text);
	_cleanup_close_ int fd = fd_memfd("source", text, size);
	if (fd < 0)
		return error_set(err, -fd, stage, "memfd: %s", strerrordesc_np(-fd));
	dynamodb_source_name(job->id, name);
	return objects->operations->put(objects, name, fd, size, err);
}

static int take_source(const json_t *source, const char *key, char **ret, size_t *ret_size)
{
	const json_t *value = json_object_get(source, key);

	*ret_size = json_string_length(value);
	*ret = malloc(*ret_size + 1);
	if (*ret == NULL)
		return -ENOMEM;
	if (*ret_size > 0)
		memcpy(*ret, json_string_value(value), *ret_size);
	(*ret)[*ret_size] = '\0';
	return 0;
}

static int parse_source(char *text, size_t size, struct job *job, struct sandbox_error *err)
{
	json_t *source = json_loadb(text, size, 0, NULL);

	if (!json_is_object(source)) {
		json_decref(source);
		return error_set(err, EUCLEAN, stage, "job %s: its source is not what was stored", job->id);
	}
	int r = take_source(source, "code", &job->code, &job->code_size);
	if (r == 0)
		r = take_source(source, "input", &job->input, &job->input_size);
	json_decref(source);
	return r < 0 ? no_memory(err) : 0;
}

static int open_source(struct objects *objects, struct job *job, struct sandbox_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	char name[OBJECTS_NAME_SIZE];
	uint64_t size;
	size_t found;

	dynamodb_source_name(job->id, name);
	int r = objects->operations->open(objects, name, &fd, &size, err);
	if (r == OBJECTS_MISSING)
		return error_set(err, ENOENT, stage, "job %s: its source is gone", job->id);
	if (r < 0)
		return r;
	r = fd_read_all(fd, SOURCE_MAX, &text, &found);
	if (r < 0)
		return error_set(err, -r, stage, "job %s: its source cannot be read", job->id);
	return parse_source(text, found, job, err);
}

static int copy_source(const json_t *item, const char *name, char **ret, size_t *ret_size)
{
	const char *text = dynamodb_take_text(item, name);

	*ret = strdup(text != NULL ? text : "");
	*ret_size = *ret ? strlen(*ret) : 0;
	return *ret ? 0 : -ENOMEM;
}

int dynamodb_source_read(
	struct objects *objects, const json_t *item, struct job *job, struct sandbox_error *err)
{
	if (dynamodb_take_text(item, "sourcePath") != NULL)
		return open_source(objects, job, err);
	int r = copy_source(item, "code", &job->code, &job->code_size);
	if (r == 0)
		r = copy_source(item, "input", &job->input, &job->input_size);
	return r < 0 ? no_memory(err) : 0;
}
