/* stream.h: one of the command's own standard streams and its way into a cell or out of it.
 *
 * The engine takes pipes (and regular files as input) as they are. Everything else (a terminal, a socket, a file to
 * write to) is connected through a pipe, and the bytes are copied here, without ever waiting: the same thread holds the
 * run's deadlines. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct stream {
	int cell_fd;	  /* for the spec; -1: none */
	bool owns_cell;	  /* cell_fd is our pipe's end, to be closed once the run has started */
	int source, sink; /* owned; -1: nothing to copy, or at the end */
	int watched;	  /* which of the two is in the epoll; -1: none */
	size_t used, at;  /* of the buffer */
	char buffer[64 * 1024];
};

/* FD: borrowed; -1, a closed descriptor and /dev/null give a stream without a cell_fd. 0 or -errno with ERR. */
int stream_open_input(struct stream *stream, int fd, struct sandbox_error *err);
int stream_open_output(struct stream *stream, int fd, struct sandbox_error *err);

/* The engine has its own copy of cell_fd now. Begins to copy; the events of EPOLL carry STREAM. */
int stream_start(struct stream *stream, int epoll, struct sandbox_error *err);

/* Copies what can be copied now. A reader or writer that is gone is the end of the stream, no error. 0, or -errno with ERR when
 * something else keeps it from being read or written, as a full disk. */
int stream_move(struct stream *stream, int epoll, struct sandbox_error *err);

bool stream_is_open(const struct stream *stream);
void stream_close(struct stream *stream);

/* Do two descriptors mean the same file, so that their outputs should keep their order? */
bool stream_is_same(int a, int b);
