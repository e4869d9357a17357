#!/bin/bash
# test_foreign_profiles: the profiles that Docker and Podman ship, as they are, in the place of seccomp/native.json. Speaks TAP.
#
# They are taken from Debian's packages when the test runs (CACHE_DIR) and are no part of the source. The cases are "docker"
# and "podman".
# shellcheck disable=SC2317 # is() calls the functions by their names
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
cofferdam=${BIN_DIR:-build/release/bin}/cofferdam
images_dir=${IMAGES_DIR:-build/images}
cache=${CACHE_DIR:-build/cache}/profiles
n=0
failed=0

skip()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# file_of PACKAGE PATH: the package's file, fetched once.
file_of()
{
	local deb
	if [[ ! -s $cache/$1.json ]]; then
		mkdir -p "$cache"
		(cd "$cache" && timeout 120 apt-get download "$1") >&2 || return 1
		deb=$(find "$cache" -name "$1_*.deb" | head -n 1)
		dpkg-deb --fsys-tarfile "$deb" | tar -xO ".$2" >"$work/json" && mv "$work/json" "$cache/$1.json" || return 1
	fi
	echo "$cache/$1.json"
}

# is WANTED NAME COMMAND…: the command prints exactly that.
is()
{
	local wanted=$1 name=$2 said
	shift 2
	said=$("$@" 2>&1)
	((++n))
	if [[ $said == "$wanted" ]]; then
		echo "ok $n - $name"
	else
		failed=1
		echo "not ok $n - $name"
		printf 'wanted %s, got:\n%s\n' "$wanted" "$said" | sed 's/^/# /'
	fi
}

execute()
{
	"$cofferdam" exec --policies-dir "$work/policies" --images-dir "$images_dir" --stdin "$work/input" "$@"
}

# How many policies are found to be right.
check()
{
	"$cofferdam" check --policies-dir "$work/policies" | grep -c '^ok '
}

# try NAME FILE ERRNO: the errno is the profile's answer to a personality that its conditions do not list.
try()
{
	[[ ${TEST_CASE:-$1} == "$1" ]] || return
	rm -rf "$work/policies"
	cp -r policies "$work/policies"
	cp "$2" "$work/policies/seccomp/native.json"
	is 3 "$1: loads" check
	is 42 "$1: C++" execute cpp "$work/main.cpp"
	is 42 "$1: Go" execute go "$work/main.go"
	is "0 $3" "$1: conditions on arguments decide" execute cpp "$work/ask.cpp"
}

[[ $EUID -eq 0 ]] || skip 'only root can make cells'
"$cofferdam" doctor >/dev/null 2>&1 || skip 'no cells can be made here (cofferdam doctor)'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
docker=$(file_of golang-github-docker-docker-dev /usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json) ||
	skip 'the package golang-github-docker-docker-dev cannot be fetched'
podman=$(file_of golang-github-containers-common /usr/share/containers/seccomp.json) ||
	skip 'the package golang-github-containers-common cannot be fetched'
echo 40 2 >"$work/input"
cat >"$work/main.cpp" <<-'CPP'
	#include <iostream>
	int main()
	{
		long a, b;
		std::cin >> a >> b;
		std::cout << a + b << std::endl;
	}
CPP
cat >"$work/main.go" <<-'GO'
	package main
	import "fmt"
	func main() {
		var a, b int
		fmt.Scan(&a, &b)
		fmt.Println(a + b)
	}
GO
# The kernel itself would grant both.
cat >"$work/ask.cpp" <<-'CPP'
	#include <cerrno>
	#include <cstdio>
	#include <sys/personality.h>
	int main()
	{
		int listed = personality(0xffffffff) < 0 ? errno : 0;
		int other = personality(PER_LINUX | SHORT_INODE) < 0 ? errno : 0;
		std::printf("%d %d\n", listed, other);
	}
CPP
try docker "$docker" 1
try podman "$podman" 38
echo "1..$n"
exit "$failed"
