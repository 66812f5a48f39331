#!/bin/sh
# A second model guesses what a first one says next: what is said stays the same to the bit, both are granted on the record, and either may go.
. "$(dirname "$0")/lib.sh"
appliance
cp -r "$work/demo" "$work/small"
echo 'It guesses.' >>"$work/small/card.md"
rm "$work/small/model.sig"
expect 0 keep sign "$work/small" --key "$work/pub.key.pem"
expect 0 keep import "$work/small" --json
start_up
ask() { # NAME OPTIONS: the digest of what is said, in $work/NAME
	name=$1
	shift
	expect 0 keep run demo 'What is a ticket?' --ignore-eos --max-tokens 48 --json "$@"
	member "$out" tokens_digest >"$work/$name"
	[ "$(member "$out" n_model_drafted)" -ge "$(member "$out" n_model_accepted)" ] || fail 'more guesses were right than there were'
	[ "$(member "$out" n_drafted)" -ge "$(member "$out" n_model_drafted)" ] || fail 'guesses are not all counted'
}
same() { cmp -s "$work/$1" "$work/$2" || fail "$1 and $2 differ"; }
ask plain
ask hot --temp 0.9 --seed 5

# who may guess
expect 2 keep run demo x --draft ''
expect 2 keep run demo x --draft small --plan
expect 1 keep run demo x --draft demo
says 'model demo: it does not guess for itself'
expect 1 keep run demo x --draft nobody
says 'model nobody: there is none'

ask plain-small --draft small
ask hot-small --temp 0.9 --seed 5 --draft small
same plain plain-small
same hot hot-small
expect 0 keep ps
says '^demo +ready '
says '^small +ready .* for demo *$'
demo=$(keep ps --json | $python -c 'import json, sys; print(*[g["grant"] for g in json.load(sys.stdin)["grants"] if g["name"] == "demo"])')
expect 0 keep audit ls --event grant --json
grep '"name":"small"' "$out" | grep -q "\"drafts_for\":$demo[,}]" || fail 'its grant does not say for whom it guesses'
expect 0 keep status
says '^ *grant +small: ready on .*, guesses for demo$'
says '^ *grant +demo: ready on .*, [0-9]+ sessions$'
curl -sf --unix-socket "$KEEP_ROOT/run/http.sock" http://keep/console/live >"$out" || fail 'no console'
says '>small</a></th>.*>for <a href="/console/records/'"$demo"'"'
says '>demo</a></th>.*>[0-9,]+ of [0-9,]+</td>'
says 'ready, guesses for <a href="/console/records/'"$demo"'"'
# whoever comes later has its guesses without a word, in the same grant
ask later
same plain later
[ "$(keep audit ls --event grant --json | wc -l)" = 2 ] || fail 'another grant was made'

# it goes, and the first one goes on
expect 0 keep revoke small --reason 'it guesses badly'
ask alone
same plain alone
expect 0 keep ps
says_not '^small'
expect 1 keep run demo x --draft small
says 'model small: was revoked'
stop_up || fail "keep up ended with $?"
expect 0 keep audit verify --json
[ "$(member "$out" open_intents)" = 0 ] || fail 'an intent without outcome'
