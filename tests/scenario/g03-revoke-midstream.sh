#!/bin/sh
# Revocation shuts the session at once: a stream ends in the middle, the model is never served again, the log says both.
. "$(dirname "$0")/lib.sh"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) is not there or gets no terminal"
appliance
start_up
# a client that never hangs up: question after question on one session
mkfifo "$work/questions"
script -qec "$KEEP_BUILD/appliance/cli/keep run demo --raw --ignore-eos --max-tokens 400" /dev/null \
	<"$work/questions" >"$work/stream" 2>/dev/null &
client=$!
exec 9>"$work/questions"
i=0
while [ $i -lt 40 ]; do i=$((i + 1)) && echo "What is a ticket, number $i?" >&9; done
wait_for '[ "$(wc -c <"$work/stream")" -gt 4000 ]' "the stream"
expect 0 keep revoke demo --reason 'the key was stolen'
expect 0 keep ls --json
[ "$(member "$out" status)" = revoked ] || fail "status $(member "$out" status)"
sleep 0.3
before=$(wc -c <"$work/stream")
sleep 1
after=$(wc -c <"$work/stream")
grep -q 'revoked' "$work/stream" || fail "the client was not told"
exec 9>&-
kill $client 2>/dev/null
[ "$before" = "$after" ] || [ "$((after - before))" -lt 300 ] || fail "tokens came after the revocation"
expect 1 keep run demo 'What is a ticket?'
[ -s "$out" ] && fail "a revoked model answered"
says revoked
expect 1 keep import "$work/demo" --name again
keep audit ls --json >"$work/log"
grep -q '"event":"revoke".*the key was stolen' "$work/log" || fail "no record of the revocation"
stop_up || fail "keep up ended with $?"
expect 0 keep audit verify --json
[ "$(member "$out" open_intents)" = 0 ] || fail "an intent without outcome"
