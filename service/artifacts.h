/* artifacts.h: what compilers produced, kept by what it was made from, so that the same submission is not compiled twice.
 *
 *   DIR/artifacts/<key>   one product: header, compile result as JSON, program
 *
 * The key is a SHA-256 over the image's digest, the compile step as the policy has it (argv, environment, seccomp program,
 * limits …) and all source bytes. A file is written whole before it gets its name and its hash is checked whenever it is
 * read: none needs a sync, and a damaged one is as good as none. The products used last are held in memory as well, sealed.
 *
 * A cell executes the memory file itself (sandbox/cell/program.c), so its inode is all that one run could tell another of the
 * same product: its time of access moves. Therefore no memory file is in two cells at a time: who gets one has it alone
 * until it is given back, and who comes meanwhile gets another copy; and its times are set anew for each.
 *
 * Thread-safe; several processes may share DIR. */
#pragma once

#include "service/job.h"
#include "service/languages.h"

struct artifacts;

struct artifacts_options {
	int dirfd;		/* borrowed: DIR */
	const char *images_dir; /* has NAME.json with the digest of image NAME (rootfs/build) */
	uint64_t max_bytes;	/* of the files; beyond it, those used longest ago go */
	uint64_t memory_bytes;	/* of what is held in memory */
	bool is_per_user;	/* a product is for the user alone whose submission made it */
};

struct artifact_key {
	unsigned char bytes[32];
};

/* LANGUAGES are borrowed, and must outlive it. An image whose digest cannot be read is logged, and what it compiles is not
 * kept. 0 or a negative errno with ERR. */
int artifacts_open(const struct artifacts_options *options, const struct languages *languages,
	struct artifacts **ret, struct sandbox_error *err);
struct artifacts *artifacts_close(struct artifacts *artifacts); /* accepts NULL, returns NULL */

/* The key of JOB compiled with POLICY (one of LANGUAGES) under LIMITS. False: it has none. */
bool artifacts_key(const struct artifacts *artifacts, const struct policy *policy, const struct job *job,
	const struct sandbox_limits *limits, struct artifact_key *ret);

/* What fails below is logged, and no fault of the job's: it is compiled. */

/* The product as a sealed memory file (owned by the caller, and nobody else's; offset 0 is its first byte) and the result of
 * the step that made it. False: there is none. */
bool artifacts_get(struct artifacts *artifacts, const struct artifact_key *key, int *ret_fd,
	struct sandbox_result *ret_compile);

/* Takes back what artifacts_get gave, for others. No cell may have it any more; whoever is not sure of that closes it. */
void artifacts_give_back(struct artifacts *artifacts, const struct artifact_key *key, int fd,
	const struct sandbox_result *compile);

/* Keeps SIZE bytes of FD (a file; read from offset 0). */
void artifacts_put(struct artifacts *artifacts, const struct artifact_key *key, int fd, uint64_t size,
	const struct sandbox_result *compile);
