#!/bin/sh
# A policy is checked, installed, shown and explained; every change is recorded with the old and the new digest, and no broken one gets in.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep policy show
says '^require = 1 any$'
says 'none was set'
expect 0 keep policy show --json
[ "$(member "$out" set)" = false ] || fail 'a policy is set'
default=$(member "$out" policy)
# what held was the default, by its digest, and the verdict says so
expect 0 keep show demo --json
[ "$(member "$out" policy)" = "$default" ] || fail "policy of the verdict: $(member "$out" policy)"
cat >"$work/bad.conf" <<'END'
[policy]
version = 1
[models *]
require = 2 lab
licence = MIT AND
color = blue
END
expect 1 keep policy check "$work/bad.conf"
says ':5: .*SPDX'
says ':6: .*no key "color"'
says ':4: no \[signer\] has the role lab'
expect 1 keep policy check "$work/bad.conf" --json
[ "$(member "$out" ok)" = false ] || fail 'check --json'
expect 1 keep policy set "$work/bad.conf"
expect 2 keep policy check
expect 3 keep policy check "$work/none.conf"
cat >"$work/pub.conf" <<'END'
[policy]
version = 1
title = publishers
[signer pub]
roles = publisher
[models demo]
require = 1 publisher
[models other-*]
require = 2 publisher
END
expect 0 keep policy check "$work/pub.conf"
says good
expect 0 keep policy set "$work/pub.conf" --reason 'first form'
expect 0 keep policy show
cmp -s "$out" "$work/pub.conf" || fail 'show prints another text'
new=$(sha256sum "$work/pub.conf" | cut -d ' ' -f 1)
expect 0 keep policy show --json
[ "$(member "$out" policy)" = "$new" ] || fail 'digest'
expect 0 keep audit ls --count 1 --from "$(member "$out" index)" --json
grep -q '"event":"policy-set".*"policy":"'"$new"'".*"old":"".*"reason":"first form"' "$out" || fail 'the record of the policy'
# the stored model, held to the new policy: each rule a line
expect 0 keep policy explain demo
says 'today it would be accepted'
says 'holds .*line 6: models: this section speaks for demo'
says 'holds .*line 7: require 1 publisher: 1: pub'
expect 0 keep policy explain demo --json
[ "$(member "$out" policy)" = "$new" ] || fail 'explain names another policy'
# a name that no section fits, one that asks for more
expect 1 keep import "$work/demo" --name third --json
[ "$(member "$out" code)" = policy ] || fail "third: $(member "$out" code)"
expect 1 keep import "$work/demo" --name other-1 --json
[ "$(member "$out" code)" = signers ] || fail "other-1: $(member "$out" code)"
# denied: what is here stays and says what it would be now
printf '[deny]\nkey = %s\n' "$(keep trust ls --json | $python -c 'import json,sys; print(json.loads(sys.stdin.readline())["key_id"])')" >>"$work/pub.conf"
expect 0 keep policy set "$work/pub.conf"
expect 1 keep policy explain demo
says 'today it would be refused'
says 'deny key'
expect 0 keep run demo 'What is a ticket?'
expect 0 keep rm demo
expect 1 keep import "$work/demo" --json
[ "$(member "$out" code)" = denied ] || fail "denied: $(member "$out" code)"
expect 1 keep policy explain demo
says 'removed'
# the verdict's record: time, policy, signers, rules
expect 0 keep audit ls --json
grep '"event":"import-verdict"' "$out" | tail -n 1 | grep -q '"judged_s":[1-9][0-9]*,"clock":"wall","policy":"'"$(sha256sum "$work/pub.conf" | cut -d ' ' -f 1)"'","signers":\[{"name":"pub".*"rules":\[{"line":11,"holds":false' || fail 'the record of the verdict'
expect 0 keep audit verify
# a policy behind keepd's back
chmod -R u+w "$KEEP_ROOT/store"
$python - "$KEEP_ROOT/store/log.db" <<'PY' || fail edit
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
for d, data in c.execute("select digest, data from blobs").fetchall():
    c.execute("update blobs set data = ? where digest = ?", (data.replace(b"2 publisher", b"1 publisher"), d))
c.commit()
PY
expect 1 keep audit verify
says 'the file of policy is not the one'
