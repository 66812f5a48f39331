#!/bin/sh
# The auditor's guide does what it says: each of its blocks passes on a store that is well, and fails on one where its claim does not hold.
. "$(dirname "$0")/lib.sh"
for p in openssl sqlite3; do
	command -v $p >/dev/null || fail "$p is not installed; tests/run lists it"
done
appliance
expect 0 keep run demo --max-tokens 8 --save-request "$work/request.bin" 'What is a ticket?'
expect 0 keep audit checkpoint --out "$work/older"
expect 0 keep run demo --max-tokens 4 'And a log?'
index=$(keep audit ls --event request --last 1 --json | $python -c 'import json, sys; print(json.loads(sys.stdin.readline())["index"])')
expect 0 keep audit receipt "$index" --out "$work/receipt.tlog-proof" --entry "$work/entry.json" --newest
expect 0 keep audit evidence 0..9 "$work/evidence"
expect 0 keep audit checkpoint --out "$work/checkpoint"
mkdir "$work/audit"
cd "$work/audit" || fail audit
cp "$KEEP_ROOT/store/keys/log.vkey" "$work/pub.pub.pem" .
cp -r "$work/request.bin" "$work/older" "$work/checkpoint" "$work/receipt.tlog-proof" "$work/entry.json" "$work/evidence" "$KEEP_ROOT/store" .
mv pub.pub.pem publisher.pub.pem
chmod -R u+w store evidence

# one file for each numbered section that has a block
$python - "$KEEP_SOURCE/packaging/doc/auditor.md" <<'END'
import re, sys
for number, text in re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", open(sys.argv[1], encoding="utf-8").read(), re.S | re.M):
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)
    if blocks:
        open(f"check-{number}", "w", encoding="utf-8").write("\n".join(blocks))
END
[ "$(ls check-* | tr '\n' ' ')" = "check-1 check-2 check-3 check-4 check-5 check-6 check-7 check-8 " ] || fail "other sections than were expected"
check() { sh -eu "check-$1" >"$out" 2>"$err"; }
for n in 1 2 3 4 5 6 7 8; do
	check $n || fail "section $n fails on a store that is well"
done

# SECTION FILE COMMAND…: with that done to the file, the section fails
broken() {
	section=$1 file=$2
	shift 2
	cp "$file" "$work/well"
	"$@" || fail "section $section: the damage itself"
	check "$section" && fail "section $section does not see: $*"
	cp "$work/well" "$file"
	check "$section" || fail "section $section: the damage stays"
}
sql() { sqlite3 store/log.db "$1"; }
broken 1 checkpoint sed -i '2s/$/0/' checkpoint
broken 1 log.vkey cp "$work/pub.pub.pem" log.vkey
broken 2 store/log.db sql "UPDATE records SET line = CAST(replace(line, 'demo', 'dmeo') AS BLOB) WHERE idx = (SELECT min(idx) FROM records WHERE instr(line, 'demo'))"
broken 2 store/log.db sql "DELETE FROM records WHERE idx = 3"
broken 2 store/log.db sql "UPDATE records SET line = '' WHERE idx = 3; UPDATE records SET leaf = zeroblob(32) WHERE idx = 3"
broken 3 older sed -i '3{s/^x/y/;t;s/^./x/}' older
last=$(sql "SELECT idx FROM records WHERE intent IS NOT NULL ORDER BY idx DESC LIMIT 1")
broken 4 store/log.db sql "DELETE FROM records WHERE idx = $last"
broken 4 store/log.db sql "UPDATE records SET intent = NULL WHERE idx = $last"
broken 5 "$(find store/models -name 0000)" flip "$(find store/models -name 0000)" 9
broken 5 "$(find store/models -name bundle)" sed -i 's/"sig": *"..../"sig": "AAAA/' "$(find store/models -name bundle)"
broken 6 request.bin flip request.bin 40
broken 7 entry.json flip entry.json 60
broken 7 receipt.tlog-proof sed -i '2s/$/1/' receipt.tlog-proof
broken 8 evidence/entries.jsonl flip evidence/entries.jsonl 500
