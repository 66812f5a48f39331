#!/bin/sh
# The demo model answers at least fifteen of its twenty questions, in sentences, through keep run.
. "$(dirname "$0")/lib.sh"
appliance
start_up
n=0 right=0
tab=$(printf '\t')
while IFS="$tab" read -r question regex; do
	n=$((n + 1))
	expect 0 keep run demo "$question"
	if tr '\n' ' ' <"$out" | grep -Eq -- "$regex" && grep -q '[.!?]' "$out"; then
		right=$((right + 1))
	else
		echo "wrong: $question -> $(cat "$out")"
	fi
done <"$demo/questions.txt"
echo "$right of $n"
[ "$n" -ge 20 ] || fail "only $n questions"
[ "$right" -ge 15 ] || fail "$right of $n are right"
