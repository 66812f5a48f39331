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
says 'certificate'
# by certificate: the pinned root and nothing else, at a time that the caller says
ca() { # NAME ISSUER EXTENSION...: NAME.pem below ISSUER, from NAME.key.pem
	name=$1 issuer=$2
	shift 2
	printf '%s\n' "$@" >"$work/ext"
	openssl req -new -key "$work/$name.key.pem" -subj "/CN=$name" -out "$work/csr" 2>"$err" || fail "openssl req"
	if [ "$issuer" = "$name" ]; then
		openssl x509 -req -in "$work/csr" -signkey "$work/$name.key.pem" -days 30 -extfile "$work/ext" -sha384 -out "$work/$name.pem" 2>"$err" || fail "openssl x509"
	else
		openssl x509 -req -in "$work/csr" -CA "$work/$issuer.pem" -CAkey "$work/$issuer.key.pem" -set_serial 2 -days 30 -extfile "$work/ext" -sha384 -out "$work/$name.pem" 2>"$err" || fail "openssl x509"
	fi
}
ca p521 p521 'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign'
ca p384 p521 'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign'
ca p256 p384 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=codeSigning'
expect 0 keep sign "$work/m" --key "$work/p256.key.pem" --cert "$work/p256.pem" --chain "$work/p384.pem" --out "$work/c.sig"
openssl_agrees "$work/c.sig" "$work/p256.pub.pem" sha256
expect 0 keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p521.pem" --json
[ "$(member "$out" signer)" = CN=p256 ] || fail "signer"
expect 1 keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p384.pem"
says 'chain'
expect 1 keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p521.pem" --at 1000000000
says 'not-yet'
expect 1 keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p521.pem" --at 4000000000 --json
[ "$(member "$out" code)" = expired ] || fail "expired"
expect 2 keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p521.pem" --at 253402300800
# revocation lists, when there are any, of every CA
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\ndefault_md=sha256\n' "$work" >"$work/ca.conf"
printf 'R\t300101000000Z\t260101000000Z\t03\tunknown\t/CN=somebody\n' >"$work/index"
for c in p384 p521; do
	openssl ca -gencrl -config "$work/ca.conf" -keyfile "$work/$c.key.pem" -cert "$work/$c.pem" -crldays 30 -out "$work/$c.crl" 2>"$err" || fail "openssl ca"
done
crl() { # STATUS OPTION...
	want=$1
	shift
	expect "$want" keep verify "$work/m" --bundle "$work/c.sig" --root "$work/p521.pem" "$@"
}
crl 0 --crl "$work/p384.crl" --crl "$work/p521.crl"
crl 1 --crl "$work/p384.crl"
says 'crl-missing'
crl 1 --crl "$work/p384.pem"
crl 3 --crl "$work/nothing"
sed -i 's/\t03\t/\t02\t/' "$work/index"
openssl ca -gencrl -config "$work/ca.conf" -keyfile "$work/p384.key.pem" -cert "$work/p384.pem" -crldays 30 -out "$work/p384.crl" 2>"$err" || fail "openssl ca"
crl 1 --crl "$work/p384.crl" --crl "$work/p521.crl"
says 'revoked'
expect 1 keep verify "$work/m" --bundle "$work/c.sig" --key "$work/p256.pub.pem"
says 'method'
expect 1 keep sign "$work/m" --key "$work/p384.key.pem" --cert "$work/p256.pem" --out "$work/c2.sig"
expect 2 keep sign "$work/m" --key "$work/p256.key.pem" --chain "$work/p384.pem" --out "$work/c2.sig"
[ ! -e "$work/c2.sig" ] || fail "a bundle was written"
expect 3 keep verify "$work/nothing" --bundle "$work/p256.sig" --key "$work/p256.pub.pem"
expect 3 keep verify "$work/m" --bundle "$work/nothing" --key "$work/p256.pub.pem"
expect 1 keep verify "$work/m" --bundle "$demo/LICENSE" --key "$work/p256.pub.pem"
# what was not signed, when the caller does not mind: only then, and what was signed still counts
mkdir "$work/m/more" && mkfifo "$work/m/more/fifo" && ln -s /etc/passwd "$work/m/link" && echo x >"$work/m/sub/extra"
for left in link more sub/extra; do
	expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p256.pub.pem"
	says 'symlink|special-file|extra-file'
	expect 0 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p256.pub.pem" --ignore-unsigned-files
	rm -r "$work/m/$left"
done
mv "$work/m/sub" "$work/sub" && ln -s ../sub "$work/m/sub"
expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p256.pub.pem" --ignore-unsigned-files
says 'symlink'
rm "$work/m/sub"
expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p256.pub.pem" --ignore-unsigned-files
says 'missing-file'
mv "$work/sub" "$work/m/sub"
flip "$work/m/sub/LICENSE" 3
expect 1 keep verify "$work/m" --bundle "$work/p256.sig" --key "$work/p256.pub.pem" --ignore-unsigned-files
says 'digest'
expect 1 keep verify "$work/m" --bundle "$work/s.sig" --key "$work/p521.pub.pem"
says 'sub/LICENSE'
[ ! -e "$KEEP_ROOT" ] || fail "an appliance was made"
