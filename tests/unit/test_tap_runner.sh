#!/bin/sh
# What tests/lib/run promises: nothing passes by default. Each case is a program and the summary that it must come to,
# also when one run counts the report of another.
set -u
runner=$(dirname "$0")/../lib/run
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0

[ -z "${TEST_CASE:-}" ] || { echo "not ok 1 - no case '$TEST_CASE': its promises have no names" && echo 1..1 && exit 1; }

# comes_to SUMMARY SECONDS PROGRAM: the runner ends with that summary and the status that goes with it.
comes_to() {
	said=$("$runner" --logs "$dir/logs" --timeout "$2" "$3" 2>&1)
	status=$?
	case $1 in *" 0 failed"*) expected=0 ;; *) expected=1 ;; esac
	[ "$(echo "$said" | tail -n 1)" = "$1" ] && [ $status = $expected ]
}

# promise NAME SUMMARY PREFIX SECONDS: runs the script on standard input, as a check if PREFIX is "check=", for so long at most
# (60): only what hangs is to be ended.
promise() {
	n=$((n + 1))
	seconds=${4:-60}
	program=$dir/test_program
	{ echo '#!/bin/sh' && cat; } >"$program"
	printf '#!/bin/sh\nexec "%s" --tap --logs "%s" --timeout %s "%s"\n' \
		"$runner" "$dir/inner" "$seconds" "${3:-}$program" >"$dir/test_report"
	chmod +x "$program" "$dir/test_report"
	if comes_to "$2" "$seconds" "${3:-}$program" && comes_to "$2" 120 "$dir/test_report"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1: status $status, $(echo "$said" | tr '\n' '|')"
	fi
}

promise 'good tests pass' '2 passed, 0 failed, 0 skipped' <<'END'
printf 'ok 1 - a\nok 2 - b\n1..2\n'
END
promise 'a failed test fails' '1 passed, 1 failed, 0 skipped' <<'END'
printf 'ok 1 - a\nnot ok 2 - b\n1..2\n'; exit 1
END
promise 'a noted test is skipped, not passed' '1 passed, 0 failed, 1 skipped' <<'END'
printf 'ok 1 - a\nok 2 - b\n1..2\n'; echo 'b_fn: no cgroup' >>"$TEST_SKIP_FILE"
END
promise 'of tests of one name as many are skipped as noted' '2 passed, 0 failed, 1 skipped' <<'END'
printf 'ok 1 - t.c:s:b: Passed\nok 2 - t.c:s:a: Passed\nok 3 - t.c:s:b: Passed\n1..3\n'; echo 'b_fn: no: cgroup' >>"$TEST_SKIP_FILE"
END
promise 'a SKIP directive is a skip' '1 passed, 0 failed, 1 skipped' <<'END'
printf '1..2\nok 1 - a # SKIP no network\nok 2 - b\n'
END
promise 'a program may skip as a whole' '0 passed, 0 failed, 1 skipped' <<'END'
echo '1..0 # SKIP no kernel'
END
promise 'a crash after good tests fails' '1 passed, 1 failed, 0 skipped' <<'END'
echo 'ok 1 - a'; kill -SEGV $$
END
promise 'an early end without a plan fails' '1 passed, 1 failed, 0 skipped' <<'END'
echo 'ok 1 - a'
END
promise 'fewer tests than planned fail' '1 passed, 1 failed, 0 skipped' <<'END'
printf '1..2\nok 1 - a\n'
END
promise 'a bad status after good tests fails' '1 passed, 1 failed, 0 skipped' <<'END'
printf 'ok 1 - a\n1..1\n'; exit 23
END
promise 'a program without tests fails' '0 passed, 1 failed, 0 skipped' <<'END'
echo 1..0
END
promise 'a program that hangs fails' '0 passed, 1 failed, 0 skipped' '' 1 <<'END'
sleep 100
END
promise 'a check passes with 0' '1 passed, 0 failed, 0 skipped' check= <<'END'
exit 0
END
promise 'a check is skipped with 77' '0 passed, 0 failed, 1 skipped' check= <<'END'
echo 'no such tool'; exit 77
END
promise 'a check fails with anything else' '0 passed, 1 failed, 0 skipped' check= <<'END'
exit 2
END

# chooses NAME CASE SUMMARY PREFIX: the same with --case.
chooses() {
	n=$((n + 1))
	program=$dir/test_program
	{ echo '#!/bin/sh' && cat; } >"$program"
	said=$("$runner" --logs "$dir/logs" --case "$2" "${4:-}$program" 2>&1)
	if [ "$(echo "$said" | tail -n 1)" = "$3" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1: $(echo "$said" | tr '\n' '|')"
	fi
}

chooses 'a script that reads TEST_CASE is told the case' one '1 passed, 0 failed, 0 skipped' <<'END'
[ "${TEST_CASE:-}" = one ] && printf 'ok 1 - one\n1..1\n'
END
chooses 'a script that does not is refused' one '0 passed, 1 failed, 0 skipped' <<'END'
printf 'ok 1 - one\nok 2 - other\n1..2\n'
END
chooses 'a case that is not there fails' none '0 passed, 1 failed, 0 skipped' <<'END'
[ "${TEST_CASE:-one}" = one ] && echo 'ok 1 - one'; echo 1..0
END
chooses 'a check has no cases' one '0 passed, 1 failed, 0 skipped' check= <<'END'
exit 0
END
echo "1..$n"
