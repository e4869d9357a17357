/* namespaces.h: the namespaces of this host, as a test finds them. */
#pragma once

#include <sys/types.h>

/* How many different ones, of all kinds: every process is in some and holds some open; mounts, here and where the process
 * OTHER is, keep others. */
unsigned namespaces_count(pid_t other);
