#!/bin/sh
# What nobody needs is found by its last use and its state, and goes only when it is told to.
. "$(dirname "$0")/lib.sh"
appliance
cp -r "$work/demo" "$work/other"
echo more >>"$work/other/card.md"
rm "$work/other/model.sig"
expect 0 keep sign "$work/other" --key "$work/pub.key.pem"
expect 0 keep import "$work/other" --json
expect 2 keep gc --remove
expect 2 keep gc --unused
expect 0 keep gc
says '^demo +accepted +2.1 MB +20[0-9-]+ *$'
says '4.1 MB in the store; 0 B would go'
expect 0 keep gc --unused 1
says 'store; 0 B would go'
expect 0 keep gc --unused 0
says '^demo .*not used'
expect 0 keep revoke other
expect 0 keep gc --withdrawn --json
[ "$(grep -c '"why":"cannot be served"' "$out")" = 1 ] || fail 'not one is chosen'
grep '"name":"demo"' "$out" | grep -q '"why":null' || fail 'demo is chosen'
[ "$(ls "$KEEP_ROOT/store/models" | wc -l)" = 2 ] || fail 'something went without being told to'
expect 0 keep gc --withdrawn --remove --json
index=$(grep '"name":"other"' "$out" >"$work/line" && member "$work/line" index)
[ "$(ls "$KEEP_ROOT/store/models" | wc -l)" = 1 ] || fail 'it did not go'
expect 0 keep audit show "$index"
says '^event +model-remove'
says '^reason +gc: cannot be served'
# using it counts from now; in use it is not chosen
start_up
keep ls --json >"$out"
before=$(keep gc --json | tee "$out" >/dev/null && member "$out" used_s)
sleep 1.1
expect 0 keep run demo --raw --max-tokens 1 x
keep gc --json >"$out"
[ "$(member "$out" used_s)" -gt "$before" ] || fail "its use did not count"
stop_up
expect 0 keep gc --unused 0 --remove
says 'demo +accepted .* not used +[0-9]+'
[ -z "$(ls "$KEEP_ROOT/store/models")" ] || fail 'files are left'
expect 0 keep gc
says '0 B in the store'
expect 0 keep audit verify
