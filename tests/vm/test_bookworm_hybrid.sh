#!/bin/sh
# Linux 6.1, memory on cgroup v2, the other controllers on v1.
exec "${0%/*}/guest" bookworm hybrid
