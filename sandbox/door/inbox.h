/* inbox.h: one message as it arrived, with its descriptors. */
#pragma once

#include "sandbox/door/message.h"

struct inbox {
	size_t size;
	size_t nfds;
	int fds[MESSAGE_FDS_MAX]; /* owned */
	char bytes[BOUND_REQUEST_BYTES];
};

enum { INBOX_EMPTY = 1 };

/* Receives without waiting. 0; INBOX_EMPTY: nothing there yet; -ECONNRESET: the peer is gone; -E2BIG, -EINVAL or
 * another errno with ERR: what came was no message, or could not be taken whole; nothing of it is left. */
int inbox_receive(int sock, struct inbox *inbox, struct sandbox_error *err);

/* Closes the descriptors. */
void inbox_empty(struct inbox *inbox);
