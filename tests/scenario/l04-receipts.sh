#!/bin/sh
# Whatever carries an index can be proved: the grant, the session and the request of an answer, each by its receipt.
. "$(dirname "$0")/lib.sh"
appliance
start_up
expect 0 keep run demo --raw --max-tokens 4 --json 'What is a ticket?'
cp "$out" "$work/run"
expect 0 keep audit checkpoint --json
printf 'log %s\nquorum none\n' "$(member "$out" vkey)" >"$work/policy"
proved() { # INDEX EVENT: the record with that index is this event, and it is in the log
	[ -n "$1" ] || fail "$2: it has no index"
	expect 0 keep audit receipt "$1" --out "$work/$1.tlog-proof" --entry "$work/$1.json"
	expect 0 keep tlog proof-verify --policy "$work/policy" "$work/$1.tlog-proof" "$work/$1.json"
	[ "$(member "$work/$1.json" index)" = "$1" ] || fail "$2: receipt of another record"
	[ "$(member "$work/$1.json" event)" = "$2" ] || fail "record $1 is $(member "$work/$1.json" event), not $2"
}
keep status --json | $python -c 'import json, sys
for g in json.load(sys.stdin)["grants"]:
    print(g["grant"])' >"$work/grants"
[ "$(wc -l <"$work/grants")" = 1 ] || fail "not one grant"
proved "$(cat "$work/grants")" grant
proved "$(member "$work/run" index)" request
session=$(member "$work/$(member "$work/run" index).json" session)
proved "$session" session
[ "$(member "$work/$session.json" grant)" = "$(cat "$work/grants")" ] || fail "the session names another grant"
# one receipt does not prove another record
expect 1 keep tlog proof-verify --policy "$work/policy" "$work/$session.tlog-proof" "$work/$(cat "$work/grants").json"
