#!/bin/sh
# Linux 6.1, every controller on cgroup v1.
exec "${0%/*}/guest" bookworm v1
