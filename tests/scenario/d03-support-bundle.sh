#!/bin/sh
# A support bundle is shown before it is written, not written without a yes, and holds neither this host's name nor a prompt.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo 'What is a very private question?' --max-tokens 4
expect 1 keep support-bundle --out "$work/bundle"
says 'nothing was written'
[ ! -e "$work/bundle" ] || fail "written without a yes"
echo yes | keep support-bundle --out "$work/bundle" --log 60 >"$out" 2>"$err" || fail "a yes was not enough"
cmp -s "$out" "$work/bundle" || fail "what was shown is not what was written"
for word in '==== doctor (keep doctor)' '==== log (keep audit ls --json --last 60): ended with 0' '"event":"outcome"' '==== log check'; do
	grep -qF -- "$word" "$work/bundle" || fail "not in the bundle: $word"
done
grep -qi 'private question' "$work/bundle" && fail "a prompt is in the bundle"
name=$(uname -n)
[ ${#name} -lt 4 ] || ! grep -qw -- "$name" "$work/bundle" || fail "the host's name is in the bundle"
grep -qE '[0-9a-f]{32}' "$work/bundle" && fail "a whole digest is in the bundle"
says 'taken out: .* digest'
expect 2 keep support-bundle --log 0
expect 2 keep support-bundle --yes
exit 0
