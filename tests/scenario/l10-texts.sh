#!/bin/sh
# Texts: records hold plain digests, salted commitments, or these and sealed texts, as the setting says; no text ever lies on the disk.
. "$(dirname "$0")/lib.sh"
appliance
start_up
last() { # EVENT: index of the newest record of that kind
	keep audit ls --json --event "$1" >"$work/ls" || fail "audit ls"
	member "$work/ls" index
}
nowhere() { # TEXT: in no file of the appliance, whatever its name
	! grep -raqF -- "$1" "$KEEP_ROOT" || fail "\"$1\" lies in $(grep -ralF -- "$1" "$KEEP_ROOT" | head -n 1)"
}

# digests: whoever has the request can compare
expect 0 keep run demo 'What is a ticket?' --save-request "$work/plain" --temp 0 --seed 1
plain=$(last request)
expect 0 keep audit show "$plain" --json
[ "$(member "$out" digest)" = "$(sha256sum <"$work/plain" | cut -d ' ' -f 1)" ] || fail "not the plain digest"
expect 1 keep audit show "$plain" --content
says 'plain digests'
nowhere 'What is a ticket?'

# commitments: the same request, and nobody can compare
expect 0 keep retention set --texts commitments --reason 'data protection officer, case 7'
expect 0 keep run demo 'What is a ticket?' --save-request "$work/committed" --temp 0 --seed 1
cmp -s "$work/plain" "$work/committed" || fail "the same question is another request"
committed=$(last request)
answered=$(last outcome)
expect 0 keep audit show "$committed" --json
digest=$(member "$out" digest)
[ "$(member "$out" texts)" = commitments ] && [ "$(member "$out" retained)" = false ] || fail "the record does not say so"
[ "$digest" != "$(sha256sum <"$work/plain" | cut -d ' ' -f 1)" ] || fail "a plain digest"
expect 0 keep audit show "$answered" --json
[ "$(member "$out" digest)" = "$digest" ] || fail "request and outcome say different things"
expect 0 keep run demo 'What is a ticket?' --temp 0 --seed 1
expect 0 keep audit show "$(last request)" --json
[ "$(member "$out" digest)" != "$digest" ] || fail "two exchanges have one salt"
# the salt opens it to an auditor
expect 0 keep audit show "$committed" --content --json
[ "$(member "$out" kept)" = false ] || fail "a text was kept"
$python - "$(member "$out" salt)" "$work/plain" "$digest" <<'PY' || fail "the commitment does not open"
import hashlib, sys
salt, data = bytes.fromhex(sys.argv[1]), open(sys.argv[2], "rb").read()
assert hashlib.sha256(salt + hashlib.sha256(data).digest()).hexdigest() == sys.argv[3]
PY

# content: sealed, and shown to an auditor
expect 0 keep retention set --texts content
expect 0 keep run demo 'What is a ticket?' --temp 0 --seed 1
cp "$out" "$work/answer"
request=$(last request)
outcome=$(last outcome)
expect 0 keep audit show "$request" --content
says 'What is a ticket\?'
expect 0 keep audit show "$outcome" --content --json
[ "$(member "$out" text)" = "$(cat "$work/answer")" ] || fail "another answer was kept"
expect 0 keep audit ls --json --event log-read
says '"what":"text"'
expect 0 keep retention show --json
[ "$(member "$out" texts_kept)" = 2 ] || fail "not two texts"
nowhere 'What is a ticket?'
nowhere "$(head -c 24 "$work/answer")"
[ -z "$(find "$KEEP_ROOT/store/keys/subjects" -perm /077)" ] || fail "anybody reads the keys"

# a kept request is repeated without anybody's file
expect 0 keep audit replay "$request"
says equal
# replays: compared by commitment, under the original's subject, and never kept
expect 0 keep audit replay "$committed" --request "$work/plain"
says equal
replayed=$(last request)
expect 0 keep audit show "$replayed" --json
[ "$(member "$out" retained)" = false ] || fail "a replay was kept"
expect 0 keep audit replay "$plain" --request "$work/plain"
says equal
expect 1 keep audit replay "$plain" --request "$work/ls"
expect 0 keep audit verify

# one user cannot erase: that takes two people
expect 1 keep erase "$(id -u)" --reason 'asked for it'
says 'two people'
expect 1 keep retention set --use 182
says 'at least 183 days'
expect 2 keep retention set
expect 2 keep retention set --texts everything
expect 0 keep hold add case-7 --subject "$(id -u)" --reason 'a court'
expect 1 keep hold add case-7
expect 0 keep hold ls
says 'case-7 .*uid:'
expect 1 keep hold rm case-7
stop_up

# a text that somebody exchanged is not shown; the log does not depend on it
$python -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("update contents set data = (select data from contents where idx = ?) where idx = ?", (sys.argv[2], sys.argv[3]))
c.commit()' "$KEEP_ROOT/store/log.db" "$request" "$outcome" || fail sqlite
expect 1 keep audit show "$outcome" --content
says 'not the one that was sealed'
expect 0 keep audit show "$request" --content
expect 0 keep audit verify
