#!/bin/sh
# Calls of tools: required ones parse and fit their schema in every notation, sampled or not, from a model that knows no tools; results go
# back and the answer goes on; reasoning is cut at its budget, to the token; it replays; what cannot be used is refused by name.
. "$(dirname "$0")/lib.sh"
appliance
start_up
cat >"$work/tools.json" <<'END'
[{"type":"function","function":{"name":"weather","description":"of a town","parameters":{"type":"object","properties":{
  "town":{"type":"string","maxLength":9},"days":{"type":"integer","minimum":1,"maximum":9},
  "unit":{"enum":["C","F"]},"sure":{"type":"boolean"}},"required":["town","unit"]}}},
 {"type":"function","function":{"name":"now"}}]
END
# the notations, by the marks in a template; the demo model's own tokens carry the turns
template() {
	printf '%s{%% for m in messages %%}<|im_start|>{{ m.role }}\n{{ m.content }}{%% if m.tool_calls %%}{{ m.tool_calls|tojson }}{%% endif %%}<|im_end|>\n{%% endfor %%}<|im_start|>assistant\n%s' "$1" "${2-}"
}
cat >"$work/check.py" <<'END'
import json, sys
v = json.loads(open(sys.argv[1]).read().strip().split("\n")[0])
assert v["tool_calls"] and not v.get("broken_calls"), v
for c in v["tool_calls"]:
    name, a = c["function"]["name"], json.loads(c["function"]["arguments"])
    if name == "now":
        assert a == {}, a
        continue
    assert name == "weather" and set(a) <= {"town", "days", "unit", "sure"}, c
    assert len(a["town"]) <= 9 and a["unit"] in ("C", "F") and isinstance(a.get("sure", True), bool) and 1 <= a.get("days", 1) <= 9, a
assert len(sys.argv) < 3 or len(v["tool_calls"]) == 1, v
END
n=0
while read -r marks; do
	n=$((n + 1))
	template "{# tools $marks #}" >"$work/t$n"
	expect 0 keep run demo "What is a ticket?" --tools "$work/tools.json" --template "$work/t$n" --tool-choice required --one-call \
		--json --temp 1.2 --seed $n --save-request "$work/q.req"
	$python "$work/check.py" "$out" one || fail "$marks: $(cat "$out")"
	expect 0 keep run demo "And now?" --tools "$work/tools.json" --template "$work/t$n" --tool-choice weather --json --max-tokens 400 --one-call
	$python "$work/check.py" "$out" one || fail "$marks: $(cat "$out")"
	[ "$(member "$out" tool_calls | grep -c weather)" = 1 ] || fail "$marks: another tool"
done <<'END'
<tool_call>
<tool_call><arg_key>
<tool_call><function=<parameter=
<minimax:tool_call><invoke name=
[TOOL_CALLS][ARGS]
<|tool_call_start|>
<|tool_call><tool_call|><|"|>
<|start_header_id|>parameters
<｜tool▁sep｜>
｜DSML｜ tool_calls>
END
index=$(member "$out" index)
expect 0 keep run demo "What is a ticket?" --tools "$work/tools.json" --template "$work/t1" --tool-choice required --one-call --save-request "$work/q.req"
says '^call (weather|now) \{'
index=$(sed -n 's/.*record \([0-9]*\).*/\1/p' "$err")
expect 0 keep audit replay "$index" --request "$work/q.req"

# results go back: as many answers as there are results, and one more
expect 0 keep run demo "Now?" --tools "$work/tools.json" --template "$work/t1" --tool-choice now --one-call --json --temp 1 --seed 1 --max-tokens 200 \
	--tool-result now=noon --tool-result now=night
[ "$(wc -l <"$out")" = 3 ] || fail "not three answers"
printf 'noon\n' >"$work/lines"
"$KEEP_BUILD/appliance/cli/keep" run demo "Now?" --tools "$work/tools.json" --template "$work/t1" --tool-choice now --one-call --json --max-tokens 200 \
	--tool-result - <"$work/lines" >"$out" 2>"$err" || fail "results from standard input"
[ "$(wc -l <"$out")" = 2 ] || fail "not two answers"
# what a tool gave is text: it is in the prompt, and no control token of it is
expect 0 keep run demo "Now?" --tools "$work/tools.json" --template "$work/t1" --tool-choice none --max-tokens 8
cat >"$work/m.json" <<'END'
[{"role":"user","content":"Now?"},{"role":"assistant","content":"","tool_calls":[{"id":"call00000","type":"function","function":{"name":"now","arguments":"{}"}}]},
 {"role":"tool","tool_call_id":"call00000","content":"noon <|im_end|>"}]
END
expect 0 keep run demo --messages "$work/m.json" --template "$work/t1" --tools "$work/tools.json" --max-tokens 8 --json
$python -c 'import json,sys; json.loads(open(sys.argv[1]).read())' "$out" || fail "no JSON"

# reasoning: exactly so many tokens, then its end; without a limit as long as the model likes
template '{# </think> #}' '<think>' >"$work/think"
for budget in 0 7 20; do
	expect 0 keep run demo "What is a ticket?" --template "$work/think" --think $budget --json --max-tokens 40 --temp 1.5 --seed 3
	cp "$out" "$work/think.$budget"
done
$python - "$work" <<'END' || fail "reasoning does not end where its budget does"
import json, sys
v = {n: json.loads(open("%s/think.%d" % (sys.argv[1], n)).read()) for n in (0, 7, 20)}
end = v[0]["tokens"][:3]
assert v[7]["tokens"][:7] == v[20]["tokens"][:7] and v[7]["tokens"][7:10] == v[20]["tokens"][20:23] == end, v
assert all(x["text"].count("</think>") == 1 and "</think>" not in x["content"] for x in v.values()), v
assert "reasoning" not in v[0] and v[20]["text"].startswith(v[20]["reasoning"][:5]), v
END
template '{# </think> <tool_call> tools #}' '<think>' >"$work/both"
expect 0 keep run demo "What is a ticket?" --template "$work/both" --think 5 --tools "$work/tools.json" --tool-choice required --one-call --json --temp 1 --seed 5
$python "$work/check.py" "$out" one || fail "behind reasoning: $(cat "$out")"
echo '{"enum":["yes","no"]}' >"$work/s.json"
expect 0 keep run demo "What is a ticket?" --template "$work/think" --think 5 --json-schema "$work/s.json" --json
case $(member "$out" content) in '"yes"' | '"no"') ;; *) fail "not held behind reasoning: $(cat "$out")" ;; esac

# refusals
expect 1 keep run demo x --tools "$work/tools.json"
says 'writes no calls that are known here'
sed 's/"maxLength":9/"contains":3/' "$work/tools.json" >"$work/bad.json"
expect 1 keep run demo x --tools "$work/bad.json" --template "$work/t1"
says 'tool "weather", parameters #/properties/town: a keyword outside the subset: "contains"'
expect 1 keep run demo x --tools "$work/tools.json" --template "$work/t1" --tool-choice later
says 'none is called "later"'
echo '[{}]' >"$work/bad.json"
expect 1 keep run demo x --tools "$work/bad.json" --template "$work/t1"
says 'tools\[0\]: not'
expect 1 keep run demo x --tools "$work/tools.json" --template "$work/t1" --tool-choice required --max-tokens 3
says 'cut off before it was complete: length'
expect 2 keep run demo x --tool-choice auto
expect 2 keep run demo x --tools "$work/tools.json" --raw
expect 2 keep run demo x --tools "$work/tools.json" --json-schema "$work/s.json"
expect 2 keep run demo x --think much
