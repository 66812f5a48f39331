#!/bin/sh
# The doctor finds nothing bad with a healthy appliance, sees its processes, and finds what was broken on purpose.
. "$(dirname "$0")/lib.sh"
doctor() { keep doctor "$@"; }
expect 2 doctor nonsense
says 'no such check'
expect 0 doctor kernel program clock
says 'ok +kernel sandbox'
says 'ok +program symbols'
expect 0 doctor --json symbols
[ "$(member "$out" ok)" = 1 ] || fail "the count of verdicts is wrong"
expect 0 doctor device
says 'reference: [0-9]+ kernels give the bits'
appliance
start_up
expect 0 keep run demo 'What is a ticket?'
doctor processes >"$out" 2>"$err"
status=$?
if [ "$(id -u)" = 0 ]; then
	[ $status = 0 ] || fail "doctor processes ended with $status"
	says 'keepd \(process [0-9]+\) may open no network socket, and has none'
	says 'keep-runtime \(process [0-9]+\) may open no network socket, and has none'
else # whose descriptors are whose only root may see, since our processes let nobody trace them
	[ $status = 3 ] || fail "doctor processes ended with $status"
	says 'keepd \(process [0-9]+\) may open no network socket; which it holds'
fi
stop_up

# a runtime that is not there, one that runs as its owner, and one that asks a resolver
mkdir "$work/bin"
for p in audit/keepd attest/keep-attest runtime/keep-runtime appliance/gateway/keep-gateway packaging/keep-setup packaging/keep-update; do
	cp -L "$KEEP_BUILD/$p" "$work/bin/"
done
export KEEP_LIBEXEC="$work/bin"
expect 0 doctor program
chmod u+s "$work/bin/keepd"
expect 1 doctor files
says 'keepd runs as somebody else'
chmod u-s "$work/bin/keepd"
rm "$work/bin/keep-runtime"
expect 1 doctor files
says 'keep-runtime: not there'
cp -L "$(command -v getent)" "$work/bin/keep-runtime"
expect 1 doctor symbols
says 'keep-runtime imports (get|inet)'
exit 0
