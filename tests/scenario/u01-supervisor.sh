#!/bin/sh
# The supervisor, with stand-ins for the daemons: the socket protocol, bounded restarts, giving up, order of the stop, one per appliance.
. "$(dirname "$0")/lib.sh"
lib=$work/lib
mkdir -p "$lib" "$KEEP_ROOT/run" "$KEEP_ROOT/store"
program() { # NAME, body from stdin
	{ echo '#!/bin/sh'; cat; } >"$lib/$1"
	chmod +x "$lib/$1"
}
export KEEP_LIBEXEC="$lib" WORK="$work"
up() { "$KEEP_BUILD/appliance/cli/keep" up "$@" >"$work/up.log" 2>&1; }
# what a daemon is given
program keepd <<'PY'
{ [ "$LISTEN_PID" = $$ ] && [ "$LISTEN_FDS" = 1 ] && [ -S /dev/fd/3 ] && [ -n "$NOTIFY_SOCKET" ] && echo good; echo "$*"; } >"$WORK/keepd.saw"
ls -l /proc/$$/fd >"$WORK/keepd.fds"
trap 'echo keepd >>"$WORK/order"; exit 0' TERM
while :; do sleep 0.1; done
PY
program keep-runtime <<'PY'
echo "$*" >"$WORK/runtime.saw"
trap 'echo runtime >>"$WORK/order"; exit 0' TERM
while :; do sleep 0.1; done
PY
program keep-attest <<'PY'
[ -S /dev/fd/3 ] && echo job >>"$WORK/jobs"
PY
"$KEEP_BUILD/appliance/cli/keep" up --device 'my gpu' >"$work/up.log" 2>&1 4<"$lib/keep-attest" 7<"$lib/keep-attest" &
up_pid=$!
wait_for '[ -s "$work/keepd.fds" ] && [ -s "$work/runtime.saw" ]' "the daemons"
grep -q '^good$' "$work/keepd.saw" || fail "keepd: $(cat "$work/keepd.saw")"
grep -q -- "--store $KEEP_ROOT/store --run $KEEP_ROOT/run" "$work/keepd.saw" || fail "keepd: $(cat "$work/keepd.saw")"
grep -q -- '^--device my gpu$' "$work/runtime.saw" || fail "runtime: $(cat "$work/runtime.saw")"
grep -q keep-attest "$work/keepd.fds" && fail "keepd inherited what our caller left open: $(cat "$work/keepd.fds")"
$python - "$KEEP_ROOT/run/attest.sock" <<'PY' || fail "attest.sock"
import socket, sys
for _ in range(3):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); s.recv(1); s.close()
PY
wait_for '[ "$(wc -l <"$work/jobs")" = 3 ]' "three jobs"
expect 1 up
grep -q 'already served' "$work/up.log" || fail "two of them"
stop_up || fail "the stop ended with $?"
[ "$(head -n 1 "$work/order")" = keepd ] || fail "keepd was not stopped first"
[ "$(wc -l <"$work/order")" = 2 ] || fail "not everybody was told to stop"
# a daemon that cannot start stops the appliance, in bounded time, and says so
program keepd <<'PY'
exit 1
PY
expect 1 up
grep -q 'keepd.*giving up' "$work/up.log" || fail "$(cat "$work/up.log")"
[ "$(grep -c 'keepd exited' "$work/up.log")" -le 5 ] || fail "more than five starts"
expect 3 keep status
says 'keepd'
# one that is not there
rm "$lib/keepd"
expect 1 up
grep -q "$lib/keepd" "$work/up.log" || fail "$(cat "$work/up.log")"
expect 3 keep status
says 'keepd'
# one that does not end is killed
program keepd <<'PY'
trap '' TERM
echo on >"$WORK/deaf"
while :; do sleep 0.1; done
PY
"$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
up_pid=$!
wait_for '[ -s "$work/deaf" ]' "a deaf keepd"
stop_up || fail "the stop ended with $?"
grep -q 'is killed' "$work/up.log" || fail "$(cat "$work/up.log")"
