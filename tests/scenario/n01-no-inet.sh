#!/bin/sh
# Nothing leaves: over init, sign, import, serving, answering, tampering and replay, no process makes a socket but of AF_UNIX.
. "$(dirname "$0")/lib.sh"
command -v strace >/dev/null || skip "strace is not installed"
strace -f -o "$work/probe" true 2>"$err" || skip "strace may not trace here"
trace=$work/trace
mkdir "$trace"
traced() { strace -ff -qq -e trace=socket,socketpair,connect,bind -o "$trace/t" "$KEEP_BUILD/appliance/cli/keep" "$@"; }
expect 0 traced init
publisher
mkdir "$work/demo" && cp "$demo/demo.gguf" "$demo/LICENSE" "$work/demo/"
expect 0 traced sign "$work/demo" --key "$work/pub.key.pem"
expect 0 traced verify "$work/demo" --bundle "$work/demo/model.sig" --key "$work/pub.pub.pem"
expect 0 traced trust add pub --key "$work/pub.pub.pem"
strace -ff -qq -e trace=socket,socketpair,connect,bind -o "$trace/u" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
tracer=$!
wait_for 'grep -q ": ready" "$work/up.log"' "keep up"
expect 0 traced import "$work/demo"
expect 0 traced run demo 'What is a ticket?' --save-request "$work/q.req" --json
expect 0 traced audit replay "$(member "$out" index)" --request "$work/q.req"
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" answers
echo x >>"$work/demo/LICENSE"
expect 1 traced import "$work/demo" --name copy
expect 0 traced audit verify
pkill -TERM -P $tracer -x keep
wait $tracer
for name in keepd keep-runtime; do
	grep -q . "$trace"/u.* || fail "nothing was traced"
done
n=$(cat "$trace"/* | grep -c 'socket')
[ "$n" -gt 5 ] || fail "only $n calls were seen"
cat "$trace"/* | grep -E '^[0-9 ]*(socket|socketpair)\(' | grep -v 'AF_UNIX' >"$out" && fail "a socket of another family"
cat "$trace"/* | grep -E 'sa_family=AF_' | grep -v 'AF_UNIX' >"$out" && fail "an address of another family"
exit 0
