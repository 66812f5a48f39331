#!/bin/sh
# The benchmark goes through the gate: every request of it is in the log with its outcome, and its numbers are all there.
. "$(dirname "$0")/lib.sh"
usage() {
	expect 2 keep bench "$@"
	[ -s "$out" ] && fail "\"$*\" printed data"
	says usage
}
usage
usage demo more
usage demo --prompt 0
usage demo --prompt 1048577
usage demo --generate 1
usage demo --repeat 0
usage demo --repeat 101
usage demo --parallel 65
usage demo --parallel 0
usage demo --parallel 1,2,x
usage demo --parallel 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
usage demo --ctx-sweep 0
usage demo --kv f8
appliance
expect 0 keep bench demo --prompt 8 --generate 3 --parallel 1,3 --ctx-sweep 16 --repeat 2 --json
cp "$out" "$work/bench.json"
keep audit ls --count 100000 --json >"$work/log" || fail 'audit ls'
$python - "$work/bench.json" "$work/log" <<'PY' || fail 'the document or the log is not as it should be'
import json, sys
b = json.load(open(sys.argv[1]))
log = [json.loads(l) for l in open(sys.argv[2])]
def need(ok, what):
    if not ok: sys.exit(what)
need(b["model"] == "demo" and b["device"] == "reference" and b["kind"] == "reference", "names")
need((b["prompt"], b["generate"], b["repeat"]) == (8, 3, 2), "lengths")
got = [(t["test"], t["n"], t["unit"]) for t in b["tests"]]
need(got == [("prompt", 8, "tok/s"), ("first token", 8, "ms"), ("generate", 3, "tok/s"), ("at once", 1, "tok/s"),
    ("at once", 3, "tok/s"), ("context prompt", 16, "tok/s"), ("context first token", 16, "ms"),
    ("context generate", 16, "tok/s")], got)
loops = b["read"]["loops"]
need([l["threads"] for l in loops][:1] == [1] and b["read"]["share"] > 0, "read loops")
for t in b["tests"] + loops:
    s = sorted(t["samples"])
    need(len(s) == 2 and s[0] > 0 and t["min"] == s[0] and t["max"] == s[1] and s[0] <= t["median"] <= s[1], t)
for k in "load_ns", "weight_bytes", "kv_bytes", "work_bytes", "token_bytes":
    need(b[k] > 0, k)
need(b["token_bytes"] <= b["weight_bytes"], "a token reads more than there is")
# one to warm up, then 1 + 1 + 1 + 3 + 1 in each of two rounds; all different, none from the cache, each with its outcome
asked = [r for r in log if r["event"] == "request" and b["first_index"] <= r["index"] <= b["last_index"]]
need(b["requests"] == 15 and len(asked) == 15, "%d requests said, %d recorded" % (b["requests"], len(asked)))
need(b["cached_tokens"] == 0, "the cache helped")
ends = {r["intent"]: r for r in log if r["event"] == "outcome"}
need(all(ends[r["index"]]["finish"] == "length" for r in asked), "an outcome is missing")
PY
# what people see, from an appliance that is up, twice: other prompts each time
start_up
for i in 1 2; do
	expect 0 keep bench demo --prompt 200 --generate 2 --parallel '' --repeat 1
	says 'read loop'
	says ' 0 tokens came from the cache'
	says_not 'at once'
done
stop_up || fail 'keep up'
keep audit ls --count 100000 --json | sed -n 's/.*"event":"request".*"digest":"\([0-9a-f]*\)".*/\1/p' >"$work/digests"
[ "$(wc -l <"$work/digests")" = 21 ] && [ "$(sort -u "$work/digests" | wc -l)" = 21 ] || fail 'requests were asked twice'
# more than the context of the model
expect 1 keep bench demo --prompt 100000 --generate 2 --parallel '' --repeat 1
expect 1 keep bench nosuch --prompt 1 --repeat 1
expect 0 keep audit verify
