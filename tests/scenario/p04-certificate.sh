#!/bin/sh
# A CA in the trust store, pinned to who its signer is: import by certificate, revocation lists, and everything that must not count.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
keep init >"$out" 2>"$err" || fail init
ca
mkdir "$work/demo"
cp "$demo/demo.gguf" "$demo/LICENSE" "$work/demo/"
leaf release release@example.org
leaf intern intern@example.org
sign_as release
no() { # CODE
	expect 1 keep import "$work/demo" --json
	[ "$(member "$out" code)" = "$1" ] || fail "$(member "$out" code), not $1: $(member "$out" detail)"
}
no method
expect 2 keep trust add acme --root "$work/ca.pem"
expect 1 keep trust add acme --root "$work/ca.key" --identity release@example.org
expect 0 keep trust add acme --root "$work/ca.pem" --identity release@example.org --models 'demo*'
expect 1 keep trust add acme --root "$work/ca.pem" --identity release@example.org
expect 0 keep trust ls
says 'acme +root .*demo\*, identity release@example.org'
expect 0 keep import "$work/demo" --json
$python - "$out" <<'PY' || fail 'the signer'
import json, sys
s, = json.loads(open(sys.argv[1]).read())["signers"]
assert s["name"] == "acme" and s["identity"] == "release@example.org" and len(s["leaf"]) == 64 and s["serial"], s
assert s["time_source"] == "clock" and s["time_s"] > 0, s
PY
expect 0 keep audit ls --json
grep '"event":"import-verdict"' "$out" | tail -n 1 | grep -q '"signers":\[{"name":"acme","key_id":"[0-9a-f]*","leaf":"[0-9a-f]*","serial":"[0-9a-f]*","identity":"release@example.org"' || fail 'the record names no signer'
expect 0 keep policy explain demo
expect 0 keep rm demo
# for other names it does not vouch
expect 1 keep import "$work/demo" --name llama --json
[ "$(member "$out" code)" = signers ] || fail "scope: $(member "$out" code)"
# somebody else of the same CA
sign_as intern
no identity
sign_as release
# revocation: with one list everybody needs a current one
crl
expect 0 keep trust add acme-crl --crl "$work/crl.pem" --for acme
expect 0 keep import "$work/demo"
expect 0 keep rm demo
crl release
expect 1 keep trust add acme-crl --crl "$work/crl.pem" --for acme
expect 0 keep trust add acme-crl --crl "$work/crl.pem" --for acme --replace
no revoked
crl -stale
expect 0 keep trust add acme-crl --crl "$work/crl.pem" --for acme --replace
no crl-stale
# a list for another root is not asked
expect 0 keep trust rm acme-crl
expect 0 keep trust add other-crl --crl "$work/crl.pem" --for other
expect 0 keep import "$work/demo"
expect 0 keep rm demo
# by serial on the deny list
serial=$(openssl x509 -in "$work/release.pem" -noout -serial | sed 's/serial=0*//' | tr A-F a-f)
printf '[policy]\nversion = 1\n[models *]\nrequire = 1 any\n[deny]\nserial = %s\n' "$serial" >"$work/p.conf"
expect 0 keep policy set "$work/p.conf"
no denied
says "$serial"
expect 0 keep trust rm acme
no method
expect 1 keep trust add x --tsa "$demo/LICENSE"
expect 0 keep audit verify
