#!/bin/sh
# What a client shows counts until its time is over, on connections that are open already too: an API key by keepd's clock, a certificate by
# its own dates; the one is refused as expired and the other as well, and the log says who it was.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
command -v curl >/dev/null || skip 'no curl'
[ -x "$KEEP_BUILD/tests/faults/keepd_clock" ] || skip 'no keepd_clock in this build'
mkdir "$work/libexec"
ln -s "$KEEP_BUILD/tests/faults/keepd_clock" "$work/libexec/keepd"
ln -s "$KEEP_BUILD/attest/keep-attest" "$KEEP_BUILD/runtime/keep-runtime" "$KEEP_BUILD/appliance/gateway/keep-gateway" "$work/libexec/"
export KEEP_LIBEXEC="$work/libexec" KEEP_TEST_CLOCK="$work/clock"
wall() { # OFFSET of keepd's wall clock, in seconds
	printf '%-20s' "$1" | dd of="$work/clock" conv=notrunc bs=32 2>/dev/null
}
truncate -s 4096 "$work/clock"
wall 0
appliance
ca
expect 0 keep tls csr --san DNS:keep.test --out "$work/gate.csr"
openssl x509 -req -in "$work/gate.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/gate.pem" -days 20 -copy_extensions copy \
	2>"$err" || fail 'openssl: gate'
expect 0 keep tls install "$work/gate.pem" --root "$work/ca.pem"
expect 0 keep trust add corp --clients "$work/ca.pem"
expect 0 keep access add ann --ca corp --san email:ann@acme.test --for ann
"$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
up_pid=$!
wait_for 'grep -q ": ready" "$work/up.log"' 'keep up'
port=$(cat "$work/port")
ask() { # CURL-OPTIONS…: the status is printed, the body lies in $work/body
	curl -s -o "$work/body" -w '%{http_code}' --max-time 60 --cacert "$work/ca.pem" --resolve "keep.test:$port:127.0.0.1" "$@" \
		"https://keep.test:$port/v1/models" || echo " curl $?"
}
expired() { # WHAT CURL-OPTIONS…
	what=$1
	shift
	got=$(ask "$@")
	[ "$got" = 401 ] && grep -q expired "$work/body" || fail "$what that has expired: $got, $(cat "$work/body")"
}

# a key of one day, used on that day, a day later, and when the clock is set right
expect 0 keep key add laptop --for alice --days 1
key=$(cat "$out")
[ "$(ask -H "x-api-key: $key")" = 200 ] || fail "a key of today: $(cat "$work/body")"
wall 90000
expired 'a key' -H "x-api-key: $key"
expect 0 keep key ls --json
says '"expired":true'
expect 0 keep audit ls --event denied --json
says 'laptop.*expired'
wall 0
[ "$(ask -H "x-api-key: $key")" = 200 ] || fail "a clock that ran ahead spoils a key: $(cat "$work/body")"

# a certificate that ends while its client uses it; where this machine took longer than it was good for, once more with more time
usage=clientAuth
for seconds in 6 12 24 48; do
	request ann ann@acme.test
	openssl ca -batch -config "$work/ca.cnf" -cert "$work/ca.pem" -keyfile "$work/ca.key" -in "$work/ann.csr" -out "$work/ann.pem" \
		-notext -startdate 20200101000000Z -enddate "$(date -u -d "+$seconds seconds" +%Y%m%d%H%M%SZ)" -extfile "$work/ann.ext" \
		2>"$err" || fail 'openssl: a short certificate'
	ask >/dev/null # a gateway that knows no CA asks for them when somebody comes
	got=$(ask --cert "$work/ann.pem" --key "$work/ann.key")
	[ "$got" = 401 ] || break
	grep -q expired "$work/body" || sleep 3
done
[ "$got" = 200 ] || fail "a certificate that is good: $got, $(cat "$work/body")"
wait_for '[ "$(ask --cert "$work/ann.pem" --key "$work/ann.key")" = 401 ]' 'the end of a certificate'
expired 'a certificate' --cert "$work/ann.pem" --key "$work/ann.key"
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
