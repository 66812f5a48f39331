#!/bin/sh
# A key that lives in a PKCS #11 token signs, on every curve, by key and by certificate; the PIN comes from a file or the URI's
# pin-source, never from the command line. The token is SoftHSM's, in this scenario's own directory.
. "$(dirname "$0")/lib.sh"
command -v softhsm2-util >/dev/null || skip "softhsm2 is not installed"
mkdir "$work/tokens" "$work/m" && echo weights >"$work/m/w.bin"
echo "directories.tokendir = $work/tokens" >"$work/softhsm.conf"
export SOFTHSM2_CONF="$work/softhsm.conf"
echo 123456 >"$work/pin"
softhsm2-util --init-token --free --label keep --pin 123456 --so-pin 654321 >"$out" 2>"$err" || fail "softhsm2-util"
# a build without p11-kit says so
keep sign "$work/m" --key pkcs11:token=none --out "$work/none.sig" >"$out" 2>&1
grep -q "no PKCS #11" "$out" && skip "this build has no PKCS #11"
n=0
for curve in p256 p384 p521; do
	n=$((n + 1))
	keep keygen --out "$work/$curve" --curve $curve 2>"$err" || fail keygen
	softhsm2-util --import "$work/$curve.key.pem" --token keep --label $curve --id 0$n --pin 123456 >"$out" 2>"$err" || fail "import of $curve"
	uri="pkcs11:token=keep;object=$curve"
	expect 0 keep sign "$work/m" --key "$uri" --pin-file "$work/pin" --out "$work/$curve.sig"
	expect 0 keep verify "$work/m" --bundle "$work/$curve.sig" --key "$work/$curve.pub.pem"
	expect 0 keep sign-model --method key --model-path "$work/m" --output-bundle "$work/a.sig" --private-key "$uri?pin-source=file:$work/pin"
	expect 0 keep verify "$work/m" --bundle "$work/a.sig" --key "$work/$curve.pub.pem"
done
# by certificate: the leaf is of the token's key
openssl req -x509 -new -key "$work/p384.key.pem" -subj /CN=publisher -days 2 -out "$work/cert.pem" -addext basicConstraints=critical,CA:FALSE \
	-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=codeSigning 2>"$err" || fail "certificate"
expect 0 keep sign "$work/m" --key "pkcs11:token=keep;id=%02" --pin-file "$work/pin" --cert "$work/cert.pem" --out "$work/c.sig"
expect 1 keep sign "$work/m" --key "pkcs11:token=keep;id=%01" --pin-file "$work/pin" --cert "$work/cert.pem" --out "$work/c.sig"
says "another key"

expect 1 keep sign "$work/m" --key "pkcs11:token=keep;object=p256?pin-value=123456" --out "$work/x.sig"
says "every user of this machine can see"
expect 1 keep sign "$work/m" --key "pkcs11:token=other" --pin-file "$work/pin" --out "$work/x.sig"
says "no token that is present"
expect 1 keep sign "$work/m" --key "pkcs11:token=keep" --pin-file "$work/pin" --out "$work/x.sig"
says "more than one private key"
expect 1 keep sign "$work/m" --key "pkcs11:token=keep;object=none" --pin-file "$work/pin" --out "$work/x.sig"
says "no private key that fits"
echo 999999 >"$work/wrong"
expect 1 keep sign "$work/m" --key "pkcs11:token=keep;object=p256" --pin-file "$work/wrong" --out "$work/x.sig"
says "the token's PIN"
head -c 256 /dev/zero | tr '\0' 1 >"$work/long"
expect 1 keep sign "$work/m" --key "pkcs11:token=keep;object=p256" --pin-file "$work/long" --out "$work/x.sig"
says "at most 255 bytes"
expect 2 keep sign "$work/m" --key "$work/p256.key.pem" --pin-file "$work/pin" --out "$work/x.sig"
[ ! -e "$work/x.sig" ] || fail "a bundle was written although nothing signed it"
echo passed
