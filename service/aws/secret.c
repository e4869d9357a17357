#include "service/aws/secret.h"

#include "sandbox/base/fd.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void aws_secret_free(void *memory)
{
	if (memory != NULL)
		OPENSSL_cleanse(memory, malloc_usable_size(memory));
	free(memory);
}

/* --- libraries ------------------------------------------------------------------------------------------------ */

/* Never in place: realloc may give a part back. */
static void *secret_realloc(void *memory, size_t size)
{
	size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
	void *larger = malloc(size);

	if (larger == NULL)
		return NULL;
	if (before > 0)
		memcpy(larger, memory, before < size ? before : size);
	aws_secret_free(memory);
	return larger;
}

static void guard_libraries(void)
{
	(void)curl_global_init_mem(
		CURL_GLOBAL_DEFAULT, malloc, aws_secret_free, secret_realloc, strdup, calloc);
	json_set_alloc_funcs(malloc, aws_secret_free);
}

void aws_secret_guard_libraries(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, guard_libraries);
}

/* --- texts ---------------------------------------------------------------------------------------------------- */

static ssize_t append(void *user, const char *bytes, size_t n)
{
	struct aws_text *text = user;

	if (text->n + n >= text->room) {
		size_t room = 2 * (text->n + n + 1);
		char *larger = secret_realloc(text->bytes, room);
		if (larger == NULL)
			return 0;
		text->bytes = larger;
		text->room = room;
	}
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
	text->bytes[text->n] = '\0';
	return (ssize_t)n;
}

bool aws_text_open(struct aws_text *text)
{
	*text = (struct aws_text){0};
	text->stream = fopencookie(text, "w", (cookie_io_functions_t){.write = append});
	if (text->stream != NULL)
		(void)setvbuf(text->stream, text->buffer, _IOFBF, sizeof(text->buffer));
	return text->stream != NULL;
}

char *aws_text_close(struct aws_text *text, size_t *ret_size)
{
	bool has_failed = ferror(text->stream) != 0;

	has_failed |= fclose(text->stream) != 0;
	/* Of an empty text, too. */
	has_failed |= text->bytes == NULL && (text->bytes = calloc(1, 1)) == NULL;
	OPENSSL_cleanse(text->buffer, sizeof(text->buffer));
	if (has_failed) {
		aws_secret_free(text->bytes);
		return NULL;
	}
	if (ret_size != NULL)
		*ret_size = text->n;
	return text->bytes;
}

/* --- files ---------------------------------------------------------------------------------------------------- */

static int read_all(int fd, char *buf, size_t max)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, buf + used, max + 1 - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (used > max)
			return -EFBIG;
	}
	buf[used] = '\0';
	return 0;
}

int aws_secret_read(const char *path, size_t max, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	_cleanup_secret_ char *buf = malloc(max + 1);
	int r = buf != NULL ? read_all(fd, buf, max) : -ENOMEM;
	if (r == 0)
		*ret = TAKE_PTR(buf);
	return r;
}
