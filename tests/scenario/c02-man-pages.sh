#!/bin/sh
# Every verb has its page, every option that help names stands in the page, and the page names no option that the verb does not take.
. "$(dirname "$0")/lib.sh"
man=$KEEP_SOURCE/packaging/man
for verb in $(keep help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'); do
	page=$man/keep-$verb.1
	[ -f "$page" ] || fail "keep $verb has no page"
	keep help "$verb" >"$work/help"
	grep -oE -- '--[a-z][a-z-]*' "$work/help" | sort -u >"$work/helped"
	sed -n 's/\.It //; s/Fl Fl \([a-z]\)/--\1/gp' "$page" | grep -oE -- '--[a-z][a-z-]*' | sort -u >"$work/paged"
	while read -r opt; do
		grep -qx -- "$opt" "$work/paged" || fail "keep-$verb.1 says nothing of $opt"
	done <"$work/helped"
	while read -r opt; do
		case $opt in --root | --help | --version | --save-request | --request) continue ;; esac
		# an option that the verb knows complains about its value or the arguments, never "no such option"
		for sub in '' ls show set rm add verify checkpoint replay test fsck witness init sign export receipt cosign witnesses key summary sign-off archive prune csr install status revoke; do
			keep "$verb" $sub "$opt" 2>&1 </dev/null | grep -q -- "$opt: no such option" || continue 2
		done
		fail "keep-$verb.1 names $opt, which the verb does not take"
	done <"$work/paged"
	grep -q '^.Sh EXIT STATUS' "$page" && grep -q '^.Sh EXAMPLES' "$page" || fail "keep-$verb.1 lacks EXIT STATUS or EXAMPLES"
	grep -q "^.It Cm $verb\$" "$man/keep.1" || fail "keep.1 does not list $verb"
done
command -v mandoc >/dev/null || skip "mandoc is not installed, so the pages are not linted"
for page in "$man"/*.1; do
	mandoc -T lint -W warning "$page" >"$out" 2>&1 || fail "$page"
done
