/* runner_text.h: what programs print, made fit for JSON: bytes in, valid UTF-8 out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct runner_text_limits {
	size_t chars; /* at most so many Unicode characters */
	size_t bytes; /* and so many bytes of UTF-8 */
};

/* A fresh NUL-terminated copy of BYTES: every byte that is not part of a valid sequence, and every NUL, becomes
 * U+FFFD; cut between characters at LIMITS. HAS_MORE: BYTES is the beginning of something longer, so that an
 * unfinished sequence at its end is left out instead of replaced. Owned by the caller; NULL: no memory. */
char *runner_text(const char *bytes, size_t size, bool has_more, const struct runner_text_limits *limits);

/* How many of BYTES to take now, when more will follow: all but a sequence that is not finished yet (0 to 3 bytes). */
size_t runner_text_whole(const char *bytes, size_t size);
