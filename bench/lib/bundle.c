#include "bench/lib/bundle.h"

#include <err.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *namespaces(void)
{
	static const char *const kinds[] = {"pid", "mount", "network", "ipc", "uts", "cgroup"};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		(void)json_array_append_new(list, json_pack("{s:s}", "type", kinds[i]));
	return list;
}

static json_t *mounts(void)
{
	return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s, s:[s, s]}, {s:s, s:s, s:s, s:[s, s]}]",
		"destination", "/proc", "type", "proc", "source", "proc", "destination", "/dev", "type",
		"tmpfs", "source", "tmpfs", "options", "nosuid", "mode=755", "destination", "/tmp", "type",
		"tmpfs", "source", "tmpfs", "options", "nosuid", "nodev");
}

static json_t *config(const char *root, const char *argv0)
{
	json_t *process = json_pack("{s:b, s:{s:i, s:i}, s:[s], s:[s], s:s, s:b, s:{s:[], s:[], s:[]}}",
		"terminal", 0, "user", "uid", 1000, "gid", 1000, "args", argv0, "env", "PATH=/usr/bin:/bin",
		"cwd", "/", "noNewPrivileges", 1, "capabilities", "bounding", "effective", "permitted");

	return json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:{s:o, s:{s:{s:i}}}}", "ociVersion", "1.0.2",
		"process", process, "root", "path", root, "readonly", 1, "hostname", "bench", "mounts",
		mounts(), "linux", "namespaces", namespaces(), "resources", "memory", "limit", 256 << 20);
}

char *bundle_make(const char *root, const char *argv0)
{
	char *path = strdup("/tmp/cofferdam-bench-XXXXXX"), file[64], whole[PATH_MAX];

	if (path == NULL || mkdtemp(path) == NULL)
		err(1, "bundle");
	if (realpath(root, whole) == NULL)
		err(1, "%s", root);
	(void)snprintf(file, sizeof(file), "%s/config.json", path);
	json_t *json = config(whole, argv0);
	if (json == NULL || json_dump_file(json, file, JSON_INDENT(2)) < 0)
		err(1, "%s", file);
	json_decref(json);
	return path;
}

void bundle_remove(char *path)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "%s/config.json", path);
	(void)unlink(file);
	(void)rmdir(path);
	free(path);
}
