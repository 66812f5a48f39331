#!/bin/sh
# A model that a trusted publisher signed is accepted, and what is stored is what was signed.
. "$(dirname "$0")/lib.sh"
keep init >"$out" 2>"$err" || fail init
model
expect 0 keep trust add pub --key "$work/pub.pub.pem"
expect 0 keep import "$work/demo" --json
[ "$(member "$out" verdict)" = accepted ] || fail verdict
[ "$(member "$out" signer)" = pub ] || fail signer
digest=$(member "$out" model)
expect 0 keep ls --json
[ "$(member "$out" model)" = "$digest" ] || fail "another digest in ls"
[ "$(member "$out" status)" = accepted ] || fail status
# the identity is SHA-384 of the signed statement, and anybody can compute it
$python - "$work/demo/model.sig" "$digest" <<'PY' || fail "the digest is not that of the statement"
import base64, hashlib, json, sys
payload = base64.b64decode(json.load(open(sys.argv[1]))["dsseEnvelope"]["payload"])
sys.exit(hashlib.sha384(payload).hexdigest() != sys.argv[2])
PY
# the stored bytes are the publisher's
for f in demo.gguf LICENSE card.md; do
	sha256sum <"$work/demo/$f"
done | sort >"$work/want"
find "$KEEP_ROOT/store/models/$digest" -name '0*' -exec sh -c 'for f; do sha256sum <"$f"; done' sh {} + | sort >"$work/have"
cmp -s "$work/want" "$work/have" || fail "other bytes are stored"
[ "$(stat -c %a "$KEEP_ROOT" "$KEEP_ROOT/store" "$KEEP_ROOT/store/keys/log.key" | tr '\n' ' ')" = "700 700 600 " ] || fail "others may look in"
# the same again is not a second model, and a second name is refused or the same
keep import "$work/demo" >"$out" 2>"$err"
keep ls --json >"$out"
[ "$(wc -l <"$out")" = 1 ] || fail "two models of one digest"
expect 0 keep rm demo
[ -z "$(ls "$KEEP_ROOT/store/models")" ] || fail "files are left"
expect 0 keep audit verify
