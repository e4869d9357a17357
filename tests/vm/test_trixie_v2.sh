#!/bin/sh
# Linux 6.12, cgroup v2 alone.
exec "${0%/*}/guest" trixie v2
