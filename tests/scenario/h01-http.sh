#!/bin/sh
# HTTP: what a client asks is answered whole and streamed, with the digests that stand in the log; what is wrong is refused by name; who
# hangs up is cancelled, and everything is recorded under the principal that asked.
. "$(dirname "$0")/lib.sh"
appliance
start_up
socket=$KEEP_ROOT/run/http.sock
client() { expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$socket" "$@"; }

[ -z "$(child keep-gateway)" ] || fail 'the gateway runs before anybody asked'
client answers
pid=$(child keep-gateway)
[ -n "$pid" ] || fail 'no gateway was started'
expect 0 keep audit ls --event session --json
says "\"principal\":\"uid:$(id -u)\""
client messages
client choices
client refused
client hang_up_stream
client waiting "$(child keep-runtime)"
requests() { keep audit ls --event request --json | grep -c .; }
before=$(requests)
$python "$KEEP_SOURCE/tests/scenario/client.py" "$socket" hang_up &
asker=$!
wait_for '[ "$(requests)" -gt "$before" ]' 'a request'
kill $asker
wait_for 'keep audit ls --event outcome | grep -c cancelled | grep -qx 2' 'two answers that nobody reads are cancelled'
[ "$(child keep-gateway)" = "$pid" ] || fail 'the gateway did not survive its clients'

# it can open no file and no network
grep -q '^Seccomp:	2' "/proc/$pid/status" || fail 'the gateway has no filter'
grep -q '^NoNewPrivs:	1' "/proc/$pid/status" || fail 'the gateway may gain privileges'
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
kill -0 "$pid" 2>/dev/null && fail 'the gateway is left'
[ ! -e "$socket" ] || fail 'http.sock is left'
