#!/bin/sh
# man.sh SOURCE BUILD: every verb that `keep` lists has a man page, every page is linted, and none is about a verb that is gone.
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
echo "$n pages, $bad faults"
[ $bad = 0 ]
