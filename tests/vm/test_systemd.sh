#!/bin/sh
# What `make install` puts there, under systemd, in the group that systemd delegates. Linux 6.12.
exec "${0%/*}/guest" trixie systemd
