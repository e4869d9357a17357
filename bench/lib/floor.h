/* floor.h: what a run costs at least: the same program without a sandbox, and with bare namespaces. */
#pragma once

/* Runs ARGV (argv[0] is a path) to its end with standard output to /dev/null. Its wait status; -1: it did not come to
 * that. */
int floor_fork_exec(char *const argv[]);
/* The same in seven new namespaces, with nothing set up in them. */
int floor_clone_all(char *const argv[]);
