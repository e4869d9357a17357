/* groups.h: cell groups for tests that put processes into them. Everything here fails the test when it fails. */
#pragma once

#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/test.h"

#include <sys/types.h>

extern struct sandbox_error group_err;

#define GROUP_OK(call) ck_assert_msg((call) == 0, "%s: %s: %s", #call, group_err.stage, group_err.message)

struct cgroup_host *group_host(void);
struct cgroup *group_make(struct cgroup_host *host, const char *name);
void group_limit(struct cgroup *cgroup, uint64_t memory_bytes, uint64_t processes, uint64_t cpu_millis);
/* Waits until the group's last process is gone. */
void group_destroy(struct cgroup *cgroup);

void group_where(enum cgroup_controller controller, struct cgroup_where *ret);
/* The path of NAME ("cell/pids.max"; "": the slot itself) in HOST's slot, and the text of such a file. */
void group_path(const struct cgroup_host *host, enum cgroup_controller controller, const char *name,
	char *path, size_t size);
void group_value(
	const struct cgroup_host *host, enum cgroup_controller controller, const char *name, char text[256]);

/* clone3 into the group, where cgroup_into_fd allows it; as fork. */
pid_t group_fork(const struct cgroup *cgroup);
/* A child that runs BODY inside CGROUP and ends with its result. It is inside when this returns. */
pid_t group_spawn(const struct cgroup *cgroup, int (*body)(void));
/* A BODY that stays until it is killed. */
__attribute__((noreturn)) int group_sleep(void);
/* The wait status of PID. */
int group_wait(pid_t pid);
