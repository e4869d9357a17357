/* inspect.h: rows that look at a running cell from the host's side: what the kernel says of its processes. The row's
 * command must say "waiting" and wait. */
#pragma once

#include "sandbox/verify/corpus.h"

#include <stdbool.h>
#include <sys/types.h>

/* Do SIZE bytes at WORDS stand in the memory of process PID that is mapped with MODE ('r' or 'w')? *RET_AREAS: how many areas
 * were read; 0: none could be. */
bool inspect_holds(pid_t pid, char mode, const void *words, size_t size, unsigned *ret_areas);

/* corpus_row.perform */
void inspect_rights(struct trial *trial);      /* ids, capabilities, no_new_privs, seccomp */
void inspect_speculation(struct trial *trial); /* off for init and target, as far as the kernel offers it */
void inspect_namespaces(struct trial *trial);  /* each one another than the host's, nested ones impossible */
void inspect_network(struct trial *trial);     /* a loopback interface that is down, and nothing else */
void inspect_mounts(struct trial *trial);      /* read-only, nosuid, nodev, and nothing of the host */
void inspect_memory(struct trial *trial);      /* init: no secret of the engine's environment */
void inspect_cgroup(struct trial *trial);      /* limits of the step, no swap */
void inspect_clock(struct trial *trial);       /* the engine's timers, while a run has a deadline */
