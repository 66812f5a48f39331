#!/bin/sh
# check-log.sh LOG.DB VKEY: the log of a machine with Keep, checked with sqlite3, openssl and what every system has; nothing of Keep is run.
#
#   LOG.DB   a copy of store/log.db with its log.db-wal beside it, taken while keepd is stopped
#   VKEY     the line that keep init printed, from the paper: name+hash+key
#
# Says what it found true: every record hashes to its leaf, all leaves to the root, the root is signed by that key, and every intent has at most one
# answer. A few milliseconds for each record; for long logs take keep-audit-verify or verify.py, which check the same.
set -eu
[ $# = 2 ] || { sed -n '2s/^# /usage: /p' "$0" >&2 && exit 2; }
db=$1 vkey=$2
fail() { echo "FALSE: $*" && exit 1; }
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
sql() { sqlite3 -readonly "$db" "$1"; }
# hexadecimal to bytes, and the SHA-256 of bytes as hexadecimal
bytes() { printf "$(printf %s "$1" | tr 'A-F' 'a-f' | fold -w 2 | awk '{ h = "0123456789abcdef"; printf "\\%03o", (index(h, substr($1, 1, 1)) - 1) * 16 + index(h, substr($1, 2, 1)) - 1 }')"; }
sha() { openssl dgst -sha256 -r | cut -c1-64; }

# 1. each record's own hash: SHA-256 of a zero byte and its line
n=$(sql 'SELECT size FROM head')
[ "$n" = "$(sql 'SELECT count(*) FROM records')" ] || fail "the head speaks of $n records, and there are others"
: >"$work/leaves"
sql 'SELECT lower(hex(leaf)) || " " || lower(hex(line)) FROM records ORDER BY idx' >"$work/rows"
while read -r leaf line; do
	[ "$(bytes "00$line" | sha)" = "$leaf" ] || fail "record $(wc -l <"$work/leaves") is not what its leaf says"
	echo "$leaf" >>"$work/leaves"
done <"$work/rows"
echo "true: each of $n records hashes to its leaf"

# 2. the tree of RFC 6962: pairs of equal height are joined, SHA-256 of a one byte and both; what is left over is joined from the right
stack=''
i=0
while read -r hash; do
	k=$i
	while [ $((k % 2)) = 1 ]; do
		hash=$(bytes "01${stack##* }$hash" | sha)
		stack=${stack% *} k=$((k / 2))
	done
	stack="$stack $hash" i=$((i + 1))
done <"$work/leaves"
root=${stack##* } stack=${stack% *}
while [ -n "$stack" ]; do
	root=$(bytes "01${stack##* }$root" | sha)
	stack=${stack% *}
done
sql 'SELECT note FROM head' >"$work/note"
sed '/^$/,$d' "$work/note" >"$work/body"
[ "$(sed -n 2p "$work/body")" = "$n" ] || fail 'the signed size is another one'
[ "$(bytes "$root" | openssl base64 -A)" = "$(sed -n 3p "$work/body")" ] || fail 'the leaves do not hash to the signed root'
echo "true: their root is $root"

# 3. the signature: Ed25519 over the three lines, by the key from the paper
name=${vkey%%+*} rest=${vkey#*+}
key=${rest#*+}
{ bytes 302a300506032b6570032100 && printf %s "$key" | openssl base64 -d -A | tail -c 32; } >"$work/key.der"
openssl pkey -pubin -inform DER -in "$work/key.der" -out "$work/key.pem" 2>/dev/null || fail 'the key from the paper is none'
good=0
while read -r dash who sig; do
	[ "$dash" = '—' ] && [ "$who" = "$name" ] || continue
	printf %s "$sig" | openssl base64 -d -A | tail -c +5 >"$work/sig"
	openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/body" -sigfile "$work/sig" >/dev/null 2>&1 && good=1
done <"$work/note"
[ $good = 1 ] || fail 'no signature of that key is upon this root'
echo "true: signed by $name"

# 4. nobody was answered twice
[ "$(sql 'SELECT count(*) FROM (SELECT intent FROM records WHERE intent IS NOT NULL GROUP BY intent HAVING count(*) > 1)')" = 0 ] || fail 'an intent has two outcomes'
echo 'true: no intent has two outcomes'
