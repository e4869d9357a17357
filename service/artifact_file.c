#include "service/artifact_file.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* A file is this, the compile result as JSON, and the program. In this machine's byte order: it is a cache. */
struct header {
	char magic[8];
	uint64_t result_size, program_size;
	unsigned char digest[32]; /* SHA-256 of key, sizes, result and program */
};

static const char magic[8] = "cofart1";

enum { RESULT_MAX_BYTES = 64 * 1024 };

void artifact_name(const struct artifact_key *key, char name[ARTIFACT_NAME_SIZE])
{
	for (size_t i = 0; i < sizeof(key->bytes); i++)
		(void)snprintf(name + 2 * i, 3, "%02x", key->bytes[i]);
}

/* --- copying and hashing --------------------------------------------------------------------------------------- */

/* From offset FROM_AT on to where TO stands. Neither reads nor moves the position of FROM. */
static int copy(int from, off_t from_at, int to, uint64_t size, struct sandbox_error *err)
{
	while (size > 0) {
		ssize_t n = sendfile(to, from, &from_at, size < BOUND_INPUT_BYTES ? size : BOUND_INPUT_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "artifacts.copy", "sendfile");
		if (n == 0)
			return error_set(err, ENODATA, "artifacts.copy", "the file is shorter than it was");
		size -= (uint64_t)n;
	}
	return 0;
}

static int hash(const struct header *header, const struct artifact_key *key, const char *result,
	const void *program, unsigned char ret[32])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned size = 0;
	bool is_done = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		       EVP_DigestUpdate(context, key->bytes, sizeof(key->bytes)) == 1 &&
		       EVP_DigestUpdate(context, &header->result_size, sizeof(header->result_size)) == 1 &&
		       EVP_DigestUpdate(context, &header->program_size, sizeof(header->program_size)) == 1 &&
		       EVP_DigestUpdate(context, result, header->result_size) == 1 &&
		       EVP_DigestUpdate(context, program, header->program_size) == 1 &&
		       EVP_DigestFinal_ex(context, ret, &size) == 1;

	EVP_MD_CTX_free(context);
	return is_done && size == 32 ? 0 : -EIO;
}

/* The digest of a product whose program is FD, a sealed memory file: nobody can change or shorten it while it is mapped. */
static int digest_of(const struct header *header, const struct artifact_key *key, const char *result, int fd,
	unsigned char ret[32], struct sandbox_error *err)
{
	void *program = NULL; /* nothing, where there is nothing to map */

	if (header->program_size > 0)
		program = mmap(NULL, header->program_size, PROT_READ, MAP_SHARED, fd, 0);
	if (program == MAP_FAILED)
		return error_errno(err, "artifacts.digest", "mmap");
	int r = hash(header, key, result, program, ret);
	if (header->program_size > 0)
		(void)munmap(program, header->program_size);
	return r < 0 ? error_set(err, -r, "artifacts.digest", "SHA-256 is not to be had") : 0;
}

/* --- making ---------------------------------------------------------------------------------------------------- */

/* Linux 6.3: MFD_EXEC, where vm.memfd_noexec is 1. Fallback: it cannot be executed, and a cell copies it. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int new_memory(void)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("program", flags | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("program", flags) : fd;
}

/* Sealed, and as sandbox/cell/program.c would have it: nobody may write to it, and nobody has it open for that. */
static int make_sealed(int fd, off_t at, uint64_t size, int *ret, struct sandbox_error *err)
{
	char path[32];

	_cleanup_close_ int to = new_memory();
	if (to < 0)
		return error_errno(err, "artifacts.memory", "memfd");
	int r = copy(fd, at, to, size, err);
	if (r < 0)
		return r;
	(void)fchmod(to, 0555); /* refused where it is not to be executed */
	if (fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return error_errno(err, "artifacts.memory", "seal");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	int reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		return error_errno(err, "artifacts.memory", "open for reading");
	*ret = reader;
	return 0;
}

int artifact_make(int fd, uint64_t size, const struct sandbox_result *compile, struct artifact *ret,
	struct sandbox_error *err)
{
	struct artifact artifact = {.fd = -1, .size = size, .compile = *compile};

	if (size > BOUND_INPUT_BYTES)
		return error_set(
			err, EFBIG, "artifacts.memory", "a program of %llu bytes", (unsigned long long)size);
	int r = make_sealed(fd, 0, size, &artifact.fd, err);
	if (r == 0)
		*ret = artifact;
	return r;
}

/* --- loading --------------------------------------------------------------------------------------------------- */

static int damaged(struct sandbox_error *err)
{
	return error_set(err, EUCLEAN, "artifacts.load", "a damaged file");
}

static bool header_ok(const struct header *header, const struct stat *st)
{
	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->result_size <= RESULT_MAX_BYTES &&
	       header->program_size <= BOUND_INPUT_BYTES &&
	       sizeof(*header) + header->result_size + header->program_size == (uint64_t)st->st_size;
}

static int parse_result(const char *text, size_t size, struct sandbox_result *ret, struct sandbox_error *err)
{
	struct json_text_error error;
	json_t *json = NULL;

	int r = json_text_parse(text, size, &json, &error);
	if (r == 0)
		r = report_result_parse(json, ret);
	json_decref(json);
	if (r == -ENOMEM)
		return error_set(err, ENOMEM, "artifacts.load", "no memory");
	return r != 0 ? damaged(err) : 0;
}

static int load(int fd, const struct artifact_key *key, struct artifact *ret, struct sandbox_error *err)
{
	struct sandbox_result compile;
	_cleanup_close_ int program = -1;
	_cleanup_free_ char *result = NULL;
	unsigned char digest[32];
	struct header header;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "artifacts.load", "fstat");
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || !header_ok(&header, &st))
		return damaged(err);
	result = malloc(header.result_size + 1);
	if (result == NULL)
		return error_set(err, ENOMEM, "artifacts.load", "no memory");
	if (pread(fd, result, header.result_size, sizeof(header)) != (ssize_t)header.result_size)
		return damaged(err);
	int r = make_sealed(
		fd, (off_t)(sizeof(header) + header.result_size), header.program_size, &program, err);
	if (r == 0)
		r = digest_of(&header, key, result, program, digest, err);
	if (r == 0 && memcmp(digest, header.digest, sizeof(digest)) != 0)
		return damaged(err);
	if (r == 0)
		r = parse_result(result, header.result_size, &compile, err);
	if (r < 0)
		return r;
	compile.collected[0] =
		(struct sandbox_collected){.status = SANDBOX_COLLECTED, .bytes = header.program_size};
	*ret = (struct artifact){.fd = TAKE_FD(program), .size = header.program_size, .compile = compile};
	return 0;
}

int artifact_load(int dirfd, const struct artifact_key *key, struct artifact *ret, struct sandbox_error *err)
{
	char name[ARTIFACT_NAME_SIZE];

	artifact_name(key, name);
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return ARTIFACT_MISSING;
	if (fd < 0)
		return error_errno(err, "artifacts.load", "%s", name);
	int r = load(fd, key, ret, err);
	if (r == -EUCLEAN || r == -ENODATA)
		(void)unlinkat(dirfd, name, 0);
	/* When it was used last: what has not been for longest goes first. */
	if (r == 0)
		(void)futimens(fd, NULL);
	return r;
}

/* --- storing --------------------------------------------------------------------------------------------------- */

static int write_file(int to, const struct artifact_key *key, const struct artifact *artifact,
	const char *result, size_t result_size, struct sandbox_error *err)
{
	struct header header = {.result_size = result_size, .program_size = artifact->size};

	memcpy(header.magic, magic, sizeof(magic));
	int r = digest_of(&header, key, result, artifact->fd, header.digest, err);
	if (r < 0)
		return r;
	r = fd_write_all(to, &header, sizeof(header));
	if (r == 0)
		r = fd_write_all(to, result, result_size);
	if (r < 0)
		return error_set(err, -r, "artifacts.store", "write: %s", strerrordesc_np(-r));
	return copy(artifact->fd, 0, to, artifact->size, err);
}

int artifact_store(int dirfd, const struct artifact_key *key, const struct artifact *artifact,
	uint64_t *ret_bytes, struct sandbox_error *err)
{
	char name[ARTIFACT_NAME_SIZE], own[32];
	size_t result_size = 0;

	json_t *json = report_result(&artifact->compile);
	_cleanup_free_ char *result = json_text_print(json, JSON_COMPACT, &result_size);
	json_decref(json);
	if (result == NULL)
		return error_set(err, ENOMEM, "artifacts.store", "no memory");
	/* Without a name until it is whole; if we die before, the kernel frees it. */
	_cleanup_close_ int fd = openat(dirfd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "artifacts.store", "a file without a name");
	int r = write_file(fd, key, artifact, result, result_size, err);
	if (r < 0)
		return r;
	artifact_name(key, name);
	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	*ret_bytes = sizeof(struct header) + result_size + artifact->size;
	if (linkat(AT_FDCWD, own, dirfd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, "artifacts.store", "%s", name);
	*ret_bytes = 0;
	return 0;
}
