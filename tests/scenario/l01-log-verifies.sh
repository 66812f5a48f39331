#!/bin/sh
# The log verifies, and so do its checkpoint and tree with nobody's code but this script's.
. "$(dirname "$0")/lib.sh"
expect 0 keep init
vkey=$(tail -n 1 "$out")
model
expect 0 keep trust add pub --key "$work/pub.pub.pem"
expect 0 keep import "$work/demo"
expect 0 keep run demo 'What is a ticket?'
expect 0 keep audit verify
keep audit checkpoint --json >"$work/cp"
keep audit ls --json >"$work/records"
$python - "$work/cp" "$work/records" "$vkey" <<'PY' || fail "the tree of the records is not the signed one"
import base64, hashlib, json, sys
cp, vkey = json.load(open(sys.argv[1])), sys.argv[3]
leaves = [hashlib.sha256(b"\0" + l.rstrip(b"\n")).digest() for l in open(sys.argv[2], "rb")]
def root(l):
    if len(l) < 2: return l[0] if l else hashlib.sha256().digest()
    k = 1 << (len(l) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(l[:k]) + root(l[k:])).digest()
origin, size, r64 = cp["note"].split("\n")[:3]
assert cp["vkey"] == vkey, "another key"
assert origin == vkey.split("+")[0], "another origin"
assert int(size) <= len(leaves), "records are missing"
assert base64.b64decode(r64) == root(leaves[:int(size)]), "root"
for i, line in enumerate(open(sys.argv[2], encoding="utf-8")):
    rec = json.loads(line)
    assert rec["index"] == i and list(rec)[:3] == ["v", "index", "time_ns"], "order"
PY
# every effect has its intent before it, every intent its outcome
$python - "$work/records" <<'PY' || fail "an intent without outcome, or the reverse"
import json, sys
opened = set()
for line in open(sys.argv[1]):
    r = json.loads(line)
    if "intent" in r:
        opened.remove(r["intent"])
    if r["event"] in ("import-intent", "grant", "request"):
        opened.add(r["index"])
assert not opened, opened
PY
# texts are not in it
grep -q 'ticket' "$work/records" && fail "the prompt stands in the log"
exit 0
