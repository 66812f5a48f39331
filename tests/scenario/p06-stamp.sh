#!/bin/sh
# A time stamp of a pinned authority proves when a signature was made: it outlives the certificate, raises the floor clock, and nothing else counts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
[ -x "$KEEP_BUILD/tests/faults/keepd_clock" ] || skip 'no keepd_clock in this build'
mkdir "$work/libexec"
ln -s "$KEEP_BUILD/tests/faults/keepd_clock" "$work/libexec/keepd"
ln -s "$KEEP_BUILD/attest/keep-attest" "$work/libexec/keep-attest"
ln -s "$KEEP_BUILD/runtime/keep-runtime" "$work/libexec/keep-runtime"
export KEEP_LIBEXEC="$work/libexec" KEEP_TEST_CLOCK="$work/clock"
truncate -s 4096 "$work/clock"
wall() {
	printf '%-20s' "$1" | dd of="$work/clock" conv=notrunc bs=32 2>/dev/null
}
wall 0
keep init >"$out" 2>"$err" || fail init
ca
mkdir "$work/demo"
cp "$demo/demo.gguf" "$demo/LICENSE" "$work/demo/"
leaf release release@example.org 30
sign_as release
stamp "$work/demo/model.sig"
expect 0 keep trust add acme --root "$work/ca.pem" --identity release@example.org
code() { # CODE or accepted
	keep import "$work/demo" --json >"$out" 2>"$err" </dev/null
	[ "$(member "$out" code)" = "$1" ] || fail "$(member "$out" code), not $1: $(member "$out" detail)"
}
# a year later the certificate has ended; a stamp of nobody we know proves nothing
wall $((365 * 86400))
code expired
expect 0 keep trust add stamps --tsa "$work/tsa.pem"
code accepted
$python - "$out" <<'PY' || fail 'the signer'
import json, sys, time
s, = json.loads(open(sys.argv[1]).read())["signers"]
assert s["time_source"] == "stamp" and abs(s["time_s"] - time.time()) < 86400, s
PY
keep status --json >"$work/status" 2>"$err" || fail status
grep -q '"source":"signed"' "$work/status" || fail 'the floor does not rest on the stamp'
expect 0 keep rm demo
# a policy that counts this signer until yesterday: the stamp says when
yesterday=$(date -u -d '1 day ago' +%Y-%m-%d)
printf '[policy]\nversion = 1\n[signer acme]\nroles = r\nnot-after = %s\n[models *]\nrequire = 1 r\n' "$yesterday" >"$work/p.conf"
expect 0 keep policy set "$work/p.conf"
code signers
says 'by a stamp: it counts until'
expect 0 keep audit verify
