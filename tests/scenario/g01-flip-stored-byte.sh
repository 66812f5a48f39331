#!/bin/sh
# Flip any bit of a stored model and nothing is computed: the load stops, names file and offset, is recorded, and quarantines.
. "$(dirname "$0")/lib.sh"
appliance
base=$work/base
cp -a "$KEEP_ROOT" "$base"
size=$(stat -c %s "$(stored)")
try() { # FILE-PATTERN OFFSET
	chmod -R u+w "$KEEP_ROOT" && rm -rf "$KEEP_ROOT" && cp -a "$base" "$KEEP_ROOT"
	file=$(find "$KEEP_ROOT/store/models" -name "$1" -type f)
	flip "$file" "$2"
	expect 1 keep run demo 'What is a ticket?'
	[ -s "$out" ] && fail "$1 byte $2: something was answered"
	[ -s "$err" ] || fail "$1 byte $2: no reason"
	keep ls --json >"$work/ls"
	[ "$(member "$work/ls" status)" = quarantined ] || fail "$1 byte $2: $(member "$work/ls" status)"
	keep audit ls --json >"$work/log"
	grep -q '"event":"quarantine"' "$work/log" || fail "$1 byte $2: no record of it"
	grep -q '"event":"request"' "$work/log" && fail "$1 byte $2: a request was let through"
	return 0
}
weights=$(basename "$(stored)")
for at in 0 1 24 5000 65536 1048575 1048576 1500000 $((size - 1)); do
	try "$weights" "$at"
	segment=$((at / 1048576 * 1048576))
	grep '"event":"quarantine"' "$work/log" | grep -q "\"path\":\"demo.gguf\",\"offset\":$segment[,}]" ||
		fail "byte $at: the record does not name demo.gguf, offset $segment: $(grep '"event":"quarantine"' "$work/log")"
done
# the other files of the model, and the tables that describe it
for f in 0000 0001 segments layout; do
	[ "$f" = "$weights" ] || try "$f" 40
done
# quarantine is for ever: the right bytes do not bring it back by themselves
expect 1 keep run demo 'What is a ticket?'
says quarantined
expect 0 keep audit verify
