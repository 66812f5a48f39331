#!/bin/sh
# Clients that mean harm: nothing that they send is taken for something else, what they cost is bounded, what was recorded has its outcome,
# and whoever comes after them is served.
. "$(dirname "$0")/lib.sh"
appliance
start_up
socket=$KEEP_ROOT/run/http.sock
client() { expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$socket" "$1"; }
rss() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
client answers
pid=$(child keep-gateway)
client hostile
before=$(rss "$pid")
client hostile
after=$(rss "$pid")
[ "$(child keep-gateway)" = "$pid" ] || fail 'the gateway did not survive them'
[ $((after - before)) -lt 8192 ] || fail "the gateway grew from $before to $after KiB"
[ "$after" -lt 524288 ] || fail "the gateway has $after KiB"
client answers
open_requests() { # requests without an outcome
	keep audit ls --event request --json >"$work/requests" 2>"$err" || return 1
	keep audit ls --event outcome --json >"$work/outcomes" 2>"$err" || return 1
	[ "$(wc -l <"$work/requests")" = "$(wc -l <"$work/outcomes")" ]
}
wait_for open_requests 'an outcome of every request'
[ "$(wc -l <"$work/requests")" -gt 50 ] || fail 'hardly anything was recorded'
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
