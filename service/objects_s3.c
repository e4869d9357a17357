/* objects_s3.c: objects in a bucket. A large one goes there in parts, each streamed from its file, and appears when they
 * are put together; one that is put while another of its name is there takes its place whole. An upload that its process
 * did not live to end is S3's to remove (cofferdam-service setup makes such a rule).
 *
 * Whoever opens a link must not be made to run what a job printed: type and disposition are the object's own. */
#include "service/objects_s3.h"

#include "sandbox/base/fd.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	PART_BYTES = 16 << 20, /* S3: 5 MiB to 5 GiB, but for the last one */
	PARTS_MAX = 64,	       /* an output has at most 1 GiB */
	UPLOAD_SIZE = 512,
};

struct objects_s3 {
	struct objects base;
	struct objects_s3_options options;
};

static const struct objects_s3 *from_base(struct objects *objects)
{
	return (const struct objects_s3 *)objects;
}

/* A request about NAME. PATH has room for "/NAME". */
struct call {
	struct aws_request request;
	char path[OBJECTS_NAME_SIZE + 1];
};

static int begin(const struct objects_s3 *objects, const char *operation, const char *name, struct call *call,
	struct sandbox_error *err)
{
	*call = (struct call){
		.request = {.operation = operation, .bucket = objects->options.bucket, .body_fd = -1}};
	if (!objects_name_ok(name))
		return error_set(err, EINVAL, "objects.name", "no name of an object");
	(void)snprintf(call->path, sizeof(call->path), "/%s", name);
	call->request.path = call->path;
	return 0;
}

/* Of an answer of aws_call that is no success. */
static int failure(int r)
{
	return r > 0 || aws_is_unavailable(r) ? -EAGAIN : r;
}

static int perform(const struct objects_s3 *objects, const struct call *call, struct aws_reply *reply,
	struct sandbox_error *err)
{
	int r = aws_call(objects->options.client, &call->request, reply, err);

	if (r > 0)
		aws_reply_free(reply);
	return r == 0 ? 0 : failure(r);
}

/* --- put ------------------------------------------------------------------------------------------------------ */

static const struct aws_pair output_headers[] = {
	{"Content-Type", "text/plain; charset=utf-8"},
	{"Content-Disposition", "attachment"},
};

static int put_whole(
	const struct objects_s3 *objects, const char *name, int fd, uint64_t size, struct sandbox_error *err)
{
	struct aws_reply reply = {0};
	struct call call;

	int r = begin(objects, "PutObject", name, &call, err);
	if (r < 0)
		return r;
	call.request.method = "PUT";
	call.request.headers = output_headers;
	call.request.nheaders = ARRAY_SIZE(output_headers);
	call.request.body_fd = fd;
	call.request.body_size = (size_t)size;
	r = perform(objects, &call, &reply, err);
	if (r == 0)
		aws_reply_free(&reply);
	return r;
}

/* An upload in parts. */
struct upload {
	const struct objects_s3 *objects;
	const char *name;
	char id[UPLOAD_SIZE];
	char etags[PARTS_MAX][AWS_ETAG_SIZE];
	unsigned nparts;
};

static int upload_begin(struct upload *upload, struct sandbox_error *err)
{
	static const struct aws_pair query[] = {{"uploads", NULL}};
	struct aws_reply reply = {0};
	struct call call;

	int r = begin(upload->objects, "CreateMultipartUpload", upload->name, &call, err);
	if (r < 0)
		return r;
	call.request.method = "POST";
	call.request.query = query;
	call.request.nquery = ARRAY_SIZE(query);
	call.request.headers = output_headers;
	call.request.nheaders = ARRAY_SIZE(output_headers);
	r = perform(upload->objects, &call, &reply, err);
	if (r < 0)
		return r;
	if (reply.body == NULL || !aws_xml_text(reply.body, "UploadId", upload->id, sizeof(upload->id)))
		r = error_set(err, EAGAIN, "objects.put", "S3 began an upload without an id");
	aws_reply_free(&reply);
	return r;
}

/* The bytes of FD from OFFSET on. */
static int upload_part(struct upload *upload, int fd, uint64_t offset, size_t size, struct sandbox_error *err)
{
	char number[16];
	const struct aws_pair query[] = {{"partNumber", number}, {"uploadId", upload->id}};
	struct aws_reply reply = {0};
	struct call call;

	int r = begin(upload->objects, "UploadPart", upload->name, &call, err);
	if (r < 0)
		return r;
	(void)snprintf(number, sizeof(number), "%u", upload->nparts + 1);
	call.request.method = "PUT";
	call.request.query = query;
	call.request.nquery = ARRAY_SIZE(query);
	call.request.body_fd = fd;
	call.request.body_offset = offset;
	call.request.body_size = size;
	r = perform(upload->objects, &call, &reply, err);
	if (r < 0)
		return r;
	(void)snprintf(upload->etags[upload->nparts++], AWS_ETAG_SIZE, "%s", reply.etag);
	aws_reply_free(&reply);
	return 0;
}

static char *parts_xml(const struct upload *upload, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);

	if (stream == NULL)
		return NULL;
	(void)fputs("<CompleteMultipartUpload>", stream);
	for (unsigned i = 0; i < upload->nparts; i++)
		(void)fprintf(stream, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1,
			upload->etags[i]);
	(void)fputs("</CompleteMultipartUpload>", stream);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* S3 may say 200 and then, in the answer, that it failed. */
static int check_completed(const struct aws_reply *reply, struct sandbox_error *err)
{
	char etag[AWS_ETAG_SIZE], code[AWS_CODE_SIZE];

	if (reply->body != NULL && aws_xml_text(reply->body, "ETag", etag, sizeof(etag)))
		return 0;
	if (reply->body == NULL || !aws_xml_text(reply->body, "Code", code, sizeof(code)))
		(void)snprintf(code, sizeof(code), "no answer");
	return error_set(err, EAGAIN, "objects.put", "S3 did not put the parts together: %s", code);
}

static int upload_complete(const struct upload *upload, struct sandbox_error *err)
{
	const struct aws_pair query[] = {{"uploadId", upload->id}};
	struct aws_reply reply = {0};
	struct call call;

	int r = begin(upload->objects, "CompleteMultipartUpload", upload->name, &call, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *xml = parts_xml(upload, &call.request.body_size);
	if (xml == NULL)
		return error_set(err, ENOMEM, "objects.put", "no memory");
	call.request.method = "POST";
	call.request.query = query;
	call.request.nquery = ARRAY_SIZE(query);
	call.request.body = xml;
	r = perform(upload->objects, &call, &reply, err);
	if (r < 0)
		return r;
	r = check_completed(&reply, err);
	aws_reply_free(&reply);
	return r;
}

/* What was sent of it is not kept. If that fails, too, S3's own rule removes it. */
static void upload_abort(const struct upload *upload)
{
	const struct aws_pair query[] = {{"uploadId", upload->id}};
	struct sandbox_error ignored = {0};
	struct aws_reply reply = {0};
	struct call call;

	if (begin(upload->objects, "AbortMultipartUpload", upload->name, &call, &ignored) < 0)
		return;
	call.request.method = "DELETE";
	call.request.query = query;
	call.request.nquery = ARRAY_SIZE(query);
	if (perform(upload->objects, &call, &reply, &ignored) == 0)
		aws_reply_free(&reply);
}

static int put_in_parts(
	const struct objects_s3 *objects, const char *name, int fd, uint64_t size, struct sandbox_error *err)
{
	struct upload upload = {.objects = objects, .name = name};
	uint64_t at = 0;

	if (size > (uint64_t)PART_BYTES * PARTS_MAX)
		return error_set(err, EFBIG, "objects.put", "%" PRIu64 " bytes are too many", size);
	int r = upload_begin(&upload, err);
	if (r < 0)
		return r;
	while (at < size && r == 0) {
		uint64_t left = size - at;
		size_t part = left < PART_BYTES ? (size_t)left : PART_BYTES;
		r = upload_part(&upload, fd, at, part, err);
		at += part;
	}
	if (r == 0)
		r = upload_complete(&upload, err);
	if (r < 0)
		upload_abort(&upload);
	return r;
}

static int check_source(int fd, uint64_t size, struct sandbox_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "objects.put", "fstat");
	if ((uint64_t)st.st_size < size)
		return error_set(err, ENODATA, "objects.put",
			"the source ends after %" PRIu64 " of %" PRIu64 " bytes", (uint64_t)st.st_size, size);
	return 0;
}

static int objects_put(
	struct objects *base, const char *name, int fd, uint64_t size, struct sandbox_error *err)
{
	const struct objects_s3 *objects = from_base(base);

	int r = check_source(fd, size, err);
	if (r < 0)
		return r;
	return size <= PART_BYTES ? put_whole(objects, name, fd, size, err)
				  : put_in_parts(objects, name, fd, size, err);
}

/* --- the others ----------------------------------------------------------------------------------------------- */

/* Into a file in memory: what is read here is small; outputs are downloaded by their link. */
static int objects_open(
	struct objects *base, const char *name, int *ret_fd, uint64_t *ret_size, struct sandbox_error *err)
{
	const struct objects_s3 *objects = from_base(base);
	struct aws_reply reply = {0};
	struct stat st;
	struct call call;

	int r = begin(objects, "GetObject", name, &call, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = memfd_create("object", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "objects.open", "memfd_create");
	call.request.method = "GET";
	call.request.has_reply_fd = true;
	call.request.reply_fd = fd;
	call.request.reply_max = (uint64_t)PART_BYTES * PARTS_MAX;
	r = aws_call(objects->options.client, &call.request, &reply, err);
	if (r < 0)
		return failure(r);
	bool is_missing = r > 0 && strcmp(reply.fault.code, "NoSuchKey") == 0;
	aws_reply_free(&reply);
	if (r > 0) {
		if (is_missing && err != NULL)
			*err = (struct sandbox_error){0};
		return is_missing ? OBJECTS_MISSING : failure(r);
	}
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, "objects.open", "fstat");
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int objects_url(struct objects *base, const char *name, const char *base_url, unsigned *ttl_sec,
	char **ret, struct sandbox_error *err)
{
	const struct objects_s3 *objects = from_base(base);
	struct call call;

	(void)base_url;
	int r = begin(objects, "GetObject", name, &call, err);
	if (r < 0)
		return r;
	const struct aws_presign what = {
		.bucket = objects->options.bucket,
		.path = call.path,
		.ttl_sec = *ttl_sec,
		.public_endpoint = objects->options.public_endpoint,
	};
	return aws_presign_get(objects->options.client, &what, ret, ttl_sec, err);
}

/* Links are S3's to check. */
static int objects_verify(struct objects *base, const char *name, const char *expires, const char *signature,
	struct sandbox_error *err)
{
	(void)base;
	(void)name;
	(void)expires;
	(void)signature;
	return error_set(err, ENOTSUP, "objects.verify", "links are S3's");
}

static int objects_remove(struct objects *base, const char *name, struct sandbox_error *err)
{
	const struct objects_s3 *objects = from_base(base);
	struct aws_reply reply = {0};
	struct call call;

	int r = begin(objects, "DeleteObject", name, &call, err);
	if (r < 0)
		return r;
	call.request.method = "DELETE";
	r = perform(objects, &call, &reply, err);
	if (r == 0)
		aws_reply_free(&reply);
	return r;
}

/* Asks for an object that cannot be there: with its right to read objects a node learns that the bucket is. Who may not list
 * the bucket gets AccessDenied for what is missing. */
static int objects_ping(struct objects *base, struct sandbox_error *err)
{
	const struct objects_s3 *objects = from_base(base);
	const struct aws_request request = {
		.operation = "GetObject",
		.method = "GET",
		.bucket = objects->options.bucket,
		.path = "/outputs/none",
		.body_fd = -1,
	};
	struct aws_reply reply = {0};
	struct sandbox_error cause = {0};

	int r = aws_call(objects->options.client, &request, &reply, &cause);
	bool is_there = r == 0 || (r > 0 && (strcmp(reply.fault.code, "NoSuchKey") == 0 ||
						    strcmp(reply.fault.code, "AccessDenied") == 0));
	if (r >= 0)
		aws_reply_free(&reply);
	return is_there ? 0 : error_set(err, -failure(r), cause.stage, "%s", cause.message);
}

static struct objects *objects_close(struct objects *base)
{
	free(base);
	return NULL;
}

static const struct objects_operations operations = {
	.put = objects_put,
	.open = objects_open,
	.url = objects_url,
	.verify = objects_verify,
	.remove = objects_remove,
	.ping = objects_ping,
	.close = objects_close,
};

int objects_s3_open(const struct objects_s3_options *options, struct objects **ret, struct sandbox_error *err)
{
	struct objects_s3 *objects = calloc(1, sizeof(*objects));

	if (objects == NULL)
		return error_set(err, ENOMEM, "objects.open", "no memory");
	objects->base.operations = &operations;
	objects->options = *options;
	*ret = &objects->base;
	return 0;
}
