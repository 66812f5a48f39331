#!/bin/sh
# Without keep up, commands that run at the same time share one keepd, and nothing is left running or lying about.
. "$(dirname "$0")/lib.sh"
appliance
for i in 1 2 3 4 5 6 7 8; do
	(keep run demo 'What is a ticket?' --seed 1 --json >"$work/o$i" 2>"$work/e$i"; echo $? >"$work/s$i") &
done
for i in 9 10 11 12; do
	(keep ls --json >"$work/o$i" 2>"$work/e$i"; echo $? >"$work/s$i") &
done
wait
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	[ "$(cat "$work/s$i")" = 0 ] || { cat "$work/e$i"; fail "command $i ended with $(cat "$work/s$i")"; }
done
for i in 2 3 4 5 6 7 8; do
	[ "$(member "$work/o$i" tokens_digest)" = "$(member "$work/o1" tokens_digest)" ] || fail "answer $i differs"
done
[ -z "$(pgrep -f "$KEEP_ROOT" | grep -v $$)" ] || fail "a process is left: $(pgrep -af "$KEEP_ROOT")"
[ "$(ls "$KEEP_ROOT/run" | tr '\n' ' ')" = "keep.log lock " ] || fail "left in run/: $(ls "$KEEP_ROOT/run")"
# a command that is killed takes its processes with it
"$KEEP_BUILD/appliance/cli/keep" run demo --raw --ignore-eos --max-tokens 500 x >"$work/stream" 2>"$err" &
victim=$!
wait_for '[ -s "$work/stream" ]' "the stream"
kill -9 $victim
wait $victim 2>/dev/null
wait_for '! pgrep -f "$KEEP_ROOT" >/dev/null' "the processes of a killed command"
expect 0 keep audit verify
