#!/bin/sh
# seal.sh BUILD: the log's key sealed by systemd-creds and given back to keepd as a credential; the next one; and after a rotation of the
# files the new one in the old one's place. What keepd does with them is tests/faults/test_rotate.
set -u
build=$1
bad=0
fault() { echo "$1"; bad=$((bad + 1)); }
# A machine that does not run Debian may do without systemd; tests/run installs it where it can.
command -v systemd-creds >/dev/null || { echo "skipped: systemd-creds is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export KEEP_CREDSTORE="$work/creds" KEEP_PLAINSTORE="$work/plain" KEEP_SEAL_KEY=tpm2-absent KEEPD="$build/audit/keepd"
# a version without the key that binds to nothing, which needs neither a TPM nor root, cannot be tried here
echo x | systemd-creds encrypt --with-key=tpm2-absent --name=x - - >/dev/null 2>&1 || { echo "skipped: this systemd-creds cannot seal without root"; exit 77; }
seal() { sh "$build/packaging/keep-seal" "$@"; }
opens() { systemd-creds decrypt --name="$1" "$KEEP_CREDSTORE/$1" - 2>/dev/null; }

vkey=$("$KEEPD" --store "$work/store" --init) || fault "keepd --init"
before=$(cat "$work/store/keys/log.key")
seal "$work/store" >"$work/out" || fault "it cannot be sealed"
[ ! -e "$work/store/keys/log.key" ] || fault "the secret still lies in the store"
grep -rqF "$before" "$work" && fault "the secret can be read somewhere"
[ "$(opens keep.log.key)" = "$before" ] || fault "the credential is not the key"
seal "$work/store" >"$work/out" 2>&1 && fault "it was sealed twice"
seal --next "$work/store" >"$work/out" || fault "no next key"
next=$(opens keep.log.key.next)
case $next in PRIVATE+KEY+"${vkey%%+*}"+*) ;; *) fault "the next key has another name: $next" ;; esac
seal --next "$work/store" >"$work/out" 2>&1 && fault "a next key was overwritten"
seal --settle "$work/store" >"$work/out" || fault "the next key does not settle"
[ "$(opens keep.log.key)" = "$next" ] || fault "the new key is not in the old one's place"
[ "$(ls "$KEEP_CREDSTORE")" = keep.log.key ] || fault "left behind: $(ls "$KEEP_CREDSTORE")"
mkdir "$work/tls"
for round in one two; do # the first, and a renewal
	echo "key $round" >"$work/tls/keep.tls.key"
	echo "certificate $round" >"$work/tls/keep.tls.crt"
	seal --tls "$work" >"$work/out" || fault "the gateway's key cannot be sealed: $(cat "$work/out")"
	[ "$(opens keep.tls.key)" = "key $round" ] || fault "the gateway's credential is not the key"
	[ "$(cat "$work/plain/keep.tls.crt")" = "certificate $round" ] || fault "the certificate is not there"
	[ ! -e "$work/tls/keep.tls.key" ] || fault "the gateway's key still lies in ROOT/tls"
done
seal --tls "$work" >"$work/out" 2>&1 && fault "nothing was sealed without a word"
echo "$bad faults"
[ $bad = 0 ]
