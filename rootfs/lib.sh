# lib.sh: what the programs of this folder share. Sourced by bash.
# shellcheck shell=bash

rootfs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by those who source this file
suite=trixie
# shellcheck disable=SC2034
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die()
{
	printf 'rootfs: %s\n' "$*" >&2
	exit 1
}

# Reads a manifest into the arrays package, keep, drop, link, writable and step, and the variable policy.
#
#   package NAME      a Debian package; its dependencies come along, recommended packages do not
#   keep PATTERN      files of these packages that stay (find -path: "*" also matches "/"); all others go
#   drop PATTERN      ... but not these
#   link PATH TARGET  a symbolic link
#   writable FOLDER   a run writes to a layer above it: its permissions and times are left as the steps set them
#   policy LANGUAGE   the steps do as the compile step of policies/languages/LANGUAGE.json does
#   step NAME         the program steps/NAME is run on the image, with its root as argument
# shellcheck disable=SC2034 # the caller reads them
manifest_read()
{
	local file=$1 key value
	package=() keep=() drop=() link=() writable=() step=() policy=

	while read -r key value; do
		case $key in
		'' | '#'*) ;;
		package | keep | drop | link | writable | step)
			local -n list=$key
			list+=("$value")
			;;
		policy) policy=$value ;;
		*) die "$file: unknown keyword '$key'" ;;
		esac
	done <"$file"
	[[ ${#package[@]} -gt 0 && ${#keep[@]} -gt 0 ]] || die "$file: needs a package and a keep line"
}

# policy_list LANGUAGE KEY NAME: fills the array NAME with the strings of compile.KEY of a language policy.
policy_list()
{
	local file="$rootfs/../policies/languages/$1.json" text rest
	local -n strings=$3

	text=$(<"$file") || die "$file: cannot be read"
	rest=${text#*\"compile\"}
	rest=${rest#*\""$2"\"}
	[[ $rest =~ ^[[:space:]]*:[[:space:]]*\[([^]]*)\] ]] || die "$file: compile.$2 is no list"
	rest=${BASH_REMATCH[1]}
	[[ $rest != *\\* ]] || die "$file: compile.$2 holds an escape, which this reader does not know"
	strings=()
	while [[ $rest =~ \"([^\"]*)\"(.*) ]]; do
		strings+=("${BASH_REMATCH[1]}")
		rest=${BASH_REMATCH[2]}
	done
	[[ ${#strings[@]} -gt 0 ]] || die "$file: compile.$2 is empty"
}
