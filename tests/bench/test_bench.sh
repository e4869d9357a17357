#!/bin/sh
# Every benchmark, as short as it can be: it runs to its end, and the report shows its figures. What they are is no test's
# business. BENCH_DIR holds the programs.
set -u
here=$(dirname "$0")
aws=$here/../aws
: "${BENCH_DIR:=build/release/bench}"
n=0

if ! "$BENCH_DIR/../bin/cofferdam" doctor >/dev/null 2>&1; then
	echo '1..0 # SKIP no cells can be made here (cofferdam doctor)'
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options_of() {
	case $1 in
	jobs) echo "--first 1 --again 2 --seconds 1 --clients 2 --backlog 20" ;;
	nodes) echo "--rounds 1 --jobs 4 --clients 2" ;;
	layers) echo "--rounds 1 --launches 1" ;;
	compile) echo "--rounds 1" ;;
	rate) echo "--rounds 1 --seconds 1" ;;
	work) echo "--rounds 1 --only getppids" ;;
	*) echo "--rounds 2" ;;
	esac
}

ok() {
	n=$((n + 1))
	echo "$1ok $n - $2"
}

for source in "$here"/../../bench/*.c; do
	name=${source##*/}
	name=${name%.c}
	[ "${TEST_CASE:-$name}" = "$name" ] || continue
	# shellcheck disable=SC2046 # words are wanted
	if "$BENCH_DIR/$name" $(options_of "$name") --json "$work/$name.json" >&2; then
		ok '' "$name runs"
	else
		ok 'not ' "$name runs"
	fi
	"$BENCH_DIR/report/report" "$work" >/dev/null
	if grep -q "^## " "$work/report.md" && grep -q "^| " "$work/report.md"; then
		ok '' "$name is in the report"
	else
		ok 'not ' "$name is in the report"
	fi
	rm -f "$work/$name.json"
done
if [ "${TEST_CASE:-nodes}" = nodes ]; then
	name="nodes runs over backends of AWS"
	if ! reason=$("$aws/emulators/build" --check); then
		ok '' "$name # SKIP $reason"
	elif "$BENCH_DIR/nodes" --local "$aws/local" --rounds 1 --jobs 4 --clients 2 | tee /dev/stderr | grep -q '^aws_three_workers .* POST'; then
		ok '' "$name"
	else
		ok 'not ' "$name"
	fi
fi
# The command finds them, and says so where not.
if [ -z "${TEST_CASE:-}" ]; then
	if BENCH_DIR=$BENCH_DIR "$BENCH_DIR/../bin/cofferdam" bench launch --rounds 1 2>&1 | tee /dev/stderr | grep -q '^cell '; then
		ok '' "cofferdam bench launch"
	else
		ok 'not ' "cofferdam bench launch"
	fi
	said=$("$BENCH_DIR/../bin/cofferdam" bench nothing 2>&1)
	if [ $? = 125 ] && [ -n "$said" ]; then
		ok '' "cofferdam bench nothing"
	else
		ok 'not ' "cofferdam bench nothing"
	fi
fi
echo "1..$n"
