#!/bin/sh
# Signing and verifying need no appliance: every curve, directories and single files, whole files and shards; openssl agrees.
. "$(dirname "$0")/lib.sh"
mkdir "$work/m" "$work/m/sub" && cp "$demo/demo.gguf" "$work/m/" && cp "$demo/LICENSE" "$work/m/sub/"
openssl_agrees() { # BUNDLE PUB HASH
	$python - "$1" "$work" <<'PY' || fail "bundle"
import base64, json, sys
e = json.load(open(sys.argv[1]))["dsseEnvelope"]
p, t = base64.b64decode(e["payload"]), e["payloadType"].encode()
open(sys.argv[2] + "/pae", "wb").write(b"DSSEv1 %d %s %d %s" % (len(t), t, len(p), p))
open(sys.argv[2] + "/sig", "wb").write(base64.b64decode(e["signatures"][0]["sig"]))
PY
	openssl dgst "-$3" -verify "$2" -signature "$work/sig" "$work/pae" >"$out" 2>"$err" || fail "openssl does not accept it"
}
for c in p256:sha256 p384:sha384 p521:sha512; do
	curve=${c%:*} hash=${c#*:}
	expect 0 keep keygen --out "$work/$curve" --curve "$curve"
	[ "$(stat -c %a "$work/$curve.key.pem")" = 600 ] || fail "others may read the secret key"
	expect 1 keep keygen --out "$work/$curve" --curve "$curve"
	expect 0 keep sign "$work/m" --key "$work/$curve.key.pem" --out "$work/$curve.sig"
	openssl_agrees "$work/$curve.sig" "$work/$curve.pub.pem" "$hash"
	expect 0 keep verify "$work/m" --bundle "$work/$curve.sig" --key "$work/$curve.pub.pem" --json
	[ "$(member "$out" n_files)" = 2 ] || fail "n_files"
	expect 0 keep sign "$work/m" --key "$work/$curve.key.pem" --out "$work/s.sig" --shards 100000
	expect 0 keep verify "$work/m" --bundle "$work/s.sig" --key "$work/$curve.pub.pem"
	expect 0 keep sign "$work/m/demo.gguf" --key "$work/$curve.key.pem"
	expect 0 keep verify "$work/m/demo.gguf" --bundle "$work/m/demo.gguf.sig" --key "$work/$curve.pub.pem"
	rm "$work/m/demo.gguf.sig"
done
expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p384.pub.pem"
says 'unknown-key'
expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --root "$work/p256.pub.pem"
expect 3 keep verify "$work/nothing" --bundle "$work/p256.sig" --key "$work/p256.pub.pem"
expect 3 keep verify "$work/m" --bundle "$work/nothing" --key "$work/p256.pub.pem"
expect 1 keep verify "$work/m" --bundle "$demo/LICENSE" --key "$work/p256.pub.pem"
flip "$work/m/sub/LICENSE" 3
expect 1 keep verify "$work/m" --bundle "$work/s.sig" --key "$work/p521.pub.pem"
says 'sub/LICENSE'
[ ! -e "$KEEP_ROOT" ] || fail "an appliance was made"
