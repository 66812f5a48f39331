#!/bin/sh
# Over the network: TLS 1.3 and nothing else; who asks is known by certificate or by API key, and only so; what was revoked or has ended does
# not count from the next request on; the log says who it was and how that is known.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
command -v curl >/dev/null || skip 'no curl'
appliance
ca
# what the gateway shows
expect 0 keep tls csr --san DNS:keep.test --san IP:127.0.0.1 --out "$work/gate.csr"
openssl x509 -req -in "$work/gate.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/gate.pem" -days 20 -copy_extensions copy \
	2>"$err" || fail 'openssl: gate'
leaf other DNS:x >/dev/null
expect 1 keep tls install "$work/other.pem"
says 'not of the key'
expect 1 keep tls install "$work/gate.pem" --root "$work/other.pem"
says 'does not lead'
expect 0 keep tls install "$work/gate.pem" --root "$work/ca.pem"
expect 0 keep tls status
says '(19|20) days'
says 'ends soon'
expect 0 keep status
says 'tls .*(19|20) days'

"$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
up_pid=$!
wait_for 'grep -q ": ready" "$work/up.log"' 'keep up'
port=$(cat "$work/port")
tls() { openssl s_client -connect "127.0.0.1:$port" -CAfile "$work/ca.pem" -servername keep.test "$@" </dev/null; }
ask() { # PATH CURL-OPTIONS…: the status is printed, the body lies in $work/body
	path=$1
	shift
	curl -s -o "$work/body" -w '%{http_code}' --max-time 60 --cacert "$work/ca.pem" --resolve "keep.test:$port:127.0.0.1" "$@" \
		"https://keep.test:$port$path" || echo " curl $?"
}
is() { # STATUS TEXT COMMAND…
	want=$1 text=$2
	shift 2
	got=$("$@")
	[ "$got" = "$want" ] || fail "$*: $got, not $want: $(cat "$work/body")"
	grep -q -- "$text" "$work/body" || fail "$*: no \"$text\" in $(cat "$work/body")"
}
chat='{"model":"demo","max_tokens":2,"messages":[{"role":"user","content":"What is a record?"}]}'

# nobody without credentials; nothing is needed to see that somebody is there
is 200 ok ask /health
is 401 no_credentials ask /v1/models
is 401 no_credentials ask /v1/models -H 'Authorization: Bearer sk-placeholder'
is 401 no_credentials ask /v1/chat/completions -d "$chat"

# keys
expect 0 keep key add laptop --for alice --days 30
key=$(cat "$out")
says_not 'secret'
expect 0 keep key add reader --for bob --use list
reader=$(cat "$out")
expect 0 keep key add elsewhere --for carol --models 'other-*'
narrow=$(cat "$out")
expect 1 keep key add laptop --for mallory
is 200 '"id":"demo"' ask /v1/models -H "Authorization: Bearer $key"
is 200 '"keep"' ask /v1/chat/completions -H "x-api-key: $key" -d "$chat"
is 403 scope ask /v1/chat/completions -H "Authorization: Bearer $reader" -d "$chat"
is 404 'may not use' ask /v1/chat/completions -H "Authorization: Bearer $narrow" -d "$chat"
is 401 invalid_api_key ask /v1/models -H "Authorization: Bearer keep_laptop_$(printf '%064d' 0)"
is 401 invalid_api_key ask /v1/models -H "Authorization: Bearer keep_nobody_$(printf '%064d' 0)"
is 401 invalid_api_key ask /v1/models -H "Authorization: Bearer ${key}0"
is 401 invalid_api_key ask /v1/models -H "Authorization: Bearer $key" -H "x-api-key: $reader"
socket=$KEEP_ROOT/run/http.sock
[ "$(curl -s -o "$work/body" -w '%{http_code}' --unix-socket "$socket" http://k/v1/models -H "x-api-key: keep_laptop_0")" = 401 ] ||
	fail 'a bad key was taken for none on the unix socket'
expect 0 keep audit ls --event session --json
says '"principal":"alice","how":"api-key","credential":"laptop"'
expect 0 keep audit ls --event request --json
says '"principal":"alice"'
expect 0 keep audit ls --event denied --json
says '"what":"prove-key".*key nobody: there is none'
expect 0 keep key ls
says 'laptop .*alice .*user'
grep -rq "$(echo "$key" | tail -c 41)" "$KEEP_ROOT/store" && fail 'the key lies in the store'
expect 0 keep key revoke laptop --reason lost
is 401 invalid_api_key ask /v1/models -H "Authorization: Bearer $key"

# certificates
usage=clientAuth
leaf ann ann@acme.test
leaf eve eve@acme.test
leaf box box.acme.test
old_leaf past ann@acme.test
(usage=serverAuth && leaf server ann@acme.test)
cert() { ask "$1" --cert "$work/$2.pem" --key "$work/$2.key"; }
expect 0 keep trust add corp --clients "$work/ca.pem"
expect 2 keep access add everybody --ca corp
expect 0 keep access add staff --ca corp --san 'email:*@acme.test'
expect 0 keep access add ann --ca corp --san email:ann@acme.test --for ann
sleep 6 # a gateway that has never seen a CA asks again after five seconds, when somebody comes
ask /health >/dev/null
is 200 '"id":"demo"' cert /v1/models ann
is 200 '"keep"' ask /v1/chat/completions --cert "$work/eve.pem" --key "$work/eve.key" -d "$chat"
is 401 expired cert /v1/models past
is 401 'purpose' cert /v1/models server
expect 0 keep audit ls --event session --json
says '"principal":"email:eve@acme.test","how":"certificate","credential":"staff","leaf":"[0-9a-f]{64}"'
crl eve
expect 0 keep trust add corp-crl --crl "$work/crl.pem" --for corp
is 401 revoked cert /v1/models eve
is 200 '"id":"demo"' cert /v1/models ann
crl -stale
expect 0 keep trust add corp-crl --crl "$work/crl.pem" --for corp --replace
is 401 'CRL has expired' cert /v1/models ann
expect 0 keep trust rm corp-crl
is 200 '"id":"demo"' cert /v1/models ann
expect 0 keep access rm staff
is 401 not_recognised cert /v1/models eve
mkdir "$work/mine" && mv "$work/ca.pem" "$work/mine/" && cp "$work/ca.key" "$work/mine/"
ca # another one of the same name
leaf mallory ann@acme.test
mv "$work/mine/ca.pem" "$work/ca.pem"
is 401 'does not' cert /v1/models mallory

# the protocol
for old in -tls1_1 -tls1_2; do
	tls $old >"$out" 2>&1 && fail "$old was spoken"
done
tls -tls1_3 -alpn h2 >"$out" 2>&1 && fail 'HTTP/2 was agreed upon'
tls -tls1_3 -alpn h2,http/1.1 -brief >"$out" 2>&1 || fail 'no TLS 1.3'
says 'TLSv1.3'
tls -tls1_3 -alpn h2,http/1.1 >"$out" 2>&1
says 'ALPN protocol: http/1.1'
says 'Verify return code: 0'
says_not 'TLS session ticket'
expect 0 "$python" "$KEEP_SOURCE/tests/scenario/hostile_tls.py" "$port" "$work/ca.pem"
pid=$(child keep-gateway)
[ "$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")" -lt 524288 ] || fail 'the gateway has grown'
is 200 '"id":"demo"' cert /v1/models ann
[ "$(child keep-gateway)" = "$pid" ] || fail 'the gateway did not survive them'
grep -q '^Seccomp:	2' "/proc/$pid/status" || fail 'the gateway has no filter'
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
