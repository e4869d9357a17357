/* bundle.h: an OCI bundle (config.json, root filesystem by reference) for runc and crun to be measured with. */
#pragma once

/* A directory of its own whose container runs ARGV0 in ROOT, read-only, in new PID, mount, network, IPC, UTS and cgroup
 * namespaces, with no capability and a memory limit. Ends the program when that fails. Owned: bundle_remove. */
char *bundle_make(const char *root, const char *argv0);
void bundle_remove(char *path);
