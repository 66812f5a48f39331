#!/bin/sh
# What was signed counts too: the licence that the header and the card state, and the sequence, which never goes back.
. "$(dirname "$0")/lib.sh"
keep init >"$out" 2>"$err" || fail init
publisher
expect 0 keep trust add pub --key "$work/pub.pub.pem"
release() { # SEQUENCE CARD: a signed model in $work/r
	rm -rf "$work/r"
	mkdir "$work/r"
	cp "$demo/demo.gguf" "$work/r/"
	[ -n "$1" ] && printf '%s\n' "$1" >"$work/r/model.sequence"
	[ -n "$2" ] && printf -- '---\nlicense: %s\n---\n# Card\n' "$2" >"$work/r/README.md"
	keep sign "$work/r" --key "$work/pub.key.pem" >"$out" 2>"$err" || fail sign
}
policy() { # LINES of [models *]
	printf '[policy]\nversion = 1\n[models *]\nrequire = 1 any\n%s\n' "$1" >"$work/p.conf"
	expect 0 keep policy set "$work/p.conf"
}
in_() { # SEQUENCE: accepted as demo, and removed again
	expect 0 keep import "$work/r" --name demo --json
	[ "$(keep show demo --json >"$out" && member "$out" sequence)" = "${1:-0}" ] || fail "sequence $1"
	expect 0 keep rm demo
}
no() { # CODE
	expect 1 keep import "$work/r" --name demo --json
	[ "$(member "$out" code)" = "$1" ] || fail "$(member "$out" code), not $1: $(member "$out" detail)"
}
release '' ''
policy 'licence = Apache-2.0 OR BSD-3-Clause'
no licence
says 'licence mit'
policy 'licence = Apache-2.0 OR MIT'
in_ 0
# the card must not say something else
release '' 'apache-2.0'
no licence
says 'different licences'
release '' '"mit"'
in_ 0
policy 'licence = any'
release '' 'gpl-3.0'
in_ 0
# sequences
policy 'min-sequence = 3'
release '' ''
no sequence
release 2 ''
no sequence
for bad in 0 03 -1 3.0 '3 ' 9223372036854775808; do
	release "$bad" ''
	no sequence
done
release 3 ''
in_ 3
policy 'no-rollback = yes'
release 7 ''
in_ 7
release 6 ''
no sequence
says 'line 5'
expect 0 keep audit ls --json
grep '"event":"import-verdict"' "$out" | tail -n 1 | grep -q '"line":5,"holds":false,"text":"sequence 6, at least 7 (accepted before)"' || fail 'the rule in the record'
release 7 ''
in_ 7
# the highest is remembered though the model is gone, and by name
expect 0 keep import "$work/r" --name other
expect 0 keep audit verify
