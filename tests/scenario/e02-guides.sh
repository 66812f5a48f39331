#!/bin/sh
# The guides name only verbs and options that exist, and the policy that the officer's guide begins with is one.
. "$(dirname "$0")/lib.sh"
doc=$KEEP_SOURCE/packaging/doc
sed -n '/^       \[policy\]$/,/^$/p' "$doc/officer.md" | sed 's/^ *//' >"$work/policy"
[ -s "$work/policy" ] || fail 'the guide has no policy'
expect 0 keep policy check "$work/policy"
# VERB OPTION pairs of every command in code, of all guides
$python - "$doc" >"$work/said" <<'END'
import glob, re, sys
for page in sorted(glob.glob(sys.argv[1] + "/*.md")):
    text = open(page, encoding="utf-8").read()
    code = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.S | re.M) + re.findall(r"^ {4,}(\S.*)$", text, re.M) + re.findall(r"`([^`\n]+)`", text)
    for line in "\n".join(code).split("\n"):
        for command in re.split(r"[;&|] ", line.split(" #")[0]):
            m = re.match(r"\s*keep (?!-)([a-z-]+)(.*)", command)
            if m and m[1] != "VERB":
                print(m[1], *re.findall(r"(?<!\S)--[a-z-]+", m[2]))
END
[ "$(wc -l <"$work/said")" -gt 60 ] || fail 'few commands were found: is the pattern right?'
sort -u "$work/said" | while read -r verb options; do
	page=$KEEP_SOURCE/packaging/man/keep-$verb.1
	[ -f "$page" ] || { echo "keep $verb has no page"; continue; }
	keep help "$verb" >"$work/help" 2>&1 || [ "$verb" = update ] || echo "keep $verb is no verb"
	for o in $options; do
		{ cat "$work/help"; sed 's/Fl Fl \([a-z-]*\)/--\1/g' "$page"; } | grep -q -- "$o" || echo "keep $verb has no $o"
	done
done >"$work/wrong"
[ ! -s "$work/wrong" ] || fail "$(cat "$work/wrong")"
