#!/bin/sh
# Every fuzzer, a few seconds from its committed corpus: what was found once is not found again, and no fuzzer has
# rotted. `make fuzz F=name SECONDS=n` looks longer. FUZZERS_DIR holds the programs, where they could be built.
set -u
here=$(dirname "$0")
seconds=2
n=0

if [ ! -d "${FUZZERS_DIR:=build/fuzz/tests/fuzz}" ]; then
	echo '1..0 # SKIP there is no clang with libFuzzer here (Debian: clang, libclang-rt-dev)'
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in $("$here/run" --list); do
	[ "${TEST_CASE:-$name}" = "$name" ] || continue
	n=$((n + 1))
	if said=$("$here/run" "$FUZZERS_DIR" "$work" $seconds "$name" 2>"$work/err"); then
		echo "ok $n - $said"
	else
		cat "$work/err" >&2
		# The input goes to the log: nothing else is left of this run.
		for finding in "$work/findings/$name"-*; do
			[ -f "$finding" ] && echo "base64 of ${finding##*/}:" >&2 && base64 "$finding" | head -c 100000 >&2
		done
		echo "not ok $n - $said"
	fi
done
echo "1..$n"
