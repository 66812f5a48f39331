#!/bin/sh
# A conversation at a terminal: editing, history, pasting, several lines, files, commands, an answer that is stopped.
. "$(dirname "$0")/lib.sh"
$python -c 'import pty; pty.openpty()' 2>/dev/null || skip "no pseudo-terminal is to be had here"
appliance
export TERM=xterm XDG_STATE_HOME="$work/state"
cd "$work" || exit 99
printf 'alpha <|end|> beta\n' >note.txt
talk() { $python "$KEEP_SOURCE/tests/scenario/talk.py" "$KEEP_BUILD/appliance/cli/keep" run demo --max-tokens 12 "$@" >"$out" 2>"$err"; }
history=$XDG_STATE_HOME/keep/history

talk <<'END' || fail "the first conversation"
wait >>>
send What is a ticket?\r
wait tok/s
wait >>>
# up, to the beginning, a letter, to the end, more
send \e[A\x01X\x05 again\r
wait again
wait tok/s
wait >>>
# of two lines that are pasted none is sent, nor is one a command
send \e[200~/quit\r\e]0;title\x07two\e[201~ three\r
wait tok/s
wait >>>
send """\r
wait ...
send first\r
wait ...
send second"""\r
wait tok/s
wait >>>
send third \\\r
wait ...
send fourth\r
wait tok/s
wait >>>
# a line that is dropped, and one that is not kept
send dropped\x03
wait >>>
send  unkept\r
wait tok/s
wait >>>
send /system Be brief.\r
wait >>>
send /file note.txt\r
wait next question
wait >>>
send /file absent.txt\r
wait absent.txt: 
wait >>>
send /nothing\r
wait no such command
wait >>>
send What is in it?\r
wait tok/s
wait >>>
send /save talk.json\r
wait 15 messages
wait >>>
send \x04
end 0
END
$python - <<'END' || fail "the messages"
import json
m = json.load(open("talk.json"))
said = [x["content"] for x in m if x["role"] == "user"]
want = ["What is a ticket?", "XWhat is a ticket? again", "/quit\n]0;titletwo three", "first\nsecond", "third \nfourth", " unkept",
        "--- note.txt ---\nalpha <|end|> beta\n--- end of note.txt ---\n\nWhat is in it?"]
assert said == want, said
assert m[0] == {"role": "system", "content": "Be brief."}, m[0]
assert [x["role"] for x in m[1:]] == ["user", "assistant"] * 7
END
[ "$(stat -c %a "$history")" = 600 ] && [ "$(stat -c %a talk.json)" = 600 ] || fail "a file of what was said is not ours alone"
grep -q 'XWhat' "$history" || fail "the history was not kept"
grep -q -e dropped -e unkept "$history" && fail "the history has what it should not"

# the history comes back; cleared, there is only what was there in front
talk --system 'Be kind.' <<'END' || fail "the second conversation"
wait >>>
send \e[A\e[A\r
wait What is in it?
wait tok/s
wait >>>
send /clear\r
wait forgotten
send /system\r
wait Be kind.
send /save kind.json\r
wait 1 messages
send /quit\r
end 0
END
before=$(cksum <"$history")
talk --no-history <<'END' || fail "without history"
wait >>>
send \e[A\r
wait >>>
send secret words\r
wait tok/s
wait >>>
send \x04
end 0
END
[ "$(cksum <"$history")" = "$before" ] || fail "--no-history wrote the history"

# an answer is stopped, stays, and the conversation goes on; where it was over before, once more
for try in 1 2 3 4 5; do
	talk --ignore-eos --max-tokens 480 <<'END' || fail "an answer that is stopped"
wait >>>
send What is a ticket?\r
wait A ticket
send \x03
wait record
wait >>>
send /save stopped.json\r
wait 2 messages
wait >>>
send \x04
end 0
END
	grep -q cancelled "$out" && break
done
grep -q cancelled "$out" || fail "no answer was stopped"

# an operator ends its session: it says so, and does not ask on
talk <<END || fail "a conversation that an operator ends"
wait >>>
send What is a ticket?\\r
wait tok/s
wait >>>
run "$KEEP_BUILD/appliance/cli/keep" stop demo --reason maintenance
send And what is a record?\\r
wait demo: the session was ended
end 1
END
expect 0 keep audit ls --event halt --json
says '"reason":"maintenance"'

# files without a terminal: in front of a prompt, and of standard input
unset TERM
expect 0 keep run demo --file note.txt --max-tokens 4 'What is in it?' --json
with=$(member "$out" n_prompt)
expect 0 keep run demo --max-tokens 4 'What is in it?' --json
[ "$with" -gt "$(member "$out" n_prompt)" ] || fail "the file was not asked about"
echo 'What is in it?' | keep run demo --file note.txt --max-tokens 4 >"$out" 2>"$err" || fail "a question on standard input"
printf 'a\000b' >zero.txt
printf '\377' >latin.txt
for f in zero.txt latin.txt; do
	expect 1 keep run demo --file $f x
	says "$f: not text in UTF-8"
done
expect 1 keep run demo --file . x
expect 2 keep run demo --file note.txt --tokens 1,2
exit 0
