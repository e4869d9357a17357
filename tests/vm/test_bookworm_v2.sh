#!/bin/sh
# Linux 6.1, cgroup v2 alone.
exec "${0%/*}/guest" bookworm v2
