# Sourced by scenarios that need a certificate authority: made by openssl, P-256, in $work.
#
#   ca                    ca.pem, ca.key
#   leaf NAME SAN [DAYS]  NAME.pem, NAME.key: signed by it, for code signing; DAYS until it ends (default 30)
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
default_md = sha256
default_crl_days = 10
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/ca.key" -out "$work/ca.pem" \
		-days 3650 -subj '/CN=Acme root' -config "$work/ca.cnf" -extensions root 2>"$err" || fail 'openssl: root'
}
leaf() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/$1.key" -out "$work/$1.csr" \
		-subj "/CN=$1" -config "$work/ca.cnf" 2>"$err" || fail 'openssl: request'
	cat >"$work/$1.ext" <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = email:$2
END
	openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/$1.pem" -days "${3:-30}" \
		-extfile "$work/$1.ext" -set_serial "0x$(openssl rand -hex 8)" 2>"$err" || fail 'openssl: leaf'
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
