#!/bin/sh
# How long a context is: sessions of HTTP have what keep up was told, an answer ends where its context does however much was asked for, and a
# prompt that is longer is refused in numbers. keep up has a socket for monitors.
. "$(dirname "$0")/lib.sh"
appliance
for wrong in 0 4k 1048577 -1; do
	expect 2 keep up --ctx "$wrong"
	says 'ctx: 1 to 1048576 tokens'
done
expect 2 env KEEP_CTX=x "$KEEP_BUILD/appliance/cli/keep" up
start_up --ctx 100
socket=$KEEP_ROOT/run/http.sock
client() { expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$socket" "$1"; }
client context
expect 0 keep audit ls --event load --json
says '"ctx_tokens":100'
# the terminal asks for what it means
expect 1 keep run demo 'What is Keep?' --max-tokens 4000
says 'tokens of prompt and 4000 to generate exceed the context of 100 tokens'
expect 0 keep run demo 'What is Keep?' --ctx 300 --max-tokens 200
# who names no number gets what the prompt leaves: 60 tokens or so, and then the end of the context
expect 0 keep run demo "$(printf 'What is Keep? %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14)" --ignore-eos --json
[ $(($(member "$out" n_prompt) + $(member "$out" n_generated))) = 100 ] && [ "$(member "$out" n_prompt)" -gt 50 ] ||
	fail 'an answer without a number does not end with its context'
# a monitor's socket, and nothing else on it
[ -S "$KEEP_ROOT/run/metrics.sock" ] || fail 'no metrics.sock'
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/metrics.sock" metrics
stop_up || fail "keep up ended with $?"
[ ! -e "$KEEP_ROOT/run/metrics.sock" ] || fail 'metrics.sock is left'
# without a word of anybody: what the model was trained on, as far as memory allows
expect 0 keep run demo --plan --json
[ "$(member "$out" ctx_tokens)" = 512 ] || fail 'the demo model does not have its whole context'
expect 0 keep audit verify
