/* scratch.h: a directory for one test. What fails here fails the running test. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct scratch {
	char dir[64];
};

void scratch_open(struct scratch *scratch);
/* With everything in it. */
void scratch_close(struct scratch *scratch);
/* "DIR/NAME" into BUF; returns BUF. */
char *scratch_path(const struct scratch *scratch, const char *name, char *buf, size_t size);
/* Writes NAME anew. */
void scratch_write(const struct scratch *scratch, const char *name, const void *data, size_t size);
/* The permission bits of NAME ("": the directory itself). */
mode_t scratch_mode(const struct scratch *scratch, const char *name);
/* Entries of directory NAME but "." and "..". */
unsigned scratch_count(const struct scratch *scratch, const char *name);
