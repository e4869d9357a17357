/* objects_contract.h: what every implementation of service/objects.h must keep; used as store_contract.h. */
#pragma once

#include "service/job.h"
#include "service/objects.h"

#define OBJECTS_CONTRACT(X)                                                                                  \
	X(keeps_every_byte)                                                                                  \
	X(keeps_nothing_as_an_empty_object)                                                                  \
	X(keeps_a_large_object)                                                                              \
	X(keeps_sources_beside_outputs)                                                                      \
	X(replaces_an_object)                                                                                \
	X(reads_from_the_beginning_and_moves_nothing)                                                        \
	X(takes_only_as_much_as_it_is_told)                                                                  \
	X(keeps_the_old_object_when_the_new_one_is_cut_short)                                                \
	X(says_which_object_is_missing)                                                                      \
	X(takes_no_other_names)                                                                              \
	X(shows_whole_objects_only)                                                                          \
	X(removes_an_object)                                                                                 \
	X(makes_links)                                                                                       \
	X(answers_a_ping)

#define X(name) void objects_contract_##name(struct objects *objects);
OBJECTS_CONTRACT(X)
#undef X

enum { CONTRACT_NAME_SIZE = sizeof("outputs/.txt") + JOB_ID_SIZE };

/* A fresh name. */
void contract_name(char name[CONTRACT_NAME_SIZE]);
/* Stores SIZE bytes of DATA. */
void contract_put(struct objects *objects, const char *name, const void *data, size_t size);
void contract_expect_object(struct objects *objects, const char *name, const void *data, size_t size);
