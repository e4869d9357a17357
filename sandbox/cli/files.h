/* files.h: host files on their way into /box. */
#pragma once

#include "sandbox/sandbox.h"

struct box_files {
	struct sandbox_file files[BOUND_FILES]; /* names borrowed, descriptors owned */
	size_t nfiles;
};

/* PATH goes to /box/NAME (borrowed), its executable bit kept. 0 or -errno with ERR. */
int box_files_add(struct box_files *files, const char *path, const char *name, struct sandbox_error *err);

/* SPEC is "HOST" or "HOST:NAME" (borrowed). Without NAME it is the last component of HOST. */
int box_files_add_spec(struct box_files *files, const char *spec, struct sandbox_error *err);

/* PATH under its own name when that is one for /box ("src/a.cpp"), else under its last component. */
int box_files_add_path(struct box_files *files, const char *path, struct sandbox_error *err);

void box_files_close(struct box_files *files);
