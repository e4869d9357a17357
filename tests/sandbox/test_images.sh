#!/bin/bash
# test_images: what rootfs/ promises of the root images, held against the images themselves. Speaks TAP.
#
# Images are taken from IMAGES_DIR (default build/images). Compilers run with the argv and environment of the language
# policies, as an ordinary user, above a scratch layer, the way they do in a cell.
#
# shellcheck disable=SC2317 # run_test calls the tests by their names
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=rootfs/lib.sh
. rootfs/lib.sh

images_dir=${IMAGES_DIR:-build/images}
images=(base cpp go native)
writable_folder=go/opt/go-cache
work=

# A test is a function test_NAME; it fails when it returns non-zero or has printed something to standard error.
tests=(
	every_image_has_mount_points_and_accounts
	no_image_has_setuid_files_or_file_capabilities
	no_image_has_devices_sockets_or_dangling_links
	everything_belongs_to_root_and_nobody_else_may_write
	nothing_of_the_host_or_the_build_is_left
	each_image_is_described
	native_holds_no_program
	compile_images_hold_no_shell_and_no_package_manager
	base_runs_a_shell_and_the_usual_tools
	native_holds_the_libraries_that_cpp_links_to
	cpp_uses_its_precompiled_header
	cpp_programs_run_in_native
	go_compiles_nothing_of_the_standard_library
	go_leaves_the_entries_of_its_cache_alone
	go_programs_run_in_native
	a_changed_manifest_or_policy_makes_an_image_stale
	a_build_that_fails_names_its_log_and_leaves_nothing
	a_build_that_is_stopped_leaves_nothing
	two_builds_do_not_mix
)

# Prints what was found and fails when there is something.
none()
{
	local found
	found=$(cat)
	[[ -z $found ]] || { printf '%s\n' "$found" | head -n 20 >&2 && return 1; }
}

in_images()
{
	(cd "$images_dir" && find "${images[@]}" "$@")
}

test_every_image_has_mount_points_and_accounts()
{
	local image folder
	for image in "${images[@]}"; do
		for folder in box dev proc tmp; do
			[[ -d $images_dir/$image/$folder ]] || echo "$image has no /$folder" >&2
		done
		grep -q '^box:x:1000:1000:.*nologin$' "$images_dir/$image/etc/passwd" || echo "$image: no user box" >&2
		grep -q '^box:x:1000:' "$images_dir/$image/etc/group" || echo "$image: no group box" >&2
		grep -q '^127.0.0.1 localhost' "$images_dir/$image/etc/hosts" || echo "$image: no localhost" >&2
		[[ $(<"$images_dir/$image/etc/hostname") == cell ]] || echo "$image: another hostname" >&2
		[[ -e $images_dir/$image/etc/machine-id && ! -s $images_dir/$image/etc/machine-id ]]
	done
	in_images -mindepth 2 -regex '[a-z]+/\(box\|dev\|proc\|tmp\)/.*' | none
}

test_no_image_has_setuid_files_or_file_capabilities()
{
	in_images -perm /7000 | none
	# shellcheck disable=SC2016
	in_images -type f -perm /111 -exec perl -e '
		# getxattr is 191 on x86-64 and 8 on the newer architectures.
		my $number = `uname -m` =~ /x86_64/ ? 191 : 8;
		for my $file (@ARGV) {
			my $value = "\0" x 64;
			my $name = "security.capability";
			print "$file\n" if syscall($number, $file, $name, $value, 64) > 0;
		}' {} + | none
}

test_no_image_has_devices_sockets_or_dangling_links()
{
	in_images ! -type f ! -type d ! -type l | none
	local link target root
	in_images -type l | while read -r link; do
		target=$(readlink "$images_dir/$link")
		root=$images_dir/${link%%/*}
		[[ $target == /* ]] && target=$root$target || target=$(dirname "$images_dir/$link")/$target
		[[ -e $target && $(realpath "$target") == "$(realpath "$root")"/* ]] || echo "$link"
	done | none
}

test_everything_belongs_to_root_and_nobody_else_may_write()
{
	in_images \( ! -uid 0 -o ! -gid 0 \) | none
	in_images ! -type l -perm /022 ! -path "$writable_folder" ! -path "$writable_folder/*" | none
	[[ $(stat -c '%U %a' "$images_dir") == 'root 755' ]] || stat -c '%n: %U %a' "$images_dir" >&2
}

test_nothing_of_the_host_or_the_build_is_left()
{
	in_images \( -name resolv.conf -o -name '*.deb' -o -path '*/var/*' -o -path '*/apt/*' -o -path '*/dpkg/*' \
		-o -path '*/share/doc/*' -o -path '*/share/man/*' -o -path '*/share/locale/*' \) | none
	in_images -type f -links +1 | none
}

test_each_image_is_described()
{
	local image key
	for image in "${images[@]}"; do
		for key in name inputs digest suite built_at size_bytes packages; do
			grep -q "^	\"$key\": " "$images_dir/$image.json" || echo "$image.json says no $key" >&2
		done
	done
	grep -q '"libstdc++6": "14\.' "$images_dir/native.json"
}

test_native_holds_no_program()
{
	find "$images_dir/native/" \( -path '*bin/*' -o -path '*/libexec/*' -o -type f -perm /111 ! -name '*.so*' \) | none
}

test_compile_images_hold_no_shell_and_no_package_manager()
{
	(cd "$images_dir" && find cpp go native -regextype posix-extended ! -type d ! -path '*/src/*' ! -path '*/include/*' \
		-regex '.*/([a-z]*sh|busybox|perl|python[0-9.]*|apt[^/]*|dpkg[^/]*|env|cat|gcc[^/]*|cc1|git)') | none
}

test_base_runs_a_shell_and_the_usual_tools()
{
	local output
	output=$(rootfs/in-image --uid 1000 "$images_dir/base" PATH=/usr/bin:/bin /bin/sh -c \
		'/bin/true && printf "b\na\n" | sort | sed s/a/A/ | grep -c . && sha256sum /dev/null | cut -c1-8 && id -un')
	[[ $output == $'2\ne3b0c442\nbox' ]] || echo "the shell said: $output" >&2
}

test_native_holds_the_libraries_that_cpp_links_to()
{
	local library
	for library in libc.so.6 libm.so.6 libgcc_s.so.1 libstdc++.so.6; do
		cmp "$images_dir"/{cpp,native}/usr/lib/"$HOSTTYPE-linux-gnu/$library" >&2
	done
}

# compile LANGUAGE OPTION…: compiles $work/box with the policy's command and more options into $work/box/program.
compile()
{
	local argv env command=() one
	policy_list "$1" argv argv
	policy_list "$1" env env
	for one in "${argv[@]}"; do
		case $one in
		'{sources}') command+=("${@:2}" main.cpp) ;;
		build) command+=(build "${@:2}") ;;
		*) command+=("$one") ;;
		esac
	done
	chmod -R 777 "$work/box"
	rootfs/in-image --scratch "$work/layer" --box "$work/box" --uid 1000 "$images_dir/$1" "${env[@]}" "${command[@]}"
}

write_cpp()
{
	cat >"$work/box/main.cpp" <<-'SOURCE'
		#include <bits/stdc++.h>
		int main()
		{
			std::vector<int> v{3, 1, 2};
			std::sort(v.begin(), v.end());
			for (int i : v)
				std::cout << i << std::endl;
		}
	SOURCE
}

write_go()
{
	printf 'module program\n\ngo 1.24\n' >"$work/box/go.mod"
	cat >"$work/box/main.go" <<-'SOURCE'
		package main

		import (
			"encoding/json"
			"fmt"
			"net/http"
			"os"
		)

		func main() {
			json.NewEncoder(os.Stdout).Encode(http.StatusText(200))
			fmt.Println(42)
		}
	SOURCE
}

test_cpp_uses_its_precompiled_header()
{
	write_cpp
	compile cpp -H -Winvalid-pch 2>"$work/said" || cat "$work/said" >&2
	# -H marks a precompiled header that was taken with "!", one that was refused with "x".
	grep -q '^! .*/bits/stdc++\.h\.gch/' "$work/said" || head "$work/said" >&2
	{ grep -E '^(x|\.+) |warning' "$work/said" || true; } | none
}

test_cpp_programs_run_in_native()
{
	write_cpp
	compile cpp
	[[ $(rootfs/in-image --box "$work/box" --uid 1000 "$images_dir/native" /box/program) == $'1\n2\n3' ]]
}

test_go_compiles_nothing_of_the_standard_library()
{
	write_go
	# -v names each package that is compiled.
	compile go -v 2>"$work/said"
	[[ $(<"$work/said") == program ]] || head "$work/said" >&2
}

test_go_leaves_the_entries_of_its_cache_alone()
{
	write_go
	# The clean-up that the go command does once a day is due.
	mkdir -p "$work/layer/upper/opt/go-cache"
	echo 0 >"$work/layer/upper/opt/go-cache/trim.txt"
	chmod -R a+rwX "$work/layer/upper/opt/go-cache"
	compile go
	[[ $(<"$work/layer/upper/opt/go-cache/trim.txt") -gt 0 ]] || echo 'the clean-up was not due' >&2
	local file
	(cd "$work/layer/upper/opt/go-cache" && find . ! -type d ! -name trim.txt) | while read -r file; do
		[[ ! -e $images_dir/$writable_folder/$file ]] || echo "$file was copied or removed"
	done | none
}

test_go_programs_run_in_native()
{
	write_go
	compile go
	[[ $(rootfs/in-image --box "$work/box" --uid 1000 "$images_dir/native" /box/program) == $'"OK"\n42' ]]
}

# A copy of the builder with one small image and a cache of its own; build_probe is the command that runs it.
make_builder()
{
	cp -r rootfs policies "$work"
	rm "$work"/rootfs/images/*
	printf 'package %s\nkeep /usr/*\n' "$1" >"$work/rootfs/images/probe.conf"
	build_probe=("$work/rootfs/build" --images-dir "$work/images" --cache-dir "$work/cache" probe)
}

nothing_is_left()
{
	(cd "$work" && find images cache -mindepth 1 ! -name .lock ! -name probe.log ! -path 'cache/packages*') | none
	{ grep -F "$work" /proc/mounts || true; } | none
}

test_a_changed_manifest_or_policy_makes_an_image_stale()
{
	rootfs/build --check --images-dir "$images_dir" >&2
	cp -r rootfs policies "$work"
	sed -i 's/^step/# A note.\n&/' "$work/rootfs/images/cpp.conf"
	sed -i 's/"GOENV=off"/"GOENV=off", "GOAMD64=v2"/' "$work/policies/languages/go.json"
	[[ $("$work/rootfs/build" --check --images-dir "$images_dir") == $'cpp\ngo' ]]
}

test_a_build_that_fails_names_its_log_and_leaves_nothing()
{
	make_builder cofferdam-no-such-package
	"${build_probe[@]}" >"$work/said" 2>&1 && echo 'it did not fail' >&2
	grep -qF "the whole log is $work/cache/probe.log" "$work/said" || cat "$work/said" >&2
	[[ -s $work/cache/probe.log ]] || echo 'the log is empty' >&2
	nothing_is_left
}

test_a_build_that_is_stopped_leaves_nothing()
{
	make_builder coreutils
	"${build_probe[@]}" >"$work/said" 2>&1 &
	local builder=$! tries=0
	until [[ -d $work/images/.probe.new/usr || $((++tries)) -gt 200 ]]; do sleep 0.1; done
	kill -TERM "$builder"
	wait "$builder" 2>/dev/null
	[[ $? -eq 143 ]] || cat "$work/said" >&2
	nothing_is_left
}

test_two_builds_do_not_mix()
{
	make_builder cofferdam-no-such-package
	mkdir -p "$work/images"
	exec 8>"$work/images/.lock"
	flock 8
	"${build_probe[@]}" >"$work/said" 2>&1 8>&- &
	local builder=$! tries=0
	until grep -qs 'waiting' "$work/said" || [[ $((++tries)) -gt 100 ]]; do sleep 0.1; done
	[[ $(<"$work/said") == *'another build is at work; waiting' ]] || cat "$work/said" >&2
	kill -TERM "$builder"
	exec 8>&-
	wait "$builder" 2>/dev/null
	nothing_is_left
}

# In a subshell of its own: the line of one test.
run_test()
{
	local said status
	work=$(mktemp -d "${TMPDIR:-/tmp}/cofferdam-images.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	chmod 755 "$work"
	mkdir -m 777 "$work/box"
	{ said=$("test_$1" 2>&1 >&3); } 3>/dev/null
	status=$?
	if [[ $status -eq 0 && -z $said ]]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '# status %s\n%s\n' "$status" "$said" | head -n 40 | sed 's/^[^#]/# &/'
	fi
}

if [[ $EUID -ne 0 ]]; then
	echo '1..0 # skip only root can look into the images'
	exit 0
fi
[[ -z ${TEST_CASE:-} ]] || tests=("$TEST_CASE")
echo "1..${#tests[@]}"
failed=0
number=0
for one in "${tests[@]}"; do
	((++number))
	line=$(run_test "$one")
	printf '%s\n' "$line"
	[[ $line == ok* ]] || failed=1
done
exit "$failed"
