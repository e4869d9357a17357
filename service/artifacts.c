/* artifacts.c: the cache of products: a directory of files, and the few of them that were used last in memory. */
#include "service/artifacts.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/artifact_file.h"
#include "service/artifact_key.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

enum {
	HELD_MAX = 256,	       /* products in memory */
	SWEEP_TO_PERCENT = 90, /* of max_bytes: what is left when the oldest were removed */
};

struct held {
	struct artifact_key key;
	struct artifact artifact; /* fd -1: the place is free. Several may have the same key */
	uint64_t used;		  /* the newest has the largest */
};

struct image {
	const struct policy *policy; /* borrowed */
	char digest[ARTIFACT_DIGEST_SIZE];
};

struct artifacts {
	struct artifacts_options options;
	int dirfd;	      /* owned: DIR/artifacts */
	struct image *images; /* owned: the languages that are compiled by an image with a known digest */
	size_t nimages;
	pthread_mutex_t lock; /* for what follows */
	struct held held[HELD_MAX];
	uint64_t held_bytes, uses;
	uint64_t file_bytes; /* as far as this process knows */
};

static void lock(struct artifacts *artifacts)
{
	(void)pthread_mutex_lock(&artifacts->lock);
}

static void unlock(struct artifacts *artifacts)
{
	(void)pthread_mutex_unlock(&artifacts->lock);
}

/* --- the directory --------------------------------------------------------------------------------------------- */

struct file {
	char name[ARTIFACT_NAME_SIZE];
	uint64_t bytes;
	struct timespec used;
};

struct listing {
	struct file *files; /* owned */
	size_t nfiles, room;
	uint64_t bytes;
};

static int listing_add(struct listing *listing, const char *name, const struct stat *st)
{
	if (listing->nfiles == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 256;
		struct file *files = reallocarray(listing->files, room, sizeof(*files));
		if (files == NULL)
			return -ENOMEM;
		listing->files = files;
		listing->room = room;
	}
	struct file *file = &listing->files[listing->nfiles++];
	memcpy(file->name, name, sizeof(file->name)); /* its length was checked */
	file->bytes = (uint64_t)st->st_size;
	file->used = st->st_mtim;
	listing->bytes += file->bytes;
	return 0;
}

static int list(int dirfd, struct listing *ret, struct sandbox_error *err)
{
	const struct dirent *entry;
	struct stat st;
	int r = 0, fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		(void)fd_close(fd);
		return error_errno(err, "artifacts.list", "artifacts");
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (strlen(entry->d_name) == ARTIFACT_NAME_SIZE - 1 &&
			fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			r = listing_add(ret, entry->d_name, &st);
	(void)closedir(dir);
	return r < 0 ? error_set(err, -r, "artifacts.list", "no memory") : 0;
}

static int older(const void *a, const void *b)
{
	const struct timespec *x = &((const struct file *)a)->used, *y = &((const struct file *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Counts, and when there is too much, removes what was used longest ago. Others may do the same at the same time. */
static int sweep(struct artifacts *artifacts, struct sandbox_error *err)
{
	struct listing listing = {0};
	uint64_t max = artifacts->options.max_bytes, target = max / 100 * SWEEP_TO_PERCENT;

	int r = list(artifacts->dirfd, &listing, err);
	if (r == 0 && listing.nfiles > 0 && listing.bytes > max) {
		qsort(listing.files, listing.nfiles, sizeof(*listing.files), older);
		for (size_t i = 0; i < listing.nfiles && listing.bytes > target; i++) {
			(void)unlinkat(artifacts->dirfd, listing.files[i].name, 0);
			listing.bytes -= listing.files[i].bytes;
		}
	}
	artifacts->file_bytes = listing.bytes;
	free(listing.files);
	return r;
}

/* --- in memory ------------------------------------------------------------------------------------------------- */

static void drop(struct artifacts *artifacts, struct held *held)
{
	if (held == NULL || held->artifact.fd < 0)
		return;
	artifacts->held_bytes -= held->artifact.size;
	held->artifact.fd = fd_close(held->artifact.fd);
	held->used = 0;
}

static struct held *find(struct artifacts *artifacts, const struct artifact_key *key)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *held = &artifacts->held[i];
		if (held->artifact.fd >= 0 && memcmp(&held->key, key, sizeof(*key)) == 0)
			return held;
	}
	return NULL;
}

/* The one used longest ago; with IS_HELD false, a free place before any other. */
static struct held *oldest(struct artifacts *artifacts, bool is_held)
{
	struct held *found = NULL;

	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *held = &artifacts->held[i];
		if (is_held && held->artifact.fd < 0)
			continue;
		if (found == NULL || held->used < found->used)
			found = held;
	}
	return found;
}

/* Takes ARTIFACT over, or closes it when it is too large to be held. */
static void hold(struct artifacts *artifacts, const struct artifact_key *key, struct artifact *artifact)
{
	uint64_t max = artifacts->options.memory_bytes;

	if (artifact->size > max) {
		artifact->fd = fd_close(artifact->fd);
		return;
	}
	struct held *held = oldest(artifacts, false);
	drop(artifacts, held);
	while (artifacts->held_bytes + artifact->size > max)
		drop(artifacts, oldest(artifacts, true));
	*held = (struct held){.key = *key, .artifact = *artifact, .used = ++artifacts->uses};
	artifacts->held_bytes += artifact->size;
	artifact->fd = -1;
}

/* --- what callers see ------------------------------------------------------------------------------------------ */

static const char *digest_of(const struct artifacts *artifacts, const struct policy *policy)
{
	for (size_t i = 0; i < artifacts->nimages; i++)
		if (artifacts->images[i].policy == policy)
			return artifacts->images[i].digest;
	return NULL;
}

bool artifacts_key(const struct artifacts *artifacts, const struct policy *policy, const struct job *job,
	const struct sandbox_limits *limits, struct artifact_key *ret)
{
	const struct artifact_source source = {
		.user = artifacts->options.is_per_user ? job->user_id : "",
		.image_digest = digest_of(artifacts, policy),
		.policy = policy,
		.limits = limits,
		.code = job->code,
		.code_size = job->code_size,
	};

	return source.image_digest != NULL && artifact_key_make(&source, ret) == 0;
}

static void note(const struct sandbox_error *err)
{
	log_event(LOG_LEVEL_WARN, "artifacts.failed", "e:error", err, NULL);
}

static bool take_held(struct artifacts *artifacts, const struct artifact_key *key, struct artifact *ret)
{
	lock(artifacts);
	struct held *held = find(artifacts, key);
	bool is_there = held != NULL;
	if (is_there) {
		*ret = held->artifact;
		held->artifact.fd = -1;
		held->used = 0;
		artifacts->held_bytes -= ret->size;
	}
	unlock(artifacts);
	return is_there;
}

/* As if it had never been read. */
static int forget_use(const struct artifact *artifact, struct sandbox_error *err)
{
	static const struct timespec epoch[2];

	return futimens(artifact->fd, epoch) < 0 ? error_errno(err, "artifacts.get", "futimens") : 0;
}

/* Reading and hashing is done without the lock. */
bool artifacts_get(struct artifacts *artifacts, const struct artifact_key *key, int *ret_fd,
	struct sandbox_result *ret_compile)
{
	struct sandbox_error err = {0};
	struct artifact artifact = {.fd = -1};
	int r = 0;

	if (!take_held(artifacts, key, &artifact))
		r = artifact_load(artifacts->dirfd, key, &artifact, &err);
	if (r == 0)
		r = forget_use(&artifact, &err);
	if (r < 0)
		note(&err);
	if (r != 0) {
		(void)fd_close(artifact.fd);
		return false;
	}
	*ret_fd = artifact.fd;
	*ret_compile = artifact.compile;
	return true;
}

void artifacts_give_back(struct artifacts *artifacts, const struct artifact_key *key, int fd,
	const struct sandbox_result *compile)
{
	struct artifact artifact = {.fd = fd, .size = compile->collected[0].bytes, .compile = *compile};

	lock(artifacts);
	hold(artifacts, key, &artifact);
	unlock(artifacts);
}

void artifacts_put(struct artifacts *artifacts, const struct artifact_key *key, int fd, uint64_t size,
	const struct sandbox_result *compile)
{
	struct sandbox_error err = {0};
	struct artifact artifact;
	uint64_t bytes = 0;

	int r = artifact_make(fd, size, compile, &artifact, &err);
	if (r < 0) {
		note(&err);
		return;
	}
	r = artifact_store(artifacts->dirfd, key, &artifact, &bytes, &err);
	lock(artifacts);
	hold(artifacts, key, &artifact);
	artifacts->file_bytes += r == 0 ? bytes : 0;
	if (r == 0 && artifacts->file_bytes > artifacts->options.max_bytes)
		r = sweep(artifacts, &err);
	unlock(artifacts);
	if (r < 0)
		note(&err);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static int read_digests(
	struct artifacts *artifacts, const struct languages *languages, struct sandbox_error *err)
{
	size_t n = languages_count(languages);

	artifacts->images = calloc(n, sizeof(*artifacts->images));
	if (artifacts->images == NULL)
		return error_set(err, ENOMEM, "artifacts.open", "no memory");
	for (size_t i = 0; i < n; i++) {
		struct image *image = &artifacts->images[artifacts->nimages];
		struct sandbox_error cause = {0};
		image->policy = languages_at(languages, i);
		const struct policy_step *step = &image->policy->steps[SANDBOX_COMPILE];
		if (!step->is_present || step->collect == NULL)
			continue;
		if (artifact_image_digest(
			    artifacts->options.images_dir, step->image, image->digest, &cause) == 0)
			artifacts->nimages++;
		else
			log_event(LOG_LEVEL_WARN, "artifacts.off", "s:language", image->policy->name,
				"e:error", &cause, NULL);
	}
	return 0;
}

static int open_directory(struct artifacts *artifacts, struct sandbox_error *err)
{
	static const char name[] = "artifacts";
	int dirfd = artifacts->options.dirfd;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "artifacts.open", "cannot make %s", name);
	artifacts->dirfd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return artifacts->dirfd < 0 ? error_errno(err, "artifacts.open", "%s", name) : sweep(artifacts, err);
}

int artifacts_open(const struct artifacts_options *options, const struct languages *languages,
	struct artifacts **ret, struct sandbox_error *err)
{
	struct artifacts *artifacts = calloc(1, sizeof(*artifacts));

	if (artifacts == NULL)
		return error_set(err, ENOMEM, "artifacts.open", "no memory");
	artifacts->options = *options;
	artifacts->dirfd = -1;
	for (size_t i = 0; i < HELD_MAX; i++)
		artifacts->held[i].artifact.fd = -1;
	(void)pthread_mutex_init(&artifacts->lock, NULL);
	int r = open_directory(artifacts, err);
	if (r == 0)
		r = read_digests(artifacts, languages, err);
	if (r < 0) {
		(void)artifacts_close(artifacts);
		return r;
	}
	*ret = artifacts;
	return 0;
}

struct artifacts *artifacts_close(struct artifacts *artifacts)
{
	if (artifacts == NULL)
		return NULL;
	for (size_t i = 0; i < HELD_MAX; i++)
		drop(artifacts, &artifacts->held[i]);
	(void)fd_close(artifacts->dirfd);
	(void)pthread_mutex_destroy(&artifacts->lock);
	free(artifacts->images);
	free(artifacts);
	return NULL;
}
