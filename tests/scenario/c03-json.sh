#!/bin/sh
# Every listing and verdict has --json: one document per line on stdout, for an appliance that has everything.
. "$(dirname "$0")/lib.sh"
appliance
json() {
	want=$1
	shift
	expect "$want" keep "$@" --json
	$python -c 'import json, sys
n = 0
for line in sys.stdin:
    json.loads(line); n += 1
sys.exit(n == 0)' <"$out" || fail "\"$*\" --json is not JSON"
}
json 0 status
json 0 trust ls
json 0 ls
json 0 show demo
json 1 import "$work/demo" --name again
json 0 verify "$work/demo" --bundle "$work/demo/model.sig" --key "$work/pub.pub.pem"
json 0 run demo 'What is a ticket?' --save-request "$work/q.req"
index=$(member "$out" index)
for key in model text tokens finish seed index request_digest tokens_digest text_digest kernel_set device n_prompt n_generated; do
	[ -n "$(member "$out" $key)" ] || fail "run --json has no $key"
done
json 0 logits demo --tokens 1,2,3 --out "$work/l.f32"
json 0 audit ls
json 0 audit show 0
json 0 audit verify
json 0 audit checkpoint
json 0 audit replay "$index" --request "$work/q.req"
[ "$(member "$out" equal)" = true ] || fail equal
for act in 'hold add case' 'retention set --use 183'; do
	# shellcheck disable=SC2086
	json 0 $act
	[ "$(member "$out" proposed)" = false ] || fail "$act --json"
	[ -s "$err" ] && fail "$act --json says it twice"
done
json 0 hold ls
json 0 device ls
json 0 device test reference
echo hello | keep tokenize demo --json | $python -m json.tool >/dev/null || fail "tokenize --json"
rm "$work/demo/card.md"
json 1 import "$work/demo" --name less
json 1 verify "$work/demo" --bundle "$work/demo/model.sig" --key "$work/pub.pub.pem"
# and the logits are float32 [3, n_vocab]
[ "$(stat -c %s "$work/l.f32")" = $((3 * 1024 * 4)) ] || fail "logits: $(stat -c %s "$work/l.f32") bytes"
