#!/bin/sh
# Ubuntu 24.04's Linux 6.8, cgroup v2 alone, with its AppArmor and two hardware threads.
exec "${0%/*}/guest" noble v2
