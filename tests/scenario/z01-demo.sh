#!/bin/sh
# packaging/demo runs from the first step to the last, on the device that is there.
. "$(dirname "$0")/lib.sh"
unset KEEP_DEVICE KEEP_ROOT
expect 0 env TMPDIR="$work" "$KEEP_SOURCE/packaging/demo"
says 'everything can be repeated'
cat "$out"
[ "$(grep -c '=>' "$out")" -ge 12 ] || fail "a step is missing"
