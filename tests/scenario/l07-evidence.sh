#!/bin/sh
# An excerpt leaves with everything that proves it: two verifiers that share no line agree that it holds, and both find whatever is changed in it.
. "$(dirname "$0")/lib.sh"
appliance
start_up
expect 0 keep run demo --raw --max-tokens 3 'What is evidence?'
expect 0 keep policy set "$here/p02-any.conf" --reason 'for the auditor to find'
keep role key auditor --out "$work/auditor.key" >"$work/auditor.vkey" 2>"$err" || fail "role key"
expect 0 keep audit sign-off 0..12 --key "$work/auditor.key" --remark 'all in order' --question 'why "two" <keys>?'
keep witness init --name example.org/w1 --state "$work/w1" >"$work/v1" || fail "witness init"
expect 0 keep audit checkpoint --json
vkey=$(member "$out" vkey)
keep witness add "$vkey" --state "$work/w1" || fail "witness add"
printf 'log %s\nwitness one %s\nquorum one\n' "$vkey" "$(cat "$work/v1")" >"$work/policy"
expect 0 keep audit witnesses "$work/policy"
expect 0 keep audit checkpoint --json
size=$(member "$out" size)

c() { "$KEEP_BUILD/audit/verify/keep-audit-verify" evidence "$@"; }
py() { $python "$KEEP_SOURCE/audit/verify/verify.py" "$@"; }
both() { # STATUS DIR…: the same verdict of both
	want=$1
	shift
	expect "$want" c "$@"
	expect "$want" py "$@"
}
# not witnessed yet: only who says so believes it
expect 0 keep audit evidence "0..$size" "$work/alone"
says 'no witness has signed'
both 1 "$work/alone" --vkey "$vkey"
says 'witness'
both 0 "$work/alone" --vkey "$vkey" --unwitnessed
expect 0 keep audit checkpoint --old 0 --out "$work/request"
expect 0 keep witness sign "$work/request" --out "$work/signed" --state "$work/w1"
expect 0 keep audit cosign "$work/signed"
expect 1 keep audit evidence "0..$size" "$work/alone" # never over what is there
expect 0 keep audit evidence "7..$size" "$work/e" --json
[ "$(member "$out" witnessed)" = true ] || fail "not under the witnessed checkpoint"
both 0 "$work/e" --vkey "$vkey"
says "records +7 to $((size - 1)) of"
says 'sign-offs +1'
both 0 "$work/e"
says 'not compared'
both 1 "$work/e" --vkey "$(cat "$work/auditor.vkey")"
expect 0 py "$work/e" --vkey "$vkey"
expect 0 sh -c "cd '$work/e' && sha256sum --quiet -c SHA256SUMS && python3 verify.py . --vkey '$vkey'"
(cd "$KEEP_SOURCE/audit/verify" && cmp verify.py "$work/e/verify.py") || fail "not the script of the tree"
[ "$(wc -l <"$work/e/verify.py")" -lt 300 ] || fail "verify.py is longer than promised"
for what in entries.jsonl range log.vkey witness-policy policy report.html context/0.json taken.json; do
	[ -s "$work/e/$what" ] || fail "no $what"
done
grep -q 'why &quot;two&quot; &lt;keys&gt;' "$work/e/report.html" || fail "the report lacks the question, or did not escape it"
grep -Eqi '<script|src=|href=|url\(|@import' "$work/e/report.html" && fail "the report is not self-contained"

# one bit of every file, at several places; the list of files made anew, as whoever forges it would
$python - "$work/e" "$work/list" <<'PY'
import os, sys
base = sys.argv[1]
with open(sys.argv[2], "w") as out:
    for d, _, files in sorted(os.walk(base)):
        for f in sorted(files):
            p = os.path.join(d, f); size = os.path.getsize(p)
            for at in sorted({0, size // 2, size - 2}):
                print(os.path.relpath(p, base), at, file=out)
PY
while read -r file at; do
	rm -rf "$work/t" && cp -r "$work/e" "$work/t"
	flip "$work/t/$file" "$at"
	both 1 "$work/t" --vkey "$vkey"
	case $file in SHA256SUMS | taken.*) continue ;; esac
	(cd "$work/t" && find . -type f ! -name SHA256SUMS ! -name 'taken.*' | sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
	both 1 "$work/t" --vkey "$vkey"
done <"$work/list"
rm -rf "$work/t"
# left out, added, moved, from another excerpt
wrong() { # WHAT COMMAND…
	what=$1
	shift
	rm -rf "$work/t" && cp -r "$work/e" "$work/t" && (cd "$work/t" && eval "$@") || fail "$what: could not be made"
	(cd "$work/t" && find . -type f ! -name SHA256SUMS ! -name 'taken.*' | sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
	both 1 "$work/t" --vkey "$vkey"
}
wrong 'a record left out' "sed -i 3d entries.jsonl"
wrong 'the last one left out' "sed -i '\$d' entries.jsonl"
wrong 'a record twice' "sed -i 3p entries.jsonl"
wrong 'two swapped' "sed -i '3{h;d};4{G}' entries.jsonl"
wrong 'no policy' 'rm policy'
wrong 'another policy' 'echo "# more" >>policy'
wrong 'no witness policy' 'rm witness-policy'
wrong 'a file too many' 'echo x >more'
wrong 'no context' 'rm context/0.json'
wrong 'the range of another excerpt' "cp ../alone/range ."
wrong 'taken for another excerpt' 'cp ../alone/taken.json ../alone/taken.tlog-proof .'
wrong 'the report of another excerpt' 'cp ../alone/report.html .'
# taken out of the log, and the log says so
expect 0 keep audit ls --event log-read --text '"what":"evidence","first":7' --json
[ "$(wc -l <"$out")" = 1 ] || fail "the excerpt is not recorded"
grep -q "\"manifest\":\"$(sha256sum <"$work/e/SHA256SUMS" | cut -d' ' -f1)\"" "$out" || fail "its digest is not in the log"
expect 1 keep audit evidence 0..99999 "$work/none"
[ ! -e "$work/none" ] || fail "of what was refused something is left"
expect 2 keep audit evidence 5..5 "$work/none"
(
	trap '' XFSZ
	ulimit -f 0 # no byte can be written
	keep audit evidence 0..5 "$work/none"
) >/dev/null 2>&1
[ $? = 3 ] && [ ! -e "$work/none" ] || fail "an excerpt on a full disk"
# the program judges whole logs and receipts too
v() { "$KEEP_BUILD/audit/verify/keep-audit-verify" "$@"; }
expect 1 keep audit export --tiles "$work/e"
expect 1 keep audit archive 0..5 "$work/e"
expect 0 keep audit export --tiles "$work/tiles"
expect 0 v tiles "$work/tiles" --vkey "$vkey" --older "$work/signed"
expect 0 keep audit receipt 3 --out "$work/3.tlog-proof" --entry "$work/3.json"
expect 0 v proof "$work/3.tlog-proof" "$work/3.json" --policy "$work/policy"
flip "$work/3.json" 30
expect 1 v proof "$work/3.tlog-proof" "$work/3.json" --policy "$work/policy"
expect 2 v proof "$work/3.tlog-proof" --policy "$work/policy"
says 'too few words'
expect 2 v
expect 2 v "$work/e"
says "$work/e: no such question"
expect 2 v tiles "$work/tiles"
says 'tiles: --vkey or --policy is missing'
expect 0 keep audit verify
stop_up
