#!/bin/sh
# Only keys that the officer installed count, and only as long as they are installed.
. "$(dirname "$0")/lib.sh"
keep init >"$out" 2>"$err" || fail init
model
keep keygen --out "$work/other" --curve p256 >"$out" 2>"$err" || fail keygen
expect 1 keep import "$work/demo" --json
[ "$(member "$out" code)" = unknown-key ] || fail "no key: $(member "$out" code)"
expect 0 keep trust add other --key "$work/other.pub.pem"
expect 1 keep import "$work/demo" --json
[ "$(member "$out" code)" = unknown-key ] || fail "another key: $(member "$out" code)"
# a private key, or no key at all, is not a public one
expect 1 keep trust add x --key "$work/other.key.pem"
expect 1 keep trust add x --key "$demo/LICENSE"
expect 2 keep trust add 'Not A Name' --key "$work/other.pub.pem"
expect 0 keep trust add pub --key "$work/pub.pub.pem"
expect 0 keep trust rm pub
expect 1 keep import "$work/demo"
expect 1 keep trust rm pub
expect 0 keep trust ls --json
[ "$(wc -l <"$out")" = 1 ] || fail "trust ls"
expect 0 keep trust add pub --key "$work/pub.pub.pem"
expect 0 keep import "$work/demo"
expect 0 keep audit verify
