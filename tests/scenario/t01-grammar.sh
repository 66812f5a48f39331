#!/bin/sh
# An answer that a schema or a grammar holds: it always parses, sampled or not, through the template or not; it replays; what cannot be
# used is refused with its name and place, and an answer that was cut off says so with its exit status.
. "$(dirname "$0")/lib.sh"
appliance
start_up
cat >"$work/s.json" <<'END'
{"type":"object","properties":{
  "name":{"type":"string","maxLength":12},
  "kind":{"enum":["model","log","ticket"]},
  "n":{"type":"integer","minimum":-3,"maximum":120},
  "day":{"type":"string","format":"date"},
  "tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]{1,5}$"},"maxItems":3}},
 "required":["name","kind","n","day"]}
END
cat >"$work/check.py" <<'END'
import datetime, json, re, sys
v = json.loads(open(sys.argv[1]).read())
assert list(v) in (["name", "kind", "n", "day"], ["name", "kind", "n", "day", "tags"]), list(v)
assert len(v["name"]) <= 12 and v["kind"] in ("model", "log", "ticket") and -3 <= v["n"] <= 120
datetime.date.fromisoformat(v["day"])
assert len(v.get("tags", [])) <= 3 and all(re.fullmatch("[a-z]{1,5}", t) for t in v.get("tags", []))
END
for how in "" "--temp 1 --seed 1" "--temp 2 --seed 2 --raw" "--temp 1.5 --top-p 0.9 --seed 3 --system brief" "--temp 1 --top-k 5 --seed 4"; do
	# shellcheck disable=SC2086
	expect 0 keep run demo "What is a ticket?" --json-schema "$work/s.json" --save-request "$work/q.req" $how
	$python "$work/check.py" "$out" || fail "with \"$how\" the answer does not fit: $(cat "$out")"
done
index=$(sed -n 's/.*record \([0-9]*\).*/\1/p' "$err")
expect 0 keep audit replay "$index" --request "$work/q.req"

printf 'root ::= "yes" | "no, " [a-z]{2,4} "."\n' >"$work/g"
expect 0 keep run demo "Does the log forget?" --grammar "$work/g" --temp 1 --seed 9
grep -Eqx 'yes|no, [a-z]{2,4}\.' "$out" || fail "not in the grammar: $(cat "$out")"

expect 1 keep run demo x --json-schema "$work/s.json" --max-tokens 3
says 'cut off before it was complete: length'
echo '{"type":"object","properties":{"a":{"contains":3}}}' >"$work/bad.json"
expect 1 keep run demo x --json-schema "$work/bad.json"
says '#/properties/a: a keyword outside the subset: "contains"'
echo 'root ::= nothing' >"$work/bad"
expect 1 keep run demo x --grammar "$work/bad"
says 'line 1: no definition of "nothing"'
expect 1 keep run demo x --grammar "$work/none"
expect 2 keep run demo x --grammar "$work/g" --json-schema "$work/s.json"
expect 2 keep run demo x --grammar "$work/g" --ignore-eos
