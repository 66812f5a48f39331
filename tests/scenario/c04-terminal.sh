#!/bin/sh
# Colours and bars only on a terminal that wants them; a model's text cannot drive the terminal.
. "$(dirname "$0")/lib.sh"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) is not there or gets no terminal"
appliance
unset NO_COLOR
on_terminal() { script -qec "$*" /dev/null </dev/null >"$out" 2>/dev/null; }
k=$KEEP_BUILD/appliance/cli/keep
esc=$(printf '\033')
TERM=xterm on_terminal "$k ls" && grep -q "$esc\\[2m" "$out" || fail "no style on a terminal"
TERM=dumb on_terminal "$k ls" && ! grep -q "$esc" "$out" || fail "TERM=dumb has styles"
NO_COLOR=1 TERM=xterm on_terminal "$k ls" && ! grep -q "$esc\\[[0-9]*m" "$out" || fail "NO_COLOR has styles"
TERM=xterm keep ls >"$out" && ! grep -q "$esc" "$out" || fail "a file has styles"
# all 256 byte tokens of the demo model, as an answer would print them, through a terminal and through a pipe
TERM=xterm on_terminal "$k --root $KEEP_ROOT run demo --raw --ignore-eos --temp 50 --seed 3 --max-tokens 300 x"
tr -d '\t\r\n' <"$out" | sed "s/$esc\\[[0-9]*[mK]//g" | LC_ALL=C grep -q '[[:cntrl:]]' && fail "control characters reached the terminal"
# the conversation: two questions, a command, the end
printf 'What is a ticket?\n/reset\nWhat is a grant?\n/quit\n' >"$work/talk"
script -qec "$k run demo" /dev/null <"$work/talk" >"$out" 2>/dev/null || fail "the conversation"
[ "$(grep -c 'tok/s' "$out")" = 2 ] || fail "two answers, $(grep -c 'tok/s' "$out") came"
exit 0
