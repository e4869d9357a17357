/* The layers of a cell that depend on the kernel and the processor at hand. */
#include "sandbox/base/layers.h"
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

/* What the layers that a cell puts on where it can (sandbox/base/layers.h) find here. False: RET says why not. */
static bool ask_layers(struct layers *layers, struct host_control *ret)
{
	struct sandbox_error err = {0};

	if (layers_probe(layers, &err) == 0)
		return true;
	(void)host_say(ret, HOST_MISSING, "%.180s", err.message);
	return false;
}

static enum host_status probe_landlock(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	static const char *const covers[] = {[2] = "files",
		[3] = "files with truncation",
		[4] = "files and TCP",
		[5] = "files, TCP and ioctls on devices",
		[6] = "files, TCP, ioctls on devices, signals and abstract sockets"};
	struct layers layers;

	if (!ask_layers(&layers, ret))
		return HOST_MISSING;
	int abi = layers.landlock_abi, last = (int)ARRAY_SIZE(covers) - 1;
	if (abi < LAYERS_LANDLOCK_LEAST)
		return host_say(
			ret, HOST_WARN, "%s", abi == 0 ? "not offered" : "ABI 1 is too old to be used");
	return host_say(
		ret, abi < last ? HOST_WARN : HOST_OK, "ABI %d: %s", abi, covers[abi < last ? abi : last]);
}

static enum host_status probe_memory_seal(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct layers layers;

	if (!ask_layers(&layers, ret))
		return HOST_MISSING;
	return host_say(ret, HOST_OK, "by %s", layers.has_mdwe ? "PR_SET_MDWE" : "a seccomp program");
}

/* Row.number: PR_SPEC_…. */
static enum host_status probe_speculation(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	struct layers layers;

	if (!ask_layers(&layers, ret))
		return HOST_MISSING;
	int state = layers.speculation[row->number];
	if (state == 0)
		return host_say(ret, HOST_OK, "this processor is not affected, or the kernel has no control");
	if (state & PR_SPEC_PRCTL)
		return host_say(ret, HOST_OK, "off in every cell, for good");
	return (state & PR_SPEC_ENABLE) ? host_say(ret, HOST_WARN, "on, and the kernel offers no control")
					: host_say(ret, HOST_OK, "off for every process");
}

/* It is a switch of the whole host: when it is off, no process can ask for it. */
static enum host_status probe_cache_flush(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct layers layers;

	if (!ask_layers(&layers, ret))
		return HOST_MISSING;
	bool is_offered = (layers.speculation[PR_SPEC_L1D_FLUSH] & PR_SPEC_PRCTL) != 0;
	return host_say(ret, HOST_OK, "flushing the first cache on a switch is %s; cells do not ask for it",
		is_offered ? "offered" : "not offered");
}

static enum host_status probe_core_scheduling(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)paths;
	struct layers layers;
	char text[8];

	if (!ask_layers(&layers, ret))
		return HOST_MISSING;
	if (layers.has_core_scheduling)
		return host_say(ret, HOST_OK, "a cell shares its cores with no other cell");
	bool has_threads = fd_read_file(AT_FDCWD, row->path, text, sizeof(text)) > 0 && text[0] == '1';
	return has_threads ? host_say(ret, HOST_WARN, "not in this kernel, and processors share cores")
			   : host_say(ret, HOST_OK, "not needed: no processor shares its core");
}

const struct host_row host_layer_rows[] = {
	{.name = "layer.landlock",
		.probe = probe_landlock,
		.remedy = "a kernel of 6.12 or later with CONFIG_SECURITY_LANDLOCK, and landlock in lsm="},
	{.name = "layer.memory-seal", .probe = probe_memory_seal, .remedy = "a kernel of 6.3 or later"},
	{.name = "layer.store-bypass",
		.probe = probe_speculation,
		.number = PR_SPEC_STORE_BYPASS,
		.remedy = "boot without spec_store_bypass_disable=off"},
	{.name = "layer.indirect-branch",
		.probe = probe_speculation,
		.number = PR_SPEC_INDIRECT_BRANCH,
		.remedy = "boot without spectre_v2_user=off"},
	{.name = "layer.cache-flush", .probe = probe_cache_flush, .remedy = "none is needed"},
	{.name = "layer.core-scheduling",
		.probe = probe_core_scheduling,
		.path = "/sys/devices/system/cpu/smt/active",
		.remedy = "a kernel of 5.14 or later with CONFIG_SCHED_CORE, or boot with nosmt"},
	{0},
};
