#!/bin/sh
# Under keep up there are the processes that the README shows, each shut in, and SIGTERM ends all of them in order.
. "$(dirname "$0")/lib.sh"
appliance
start_up
expect 0 keep run demo 'What is a ticket?'
for name in keepd keep-runtime; do
	pid=$(child $name)
	[ -n "$pid" ] || fail "$name does not run"
	grep -q '^NoNewPrivs:	1' "/proc/$pid/status" || fail "$name may gain privileges"
	grep -q '^Seccomp:	2' "/proc/$pid/status" || fail "$name has no filter"
done
[ -z "$(child keep-attest)" ] || fail "keep-attest stays"
expect 1 keep up
says 'already served'
expect 0 keep status --json
[ "$(member "$out" gate)" = open ] || fail "gate $(member "$out" gate)"
[ "$(member "$out" single_user)" = true ] || fail single_user
pids="$(child keepd) $(child keep-runtime)"
stop_up || fail "keep up ended with $?"
for pid in $pids; do
	kill -0 "$pid" 2>/dev/null && fail "process $pid is left"
done
[ ! -e "$KEEP_ROOT/run/ctl.sock" ] || fail "ctl.sock is left"
keep audit ls --json | grep -q '"event":"stop"' || fail "the stop is not recorded"
# with keep up killed hard, its children go too, and the next one starts
start_up
pids="$(child keepd) $(child keep-runtime)"
kill -9 $up_pid
wait $up_pid 2>/dev/null
for pid in $pids; do
	wait_for "! kill -0 $pid 2>/dev/null" "process $pid to end with keep up"
done
start_up
expect 0 keep run demo 'What is a ticket?'
