#!/bin/sh
# A valid signature makes no sense of an absurd header: each row of tests/hostile/table.c, signed by a publisher that is trusted, is refused at
# import with its own words and status 1, nothing of it is stored, and the refusal is recorded. Every eighth row; with KEEP_FULL set, all.
. "$(dirname "$0")/lib.sh"
appliance
mkdir "$work/h" && "$KEEP_BUILD/tests/hostile/test_hostile" write "$work/h" >"$work/rows" || fail "no rows"
awk -v every="${KEEP_FULL:+1}" 'NR % (every ? every : 8) == 0' "$work/rows" >"$work/some"
n=0
while IFS='	' read -r i code text; do
	expect 0 keep sign "$work/h/$i" --key "$work/pub.key.pem"
	expect 1 keep import "$work/h/$i" --name "absurd-$i" --json
	tail -n 1 "$out" >>"$work/said"
	n=$((n + 1))
done <"$work/some"
$python - "$work/some" "$work/said" <<'PY' || fail "other words"
import json, sys
rows = [l.rstrip("\n").split("\t") for l in open(sys.argv[1])]
said = [json.loads(l) for l in open(sys.argv[2])]
assert len(rows) == len(said) > 30, (len(rows), len(said))
wrong = [(r, s["code"], s["detail"]) for r, s in zip(rows, said) if (s["code"], s["detail"]) != (r[1], r[2])]
for w in wrong: print(w)
sys.exit(1 if wrong else 0)
PY
[ "$(ls "$KEEP_ROOT/store/models" | wc -l)" = 1 ] || fail "something of it is stored"
expect 0 keep ls # staging is emptied behind a verdict, or by who comes next
wait_for '[ -z "$(ls "$KEEP_ROOT/store/staging")" ]' "something of it is left in staging"
keep audit ls --json >"$out"
[ "$(grep -c '"verdict":"rejected"' "$out")" = $n ] || fail "$n refusals, $(grep -c '"verdict":"rejected"' "$out") recorded"
expect 0 keep audit verify
