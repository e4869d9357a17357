/* objects.h: where outputs live. Thread-safe. Implementations: objects_files.c (embedded), objects_s3.c. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct objects;

enum {
	OBJECTS_MISSING = 1,
	OBJECTS_NAME_SIZE = 64,
};

/* What an object is called: "outputs/<job id>.txt", or "sources/<job id>.json" (code and input too large for a store's
 * own record). */
bool objects_name_ok(const char *name);

/* Of every operation: -EAGAIN with ERR when the backend is not to be had or refuses: asking later may help, and the object
 * is not to blame. */
struct objects_operations {
	/* Stores SIZE bytes from FD (a file; read from offset 0, its position is left alone) under NAME, replacing what was
	 * there; whole or not at all. It is durable no later than what is written into the store afterwards. A NAME
	 * that objects_name_ok does not like is -EINVAL here and below. */
	int (*put)(
		struct objects *objects, const char *name, int fd, uint64_t size, struct sandbox_error *err);
	/* A descriptor (owned by the caller) open for reading, and its size; or OBJECTS_MISSING. */
	int (*open)(struct objects *objects, const char *name, int *ret_fd, uint64_t *ret_size,
		struct sandbox_error *err);
	/* A URL under which NAME can be downloaded without a key for *TTL_SEC from now, or for less, which is then there;
	 * BASE_URL is the service's own address for backends that serve through it. *RET owned by the caller. */
	int (*url)(struct objects *objects, const char *name, const char *base_url, unsigned *ttl_sec,
		char **ret, struct sandbox_error *err);
	/* Is QUERY ("expires=…&signature=…", already decoded into its two values) a valid signature for NAME now?
	 * 0 yes; -EACCES no (stage "objects.signature" or "objects.expired"). Backends with URLs of their own: -ENOTSUP;
	 * anything else: it could not be told. */
	int (*verify)(struct objects *objects, const char *name, const char *expires, const char *signature,
		struct sandbox_error *err);
	/* It is gone when this returns 0, also when it was not there. */
	int (*remove)(struct objects *objects, const char *name, struct sandbox_error *err);
	int (*ping)(struct objects *objects, struct sandbox_error *err);
	struct objects *(*close)(struct objects *objects); /* accepts NULL, returns NULL */
};

struct objects {
	const struct objects_operations *operations;
};

struct database;

/* What is no larger does not wait for the disk when it is put: it may be part of a batch. */
enum { OBJECTS_SMALL_BYTES = 32 * 1024 };

/* Up to OBJECTS_SMALL_BYTES in DB (borrowed), larger ones as files below its directory's objects/; HMAC-SHA-256
 * signatures with a random key in url.key (mode 0600, made at first start) there.
 * URL: BASE_URL/objects/NAME?expires=<unix seconds>&signature=<hex>. */
int objects_files_open(struct database *db, struct objects **ret, struct sandbox_error *err);
