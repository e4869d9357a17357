# lib.sh: what the programs of this folder share. Sourced by bash.
# shellcheck shell=bash

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm/../.." && pwd)
# shellcheck disable=SC2034 # used by those who source this file
parts_dir=${CACHE_DIR:-$top/build/cache}/vm

# A test that cannot run here: the whole of its TAP.
skip_all()
{
	echo "1..0 # skip $*"
	exit 0
}
