#include "service/artifact_key.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

/* Changes when what is hashed, or how, does. */
static const char format[] = "cofferdam artifact 1";

/* --- the image's digest ---------------------------------------------------------------------------------------- */

static bool is_digest(const char *text)
{
	return text != NULL && strlen(text) == ARTIFACT_DIGEST_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == ARTIFACT_DIGEST_SIZE - 1;
}

int artifact_image_digest(
	const char *images_dir, const char *image, char ret[ARTIFACT_DIGEST_SIZE], struct sandbox_error *err)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct json_text_error error;
	json_t *json = NULL;
	size_t size;

	if (asprintf(&path, "%s/%s.json", images_dir, image) < 0)
		return error_set(err, ENOMEM, "artifacts.image", "no memory");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "artifacts.image", "%.200s", path);
	int r = fd_read_all(fd, BOUND_POLICY_BYTES, &text, &size);
	if (r < 0)
		return error_set(err, -r, "artifacts.image", "%.200s: %s", path, strerrordesc_np(-r));
	r = json_text_parse(text, size, &json, &error);
	const char *digest = r == 0 ? json_string_value(json_object_get(json, "digest")) : NULL;
	if (is_digest(digest))
		(void)snprintf(ret, ARTIFACT_DIGEST_SIZE, "%s", digest);
	else
		r = error_set(err, r < 0 ? -r : EBADMSG, "artifacts.image", "%.200s: no digest", path);
	json_decref(json);
	return r;
}

/* --- the key --------------------------------------------------------------------------------------------------- */

/* Each value with its size before it, so that no two lists of values are the same bytes. */
struct hash {
	EVP_MD_CTX *context;
	bool has_failed;
};

static void feed(struct hash *hash, const void *bytes, uint64_t size)
{
	if (EVP_DigestUpdate(hash->context, &size, sizeof(size)) != 1 ||
		EVP_DigestUpdate(hash->context, bytes, size) != 1)
		hash->has_failed = true;
}

static void feed_text(struct hash *hash, const char *text)
{
	bool is_there = text != NULL;

	feed(hash, &is_there, sizeof(is_there));
	feed(hash, is_there ? text : "", is_there ? strlen(text) : 0);
}

static void feed_list(struct hash *hash, char *const *list)
{
	uint64_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	feed(hash, &n, sizeof(n));
	for (uint64_t i = 0; i < n; i++)
		feed_text(hash, list[i]);
}

static void feed_step(struct hash *hash, const struct policy_step *step)
{
	feed_text(hash, step->image);
	feed_list(hash, step->argv);
	feed_list(hash, step->sources);
	feed_list(hash, step->env);
	feed_list(hash, step->writable);
	feed(hash, &step->nextras, sizeof(step->nextras));
	for (size_t i = 0; i < step->nextras; i++) {
		feed_text(hash, step->extras[i].name);
		feed_text(hash, step->extras[i].content);
	}
	feed_text(hash, step->collect);
	feed(hash, &step->has_proc, sizeof(step->has_proc));
	feed(hash, &step->can_execute_files, sizeof(step->can_execute_files));
	feed(hash, &step->can_make_memory_executable, sizeof(step->can_make_memory_executable));
	feed(hash, step->filter.insns, step->filter.len * sizeof(step->filter.insns[0]));
}

int artifact_key_make(const struct artifact_source *source, struct artifact_key *ret)
{
	struct hash hash = {.context = EVP_MD_CTX_new()};
	unsigned size = 0;

	if (hash.context == NULL || EVP_DigestInit_ex(hash.context, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(hash.context);
		return -EIO;
	}
	feed_text(&hash, format);
	feed_text(&hash, source->user);
	feed_text(&hash, source->image_digest);
	feed_text(&hash, source->policy->name);
	feed_text(&hash, source->policy->file_name);
	feed_step(&hash, &source->policy->steps[SANDBOX_COMPILE]);
	feed(&hash, source->limits, sizeof(*source->limits)); /* an array of numbers, without gaps */
	feed(&hash, source->code, source->code_size);
	if (EVP_DigestFinal_ex(hash.context, ret->bytes, &size) != 1 || size != sizeof(ret->bytes))
		hash.has_failed = true;
	EVP_MD_CTX_free(hash.context);
	return hash.has_failed ? -EIO : 0;
}
