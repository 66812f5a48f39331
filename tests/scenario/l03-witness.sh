#!/bin/sh
# The log goes out as files, is witnessed, comes home cosigned, and gives receipts; a database that was put back is found by the witness.
. "$(dirname "$0")/lib.sh"
expect 0 keep init
vkey=$(tail -n 1 "$out")
publisher
expect 0 keep trust add pub --key "$work/pub.pub.pem"
more() { # N records: reading the log is one
	for i in $(seq "$1"); do
		keep audit show 1 >/dev/null || fail "records"
	done
}
w1() { keep witness "$@" --state "$work/w1"; }
w2() { keep witness "$@" --state "$work/w2"; }
w1 init --name example.org/w1 >"$work/v1" || fail "witness init"
w2 init --name example.org/w2 >"$work/v2" || fail "witness init"
w1 add "$vkey" && w2 add "$vkey" || fail "witness add"
printf 'log %s\nwitness one %s\nwitness two %s\ngroup both all one two\nquorum both\n' "$vkey" "$(cat "$work/v1")" "$(cat "$work/v2")" >"$work/policy"
expect 0 keep tlog policy "$work/policy"
start_up
expect 0 keep status
says 'witness .*none'
expect 1 keep audit cosign "$work/policy"
says "^keep: $work/policy: "
expect 1 w1 sign "$work/policy"
says "^keep: $work/policy: the request is malformed"
# a name may hold what JSON has to escape
expect 0 keep witness init --state "$work/odd" --name 'a"b\' --json
[ "$(member "$out" vkey | cut -c1-5)" = 'a"b\+' ] || fail "its JSON is none"
expect 0 keep audit witnesses "$work/policy" --reason 'the second office'
expect 0 keep status --json
[ "$(member "$out" witnesses)" = 2 ] || fail "the policy has two witnesses"

# out: the tiles of the live log; whole for us, and for a verifier that shares no line with us
verify="$python $KEEP_SOURCE/tests/tlog/verify.py"
printf 'log %s\nquorum none\n' "$vkey" >"$work/trust"
expect 0 keep audit export --tiles "$work/tiles"
expect 0 keep tlog fsck "$work/tiles" --policy "$work/trust"
cp "$work/tiles/checkpoint" "$work/older"
more 10
expect 0 keep audit export --tiles "$work/tiles" --json
[ "$(member "$out" from)" -gt 2 ] || fail "the export began anew"
expect 0 keep tlog fsck "$work/tiles" --policy "$work/trust" --older "$work/older"
expect 0 $verify tiles "$work/tiles" "$vkey" --older "$work/older"
expect 1 keep tlog fsck "$work/tiles" --policy "$work/policy"
says 'too few witnesses'
for file in checkpoint tile/0/000.p/$(ls "$work/tiles/tile/0/000.p" | sort -n | tail -n 1) tile/entries/000.p/$(ls "$work/tiles/tile/entries/000.p" | sort -n | tail -n 1); do
	flip "$work/tiles/$file" 40
	expect 1 keep tlog fsck "$work/tiles" --policy "$work/trust"
	expect 1 $verify tiles "$work/tiles" "$vkey"
	flip "$work/tiles/$file" 40
done
expect 0 $verify tiles "$work/tiles" "$vkey"

# to one witness as a file, to the other on paper
expect 0 keep audit checkpoint --old 0 --out "$work/request"
expect 0 keep audit checkpoint --qr
[ "$(wc -l <"$out")" -ge 30 ] || fail "no QR code"
expect 0 keep audit checkpoint --png "$work/qr.png"
$python -c 'import sys; assert open(sys.argv[1], "rb").read(8) == b"\x89PNG\r\n\x1a\n"' "$work/qr.png" || fail "not a PNG"
expect 0 w1 sign "$work/request" --out "$work/signed"
expect 0 keep audit cosign "$work/signed"
says 'the quorum needs more'
expect 0 keep audit checkpoint --old 0
expect 0 w2 sign "$work/request" --lines --out "$work/lines"
expect 1 keep audit cosign "$work/lines"
expect 0 keep audit cosign "$work/lines" --checkpoint "$work/request"
says '2 witnesses saw'
expect 0 keep status --json
[ "$(member "$out" witnessed_size)" -gt 10 ] || fail "nothing is witnessed"
expect 0 keep status
says 'seen 0 days ago'

# receipts: of the grant-like acts by the index that they carry, under the quorum
expect 0 keep audit receipt 1 --out "$work/1.tlog-proof" --entry "$work/1.json"
says 'under a witnessed checkpoint'
expect 0 keep tlog proof-verify --policy "$work/policy" "$work/1.tlog-proof" "$work/1.json"
expect 0 $verify proof "$work/1.tlog-proof" "$work/1.json" "$vkey" --witness "$(cat "$work/v1")" --witness "$(cat "$work/v2")"
[ "$(member "$work/1.json" index)" = 1 ] || fail "the entry is not record 1"
expect 0 keep audit receipt 1 --newest --out "$work/new.tlog-proof"
expect 1 keep tlog proof-verify --policy "$work/policy" "$work/new.tlog-proof" "$work/1.json"
expect 0 keep tlog proof-verify --policy "$work/trust" "$work/new.tlog-proof" "$work/1.json"
printf x >>"$work/1.json"
expect 1 keep tlog proof-verify --policy "$work/policy" "$work/1.tlog-proof" "$work/1.json"
expect 1 keep audit receipt 99999 --out "$work/none"
expect 0 keep audit verify
stop_up

# what the records about witnesses name must be there
cp -a "$KEEP_ROOT" "$work/gutted"
$python -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("delete from blobs where length(data) < 2000")
c.commit()' "$work/gutted/store/log.db" || fail "sqlite"
expect 1 keep --root "$work/gutted" audit verify
says 'is not stored'

# the log lives on from a copy that was made before the witnesses saw it
cp -a "$KEEP_ROOT" "$work/copy"
start_up
expect 0 keep trust rm pub
more 25
seen=$(w1 show --json | $python -c 'import json, sys; print(json.load(sys.stdin)["logs"][0]["size"])')
expect 0 keep audit checkpoint --old "$seen" --out "$work/request"
expect 0 w1 sign "$work/request" --out "$work/signed1"
expect 0 w2 sign "$work/request" --out "$work/signed2"
# what was lost on its way is written again, the same bytes, and nothing else is
mv "$work/signed1" "$work/lost"
expect 0 w1 sign "$work/request" --out "$work/signed1"
cmp -s "$work/lost" "$work/signed1" || fail "it was signed twice"
expect 0 w2 sign "$work/request" --lines
[ "$(cat "$out")" = "$(tail -n 1 "$work/signed2")" ] || fail "another line"
sed -n '/^$/,$p' "$work/request" | sed 1d | sed "2s/.*/$((seen + 1))/" >"$work/other"
expect 1 w1 sign "$work/other"
expect 0 keep audit cosign "$work/signed1"
expect 0 keep audit cosign "$work/signed2"
expect 0 keep audit export --tiles "$work/tiles"
stop_up
rm -rf "$KEEP_ROOT" && mv "$work/copy" "$KEEP_ROOT"
start_up
expect 0 keep audit verify # whole in itself: nothing here can know
seen=$(w1 show --json | $python -c 'import json, sys; print(json.load(sys.stdin)["logs"][0]["size"])')
expect 1 keep audit checkpoint --old "$seen"
keep audit checkpoint --out "$work/rolled"
expect 1 w1 sign "$work/rolled"
says 'rolled back'
expect 1 keep audit cosign "$work/signed2"
says 'a witness saw another log'
expect 1 keep audit export --tiles "$work/tiles"
says 'rolled back'
expect 0 keep audit ls
says contradiction
# grown past it with other records: the witness wants a proof that nobody can make
more 30
expect 0 keep audit checkpoint --old "$seen" --out "$work/forked"
expect 1 w1 sign "$work/forked"
says 'does not hold'
expect 1 keep audit export --tiles "$work/tiles"
expect 1 keep audit cosign "$work/signed2"
says 'a witness saw another log'
stop_up
