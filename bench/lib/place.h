/* place.h: programs in a root image without a sandbox: a process in a mount namespace of its own, by chroot, runs one
 * command again and again, each time with another source file. What fails ends the program. */
#pragma once

#include <stdint.h>

struct place_plan {
	const char *root;	     /* directory */
	const char *const *writable; /* directories of it that get a layer in memory, NULL at the end */
	const char *hidden;	     /* a directory of it that is to be empty; NULL: none */
	const char *const *files;    /* name, text, …, NULL: they lie beside the source */
	const char *const *argv, *const *env;
	const char *file; /* the source's name */
};

struct place;

/* Owned: place_close. */
struct place *place_open(const struct place_plan *plan);
/* Writes SOURCE and runs the command: the nanoseconds from fork to its end. */
uint64_t place_run(struct place *place, const char *source);
void place_close(struct place *place);
