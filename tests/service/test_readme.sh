#!/bin/bash
# test_readme: `make run` as the README has it, then the README's own calls, in their order: each has the members and values
# that are shown there. Speaks TAP.
# shellcheck disable=SC2317 # ok_if() calls the functions by their names
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
cofferdam=${BIN_DIR:-build/release/bin}/cofferdam
mode=$(basename "$(dirname "${BIN_DIR:-build/release/bin}")")
n=0
failed=0

if ! "$cofferdam" doctor >/dev/null 2>&1; then
	echo '1..0 # SKIP no cells can be made here (cofferdam doctor)'
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/cofferdam-readme.XXXXXX")
chmod 755 "$work"
run=
trap 'trap "" TERM INT HUP; [[ -z $run ]] || kill -TERM "$run" 2>/dev/null; wait; rm -rf "$work"' EXIT

# ok_if NAME COMMAND…
ok_if()
{
	local name=$1 not=
	shift
	"$@" >&2 || { not='not ' && failed=1; }
	echo "${not}ok $((++n)) - $name"
}

# The commands of the README into $work/N.command, what they answer there into $work/N.answer: from the first call up to the
# next chapter. A command goes on until its quotes are closed.
take_calls()
{
	perl -e '
		my ($dir, $n, $in, $command) = (shift, 0, 0, undef);
		my $file;
		while (my $line = <STDIN>) {
			last if $in && $line =~ /^## /;
			$in = 1 if $line =~ /^## Four curl calls/;
			next unless $in;
			if ($line =~ /^\$ (curl.*)/s || defined $command) {
				$command = defined $command ? $command . $line : $1;
				next if ($command =~ tr/\x27//) % 2;
				$n++;
				open my $out, ">", "$dir/$n.command" or die;
				print $out $command;
				open $file, ">", "$dir/$n.answer" or die;
				undef $command;
			} elsif ($line =~ /^```/) {
				undef $file;
			} elsif (defined $file) {
				print $file $line;
			}
		}
		print "$n\n";' "$work" <README.md
}

# The processes of `make run` end when it does: `exec` puts serve in the place of the recipe's shell.
start()
{
	# Not a part of the make that runs this test.
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make run "MODE=$mode" DEPS=skip PORT=0 "STATE_DIR=$work/its state" \
		>"$work/said" 2>"$work/log" &
	run=$!
	for ((i = 0; i < 600; i++)); do
		base=$(grep -m 1 '^http://127.0.0.1:[0-9]*$' "$work/said") && return
		kill -0 "$run" || break
		sleep 0.1
	done
	cat "$work/said" "$work/log"
	return 1
}

# call N: its answer into $work/N.seen. The README's address and job stand for those of here.
call()
{
	local command
	command=$(<"$work/$1.command")
	command=${command//http:\/\/127.0.0.1:8080/$base}
	command=${command//$documented_id/${id:-}}
	url=${url:-} timeout 60 bash -c "$command" >"$work/$1.seen"
}

# is_as_shown N: every member and every line without one that the README shows is there; values, too, where they are the
# same for everybody.
is_as_shown()
{
	perl -e '
		my ($shown, $seen) = map { local $/; open my $in, "<", $_ or die; <$in> } @ARGV;
		my $bad = 0;
		my $miss = sub { print "not there: $_[0]\n"; $bad = 1 };
		for my $member ($shown =~ /("\w+":(?:"[^"]*"|[a-z]+)?)/g) {
			my ($key) = $member =~ /^("\w+":)/;
			my $varies = $key =~ /executionId|outputPath|url/;
			$miss->($member) if index($seen, $varies ? $key : $member) < 0;
		}
		for my $line (grep { !/"/ } split /\n/, $shown) {
			$miss->($line) if $line ne "" && $line !~ /^id: 1-/ && index($seen, "$line\n") < 0;
		}
		print "seen: $seen\n" if $bad;
		exit $bad' "$work/$1.answer" "$work/$1.seen"
}

# member N NAME: a string of the answer.
member()
{
	sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$work/$1.seen" | head -n 1
}

finish()
{
	[[ $(curl -s "$base/status?id=$id&wait=30") == *'"status":"completed"'* ]]
}

stop()
{
	kill -TERM "$run"
	wait "$run" # make has a status of its own for this
	run=
	grep -q '"supervisor.stopping"' "$work/log" && ! curl -s "$base/health"
}

calls=$(take_calls)
documented_id=$(sed -n 's/.*status?id=\([0-9a-f-]*\).*/\1/p' "$work/3.command")
ok_if "there are the calls of which the README speaks" test "$calls" -eq 6
ok_if "make run starts and says where" start
if [[ $failed -eq 0 ]]; then
	for ((k = 1; k <= calls; k++)); do
		call "$k"
		ok_if "call $k answers as shown: $(head -n 1 "$work/$k.command" | cut -c1-60)" is_as_shown "$k"
		case $k in
		2)
			id=$(member 2 executionId)
			ok_if "the job of call 2 ends" finish
			;;
		4) url=$(member 4 url) ;;
		esac
	done
	ok_if "it stops when it is told to" stop
	ok_if "its state is where it was wanted" test -s "$work/its state/service/jobs.db"
fi
echo "1..$n"
