#!/bin/sh
# Quotas from a file to a refusal: checked, installed, recorded; the terminal and HTTP share what is left, and are told when there is more.
. "$(dirname "$0")/lib.sh"
appliance
file=$work/site.quota
me=uid:$(id -u)
printf '[principal %s]\nparallel = two\n' "$me" >"$file"
expect 1 keep quota check "$file"
says "site.quota:2: a number is decimal digits"
expect 1 keep quota set "$file"
expect 0 keep quota show
says 'none were set'
printf '[principal %s]\nmodels = demo\nmax-tokens = 30\ntokens-per-day = 50\n[everyone]\nmodels = none\n' "$me" >"$file"
expect 0 keep quota check "$file"
says 'good, 2 sections'
expect 0 keep quota set "$file" --reason 'a small allowance'
expect 0 keep quota show
cmp -s "$out" "$file" || fail 'quota show does not print what was installed'
expect 0 keep audit ls --event quota-set --json
says '"sections":2,"reason":"a small allowance"'

expect 1 keep run demo 'What is a ticket?' --max-tokens 31
says 'line 1 of the quotas allows answers of 30 tokens'
expect 0 keep run demo 'What is a ticket?' --max-tokens 8
expect 0 keep quota ls --json
used=$(member "$out" day_tokens)
[ "$used" -gt 19 ] && [ "$used" -lt 31 ] || fail "$used tokens are charged"
expect 4 keep run demo 'And?' --max-tokens 30 --raw
says 'of the 50 tokens of this day are left \(line 1 of the quotas\); try again in [0-9]+ s'
expect 0 keep audit ls --event quota-spent --json
says "\"principal\":\"$me\",\"limit\":50,\"tokens\":$used"

# the same person over HTTP: one allowance
start_up
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" quota
expect 0 keep quota ls
says "$me +1 +0 .* $used/50"
# words: a pinned prompt and tools, until another file says otherwise
printf '[everyone]\ntools = weather\nsystem = You answer for the planning office, and you name the sources of everything that you say.\nsystem = You never guess.\n' >"$file"
expect 0 keep quota set "$file"
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" pinned
printf '[everyone]\n' >"$file"
expect 0 keep quota set "$file"
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" unpinned
# larger than all of a window: for good, in words; what is merely used up today: tomorrow
printf '[everyone]\ntokens-per-minute = 400\n' >"$file"
expect 0 keep quota set "$file"
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" never
expect 1 keep run demo 'What is a ticket?' --max-tokens 400
says 'max_tokens 400, with a prompt: line 1 of the quotas allows 400 tokens a minute$'
for i in $(seq 600); do
	expect 0 keep quota ls --json
	[ "$(member "$out" running)" != 0 ] || break
	sleep 0.05
done
printf '[everyone]\ntokens-per-day = %d\n' $(($(member "$out" day_tokens) + 12)) >"$file"
expect 0 keep quota set "$file"
expect 4 keep run demo 'What is a ticket?' --max-tokens 8
says 'tokens of prompt and 8 to generate exceed the 12 tokens that a quota leaves now; try again in [0-9]+ s'
expect 0 keep audit ls --event outcome --json
says '"finish":"spent"'
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" later
stop_up || fail "keep up ended with $?"
expect 0 keep audit verify
