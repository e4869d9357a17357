/* bench.h: what attacks are tried on: an engine with the deployed policies and their variants, beside a host that is
 * watched. One bench belongs to one thread; everything waits in bench_turn. */
#pragma once

#include "sandbox/sandbox.h"
#include "sandbox/verify/site.h"
#include "sandbox/verify/witness.h"

enum { BENCH_ATTEMPTS = 128 };

/* Words that stand in a file of the host and in this process's environment, and that no cell may ever tell. */
#define BENCH_SECRET "the words that no cell may tell"
#define BENCH_SECRET_NAME "COFFERDAM_VERIFY_SECRET"

struct bench_options {
	const char *policies_dir, *images_dir, *cgroup_parent; /* as struct sandbox_options */
	uint32_t uid_base;
	const char *probes_dir; /* holds the attack programs */
	bool has_no_variants;	/* as a supervisor's engine: only the steps themselves can be run */
	int signal_fd;		/* a signalfd whose signals end the waiting; -1: none */
};

struct attempt;

struct bench {
	struct bench_options options; /* strings borrowed */
	struct sandbox *sandbox;      /* owned */
	struct site sites[SITES_MAX];
	size_t nsites;
	int64_t image_sums[SITES_MAX];		  /* of each site's image, as it was last seen; 0: not yet */
	struct attempt *attempts[BENCH_ATTEMPTS]; /* borrowed; those under way */
	pid_t bystander;   /* a process of the host that does nothing: it must stay so */
	char canary[64];   /* path of the host's file with BENCH_SECRET; "": none */
	unsigned rest_sec; /* how long the host may take to come to rest; 0: 10 s */
	bool is_caught;	   /* a signal came: no attempt is to be waited for */
	bool is_broken;	   /* the engine is: ERROR says why */
	struct sandbox_error error;
};

/* Moves this process into a mount namespace of its own, in which nobody else's mounts come and go while we look. 0 or
 * -errno with ERR. */
int bench_leave_others_alone(struct sandbox_error *err);

/* Opens the engine, which needs what sandbox_open needs. 0, or -errno with ERR; close it in either case. */
int bench_open(struct bench *bench, const struct bench_options *options, struct sandbox_error *err);
void bench_close(struct bench *bench);
/* The engine alone: no canary, no bystander. The caller closes SANDBOX. */
int bench_open_engine(struct bench *bench, const struct bench_options *options, struct sandbox_error *err);

/* One round: the engine, and the pipes of every attempt under way. */
void bench_turn(struct bench *bench, int timeout_msec);

/* Looks at the host, but for the images, once nothing of ours is runnable. */
void bench_look(const struct bench *bench, struct witness *ret);

/* WITNESS_IMAGE of SITE's image alone. */
int64_t bench_image_sum(const struct bench *bench, const struct site *site, bool has_content);

/* "IMAGES_DIR/NAME" */
void bench_image_path(const struct bench *bench, const char *image, char *path, size_t size);

/* Has this kernel (and this processor) 32-bit system calls at all? */
bool bench_has_i386(void);
