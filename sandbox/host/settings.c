/* Settings of the host that make an escape harder. None is needed for a run. */
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static enum host_status probe_number(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	char text[64];
	uint64_t value;

	ssize_t size = fd_read_file(AT_FDCWD, row->path, text, sizeof(text));
	if (size < 0 && row->if_absent != NULL && size == -ENOENT)
		return host_say(ret, HOST_OK, "%s", row->if_absent);
	if (size < 0)
		return host_say(ret, HOST_WARN, "%s: %s", row->path, strerrordesc_np((int)-size));
	if (config_number(CONFIG_NUMBER, text, &value) < 0)
		return host_say(ret, HOST_WARN, "%s holds \"%s\"", row->path, text);
	return host_say(ret, value >= row->minimum && value <= row->maximum ? HOST_OK : HOST_WARN, "%s is %s",
		row->path, text);
}

/* A pipe means that the host runs a program as root on every crash, with the crashed process's memory as its input. */
static enum host_status probe_core_pattern(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	char text[160];

	ssize_t size = fd_read_file(AT_FDCWD, row->path, text, sizeof(text));
	if (size < 0)
		return host_say(ret, HOST_WARN, "%s: %s", row->path, strerrordesc_np((int)-size));
	return host_say(ret, text[0] == '|' ? HOST_WARN : HOST_OK, "%.120s", text[0] ? text : "none");
}

static enum host_status probe_vulnerabilities(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	char list[sizeof(ret->detail)] = "";
	DIR *entries = opendir(row->path);

	if (entries == NULL)
		return host_say(ret, HOST_WARN, "%s: %s", row->path, strerrordesc_np(errno));
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		char text[256];
		if (entry->d_name[0] == '.' ||
			fd_read_file(dirfd(entries), entry->d_name, text, sizeof(text)) < 0 ||
			strncmp(text, "Vulnerable", strlen("Vulnerable")) != 0)
			continue;
		size_t used = strlen(list);
		(void)snprintf(list + used, sizeof(list) - used, " %.60s", entry->d_name);
	}
	(void)closedir(entries);
	if (list[0] == '\0')
		return host_say(ret, HOST_OK, "none without mitigation");
	return host_say(ret, HOST_WARN, "not mitigated:%.170s", list);
}

/* NAME and its file, the range of good values, and how to get there. */
#define NUMBER(label, file, least, most, absent, cure)                                                       \
	{                                                                                                    \
		.name = "host." label, .probe = probe_number, .path = (file), .minimum = (least),            \
		.maximum = (most), .if_absent = (absent), .remedy = (cure)                                   \
	}
#define SYSCTL(label, file, least, most, absent, cure)                                                       \
	NUMBER(label, "/proc/sys/" file, least, most, absent, "sysctl -w " cure)

const struct host_row host_setting_rows[] = {
	{.name = "host.core-pattern",
		.probe = probe_core_pattern,
		.path = "/proc/sys/kernel/core_pattern",
		.remedy =
			"sysctl -w kernel.core_pattern=core: no program of root's should read crashed jobs"},
	SYSCTL("panic-on-oom", "vm/panic_on_oom", 0, 1, NULL,
		"vm.panic_on_oom=0: with 2 a job that uses too much memory stops the whole host"),
	SYSCTL("unprivileged-bpf", "kernel/unprivileged_bpf_disabled", 1, 2, "no bpf in this kernel",
		"kernel.unprivileged_bpf_disabled=1"),
	SYSCTL("io-uring", "kernel/io_uring_disabled", 1, 2, NULL, "kernel.io_uring_disabled=2 (Linux 6.6)"),
	SYSCTL("kptr-restrict", "kernel/kptr_restrict", 1, 2, NULL, "kernel.kptr_restrict=1"),
	SYSCTL("dmesg-restrict", "kernel/dmesg_restrict", 1, 1, NULL, "kernel.dmesg_restrict=1"),
	SYSCTL("perf-event-paranoid", "kernel/perf_event_paranoid", 2, UINT32_MAX, "no perf in this kernel",
		"kernel.perf_event_paranoid=2"),
	SYSCTL("randomize-va-space", "kernel/randomize_va_space", 2, 2, NULL, "kernel.randomize_va_space=2"),
	SYSCTL("ptrace-scope", "kernel/yama/ptrace_scope", 1, 3, NULL,
		"kernel.yama.ptrace_scope=1 (a kernel with CONFIG_SECURITY_YAMA)"),
	SYSCTL("suid-dumpable", "fs/suid_dumpable", 0, 0, NULL, "fs.suid_dumpable=0"),
	SYSCTL("protected-hardlinks", "fs/protected_hardlinks", 1, 1, NULL, "fs.protected_hardlinks=1"),
	SYSCTL("protected-symlinks", "fs/protected_symlinks", 1, 1, NULL, "fs.protected_symlinks=1"),
	SYSCTL("protected-fifos", "fs/protected_fifos", 1, 2, NULL, "fs.protected_fifos=1"),
	SYSCTL("protected-regular", "fs/protected_regular", 1, 2, NULL, "fs.protected_regular=1"),
	SYSCTL("tiocsti", "dev/tty/legacy_tiocsti", 0, 0, NULL, "dev.tty.legacy_tiocsti=0 (Linux 6.2)"),
	NUMBER("ksm", "/sys/kernel/mm/ksm/run", 0, 0, "no page merging in this kernel",
		"echo 0 > /sys/kernel/mm/ksm/run: merged pages tell jobs about each other by timing"),
	NUMBER("smt", "/sys/devices/system/cpu/smt/active", 0, 0, "not told by this kernel",
		"boot with nosmt: hardware threads of one core leak to each other by timing"),
	{.name = "host.vulnerabilities",
		.probe = probe_vulnerabilities,
		.path = "/sys/devices/system/cpu/vulnerabilities",
		.remedy = "update microcode and kernel, and boot without mitigations=off"},
	{0},
};
