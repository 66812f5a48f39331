#!/bin/sh
# auditor.sh BUILD SOURCE: check-log.sh, which is sqlite3 and openssl alone, calls a good log true, and each of
# a changed record, one taken out, a changed leaf, a changed signature and another key false.
set -u
build=$(cd "$1" && pwd) doc=$(cd "$2" && pwd)/packaging/doc
bad=0
fault() { echo "$1" && bad=$((bad + 1)); }
# Debian has it and tests/run installs it; elsewhere an auditor may have to do without
command -v sqlite3 >/dev/null || { echo "skipped: sqlite3 is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export KEEP_ROOT="$work/app" KEEP_DEVICE=reference HOME="$work" LC_ALL=C.UTF-8
keep="$build/appliance/cli/keep"
"$keep" init >"$work/vkey" 2>/dev/null && "$keep" keygen --out "$work/p" 2>/dev/null && "$keep" trust add p --key "$work/p.pub.pem" 2>/dev/null || fault "no log"
"$keep" trust rm p 2>/dev/null
vkey=$(cat "$work/vkey")
copy() { rm -rf "$work/c" && mkdir "$work/c" && cp "$KEEP_ROOT/store/log.db" "$work/c/" && cp "$KEEP_ROOT/store/log.db-wal" "$work/c/" 2>/dev/null; :; }
check() { sh "$doc/check-log.sh" "$work/c/log.db" "${1:-$vkey}" >"$work/out" 2>&1; }
copy
check || { fault "a good log is called false" && cat "$work/out"; }
[ "$(grep -c '^true' "$work/out")" = 4 ] || fault "not four claims"
is_false() { # SQL WORDS
	copy
	sqlite3 "$work/c/log.db" "$1" || fault "$1"
	check && fault "called true: $1"
	grep -q "^FALSE: .*$2" "$work/out" || { fault "not said: $2" && cat "$work/out"; }
}
is_false "UPDATE records SET line = CAST(replace(CAST(line AS TEXT), 'trust', 'trusT') AS BLOB) WHERE idx = (SELECT min(idx) FROM records WHERE instr(line, 'trust'))" 'is not what its leaf says'
is_false 'DELETE FROM records WHERE idx = (SELECT max(idx) FROM records)' 'there are others'
is_false "UPDATE records SET leaf = zeroblob(32) WHERE idx = 1" 'is not what its leaf says'
is_false "UPDATE head SET note = replace(note, '— ', '- ')" 'no signature'
copy
check "$(echo "$vkey" | sed 's/+[^+]*$//')+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" && fault "another key is called the log's"
echo "$bad faults"
[ $bad = 0 ]
