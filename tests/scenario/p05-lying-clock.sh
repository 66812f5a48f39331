#!/bin/sh
# A wall clock that lies: set back it cannot make an expired certificate good again, set forward it breaks nothing for good; both are recorded.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
[ -x "$KEEP_BUILD/tests/faults/keepd_clock" ] || skip 'no keepd_clock in this build'
mkdir "$work/libexec"
ln -s "$KEEP_BUILD/tests/faults/keepd_clock" "$work/libexec/keepd"
ln -s "$KEEP_BUILD/attest/keep-attest" "$work/libexec/keep-attest"
ln -s "$KEEP_BUILD/runtime/keep-runtime" "$work/libexec/keep-runtime"
export KEEP_LIBEXEC="$work/libexec" KEEP_TEST_CLOCK="$work/clock"
wall() { # OFFSET in seconds
	printf '%-20s' "$1" | dd of="$work/clock" conv=notrunc bs=32 2>/dev/null
}
truncate -s 4096 "$work/clock"
wall 0
day=86400
keep init >"$out" 2>"$err" || fail init
ca
mkdir "$work/demo"
cp "$demo/demo.gguf" "$demo/LICENSE" "$work/demo/"
leaf release release@example.org 30
sign_as release
expect 0 keep trust add acme --root "$work/ca.pem" --identity release@example.org
code() { # CODE or accepted
	keep import "$work/demo" --json >"$out" 2>"$err" </dev/null
	[ "$(member "$out" code)" = "$1" ] || fail "$(member "$out" code), not $1: $(member "$out" detail)"
	[ "$1" != accepted ] || keep rm demo >"$out" 2>"$err" || fail rm
}
clock() { # KEY: of keep status --json
	keep status --json >"$work/status" 2>"$err" || fail status
	$python -c 'import json, sys; print(json.load(open(sys.argv[1]))["clock"][sys.argv[2]])' "$work/status" "$1"
}
code accepted
[ "$(clock by)" = wall ] || fail 'the wall clock is right and does not judge'
# forward, far beyond the certificate: expired as long as the clock says so, and good again when it is set right
wall $((40 * day))
code expired
wall 0
code accepted
# back to 1970: the floor judges, not the wall
wall -$(date +%s)
code not-yet
[ "$(clock by)" = floor ] || fail 'a clock of 1970 judges'
[ "$(clock behind_s)" -gt $((300 * day)) ] || fail "behind: $(clock behind_s)"
expect 0 keep status
says 's behind the floor clock'
expect 0 keep audit ls --json
grep -q '"event":"start".*"wall_s":[0-9],.*"behind_s":[1-9][0-9]*' "$out" || grep -q '"event":"start".*"behind_s":[1-9][0-9]*' "$out" || fail 'nothing about the clock in the record of the start'
grep '"event":"import-verdict"' "$out" | tail -n 1 | grep -q '"clock":"floor"' || fail 'the verdict does not name the floor'
# back to where a certificate that ended years ago was good: it stays expired
old_leaf former release@example.org
sign_as former
wall 0
code expired
wall $(($(date -u -d 2020-01-15 +%s) - $(date +%s)))
code expired
sign_as release
# set while keepd runs: an event, back and forth
wall 0
start_up
wall -$((2 * day))
wait_for 'keep audit ls --json 2>/dev/null | grep -q "\"why\":\"step\",\"step_ns\":-17[0-9]*"' 'the step'
wall 0
wait_for 'keep audit ls --json 2>/dev/null | grep -q "\"why\":\"step\",\"step_ns\":17[0-9]*"' 'the step back'
stop_up
expect 0 keep audit verify
# the floor in the state, raised by hand to a later time, cannot be forged: the state's digest covers it
chmod -R u+w "$KEEP_ROOT/store"
$python - "$KEEP_ROOT/store/log.db" <<'PY' || fail edit
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
(row,) = c.execute("select row from singles where name = 'clock'").fetchone()
c.execute("update singles set row = ? where name = 'clock'", (b"\0" * 8 + row[8:],))
c.commit()
PY
expect 1 keep audit verify
says 'rows of state'
