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

# A TPM in software, whose power is cut again and again: told each time that power may go, it opens the key for ever; not told, it does not (which
# is why it is told). And a copy of the key outlives the TPM. systemd-creds reaches it by its socket, keep-seal by a node, as a kernel shows one.
tpm_on() {
	swtpm socket --tpm2 --tpmstate dir="$work/tpm" --server type=unixio,path="$work/tpm.sock" --ctrl type=unixio,path="$work/tpm.sock.ctrl" --flags not-need-init,startup-clear >/dev/null 2>&1 &
	tpm=$!
	i=0 && while [ ! -S "$work/tpm.sock" ] && [ $i -lt 100 ]; do i=$((i + 1)) && sleep 0.05; done
}
tpm_cut() { kill -9 $tpm && wait $tpm 2>/dev/null; rm -f "$work/tpm.sock" "$work/tpm.sock.ctrl"; }
tpm_opens() { [ "$(systemd-creds decrypt --tpm2-device="$KEEP_SEAL_TPM" --name=keep.log.key "$KEEP_CREDSTORE/keep.log.key" - 2>/dev/null)" = "$before" ]; }
with_tpm() {
	mkdir "$work/tpm" && tpm_on
	python3 - "$work/tpm.sock" "$work/tpmrm0" <<-'PY' &
		import os, pty, socket, sys, tty
		node, end = pty.openpty()
		tty.setraw(end)
		os.symlink(os.ttyname(end), sys.argv[2])
		while True:
		    asked = os.read(node, 4096)
		    with socket.socket(socket.AF_UNIX) as s:
		        s.connect(sys.argv[1])
		        s.sendall(asked)
		        os.write(node, s.recv(4096))
	PY
	node=$!
	i=0 && while [ ! -c "$work/tpmrm0" ] && [ $i -lt 100 ]; do i=$((i + 1)) && sleep 0.05; done
	export KEEP_TPM="$work/tpmrm0" KEEP_SEAL_KEY=tpm2 KEEP_SEAL_TPM="swtpm:path=$work/tpm.sock" KEEP_CREDSTORE="$work/sealed"
	"$KEEPD" --store "$work/store2" --init >/dev/null || fault "keepd --init"
	before=$(cat "$work/store2/keys/log.key") && cp "$work/store2/keys/log.key" "$work/copy"
	seal "$work/store2" >"$work/out" 2>&1 || fault "a TPM does not seal: $(cat "$work/out")"
	for cut in 1 2 3 4 5 6; do
		tpm_cut && tpm_on
		tpm_opens || fault "after $cut losses of power the key does not open"
		seal --orderly || fault "the TPM was not told"
	done
	for cut in 1 2 3 4; do
		tpm_cut && tpm_on
		tpm_opens
	done
	tpm_opens && echo "this TPM counts no loss of power: what was told it was not tried"
	tpm_cut && rm -r "$work/tpm" && mkdir "$work/tpm" && tpm_on # another board
	tpm_opens && fault "another TPM opens the key"
	echo "PRIVATE+KEY+somebody.else+00000000+AAAA" >"$work/other"
	seal --restore "$work/other" "$work/store2" >"$work/out" 2>&1 && fault "another log's key was put in"
	seal --restore "$work/copy" "$work/store2" >"$work/out" 2>&1 || fault "the copy was not sealed: $(cat "$work/out")"
	tpm_opens || fault "the restored key does not open"
	[ "$(ls "$KEEP_CREDSTORE")" = keep.log.key ] || fault "left behind: $(ls "$KEEP_CREDSTORE")"
	kill -9 $tpm $node
}
# A TPM in software is a package of its own, as is what systemd-creds reaches one by.
if command -v swtpm >/dev/null && ls /usr/lib/*/libtss2-tcti-swtpm.so.0 /usr/lib/*/libtss2-esys.so.0 /usr/lib/*/libtss2-rc.so.0 >/dev/null 2>&1; then
	with_tpm
else
	echo "without a TPM: swtpm, libtss2-tcti-swtpm, libtss2-esys or libtss2-rc is not installed"
fi
echo "$bad faults"
[ $bad = 0 ]
