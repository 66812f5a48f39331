#!/bin/sh
# Exit statuses: 0 done or accepted, 1 refused or failed with a reason, 2 wrong usage, 3 could not decide; data on stdout only.
. "$(dirname "$0")/lib.sh"
usage() { # wrong words: 2, usage on stderr, nothing on stdout, nothing started
	expect 2 keep "$@"
	[ -s "$out" ] && fail "\"$*\" printed data"
	[ -s "$err" ] || fail "\"$*\" did not say what is wrong"
}
usage
usage frobnicate
usage --frob status
usage --root
usage --root '' status
usage init now
usage up --frob
usage up now
usage status now
usage device
usage device frob
usage device ls too many
usage keygen
usage keygen --out
usage keygen --out x --curve p224
usage sign
usage sign model
usage sign model --key k --shards 0
usage sign model --key k --shards many
usage verify model --bundle b
usage verify model --key k
usage verify model --bundle b --key k --root r
usage verify model --bundle b --key k --at yesterday
usage verify model --bundle b --root r --at 253402300800
usage verify model --bundle b --key k --crl c
usage verify model --bundle b --root r --trusted-root t
usage verify model --bundle b --trusted-root t --identity i
usage verify model --bundle b --key k --identity i
usage verify model --bundle b --root r --identity ''
usage verify model --bundle b --root r --leaf 0a
usage verify model --bundle b --root r --policy-oid codeSigning
usage verify model --bundle b --root r --tsa-policy 1.2.3
usage verify-model --method sigstore --model-path m --bundle b --trusted-root t --identity i
usage sign model --key k --chain c
usage verify-model
usage verify-model --method pgp --model-path m --bundle b
usage verify-model --method key --model-path m --bundle b
usage verify-model --method key --model-path m --bundle b --cert-chain c
usage verify-model --method certificate --model-path m --bundle b --public-key p
usage verify-model --method key --model-path m --public-key p
usage verify-model --method key --model-path m --bundle b --public-key p --identity i
usage verify-model --method key --model-path / --bundle b --public-key p --ignore-paths etc
usage verify-model --method key --model-path m --bundle b --public-key p more
usage sign-model
usage sign-model --method key --model-path m --output-bundle b
usage sign-model --method key --model-path m --output-bundle b --private-key k --signing-cert c
usage sign-model --method certificate --model-path m --output-bundle b --private-key k
usage trust
usage trust frob
usage trust add
usage trust add name
usage trust rm
usage trust ls now
usage import
usage import a b
usage import a --name 'A B'
usage ls all
usage show
usage revoke
usage rm
usage rm a b
usage run
usage run m p too
usage run m --tokens 1,2,x
usage run m --tokens 1 prompt
usage run m p --temp -1
usage run m p --temp hot
usage run m p --temp 101
usage run m p --temp 0.00001
usage run m p --repeat-penalty 0
usage run m p --min-p 2
usage run m p --top-p nan
usage run m p --max-tokens 0
usage run m p --max-tokens 4294967296
usage run m p --seed -1
usage run m p --top-p 0
usage run m p --kv f64
usage run m p --stop ''
usage run m p --raw --system s
usage tokenize
usage logits m --tokens 1,2
usage logits m --out f
usage logits m --tokens , --out f
usage logits m --tokens 1 --out f --kv q8
usage audit
usage audit frob
usage audit show
usage audit show x
usage audit show -1
usage audit replay
usage audit replay 1 2
usage help a b
usage help frobnicate
# what was typed behind the verb chooses the forms that are shown
usage audit show x
[ "$(wc -l <"$err")" = 2 ] || fail "more than the form that was meant"
usage audit checkpoint --json --qr
usage audit export --tiles d --event start
usage audit export --tiles d --out f
usage audit ls --since 2026-02-30
usage audit archive 0..1 d --label "$(printf '%072d' 0)"
# help is no mistake
for verb in $(keep help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'); do
	expect 0 keep "$verb" --help
	[ -s "$err" ] && fail "$verb --help wrote to stderr"
	[ "$verb" = help ] || says "^usage: +keep $verb"
	expect 0 keep "$verb" -h
	expect 0 keep help "$verb"
done
expect 0 keep --version
expect 0 keep --help
# no appliance: refused, and the way out is named
for verb in status ls 'show m' 'audit ls' 'run m p' 'revoke m' up; do
	# shellcheck disable=SC2086
	expect 1 keep $verb
	says 'keep( --root [^ ]*)? init'
	[ -s "$out" ] && fail "$verb printed data"
done
expect 0 keep init
expect 1 keep init
for verb in 'show m' 'run m p' 'revoke m' 'rm m' 'audit show 999' 'audit replay 999' 'audit replay 0'; do
	# shellcheck disable=SC2086
	expect 1 keep $verb
	[ -s "$out" ] && fail "$verb printed data"
	[ -s "$err" ] || fail "$verb gave no reason"
done
expect 3 keep import "$work/nothing" --bundle "$work/nothing.sig"
expect 3 keep trust add a --key "$work/nothing.pem"
mkdir "$work/unsigned"
expect 1 keep import "$work/unsigned"
says 'no bundle'
# text that is none
printf '\377' | keep tokenize m >"$out" 2>"$err"
[ $? = 1 ] || fail "text that is not UTF-8"
says 'UTF-8'
# a verdict is JSON whenever JSON was asked for, also when nothing could be decided
expect 3 keep verify "$work/nothing" --bundle "$work/nothing" --key "$work/nothing" --json
[ "$(member "$out" verdict)" = undecided ] || fail "no verdict"
# standard output that cannot be written is not success
keep audit ls --json >/dev/full 2>"$err" </dev/null
[ $? = 3 ] || fail "a full disk is success"
keep help >/dev/full 2>"$err"
[ $? = 3 ] || fail "a full disk is success"
