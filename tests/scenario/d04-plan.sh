#!/bin/sh
# What a model takes is said before it is loaded, to the byte; layers over two devices give the bits of one, and records name both.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo --plan
says 'DEVICE +LAYERS +WEIGHTS'
says '^fits'
expect 0 keep run demo --plan --json --kv int8
cp "$out" "$work/plan"
[ "$(keep audit ls --event load --json | wc -l)" = 0 ] || fail "a plan loaded the model"
expect 0 keep run demo 'What is a ticket?' --seed 1 --kv int8 --json
[ "$(member "$out" kv_mode)" = int8 ] || fail "the answer does not say int8"
expect 0 keep audit ls --event load --json
$python - "$work/plan" "$out" <<'END' || fail "the plan and the load differ"
import json, sys
plan = json.loads(open(sys.argv[1]).read())
load = json.loads(open(sys.argv[2]).read().strip().split("\n")[-1])
load = load.get("record", load)
data = load.get("data", load)
for key in "weight_bytes", "kv_bytes", "work_bytes":
    assert sum(d[key] for d in plan["devices"]) == data[key], (key, plan, data)
assert data["kv_mode"] == "int8"
END
expect 0 keep run demo 'What is a ticket?' --seed 1 --json
member "$out" tokens_digest >"$work/one"
layers=$(member "$work/plan" layers)
[ "$layers" -ge 2 ] || fail "the demo model has one layer"
export KEEP_DEVICE='reference;native' KEEP_SPLIT="1,$((layers - 1))"
expect 0 keep run demo --plan
says 'reference +0 to 0'
says "CPU.* +1 to $((layers - 1))"
expect 0 keep run demo 'What is a ticket?' --seed 1 --json
member "$out" tokens_digest >"$work/two"
member "$out" device | grep -q 'reference layers 0-0; .*layers 1-' || fail "the answer does not name both devices"
cmp -s "$work/one" "$work/two" || fail "two devices give other tokens than one"
export KEEP_SPLIT="1,$layers"
expect 1 keep run demo --plan
says "the split is of $((layers + 1)) layers, the model has $layers"
expect 1 keep run demo hello
says "the split is of"
expect 1 keep up --device reference --split 1,1
expect 0 keep audit verify
