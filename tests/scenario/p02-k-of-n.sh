#!/bin/sh
# Two publishers and a laboratory: k of n distinct signers, each with a bundle of its own over the same files.
. "$(dirname "$0")/lib.sh"
keep init >"$out" 2>"$err" || fail init
model
for who in second lab; do
	keep keygen --out "$work/$who" --curve p256 >"$out" 2>"$err" || fail keygen
	rm -f "$work/$who.sig"
	mkdir -p "$work/$who"
	cp "$demo/demo.gguf" "$demo/LICENSE" "$demo/card.md" "$work/$who/"
	keep sign "$work/$who" --key "$work/$who.key.pem" --out "$work/$who.sig" >"$out" 2>"$err" || fail sign
	expect 0 keep trust add "$who" --key "$work/$who.pub.pem"
done
expect 0 keep trust add pub --key "$work/pub.pub.pem"
cat >"$work/two.conf" <<'END'
[policy]
version = 1
[signer pub second]
roles = publisher
[signer lab]
roles = evaluator
[models demo*]
require = 2 publisher, 1 evaluator
END
expect 0 keep policy set "$work/two.conf"
first=$work/demo/model.sig
no() { # CODE ARGUMENTS…
	code=$1
	shift
	expect 1 keep import "$work/demo" --json "$@"
	[ "$(member "$out" code)" = "$code" ] || fail "$*: $(member "$out" code), not $code"
}
no signers
no signers --bundle "$first" --bundle "$work/second.sig"
no signers --bundle "$first" --bundle "$work/lab.sig"
no signers --bundle "$first" --bundle "$first" --bundle "$work/lab.sig"
# one bad bundle among good ones refuses all
cp "$work/lab.sig" "$work/torn.sig"
printf ' x' >>"$work/torn.sig"
no json --bundle "$first" --bundle "$work/second.sig" --bundle "$work/torn.sig"
# good, and of other files
cp "$demo/LICENSE" "$work/lab/LICENSE"
echo more >>"$work/lab/LICENSE"
rm -f "$work/lab/model.sig"
keep sign "$work/lab" --key "$work/lab.key.pem" --out "$work/else.sig" >"$out" 2>"$err" || fail sign
no cosigned --bundle "$first" --bundle "$work/second.sig" --bundle "$work/else.sig"
# ignored bundles stay what they are: the tree is that of the first
expect 0 keep import "$work/demo" --json --bundle "$first" --bundle "$work/second.sig" --bundle "$work/lab.sig"
$python - "$out" <<'PY' || fail 'signers and rules'
import json, sys
v = json.loads(open(sys.argv[1]).read())
assert [s["name"] for s in v["signers"]] == ["pub", "second", "lab"], v["signers"]
texts = [r["text"] for r in v["rules"]]
assert "require 2 publisher: 2: pub second" in texts and "require 1 evaluator: 1: lab" in texts, texts
assert all(r["holds"] for r in v["rules"])
PY
[ "$(find "$KEEP_ROOT/store/models" -name 'bundle*' | wc -l)" = 3 ] || fail 'bundles in the store'
expect 0 keep policy explain demo
says 'accepted'
# a signer leaves: what is here stays, and would not come in again
expect 0 keep trust rm lab
expect 1 keep policy explain demo
says 'unknown-key'
expect 0 keep run demo 'What is a ticket?'
# revoked files stay out, whoever signs them
expect 0 keep revoke demo
expect 0 keep policy set "$KEEP_SOURCE/tests/scenario/p02-any.conf"
expect 1 keep import "$work/second" --name demo2 --bundle "$work/second.sig" --json
[ "$(member "$out" code)" = revoked ] || fail "another signer's bundle: $(member "$out" code)"
expect 2 keep import "$work/demo" --name x $(for i in 1 2 3 4 5 6 7 8 9; do printf ' --bundle %s' "$first"; done)
expect 0 keep audit verify
