/* artifact_key.h: what a product was made from, as one number. For artifacts.c. */
#pragma once

#include "service/artifacts.h"

enum { ARTIFACT_DIGEST_SIZE = 65 }; /* an image's digest in hexadecimal, with its NUL */

/* Reads IMAGES_DIR/IMAGE.json. 0 or a negative errno with ERR. */
int artifact_image_digest(
	const char *images_dir, const char *image, char ret[ARTIFACT_DIGEST_SIZE], struct sandbox_error *err);

struct artifact_source {
	const char *user; /* "": for everybody */
	const char *image_digest;
	const struct policy *policy;
	const struct sandbox_limits *limits;
	const char *code;
	size_t code_size;
};

/* 0, or -EIO: the library has no SHA-256 for us, or no memory. */
int artifact_key_make(const struct artifact_source *source, struct artifact_key *ret);
