#include "service/aws/payload.h"

#include "sandbox/base/fd.h"

#include <openssl/evp.h>
#include <unistd.h>

enum { HASH_BYTES = 64 << 10 };

static int hash_file(const struct aws_request *request, char hash[AWS_SHA256_SIZE], struct sandbox_error *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	_cleanup_free_ char *buffer = malloc(HASH_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned n = 0;
	int r = 0;

	if (buffer == NULL || context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		r = error_set(err, ENOMEM, "aws.hash", "no memory");
	for (size_t at = 0; r == 0 && at < request->body_size;) {
		size_t left = request->body_size - at;
		ssize_t got = pread(request->body_fd, buffer, left < HASH_BYTES ? left : HASH_BYTES,
			(off_t)(request->body_offset + at));
		if (got < 0)
			r = error_errno(err, "aws.hash", "read");
		else if (got == 0)
			r = error_set(err, ENODATA, "aws.hash", "the file ends before its time");
		else if (EVP_DigestUpdate(context, buffer, (size_t)got) != 1)
			r = error_set(err, ENOTSUP, "aws.hash", "SHA-256 fails");
		at += got > 0 ? (size_t)got : 0;
	}
	if (r == 0 && EVP_DigestFinal_ex(context, digest, &n) != 1)
		r = error_set(err, ENOTSUP, "aws.hash", "SHA-256 fails");
	EVP_MD_CTX_free(context);
	for (size_t i = 0; r == 0 && i < n; i++)
		(void)snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	return r;
}

int aws_payload_hash(const struct aws_request *request, char hash[AWS_SHA256_SIZE], struct sandbox_error *err)
{
	if (request->body == NULL && request->body_size > 0)
		return hash_file(request, hash, err);
	if (aws_sha256(request->body != NULL ? request->body : "", request->body_size, hash) < 0)
		return error_set(err, ENOTSUP, "aws.hash", "SHA-256 is not to be had");
	return 0;
}
