#!/bin/sh
# What runs is shown, and ended by those who may: a session with its requests, then a model; each is a record, and nothing else changes.
. "$(dirname "$0")/lib.sh"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "script(1) is not there or gets no terminal"
appliance
start_up
expect 0 keep ps
says 'nothing is loaded'
expect 1 keep stop demo
says 'model demo: is not loaded'
expect 1 keep stop nobody
says 'model nobody: there is none'
expect 1 keep stop 12345
says 'session 12345: none of yours is open'
expect 1 keep stop 99999999999999999999999
questions=$work/questions
i=0
while [ $i -lt 60 ]; do i=$((i + 1)) && echo "What is a ticket, number $i?"; done >"$questions"
talk() { # question after question on one session, which hangs up by itself only when it is told to
	rm -f "$work/fifo" && mkfifo "$work/fifo"
	script -qec "$KEEP_BUILD/appliance/cli/keep run demo --raw --ignore-eos --max-tokens 400" /dev/null <"$work/fifo" >"$work/talk.out" 2>/dev/null &
	talker=$!
	exec 9>"$work/fifo"
	cat "$questions" >&9
	wait_for '[ "$(wc -c <"$work/talk.out")" -gt 2000 ]' "an answer"
}
hang_up() {
	exec 9>&-
	kill $talker 2>/dev/null
	wait $talker 2>/dev/null
}
sessions() { keep ps --json | $python -c 'import json, sys; print(*[s["session"] for s in json.load(sys.stdin)["sessions"] if s["requests_open"]])'; }
talk
wait_for '[ -n "$(sessions)" ]' "the session"
n=$(sessions)
expect 0 keep ps
says '^demo +ready +'
says "^$n +demo +uid:[0-9]+ +[0-9]+ +([01]|0, 1 wait) +([0-9.]+|-) *$"
expect 0 keep stop "$n" --reason 'long enough'
says "session $n: ended, with [01] requests that ran, record [0-9]+"
wait_for 'grep -q "the session was ended" "$work/talk.out"' "the word to the client"
expect 1 keep stop "$n"
hang_up
expect 0 keep audit ls --event halt
says 'halt .*demo +session .*long enough'
keep audit ls --event session-end --json | grep -q "\"session\":$n,\"why\":\"stopped\"" || fail 'the session ended otherwise'
# the model, with whoever uses it; then it is asked again as if nothing had been
talk
expect 0 keep stop demo
says 'model demo: stopped; 1 sessions were ended'
wait_for 'grep -q "the session was ended" "$work/talk.out"' "the word to the client"
hang_up
wait_for 'keep ps 2>&1 | grep -q "nothing is loaded"' "the unloading"
expect 0 keep run demo --raw --max-tokens 4 x
expect 0 keep ls
says 'demo +accepted'
stop_up
expect 0 keep audit orphans
expect 0 keep audit verify
