#!/bin/sh
# A recorded request runs again with the same bits, and nothing but that very request is taken for it.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo 'What is a grant?' --temp 1.2 --seed 42 --save-request "$work/a.req" --json
a=$(member "$out" index) digest=$(member "$out" tokens_digest)
[ "$(sha256sum <"$work/a.req" | cut -d' ' -f1)" = "$(member "$out" request_digest)" ] || fail "the saved request is not the recorded one"
[ "$(stat -c %a "$work/a.req")" = 600 ] || fail "others may read the request"
expect 0 keep run demo 'What is a grant?' --temp 1.2 --seed 43 --save-request "$work/b.req" --json
expect 0 keep audit replay "$a" --request "$work/a.req" --json
[ "$(member "$out" equal)" = true ] || fail "not equal"
grep -q "$digest" "$out" || fail "the digest is not shown"
# by its outcome's index too, and the replay is itself recorded
outcome=$(keep audit ls --json | sed -n "s/.*\"index\":\([0-9]*\),.*\"event\":\"outcome\",\"intent\":$a,.*/\1/p" | head -n 1)
expect 0 keep audit replay "$outcome" --request "$work/a.req"
says equal
keep audit ls --json | grep -q "\"replay_of\":$a" || fail "the replay is not recorded"
expect 1 keep audit replay "$a" --request "$work/b.req"
says "digest is"
expect 1 keep audit replay "$a"
says 'the log keeps no text of it; --request F gives'
# logits and token lists are requests like any other
expect 0 keep run demo --tokens 1020,5,6,7 --max-tokens 5 --save-request "$work/t.req" --json
expect 0 keep audit replay "$(member "$out" index)" --request "$work/t.req"
# after the model is gone there is nothing to run
expect 0 keep rm demo
expect 1 keep audit replay "$a" --request "$work/a.req"
expect 0 keep audit verify
