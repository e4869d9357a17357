/* What this process may do. */
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>

static enum host_status probe_root(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	uid_t uid = geteuid();

	return host_say(ret, uid == 0 ? HOST_OK : HOST_MISSING, "user id %u", (unsigned)uid);
}

/* The whole range of ids mapped onto itself: only the initial user namespace has that by default. */
static enum host_status probe_initial(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	char map[256];
	unsigned long ids[3]; /* first inside, first outside, how many */

	ssize_t size = fd_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map));
	if (size < 0)
		return host_say(ret, HOST_MISSING, "/proc/self/uid_map: %s", strerrordesc_np((int)-size));
	char *at = map;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = strtoul(at, &at, 10);
	if (ids[0] == 0 && ids[1] == 0 && ids[2] == UINT32_MAX)
		return host_say(ret, HOST_OK, "the initial user namespace");
	map[strcspn(map, "\n")] = '\0';
	return host_say(ret, HOST_MISSING, "a user namespace that maps ids: %s", map);
}

/* What a supervisor keeps (sandbox/cli/confine.c) and cannot do without. */
static const cap_value_t needed[] = {
	CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_MKNOD};

static enum host_status probe_capabilities(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	char missing[sizeof(ret->detail)] = "";
	cap_t caps = cap_get_proc();

	if (caps == NULL)
		return host_failed(ret, "cap_get_proc");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		cap_flag_value_t value = CAP_CLEAR;
		if (cap_get_flag(caps, needed[i], CAP_EFFECTIVE, &value) == 0 && value == CAP_SET)
			continue;
		char *name = cap_to_name(needed[i]);
		size_t used = strlen(missing);
		(void)snprintf(missing + used, sizeof(missing) - used, " %s", name ? name : "?");
		(void)cap_free(name);
	}
	(void)cap_free(caps);
	if (missing[0] == '\0')
		return host_say(ret, HOST_OK, "all that are used are effective");
	return host_say(ret, HOST_MISSING, "not effective:%.170s", missing);
}

static enum host_status probe_namespace(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	char most[32] = "";

	if (row->path != NULL && fd_read_file(AT_FDCWD, row->path, most, sizeof(most)) > 0 &&
		strcmp(most, "0") == 0)
		return host_say(ret, HOST_MISSING, "%s is 0", row->path);
	if (unshare((int)row->number) < 0)
		return host_failed(ret, "unshare");
	return host_say(ret, HOST_OK, "can be made%s%s", most[0] ? ", at most " : "", most);
}

#define NAMESPACE(kind, flag, file, config)                                                                  \
	{                                                                                                    \
		.name = "namespace." kind, .probe = probe_namespace, .number = (flag),                       \
		.path = "/proc/sys/user/" file,                                                              \
		.remedy = "be root; sysctl user." file "=65536; a kernel with " config                       \
	}

const struct host_row host_privilege_rows[] = {
	{.name = "privilege.root", .probe = probe_root, .remedy = "run as root (sudo)"},
	{.name = "privilege.initial-namespace",
		.probe = probe_initial,
		.remedy = "run on the host or in a container without a user namespace of its own"},
	{.name = "privilege.capabilities",
		.probe = probe_capabilities,
		.remedy = "run as root with these capabilities; in a container: --privileged"},
	NAMESPACE("user", CLONE_NEWUSER, "max_user_namespaces", "CONFIG_USER_NS"),
	NAMESPACE("pid", CLONE_NEWPID, "max_pid_namespaces", "CONFIG_PID_NS"),
	NAMESPACE("mount", CLONE_NEWNS, "max_mnt_namespaces", "CONFIG_NAMESPACES"),
	NAMESPACE("network", CLONE_NEWNET, "max_net_namespaces", "CONFIG_NET_NS"),
	NAMESPACE("ipc", CLONE_NEWIPC, "max_ipc_namespaces", "CONFIG_IPC_NS"),
	NAMESPACE("uts", CLONE_NEWUTS, "max_uts_namespaces", "CONFIG_UTS_NS"),
	NAMESPACE("cgroup", CLONE_NEWCGROUP, "max_cgroup_namespaces", "CONFIG_CGROUPS"),
	{0},
};
