#!/bin/sh
# A request that was recorded on one device runs again on every other one with the same bits; a runtime that computes wrongly is found, with
# the first token that differs and the kernels of both.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo 'What is a witness?' --raw --max-tokens 8 --temp 0.8 --seed 7 --save-request "$work/q.req" --json
cp "$out" "$work/answer"
a=$(member "$out" index) set=$(member "$out" kernel_set)
"$KEEP_BUILD/runtime/keep-runtime" --device-ls 2>/dev/null | grep -v '^ ' | grep -v '^rows \|^not ' >"$work/devices"
n=0
while read -r device; do
	KEEP_DEVICE="$device" expect 0 keep audit replay "$a" --request "$work/q.req" --answer "$work/answer" --json
	[ "$(member "$out" equal)" = true ] || fail "$device: not equal"
	[ "$device" = reference ] || [ "$($python -c 'import json, sys; print(json.load(open(sys.argv[1]))["replayed"]["kernel_set"])' "$out")" != "$set" ] ||
		fail "$device: it has the kernels of another device"
	n=$((n + 1))
done <"$work/devices"
[ $n -ge 2 ] || fail "there is one device only"

# the wrong one
mkdir "$work/libexec"
ln -s "$KEEP_BUILD/audit/keepd" "$KEEP_BUILD/attest/keep-attest" "$KEEP_BUILD/tests/scenario/wrong/keep-runtime" "$work/libexec/"
[ -x "$KEEP_BUILD/appliance/gateway/keep-gateway" ] && ln -s "$KEEP_BUILD/appliance/gateway/keep-gateway" "$work/libexec/"
wrong() { KEEP_LIBEXEC="$work/libexec" expect 1 keep audit replay "$a" --request "$work/q.req" "$@"; }
wrong --answer "$work/answer"
was=$($python -c 'import json, sys; print(json.load(open(sys.argv[1]))["tokens"][2])' "$work/answer")
says "first difference: token 2: recorded $was, replayed $((was ^ 1))"
[ "$(grep -c "$set" "$out")" = 1 ] || fail "the recorded kernels are not shown whole"
says 'kernels +[0-9a-f]{64} +[0-9a-f]{64}'
says different
wrong --answer "$work/answer" --json
[ "$(member "$out" equal)" = false ] && [ "$(member "$out" first_difference)" = 2 ] && [ "$(member "$out" recorded_token)" = "$was" ] || fail "--json"
wrong
says 'nobody can say'
# an answer that is not the recorded one is no answer
$python - "$work/answer" "$work/altered" <<'PY'
import json, sys
a = json.load(open(sys.argv[1])); a["tokens"][2] ^= 1; json.dump(a, open(sys.argv[2], "w"))
PY
expect 1 keep audit replay "$a" --request "$work/q.req" --answer "$work/altered"
says 'is not the answer'
expect 1 keep audit replay "$a" --request "$work/q.req" --answer "$work/q.req"
# where texts are kept, neither file is needed
expect 0 keep retention set --texts content --reason 'to compare'
expect 0 keep run demo 'What is a grant?' --raw --max-tokens 8 --json
a=$(member "$out" index)
expect 0 keep audit replay "$a" --json
[ "$(member "$out" equal)" = true ] || fail "kept texts: not equal"
KEEP_LIBEXEC="$work/libexec" expect 1 keep audit replay "$a"
says 'first difference: byte [0-9]+ of the text, at or behind token [012]$'
# every one of these is in the log
[ "$(keep audit ls --json --event request | grep -c '"replay_of"')" -ge $((n + 4)) ] || fail "replays are not recorded"
expect 0 keep audit verify
