#!/bin/sh
# A keyless signature counts when the trust store holds its trusted root, its signer's name and who told it; public vectors, by KEEP_SHARED.
. "$(dirname "$0")/lib.sh"
public=${KEEP_SHARED:-/nowhere}/vectors/oms/model-transparency
[ -f "$public/custom_trust_config.json" ] || skip 'KEEP_SHARED names no public vectors'
root=$public/custom_trust_config.json
provider=https://sigstore.verify.ibm.com/oauth2
cp -r "$public/v1.1.0-sigstore" "$work/m"
keep init >"$out" 2>"$err" || fail init
no() { # CODE
	expect 1 keep import "$work/m" --name m --json
	[ "$(member "$out" code)" = "$1" ] || fail "$(member "$out" code), not $1: $(member "$out" detail)"
}
no method
expect 2 keep trust add ibm --trusted-root "$root"
expect 1 keep trust add ibm --trusted-root "$root" --identity stefanb@us.ibm.com
says 'both are needed'
expect 1 keep trust add ibm --trusted-root "$demo/card.md" --identity stefanb@us.ibm.com --identity-provider "$provider"
expect 0 keep trust add ibm --trusted-root "$root" --identity somebody@us.ibm.com --identity-provider "$provider"
no identity
expect 0 keep trust add ibm --trusted-root "$root" --identity stefanb@us.ibm.com --identity-provider "$provider" --replace
no gguf-none # the signature held: what was signed is no model that Keep could run
$python - "$out" <<'PY' || fail 'the signer'
import json, sys
s, = json.loads(open(sys.argv[1]).read())["signers"]
assert s["name"] == "ibm" and s["identity"] == "stefanb@us.ibm.com", s
assert s["time_source"] == "log" and s["time_s"] == 1760062340, s
PY
expect 0 keep audit verify
