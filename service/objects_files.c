/* objects_files.c: outputs, and links to them that carry their own permission.
 *
 *   DIR/jobs.db, table objects         the small ones: no sync of their own, two of which would take longer than the job
 *   DIR/objects/outputs/<job id>.txt   the others
 *   DIR/objects/sources/<job id>.json
 *   DIR/objects/tmp/                   what is being written; swept at open
 *   DIR/url.key                        the key of the signatures
 *
 * A name is checked to be of one of these forms before it is used, and it is resolved relative to held directories without
 * following any link. */
#include "service/objects.h"

#include "sandbox/base/fd.h"
#include "service/job.h"
#include "service/sqlite_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

enum {
	KEY_BYTES = 32,
	SIGNATURE_BYTES = 32, /* HMAC-SHA-256 */
	SIGNATURE_SIZE = 2 * SIGNATURE_BYTES + 1,
	TEMPORARY_SIZE = JOB_ID_SIZE,
	COPY_BYTES = 1 << 30, /* of one sendfile */
};

enum statement { PUT, REMOVE, OPEN, STATEMENT_N };

static const char *const statements[STATEMENT_N] = {
	[PUT] = "INSERT OR REPLACE INTO objects (name, bytes) VALUES (?, ?)",
	[REMOVE] = "DELETE FROM objects WHERE name = ?",
	[OPEN] = "SELECT bytes FROM objects WHERE name = ?",
};

struct objects_files {
	struct objects base;
	struct sqlite_client client;
	int dirfd;  /* borrowed: DIR */
	int rootfd; /* owned: DIR/objects; holds a shared lock on it */
	int tmpfd;  /* owned: DIR/objects/tmp */
	unsigned char key[KEY_BYTES];
};

static struct objects_files *from_base(struct objects *objects)
{
	return (struct objects_files *)objects;
}

/* Below DIRFD, through no link. */
static int open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

/* --- names ---------------------------------------------------------------------------------------------------- */

static int check_name(const char *name, struct sandbox_error *err)
{
	return objects_name_ok(name) ? 0 : error_set(err, EINVAL, "objects.name", "no name of an object");
}

/* --- put ------------------------------------------------------------------------------------------------------ */

/* Reads at its own offset: the position of FROM neither matters nor moves. */
static int copy(int from, int to, uint64_t size, struct sandbox_error *err)
{
	off_t at = 0;

	while ((uint64_t)at < size) {
		uint64_t left = size - (uint64_t)at;
		ssize_t n = sendfile(to, from, &at, left < COPY_BYTES ? left : COPY_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "objects.put", "copy");
		if (n == 0)
			return error_set(err, ENODATA, "objects.put",
				"the source ends after %" PRIu64 " of %" PRIu64 " bytes", (uint64_t)at, size);
	}
	return 0;
}

static int fill_temporary(const struct objects_files *objects, const char *temporary, int fd, uint64_t size,
	struct sandbox_error *err)
{
	_cleanup_close_ int to = open_beneath(objects->tmpfd, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (to < 0)
		return error_errno(err, "objects.put", "cannot make a temporary file");
	int r = copy(fd, to, size, err);
	if (r == 0 && fsync(to) < 0)
		r = error_errno(err, "objects.put", "fsync");
	return r;
}

/* The directory of NAME. */
static int open_folder(
	const struct objects_files *objects, const char *name, const char *stage, struct sandbox_error *err)
{
	char folder[OBJECTS_NAME_SIZE];

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)strcspn(name, "/"), name);
	int fd = open_beneath(objects->rootfd, folder, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? error_errno(err, stage, "%s", folder) : fd;
}

/* The file takes its place, durably. */
static int publish(const struct objects_files *objects, const char *temporary, const char *name,
	struct sandbox_error *err)
{
	_cleanup_close_ int folder = open_folder(objects, name, "objects.put", err);
	if (folder < 0)
		return folder;
	if (renameat(objects->tmpfd, temporary, folder, strchr(name, '/') + 1) < 0)
		return error_errno(err, "objects.put", "rename to %s", name);
	if (fsync(folder) < 0)
		return error_errno(err, "objects.put", "fsync of its folder");
	return 0;
}

static int put_file(const struct objects_files *objects, const char *name, int fd, uint64_t size,
	struct sandbox_error *err)
{
	char temporary[TEMPORARY_SIZE];

	job_new_id(temporary);
	int r = fill_temporary(objects, temporary, fd, size, err);
	if (r == 0)
		r = publish(objects, temporary, name, err);
	if (r < 0)
		(void)unlinkat(objects->tmpfd, temporary, 0);
	return r;
}

/* --- small ones ----------------------------------------------------------------------------------------------- */

static int read_small(int fd, char *bytes, size_t size, struct sandbox_error *err)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = pread(fd, bytes + have, size - have, (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "objects.put", "read");
		if (n == 0)
			return error_set(err, ENODATA, "objects.put",
				"the source ends after %zu of %zu bytes", have, size);
		have += (size_t)n;
	}
	return 0;
}

static int put_small(
	struct objects_files *objects, const char *name, int fd, size_t size, struct sandbox_error *err)
{
	char bytes[OBJECTS_SMALL_BYTES];

	int r = read_small(fd, bytes, size, err);
	if (r < 0)
		return r;
	sqlite_lock(&objects->client);
	struct sqlite_call call = sqlite_call(&objects->client, PUT);
	sqlite_put_text(&call, name);
	sqlite_put_blob(&call, bytes, size);
	r = sqlite_run(&call, err);
	sqlite_call_end(&call);
	sqlite_unlock(&objects->client);
	return r;
}

/* Of that name, so that the large one is what is found. */
static int remove_small(struct objects_files *objects, const char *name, struct sandbox_error *err)
{
	sqlite_lock(&objects->client);
	struct sqlite_call call = sqlite_call(&objects->client, REMOVE);
	sqlite_put_text(&call, name);
	int r = sqlite_run(&call, err);
	sqlite_call_end(&call);
	sqlite_unlock(&objects->client);
	return r;
}

static int open_small(struct objects_files *objects, const char *name, int *ret_fd, uint64_t *ret_size,
	struct sandbox_error *err)
{
	size_t size;

	sqlite_lock(&objects->client);
	struct sqlite_call call = sqlite_call(&objects->client, OPEN);
	sqlite_put_text(&call, name);
	int r = sqlite_run(&call, err);
	if (r > 0) {
		const void *bytes = sqlite_take_blob(&call, &size);
		int fd = fd_memfd("object", bytes, size);
		r = fd < 0 ? error_set(err, -fd, "objects.open", "%s: %s", name, strerrordesc_np(-fd)) : 0;
		*ret_fd = fd < 0 ? *ret_fd : fd;
		*ret_size = fd < 0 ? *ret_size : size;
	} else if (r == 0) {
		r = OBJECTS_MISSING;
	}
	sqlite_call_end(&call);
	sqlite_unlock(&objects->client);
	return r;
}

/* --- either --------------------------------------------------------------------------------------------------- */

static int objects_put(
	struct objects *base, const char *name, int fd, uint64_t size, struct sandbox_error *err)
{
	struct objects_files *objects = from_base(base);

	int r = check_name(name, err);
	if (r < 0)
		return r;
	if (size <= OBJECTS_SMALL_BYTES)
		return put_small(objects, name, fd, (size_t)size, err);
	r = put_file(objects, name, fd, size, err);
	return r == 0 ? remove_small(objects, name, err) : r;
}

static int open_file(const struct objects_files *objects, const char *name, int *ret_fd, uint64_t *ret_size,
	struct sandbox_error *err)
{
	struct stat st;

	_cleanup_close_ int fd = open_beneath(objects->rootfd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT)
		return OBJECTS_MISSING;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "objects.open", "%s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "objects.open", "%s: is no regular file", name);
	*ret_fd = TAKE_FD(fd);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int objects_open(
	struct objects *base, const char *name, int *ret_fd, uint64_t *ret_size, struct sandbox_error *err)
{
	struct objects_files *objects = from_base(base);

	int r = check_name(name, err);
	if (r == 0)
		r = open_small(objects, name, ret_fd, ret_size, err);
	return r == OBJECTS_MISSING ? open_file(objects, name, ret_fd, ret_size, err) : r;
}

static int objects_remove(struct objects *base, const char *name, struct sandbox_error *err)
{
	struct objects_files *objects = from_base(base);

	int r = check_name(name, err);
	if (r == 0)
		r = remove_small(objects, name, err);
	if (r < 0)
		return r;
	_cleanup_close_ int folder = open_folder(objects, name, "objects.remove", err);
	if (folder < 0)
		return folder;
	if (unlinkat(folder, strchr(name, '/') + 1, 0) < 0 && errno != ENOENT)
		return error_errno(err, "objects.remove", "%s", name);
	return 0;
}

/* --- links ---------------------------------------------------------------------------------------------------- */

/* Over "NAME\nEXPIRES", as the link has them: the newline is in neither. */
static int sign(const struct objects_files *objects, const char *name, const char *expires,
	char signature[SIGNATURE_SIZE], struct sandbox_error *err)
{
	unsigned char digest[SIGNATURE_BYTES];
	size_t digest_size = 0;
	char text[128];

	int size = snprintf(text, sizeof(text), "%s\n%s", name, expires);
	if (size < 0 || (size_t)size >= sizeof(text))
		return error_set(err, EINVAL, "objects.signature", "too long to be signed");
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, objects->key, sizeof(objects->key),
		    (unsigned char *)text, (size_t)size, digest, sizeof(digest), &digest_size) == NULL ||
		digest_size != sizeof(digest))
		return error_set(err, EIO, "objects.signature", "HMAC-SHA-256 is not to be had");
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(signature + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int64_t now_sec(void)
{
	return job_now_usec() / 1000000;
}

static int objects_url(struct objects *base, const char *name, const char *base_url, unsigned *ttl_sec,
	char **ret, struct sandbox_error *err)
{
	char expires[24], signature[SIGNATURE_SIZE];
	char *url = NULL;

	int r = check_name(name, err);
	if (r < 0)
		return r;
	(void)snprintf(expires, sizeof(expires), "%" PRId64, now_sec() + *ttl_sec);
	r = sign(from_base(base), name, expires, signature, err);
	if (r < 0)
		return r;
	if (asprintf(&url, "%s/objects/%s?expires=%s&signature=%s", base_url, name, expires, signature) < 0)
		return error_set(err, ENOMEM, "objects.url", "no memory");
	*ret = url;
	return 0;
}

static int refuse(const char *stage, struct sandbox_error *err)
{
	return error_set(err, EACCES, stage, "the link is not valid");
}

/* EXPIRES is read only once its signature is known to be ours. */
static int objects_verify(struct objects *base, const char *name, const char *expires, const char *signature,
	struct sandbox_error *err)
{
	static const char stage[] = "objects.signature";
	char wanted[SIGNATURE_SIZE];

	if (!objects_name_ok(name) || strlen(signature) != sizeof(wanted) - 1)
		return refuse(stage, err);
	struct sandbox_error cause = {0};
	int r = sign(from_base(base), name, expires, wanted, &cause);
	if (r == -EINVAL)
		return refuse(stage, err);
	if (r < 0) /* ours, not the link's */
		return error_set(err, -r, cause.stage, "%s", cause.message);
	if (CRYPTO_memcmp(wanted, signature, sizeof(wanted) - 1) != 0)
		return refuse(stage, err);
	return now_sec() < strtoll(expires, NULL, 10) ? 0 : refuse("objects.expired", err);
}

/* --- the key -------------------------------------------------------------------------------------------------- */

static int check_key(int fd, struct sandbox_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "objects.key", "url.key");
	if (!S_ISREG(st.st_mode) || st.st_size != KEY_BYTES)
		return error_set(err, EUCLEAN, "objects.key",
			"url.key is not %d bytes; remove it for a new one (links made so far end)",
			KEY_BYTES);
	if ((st.st_mode & 077) != 0)
		return error_set(
			err, EPERM, "objects.key", "url.key may be read by others; make its mode 0600");
	return 0;
}

/* OBJECTS_MISSING: there is none. */
static int read_key(struct objects_files *objects, struct sandbox_error *err)
{
	_cleanup_close_ int fd = open_beneath(objects->dirfd, "url.key", O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT)
		return OBJECTS_MISSING;
	if (fd < 0)
		return error_errno(err, "objects.key", "url.key");
	int r = check_key(fd, err);
	if (r < 0)
		return r;
	if (read(fd, objects->key, KEY_BYTES) != KEY_BYTES)
		return error_set(err, EIO, "objects.key", "url.key cannot be read");
	return 0;
}

static int write_key(const struct objects_files *objects, const char *temporary, struct sandbox_error *err)
{
	unsigned char key[KEY_BYTES];

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return error_errno(err, "objects.key", "getrandom");
	_cleanup_close_ int fd = open_beneath(objects->tmpfd, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return error_errno(err, "objects.key", "cannot make a temporary file");
	int r = fd_write_all(fd, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
	if (r < 0)
		return error_set(err, -r, "objects.key", "write: %s", strerrordesc_np(-r));
	return fsync(fd) < 0 ? error_errno(err, "objects.key", "fsync") : 0;
}

/* It appears whole. Where another process was faster, its key is the key. */
static int make_key(const struct objects_files *objects, struct sandbox_error *err)
{
	char temporary[TEMPORARY_SIZE];

	job_new_id(temporary);
	int r = write_key(objects, temporary, err);
	if (r == 0 && linkat(objects->tmpfd, temporary, objects->dirfd, "url.key", 0) < 0 && errno != EEXIST)
		r = error_errno(err, "objects.key", "url.key");
	if (r == 0 && fsync(objects->dirfd) < 0)
		r = error_errno(err, "objects.key", "fsync");
	(void)unlinkat(objects->tmpfd, temporary, 0);
	return r;
}

static int load_key(struct objects_files *objects, struct sandbox_error *err)
{
	int r = read_key(objects, err);

	if (r != OBJECTS_MISSING)
		return r;
	r = make_key(objects, err);
	if (r == 0)
		r = read_key(objects, err);
	return r == OBJECTS_MISSING ? error_set(err, ENOENT, "objects.key", "url.key vanished") : r;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

/* The directory NAME within DIRFD, made when it is not there. */
static int open_directory(int dirfd, const char *name, int *ret, struct sandbox_error *err)
{
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "objects.open", "cannot make %s", name);
	_cleanup_close_ int fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return error_errno(err, "objects.open", "%s", name);
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_directories(struct objects_files *objects, struct sandbox_error *err)
{
	_cleanup_close_ int outputs = -1;
	_cleanup_close_ int sources = -1;

	int r = open_directory(objects->dirfd, "objects", &objects->rootfd, err);
	if (r == 0)
		r = open_directory(objects->rootfd, "tmp", &objects->tmpfd, err);
	if (r == 0)
		r = open_directory(objects->rootfd, "outputs", &outputs, err);
	if (r == 0)
		r = open_directory(objects->rootfd, "sources", &sources, err);
	if (r == 0 && (fsync(objects->rootfd) < 0 || fsync(objects->dirfd) < 0))
		r = error_errno(err, "objects.open", "fsync");
	return r;
}

static int sweep(int tmpfd, struct sandbox_error *err)
{
	const struct dirent *entry;
	int fd = open_beneath(tmpfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		(void)fd_close(fd);
		return error_errno(err, "objects.open", "tmp");
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(tmpfd, entry->d_name, 0);
	(void)closedir(dir);
	return 0;
}

/* Who has the objects open holds a shared lock. What lies in tmp belongs to nobody only when there is no one else. */
static int sweep_when_alone(const struct objects_files *objects, struct sandbox_error *err)
{
	int r = 0;

	if (flock(objects->rootfd, LOCK_EX | LOCK_NB) == 0)
		r = sweep(objects->tmpfd, err);
	else if (errno != EWOULDBLOCK)
		r = error_errno(err, "objects.open", "flock");
	if (r == 0 && flock(objects->rootfd, LOCK_SH) < 0)
		r = error_errno(err, "objects.open", "flock");
	return r;
}

static int objects_ping(struct objects *base, struct sandbox_error *err)
{
	struct statvfs fs;

	if (faccessat(from_base(base)->rootfd, "outputs", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return error_errno(err, "objects.ping", "outputs");
	if (fstatvfs(from_base(base)->rootfd, &fs) < 0)
		return error_errno(err, "objects.ping", "fstatvfs");
	if (fs.f_bavail == 0)
		return error_set(err, ENOSPC, "objects.ping", "the disk is full");
	return 0;
}

static struct objects *objects_close(struct objects *base)
{
	struct objects_files *objects = from_base(base);

	if (objects == NULL)
		return NULL;
	OPENSSL_cleanse(objects->key, sizeof(objects->key));
	(void)fd_close(objects->tmpfd);
	(void)fd_close(objects->rootfd);
	sqlite_client_close(&objects->client);
	free(objects);
	return NULL;
}

static const struct objects_operations operations = {
	.put = objects_put,
	.open = objects_open,
	.url = objects_url,
	.verify = objects_verify,
	.remove = objects_remove,
	.ping = objects_ping,
	.close = objects_close,
};

int objects_files_open(struct database *db, struct objects **ret, struct sandbox_error *err)
{
	struct objects_files *objects = calloc(1, sizeof(*objects));
	if (objects == NULL)
		return error_set(err, ENOMEM, "objects.open", "no memory");
	objects->base.operations = &operations;
	objects->dirfd = db->dirfd;
	objects->rootfd = objects->tmpfd = -1;
	int r = sqlite_client_open(db, "objects.sqlite", statements, STATEMENT_N, &objects->client, err);
	if (r == 0)
		r = open_directories(objects, err);
	if (r == 0)
		r = sweep_when_alone(objects, err);
	if (r == 0)
		r = load_key(objects, err);
	if (r < 0) {
		(void)objects_close(&objects->base);
		return r;
	}
	*ret = (struct objects *)objects;
	return 0;
}
