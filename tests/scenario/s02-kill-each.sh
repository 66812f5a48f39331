#!/bin/sh
# kill -9 any process at any step: keep up starts it again, nothing acknowledged is lost, no effect stands without its intent.
. "$(dirname "$0")/lib.sh"
appliance
start_up
acknowledged() { # what was promised so far is still in the log
	keep audit ls --json >"$work/log" || fail "audit ls"
	while read -r index digest; do
		grep -q "\"index\":$index,.*\"digest\":\"$digest\"" "$work/log" || fail "request $index is gone"
	done <"$work/acked"
}
: >"$work/acked"
ask() {
	keep run demo "What is a ticket?" --json >"$out" 2>"$err" </dev/null || return $?
	echo "$(member "$out" index) $(member "$out" request_digest)" >>"$work/acked"
}
ask || fail "the first answer"
for round in 1 2 3; do
	for victim in keepd keep-runtime; do
		: >"$work/stream"
		"$KEEP_BUILD/appliance/cli/keep" run demo --raw --ignore-eos --max-tokens 450 "round $round" >"$work/stream" 2>"$err" </dev/null &
		client=$!
		# at the connection, while it loads, while it streams
		[ $round = 2 ] && sleep 0.05
		[ $round = 3 ] && wait_for '[ -s "$work/stream" ] || ! kill -0 $client 2>/dev/null' "the stream"
		kill -9 "$(child $victim)"
		wait $client
		status=$?
		[ $status -le 3 ] || fail "the client ended with $status"
		wait_for '[ -n "$(child keepd)" ] && [ -n "$(child keep-runtime)" ]' "$victim to be started again"
		wait_for ask "an answer after $victim was killed"
		acknowledged
		sleep 2 # not more than five starts in ten seconds
	done
done
# keep-attest, in the middle of a job: that import fails, the next one does not
for try in 1 2 3; do
	"$KEEP_BUILD/appliance/cli/keep" import "$work/demo" --name "again$try" >"$out" 2>"$err" </dev/null &
	client=$!
	i=0
	while [ $i -lt 200 ] && ! pkill -9 -P "$up_pid" -x keep-attest; do i=$((i + 1)); done
	wait $client
	status=$?
	[ $status = 3 ] || [ $status = 1 ] || [ $status = 0 ] || fail "import ended with $status"
done
ask || fail "an answer after keep-attest was killed"
acknowledged
[ -z "$(ls "$KEEP_ROOT/store/staging")" ] || fail "left in staging: $(ls "$KEEP_ROOT/store/staging")"
stop_up || fail "keep up ended with $?"
expect 0 keep audit verify --json
[ "$(member "$out" open_intents)" = 0 ] || fail "open intents: $(member "$out" open_intents)"
# every outcome has its intent before it
keep audit ls --json | $python -c 'import json, sys
seen = set()
for line in sys.stdin:
    r = json.loads(line); seen.add(r["index"])
    assert r.get("intent", 0) in seen, r' || fail "an effect without intent"
