/* secret.h: memory that held a key, a token or a signature is wiped before it is given back. Internal to service/aws. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* free, but wiped. */
void aws_secret_free(void *memory);

static inline void aws_secret_cleanup(char **text)
{
	aws_secret_free(*text);
}
#define _cleanup_secret_ __attribute__((cleanup(aws_secret_cleanup)))

/* From now on libcurl and jansson wipe whatever they free, for all of this process: both hold keys in the middle of other
 * things. Any thread, any number of times; of libcurl only if nobody has used it before. */
void aws_secret_guard_libraries(void);

/* A stream into memory, like open_memstream, which leaves nothing behind as it grows. It must stay where it is. */
struct aws_text {
	FILE *stream;
	char *bytes; /* owned */
	size_t n, room;
	char buffer[512]; /* the stream's */
};

bool aws_text_open(struct aws_text *text);
/* What was written, NUL-terminated; *RET_SIZE, if it is not NULL, without the NUL. Owned (aws_secret_free). NULL: no memory. */
char *aws_text_close(struct aws_text *text, size_t *ret_size);

/* The file at PATH, of at most MAX bytes, NUL-terminated. 0 and *RET owned (aws_secret_free); -EFBIG; other -errno. */
int aws_secret_read(const char *path, size_t max, char **ret);
