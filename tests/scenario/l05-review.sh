#!/bin/sh
# An auditor finds in the log what was done, by whom, with what; sees what happened between two checkpoints; and signs it off with a key of
# its own, on a machine of its own.
. "$(dirname "$0")/lib.sh"
appliance
start_up
expect 0 keep audit checkpoint --out "$work/before"
n=$(sed -n 2p "$work/before")
expect 0 keep run demo --raw --max-tokens 3 --json 'one'
request=$(member "$out" index)
expect 0 keep run demo --raw --max-tokens 3 --json 'two'
keep keygen --out "$work/second" 2>/dev/null || fail keygen
expect 0 keep trust add second --key "$work/second.pub.pem"
expect 0 keep trust rm second --reason 'a needle in the log'
expect 0 keep audit checkpoint --out "$work/after"

# filters: alternatives of one kind, and all kinds
found() { # COUNT FILTER…
	want=$1
	shift
	expect 0 keep audit ls --json "$@"
	[ "$(wc -l <"$out")" = "$want" ] || fail "ls $* found $(wc -l <"$out"), not $want"
}
me=$(id -u)
found 2 --event request
found 4 --event request --event outcome
found 4 --event request,outcome --actor "$me"
found 0 --event request --actor 4294967295
found 2 --event outcome --model demo # an answer is of the model that was asked
found 2 --model "$(keep show demo --json | $python -c 'import json,sys; print(json.load(sys.stdin)["model"][:12])')" --event outcome
found 2 --result length
found 1 --result accepted
found 0 --result refused
found 1 --text 'a needle'
found 0 --until 2020-01-01
found 2 --since 2020-01-01 --event request
found 1 --event request --last 1
[ "$(member "$out" index)" -gt "$request" ] || fail "the last one is not the newest"
found 1 --event request --count 1
[ "$(member "$out" index)" = "$request" ] || fail "the first one is not the oldest"
found 5 --from 0 --to 5
expect 0 keep audit ls --acts
says 'trust-remove .*a needle'
says_not ' outcome '
expect 1 keep audit ls --event request,no-such,outcome
says 'no-such: there is no such event'
expect 0 keep audit show "$request"
says '^time_ns +2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z$'
for bad in '--actor x' '--since yesterday' '--by nothing' '--event a-word-that-is-too-long-for-it'; do
	expect 2 keep audit ls $bad
done
# whoever looks is seen, with what was looked for
found 1 --event log-read --text 'event=request,outcome actor='

# what it adds up to
expect 0 keep audit summary --by model --json
grep -q '"name":"demo".*"requests":2.*"prompt_tokens":' "$out" || fail "no summary of demo"
expect 0 keep audit summary --by actor --event request,outcome --json
[ "$(member "$out" records)" = 4 ] && [ "$(member "$out" key)" = "$me" ] || fail "answers are not theirs who asked"
expect 0 keep audit summary --by event
says 'request +2 '
expect 2 keep audit summary --by colour
expect 0 keep audit orphans
says_not 'request'

# between two checkpoints: proven, counted, and act by act
expect 0 keep audit diff "$work/before" "$work/after"
says 'trust-add'
says 'trust-remove .*a needle'
says 'request +2 '
expect 0 keep audit diff "$n" --json
grep -q '"event":"trust-remove"' "$out" || fail "diff --json has no acts"
expect 0 keep audit diff "$work/after" "$work/after"
says 'nothing happened'
sed 's/^\([0-9]\)/1\1/' "$work/before" >"$work/wrong"
expect 1 keep audit diff "$work/wrong"
expect 1 keep audit diff 9999999
says 'the log has'

# signed off, here and elsewhere
(
	trap '' XFSZ
	ulimit -f 0 # no byte can be written
	keep role key auditor --out "$work/auditor.key"
) >/dev/null 2>&1
[ $? = 3 ] || fail "a key on a full disk"
keep role key auditor --out "$work/auditor.key" >"$work/auditor.vkey" 2>"$err" || fail "role key"
expect 0 keep audit sign-off 0..10 --key "$work/auditor.key" --remark 'read; in order' --question 'who is 1004?' --json
index=$(member "$out" index)
expect 0 keep audit show "$index"
says 'who is 1004'
vkey=$(cat "$work/auditor.vkey")
expect 0 keep audit sign-off 0..12 --vkey "$vkey" --remark 'elsewhere' --out "$work/draft"
expect 0 env KEEP_ROOT="$work/nowhere" "$KEEP_BUILD/appliance/cli/keep" audit sign-off --sign "$work/draft" --key "$work/auditor.key" --out "$work/signed"
says 'range 0 12'
expect 0 keep tlog note-verify --vkey "$vkey" "$work/signed"
sed 's/elsewhere/everywhere/' "$work/signed" >"$work/altered"
expect 1 keep audit sign-off --in "$work/altered"
says 'signature does not hold'
expect 0 keep audit sign-off --in "$work/signed"
says 'records 0 to 11 signed off'
expect 0 keep role key auditor --out "$work/other.key"
expect 1 keep audit sign-off --sign "$work/draft" --key "$work/other.key" --out "$work/none"
sed "s/^root .*/root $(head -c 32 /dev/zero | base64)/" "$work/draft" >"$work/lie"
expect 0 keep audit sign-off --sign "$work/lie" --key "$work/auditor.key" --out "$work/lied"
expect 1 keep audit sign-off --in "$work/lied"
says 'not this log'
expect 1 keep audit sign-off 0..99999 --key "$work/auditor.key" --remark x
expect 2 keep audit sign-off 7..7 --key "$work/auditor.key" --remark x
expect 2 keep audit sign-off 0..5 --key "$work/auditor.key"
found 2 --event review
expect 0 keep audit verify
stop_up
# a line of a listing says what its record is about, whatever the event
keep audit events --json >"$out"
$python - "$out" "$KEEP_SOURCE/appliance/base/facts.c" <<'END' || fail 'an event has no words in facts.c'
import json, sys
source = open(sys.argv[2]).read()
missing = [e for e in (json.loads(line)["event"] for line in open(sys.argv[1])) if f'{{ "{e}",' not in source]
print(*missing)
sys.exit(bool(missing))
END
