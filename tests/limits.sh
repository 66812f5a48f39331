#!/bin/sh
# limits.sh ROOT: every limit of limits.h is named by a test, and what nothing uses is no limit. Sizes that are chosen stand under
# their own heading, the last one, and need no test.
set -u
root=$1
header=$root/appliance/base/limits.h
chosen='^/\* chosen sizes'
bad=0

fault() { echo "$1"; bad=$((bad + 1)); }
names() { sed -n 's/^#define \([A-Z][A-Z0-9_]*\).*/\1/p'; }
# What of the names $1 no source below the given folders has as a word.
unnamed() {
	all=$1
	shift
	grep -rhowE --include='*.[ch]' "$(echo $all | tr ' ' '|')" "$@" | sort -u >"$tmp"
	printf '%s\n' $all | sort -u | comm -23 - "$tmp" | tr '\n' ' '
}

tmp=$(mktemp) && trap 'rm -f "$tmp"' EXIT
grep -q "$chosen" "$header" || fault "limits.h: no heading 'chosen sizes'"
limits=$(sed "/$(echo "$chosen" | sed 's|/|\\/|g')/,\$d" "$header" | names)
every=$(names <"$header")
[ "$(echo $limits | wc -w)" -ge 40 ] || fault "limits.h: its limits are not found"

found=$(unnamed "$limits" "$root/tests")
[ -z "$found" ] || fault "no test names $found"
found=$(cd "$root" && unnamed "$every" $(ls -d appliance/*/ appliance/proto.h attest audit runtime shaders | grep -v '^appliance/base/$') \
	appliance/base/*.c appliance/base/layout.h appliance/base/request.h)
[ -z "$found" ] || fault "nothing uses $found"
# the fence can fall
[ "$(unnamed "NAME_LEN_MAX NO_SUCH""_LIMIT" "$root/tests")" = "NO_SUCH""_LIMIT " ] || fault "a limit that no test names is not found"
echo "$bad faults; $(echo $limits | wc -w) limits, $(echo $every | wc -w) with the chosen sizes"
[ $bad = 0 ]
