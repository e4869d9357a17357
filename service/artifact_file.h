/* artifact_file.h: one product in one file, and as a memory file. For artifacts.c. */
#pragma once

#include "service/artifacts.h"

/* A product in memory. */
struct artifact {
	int fd; /* owned: sealed, offset 0 is the program's first byte */
	uint64_t size;
	struct sandbox_result compile;
};

enum { ARTIFACT_MISSING = 1, ARTIFACT_NAME_SIZE = 65 };

void artifact_name(const struct artifact_key *key, char name[ARTIFACT_NAME_SIZE]);

/* SIZE bytes of FD, copied and sealed. */
int artifact_make(int fd, uint64_t size, const struct sandbox_result *compile, struct artifact *ret,
	struct sandbox_error *err);
/* Reads the file of KEY in DIRFD. ARTIFACT_MISSING: there is none; -EUCLEAN with ERR: there was one, but it is damaged;
 * it has been removed. */
int artifact_load(int dirfd, const struct artifact_key *key, struct artifact *ret, struct sandbox_error *err);
/* Writes it, whole or not at all. *RET_BYTES: the file's size; 0 when another process was faster. */
int artifact_store(int dirfd, const struct artifact_key *key, const struct artifact *artifact,
	uint64_t *ret_bytes, struct sandbox_error *err);
