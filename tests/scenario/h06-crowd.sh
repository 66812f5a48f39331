#!/bin/sh
# Very many at once: 10,000 connections of forty addresses keep nobody out and leave nothing behind; 1,000 streams of twenty principals, some hung
# up on and some not read, and 4,000 that are dropped half-way, have their records and their outcomes, and then memory and descriptors are what they were.
. "$(dirname "$0")/lib.sh"
export KEEP_DEVICE=native
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 12000 ] || skip "10,000 connections need as many descriptors, and here are $(ulimit -Hn)"
appliance
LISTEN_AS=http "$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
up_pid=$!
wait_for 'grep -q ": ready" "$work/up.log"' 'keep up'
port=$(cat "$work/port")
crowd() { expect 0 "$python" "$KEEP_SOURCE/tests/scenario/crowd.py" "$@"; }
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" answers
pid=$(child keep-gateway)
for i in 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20; do
	keep key add "key$i" --for "person$i" --days 1 >>"$work/keys" 2>"$err" || fail "key $i"
done
crowd aborted "$port" "$work/keys" "$pid" # first: later a leak would fit into what the others have left
cat "$out"
crowd connections "$port" "$pid"
cat "$out"
rss() { awk '/^VmRSS/ {print $2}' "/proc/$pid/status"; }
fds() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
crowd streams "$port" "$work/keys"
before=$(rss)
had=$(fds)
crowd streams "$port" "$work/keys"
cat "$out"
after=$(rss)
[ $((after - before)) -lt 16384 ] || fail "the gateway grew from $before to $after KiB"
wait_for '[ "$(fds)" -le '"$had"' ]' 'descriptors are given back'
[ "$(child keep-gateway)" = "$pid" ] || fail 'the gateway did not survive them'
whole() { # every request has its outcome
	keep audit ls --event request --json >"$work/requests" 2>"$err" && keep audit ls --event outcome --json >"$work/outcomes" 2>"$err" &&
		[ "$(wc -l <"$work/requests")" = "$(wc -l <"$work/outcomes")" ]
}
wait_for whole 'an outcome of every request'
[ "$(wc -l <"$work/requests")" -ge 2000 ] || fail 'not all were recorded'
for i in 01 20; do
	[ "$(grep -c "\"principal\":\"person$i\"" "$work/requests")" -ge 100 ] || fail "not every request of person$i has its name"
done
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
