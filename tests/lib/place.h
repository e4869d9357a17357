/* place.h: a temporary directory for tests of the command line, and the host before and after.
 *
 *   PLACE_ENTER(before);
 *   PLACE_EXPECT(3, "", "run", "--", "/bin/sh", "-c", "exit 3");
 *   place_leave(&before);          fails the test unless nothing is left */
#pragma once

#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/program.h"

#include <jansson.h>

/* Makes the directory and points the programs to the policies of the tests; false when cells cannot be made here. */
bool place_enter(struct witness *before);
/* Nothing is left: no process, no descriptor, no mount. */
void place_leave(const struct witness *before);

#define PLACE_ENTER(before)                                                                                  \
	struct witness before;                                                                               \
	if (!place_enter(&before))                                                                           \
	TEST_SKIP(cell_skip_reason())

#define NEEDS_IMAGE(name)                                                                                    \
	if (!place_has_image(name))                                                                          \
	TEST_SKIP("there is no root image '" name "' (make images)")

bool place_has_image(const char *name);

/* "DIR/NAME" in one of several static buffers. */
const char *place_path(const char *name);
/* Writes TEXT there; its path. */
const char *place_write(const char *name, const char *text);
/* Owned by the caller. */
char *place_read(const char *name);
json_t *place_report(const char *name);
/* --file=… for a probe. Static buffer. */
const char *place_probe(const char *name);

/* `cofferdam` with these arguments ends with STATUS, and WORDS are in what it says on standard error. */
void place_expect(const char *const *argv, int status, const char *words);
#define PLACE_EXPECT(status, words, ...)                                                                     \
	place_expect((const char *const[]){"cofferdam", __VA_ARGS__, NULL}, status, words)

#define expect_string(json, key, wanted)                                                                     \
	ck_assert_str_eq(json_string_value(json_object_get(json, key)), wanted)
