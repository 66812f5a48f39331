# Sourced by scenarios that need a certificate authority: made by openssl, P-256, in $work.
#
#   ca                    ca.pem, ca.key: valid from 2019 on
#   leaf NAME SAN [DAYS]  NAME.pem, NAME.key: signed by it, for $usage (default codeSigning), of a name of $kind (email); DAYS until it
#                         ends (default 30)
#   old_leaf NAME SAN     the same, valid in January 2020
#   sign_as NAME          sign $work/demo by that certificate, afresh
#   crl [NAME | -stale]   crl.pem: empty, or with NAME revoked, or one that has ended
command -v openssl >/dev/null || skip 'no openssl'
ca() {
	mkdir -p "$work/ca.d"
	: >"$work/ca.d/index"
	echo 01 >"$work/ca.d/crlnumber"
	cat >"$work/ca.cnf" <<END
[ca]
default_ca = acme
[acme]
database = $work/ca.d/index
crlnumber = $work/ca.d/crlnumber
new_certs_dir = $work/ca.d
rand_serial = yes
policy = any
default_md = sha256
default_crl_days = 10
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/ca.key" -out "$work/ca.csr" \
		-subj '/CN=Acme root' -config "$work/ca.cnf" 2>"$err" || fail 'openssl: root request'
	openssl ca -batch -selfsign -config "$work/ca.cnf" -in "$work/ca.csr" -keyfile "$work/ca.key" -out "$work/ca.pem" -notext \
		-startdate 20190101000000Z -enddate 20991231235959Z -extensions root 2>"$err" || fail 'openssl: root'
}
request() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/$1.key" -out "$work/$1.csr" \
		-subj "/CN=$1" -config "$work/ca.cnf" 2>"$err" || fail 'openssl: request'
	cat >"$work/$1.ext" <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = ${usage:-codeSigning}
subjectAltName = ${kind:-email}:$2
END
}
leaf() {
	request "$1" "$2"
	openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/$1.pem" -days "${3:-30}" \
		-extfile "$work/$1.ext" -set_serial "0x$(openssl rand -hex 8)" 2>"$err" || fail 'openssl: leaf'
}
old_leaf() {
	request "$1" "$2"
	openssl ca -batch -config "$work/ca.cnf" -cert "$work/ca.pem" -keyfile "$work/ca.key" -in "$work/$1.csr" -out "$work/$1.pem" \
		-notext -startdate 20200101000000Z -enddate 20200201000000Z -extfile "$work/$1.ext" 2>"$err" || fail 'openssl: old leaf'
}
sign_as() {
	rm -f "$work/demo/model.sig"
	keep sign "$work/demo" --key "$work/$1.key" --cert "$work/$1.pem" >"$out" 2>"$err" || fail "sign as $1"
}
crl() {
	if [ "${1-}" != -stale ] && [ -n "${1-}" ]; then
		openssl ca -config "$work/ca.cnf" -cert "$work/ca.pem" -keyfile "$work/ca.key" -revoke "$work/$1.pem" 2>"$err" || fail 'openssl: revoke'
	fi
	if [ "${1-}" = -stale ]; then
		: >"$work/ca.d/index"
		set -- -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z
	else
		set --
	fi
	openssl ca -config "$work/ca.cnf" -cert "$work/ca.pem" -keyfile "$work/ca.key" -gencrl -out "$work/crl.pem" "$@" 2>"$err" || fail 'openssl: list'
}
# stamp BUNDLE: an RFC 3161 stamp over its signature, by an authority of its own in tsa.pem, put into it
stamp() {
	cat >>"$work/ca.cnf" <<END
[tsa_root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[tsa_leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = $work/ca.d/tsa-serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
END
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/tsaroot.key" -out "$work/tsaroot.pem" \
		-days 3650 -subj '/CN=Stamp root' -config "$work/ca.cnf" -extensions tsa_root 2>"$err" || fail 'openssl: stamp root'
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/tsa.key" -out "$work/tsa.csr" -subj '/CN=Stamps' \
		-config "$work/ca.cnf" 2>"$err" || fail 'openssl: stamp request'
	openssl x509 -req -in "$work/tsa.csr" -CA "$work/tsaroot.pem" -CAkey "$work/tsaroot.key" -out "$work/tsaleaf.pem" -days 3000 \
		-extfile "$work/ca.cnf" -extensions tsa_leaf -set_serial 77 2>"$err" || fail 'openssl: stamp leaf'
	cat "$work/tsaroot.pem" "$work/tsaleaf.pem" >"$work/tsa.pem"
	$python -c 'import base64, json, sys
open(sys.argv[2], "wb").write(base64.b64decode(json.load(open(sys.argv[1]))["dsseEnvelope"]["signatures"][0]["sig"]))' "$1" "$work/sig.der" || fail 'the signature'
	openssl ts -query -data "$work/sig.der" -sha256 -cert -out "$work/ts.req" 2>"$err" || fail 'openssl: query'
	openssl ts -reply -config "$work/ca.cnf" -section tsa_config -queryfile "$work/ts.req" -signer "$work/tsaleaf.pem" \
		-inkey "$work/tsa.key" -chain "$work/tsaroot.pem" -out "$work/ts.resp" 2>"$err" || fail 'openssl: reply'
	$python - "$1" "$work/ts.resp" <<'PY' || fail 'the stamp'
import base64, json, sys
b = json.load(open(sys.argv[1]))
b["verificationMaterial"]["timestampVerificationData"] = {
    "rfc3161Timestamps": [{"signedTimestamp": base64.b64encode(open(sys.argv[2], "rb").read()).decode()}]}
json.dump(b, open(sys.argv[1], "w"))
PY
}
