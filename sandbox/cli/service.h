/* service.h: how `cofferdam serve` turns a child into the service: its own user, and nothing else. */
#pragma once

#include "sandbox/base/error.h"

#include <sys/types.h>

struct service_start {
	int program_fd; /* owned: cofferdam-service, found beside us */
	char **options; /* borrowed, NULL-terminated: passed on as they are */
	const char *state_dir, *policies_dir, *images_dir,
		*socket_dir; /* borrowed, resolved: what it must reach */
	uid_t uid;
};

/* Opens program_fd. As root: the service's user need not reach the directory that it lies in. 0 or -errno with ERR. */
int service_find(struct service_start *start, struct sandbox_error *err);

/* In the child: for child_start; USER is the struct service_start. Returns only on failure. */
int service_become(const void *user, struct sandbox_error *err);
