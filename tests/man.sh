#!/bin/sh
# man.sh SOURCE BUILD: every verb that `keep` lists has a man page, every page is linted, and keep-records(5) lists every event of the log.
set -u
src=$1 keep=$2/appliance/cli/keep
bad=0 n=0
fault() { echo "$1"; bad=$((bad + 1)); }
for page in "$src"/packaging/man/*.[1578]; do
	[ -f "$page" ] || { fault "packaging/man: no pages"; break; }
	n=$((n + 1))
	out=$(mandoc -T lint -W warning "$page" 2>&1) || fault "$out"
done
if [ -x "$keep" ]; then
	for verb in $("$keep" help 2>/dev/null | awk '/^   *[a-z-]+ / && !/^ *-/ {print $1}' | sort -u); do
		[ -f "$src/packaging/man/keep-$verb.1" ] || fault "keep $verb: no man page"
	done
fi
# keep-records(5) lists every event with its sentence and its fields, as the catalogue in the source has them
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT || exit 1
sed -n '/catalogue\[\] = {/,/^};/p' "$src/audit/record.c" | tr -d '\n\t' | sed 's/" *"//g' | grep -o '{ EVENT_[^}]*}' |
	sed 's/^[^"]*"\([^"]*\)", *"\([^"]*\)", *"\([^"]*\)".*/.It Cm \1\n\3.\n.Va \2/' >"$work/events"
sed -n '/^.Ss Events/,/^.El/p' "$src/packaging/man/keep-records.5" | sed '1,2d; $d' | diff "$work/events" - >"$work/diff" || fault "keep-records.5 is not the catalogue: $(cat "$work/diff")"
[ "$(grep -c '^.It' "$work/events")" = "$(grep -c '^	{ EVENT_' "$src/audit/record.c")" ] || fault "the catalogue was not read whole"
echo "$n pages, $bad faults"
[ $bad = 0 ]
