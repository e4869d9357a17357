/* listing.h: the *.json files of a directory, for policy.c. */
#pragma once

#include "sandbox/base/bounds.h"
#include "sandbox/base/error.h"

#include <stddef.h>

enum { LISTING_NAME_SIZE = BOUND_POLICY_NAME + 1 };

struct listing {
	char names[BOUND_POLICIES][LISTING_NAME_SIZE]; /* sorted, without ".json" */
	size_t n;
};

/* Fills RET with the files of DIRECTORY below DIRFD. A directory that is not there is empty. Names that start with a
 * dot are skipped; any other that is no policy name with ".json" is an error: a file that is silently left out would
 * be looked for in vain. 0 or a negative errno with ERR. */
int listing_read(int dirfd, const char *directory, struct listing *ret, struct sandbox_error *err);
