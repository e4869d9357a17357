#!/bin/sh
# deps.sh: the Debian packages that Cofferdam's build, images and tests need (Debian 12 and 13, Ubuntu 24.04).
#
#   rootfs/deps.sh GROUP…          installs what is missing of the groups, silent when all is there
#   rootfs/deps.sh --optional …    the same, but what cannot be installed is only named
#   DEPS=skip rootfs/deps.sh …     installs nothing: names what is missing and fails
#
# The Makefile calls it before anything else, so it must be quick when there is nothing to do and may use no more than
# an essential system has. Alternatives are written a|b: either will do, the first is installed.
set -eu
cd "$(dirname "$0")/.."

build="gcc libc6-dev libseccomp-dev libcap-dev libjansson-dev libmicrohttpd-dev
	libcurl4-openssl-dev|libcurl4-gnutls-dev libssl-dev libsqlite3-dev"
images="mmdebstrap debian-archive-keyring mount"
test="check libyaml-dev pkgconf|pkg-config curl perl clang-format universal-ctags"
fuzz="clang libclang-rt-dev|libclang-rt-14-dev"
vm="qemu-system-x86 e2fsprogs zstd distro-info-data"
analyze="clang clang-tidy cppcheck"

log=build/deps.log

say() {
	echo "deps: $*" >&2
}

die() {
	say "$*"
	exit $failure
}

failure=1
if [ "${1:-}" = --optional ]; then
	failure=0
	shift
fi

# The packages of the groups in $@, alternatives still together.
packages_of() {
	for group in "$@"; do
		case $group in
		build) echo "$build" ;;
		images) echo "$images" ;;
		test) echo "$test" ;;
		fuzz) echo "$fuzz" ;;
		vm) echo "$vm" ;;
		analyze) echo "$analyze" ;;
		*) die "unknown group '$group' (build images test fuzz vm analyze)" ;;
		esac
	done
}

# The first alternative of every entry in $@ of which none is installed. One dpkg-query for all: it is the slow part.
missing_of() {
	# shellcheck disable=SC2016,SC2048,SC2086 # dpkg-query expands its fields, not the shell; words are wanted
	installed=" $(IFS=' |'; dpkg-query -W -f='${Package}=${db:Status-Status} ' $* 2>/dev/null || true)"
	for entry in "$@"; do
		found=no
		rest="$entry|"
		while [ -n "$rest" ]; do
			case $installed in *" ${rest%%|*}=installed "*) found=yes ;; esac
			rest=${rest#*|}
		done
		[ $found = yes ] || printf '%s ' "${entry%%|*}"
	done
}

# apt-get as root, its chatter in the log.
apt() {
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y "$@" >>$log 2>&1
}

packages=$(packages_of "$@")
if ! command -v dpkg-query >/dev/null; then
	[ "${DEPS:-}" != skip ] || exit 0 # nobody to ask; the compiler will name what it misses
	# shellcheck disable=SC2086
	die "not a Debian system: install the equivalents of" $packages "and run again with DEPS=skip"
fi
# shellcheck disable=SC2086 # words are wanted
missing=$(missing_of $packages)
[ -n "$missing" ] || exit 0
missing=${missing% }

[ "${DEPS:-}" != skip ] || die "missing: $missing (DEPS=skip: nothing installed)"
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
	die "missing: $missing (neither root nor sudo here: install them with apt-get)"

say "installing $missing"
mkdir -p "${log%/*}"
: >$log
# A third-party source that cannot be reached need not hinder us: the installation decides.
apt update || say "apt-get update failed, going on (see $log)"
# shellcheck disable=SC2086
apt install --no-install-recommends $missing || {
	tail -n 20 $log >&2
	die "apt-get could not install: $missing (see $log)"
}
