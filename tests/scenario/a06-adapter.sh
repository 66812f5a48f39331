#!/bin/sh
# verify-model and sign-model: the conformance suite's words for sign and verify; methods key, certificate and sigstore, ignored and unsigned files.
. "$(dirname "$0")/lib.sh"
mkdir -p "$work/m/cache/sub" && echo weights >"$work/m/w" && echo x >"$work/m/cache/sub/x" && echo y >"$work/m/cachet"
expect 0 keep keygen --out "$work/k"
expect 0 keep keygen --out "$work/ca" --curve p384
verify() { # STATUS METHOD BUNDLE OPTION...
	want=$1 method=$2 bundle=$3
	shift 3
	expect "$want" keep verify-model --method "$method" --model-path "$work/m" --bundle "$work/$bundle" "$@"
}
sign() { # STATUS METHOD BUNDLE OPTION...
	want=$1 method=$2 bundle=$3
	shift 3
	expect "$want" keep sign-model --method "$method" --model-path "$work/m" --output-bundle "$work/$bundle" --private-key "$work/k.key.pem" "$@"
}
sign 0 key all.sig
verify 0 key all.sig --public-key "$work/k.pub.pem"
verify 1 key all.sig --public-key "$work/ca.pub.pem"
# an ignored path is left out with all below it, and nothing beside it; the bundle says so
sign 0 key part.sig --ignore-paths "$work/m/cache" --ignore-paths "$work/elsewhere" --ignore-paths "$work/no/where"
verify 0 key part.sig --public-key "$work/k.pub.pem"
$python - "$work/part.sig" <<'PY' || fail "ignore_paths"
import base64, json, sys
s = json.loads(base64.b64decode(json.load(open(sys.argv[1]))["dsseEnvelope"]["payload"]))["predicate"]
assert s["serialization"]["ignore_paths"][-1] == "cache", s
assert [r["name"] for r in s["resources"]] == ["cachet", "w"], s
PY
# a verifier may ignore what is there beside; what was signed counts all the same
echo z >"$work/m/new"
verify 1 key part.sig --public-key "$work/k.pub.pem"
says 'extra-file'
verify 1 key part.sig --public-key "$work/k.pub.pem" --ignore-paths "$work/m/ne"
verify 0 key part.sig --public-key "$work/k.pub.pem" --ignore-paths "$work/m/new"
verify 0 key part.sig --public-key "$work/k.pub.pem" --ignore-unsigned-files
echo changed >"$work/m/w"
verify 1 key part.sig --public-key "$work/k.pub.pem" --ignore-paths "$work/m/w" --ignore-unsigned-files
says 'digest'
rm "$work/m/new"
# by certificate
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' >"$work/ext"
openssl req -new -key "$work/ca.key.pem" -subj /CN=ca -out "$work/csr" 2>"$err" || fail "openssl req"
openssl x509 -req -in "$work/csr" -signkey "$work/ca.key.pem" -days 30 -extfile "$work/ext" -out "$work/ca.pem" 2>"$err" || fail "openssl x509"
printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n' >"$work/ext"
openssl req -new -key "$work/k.key.pem" -subj /CN=leaf -out "$work/csr" 2>"$err" || fail "openssl req"
openssl x509 -req -in "$work/csr" -CA "$work/ca.pem" -CAkey "$work/ca.key.pem" -set_serial 2 -days 30 -extfile "$work/ext" -out "$work/k.pem" 2>"$err" || fail "openssl x509"
sign 0 certificate cert.sig --signing-cert "$work/k.pem" --cert-chain "$work/ca.pem"
verify 0 certificate cert.sig --cert-chain "$work/ca.pem"
verify 1 certificate cert.sig --cert-chain "$work/k.pem"
verify 1 certificate all.sig --cert-chain "$work/ca.pem"
says 'unknown-key'
verify 1 key cert.sig --public-key "$work/k.pub.pem"
says 'method'
# keyless, offline: the name, who vouched for it, and the file of authorities and logs are all needed
v=$(dirname "$0")/../vectors/sigstore
keyless() { # STATUS BUNDLE IDENTITY
	expect "$1" keep verify-model --method sigstore --model-path "$v/model" --bundle "$v/$2" --identity "$3" --identity-provider https://token.example.org --trusted-root "$v/trusted_root.json"
}
keyless 0 good-dsse-1.json https://example.org/build.yml@refs/heads/main
keyless 1 good-dsse-1.json https://example.org/build.yml
says 'identity'
keyless 1 bad-entry-signature.json https://example.org/build.yml@refs/heads/main
says 'log-entry'
verify 3 sigstore all.sig --identity i --identity-provider https://i --trusted-root "$work/no"
verify 2 sigstore all.sig --identity i --identity-provider https://i
verify 2 sigstore all.sig --identity-provider https://i --trusted-root "$v/trusted_root.json"
sign 1 sigstore none.sig
says 'sigstore'
[ ! -e "$work/none.sig" ] || fail "a bundle was written"
verify 3 key nothing.sig --public-key "$work/k.pub.pem"
