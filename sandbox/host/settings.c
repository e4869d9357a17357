/* Settings of the host that make an escape harder. None is needed for a run. */
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* Huge pages of the pools, and those that may be added to them while jobs ask. Only a kernel since 6.7 can be told to count
 * them as memory (cgroup v2, memory_hugetlb_accounting): a pool without pages is what helps everywhere. */
static enum host_status probe_huge_pages(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	static const char *const files[] = {"nr_hugepages", "nr_overcommit_hugepages"};
	DIR *sizes = opendir(row->path);
	uint64_t all = 0;

	(void)paths;
	if (sizes == NULL && errno == ENOENT)
		return host_say(ret, HOST_OK, "%s", row->if_absent);
	if (sizes == NULL)
		return host_say(ret, HOST_WARN, "%s: %s", row->path, strerrordesc_np(errno));
	for (struct dirent *entry; (entry = readdir(sizes)) != NULL;)
		for (size_t i = 0; i < ARRAY_SIZE(files) && entry->d_name[0] != '.'; i++) {
			char file[sizeof(entry->d_name) + 32], text[32];
			uint64_t pages = 0;
			(void)snprintf(file, sizeof(file), "%s/%s", entry->d_name, files[i]);
			/* Linux: the gigantic sizes have no nr_overcommit_hugepages that can be raised. */
			if (fd_read_file(dirfd(sizes), file, text, sizeof(text)) > 0 &&
				config_number(CONFIG_NUMBER, text, &pages) == 0)
				all += pages;
		}
	(void)closedir(sizes);
	return host_say(ret, all == 0 ? HOST_OK : HOST_WARN, "%" PRIu64 " in the pools", all);
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
	{.name = "host.huge-pages",
		.probe = probe_huge_pages,
		.path = "/sys/kernel/mm/hugepages",
		.if_absent = "no huge pages in this kernel",
		.remedy = "sysctl -w vm.nr_hugepages=0 vm.nr_overcommit_hugepages=0: a job's memory limit "
			  "does not "
			  "hold for them"},
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
