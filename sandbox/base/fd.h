/* fd.h: ownership of descriptors and memory through cleanup attributes.
 *
 *   _cleanup_close_ int fd = -1;          closed when the scope ends
 *   return TAKE_FD(fd);                   ownership leaves the scope */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes FD unless it is negative; keeps errno; always returns -1: `fd = fd_close(fd)`. */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
	}
	return -1;
}

static inline void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}

static inline void mem_freep(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

#define _cleanup_close_ __attribute__((cleanup(fd_closep)))
#define _cleanup_free_ __attribute__((cleanup(mem_freep)))

#define TAKE_FD(fd)                                                                                          \
	__extension__({                                                                                      \
		int *take_fd_ = &(fd);                                                                       \
		int taken_ = *take_fd_;                                                                      \
		*take_fd_ = -1;                                                                              \
		taken_;                                                                                      \
	})

#define TAKE_PTR(ptr)                                                                                        \
	__extension__({                                                                                      \
		__typeof__(ptr) *take_ptr_ = &(ptr);                                                         \
		__typeof__(ptr) taken_ = *take_ptr_;                                                         \
		*take_ptr_ = NULL;                                                                           \
		taken_;                                                                                      \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Reads all of FD (a regular file or pipe) up to MAX bytes into a fresh NUL-terminated buffer (the NUL is not
 * counted). 0, or -EFBIG when there is more, or -errno. *RET is owned by the caller; written only on success. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size);

/* Writes all SIZE bytes, resuming after EINTR and short writes. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);

/* Reads FD from its start into BUF, NUL-terminated, trailing newline cut; what does not fit is left out. Of a kernel file
 * that stays open, this reads what holds now. Returns the length or -errno. Allocates nothing. */
ssize_t fd_read_text(int fd, char *buf, size_t size);
/* Reads a small kernel file (procfs, cgroupfs) relative to DIRFD into BUF, NUL-terminated, trailing newline cut.
 * Returns the length or -errno. Allocates nothing. */
ssize_t fd_read_file(int dirfd, const char *path, char *buf, size_t size);

/* Writes TEXT into an existing file relative to DIRFD with one write. 0 or -errno. Allocates nothing. */
int fd_write_file(int dirfd, const char *path, const char *text);

/* A fresh sealed-able memory file holding DATA, offset 0. The descriptor (owned by the caller) or -errno. */
int fd_memfd(const char *name, const void *data, size_t size);
