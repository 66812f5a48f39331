#!/bin/sh
# A model leaves one machine as a file, whole or in parts, and arrives on another; every tar can read it; what is damaged or missing is named.
. "$(dirname "$0")/lib.sh"
appliance
expect 1 keep export nobody "$work/no.tar"
says 'model nobody: there is none'
expect 1 keep export demo "$work"
says 'is there already'
expect 0 keep export demo "$work/demo.tar" --label 'the blue stick' --json
digest=$(member "$out" sha256)
index=$(member "$out" index)
[ "$(sha256sum <"$work/demo.tar" | cut -d' ' -f1)" = "$digest" ] || fail "another digest than was said"
expect 0 keep audit show "$index"
says '^label +the blue stick'

# the same model is the same file, and any tar unpacks it to what keep verify takes
expect 0 keep export demo "$work/again.tar"
cmp -s "$work/demo.tar" "$work/again.tar" || fail "two exports differ"
mkdir "$work/unpacked"
tar -C "$work/unpacked" -xf "$work/demo.tar" || fail "tar does not read it"
expect 0 keep verify "$work/unpacked/demo" --bundle "$work/unpacked/demo.sig" --key "$work/pub.pub.pem"
expect 0 keep verify "$work/demo.tar" --key "$work/pub.pub.pem"
says 'accepted: '
for format in gnu pax ustar; do
	tar -C "$work/unpacked" --format=$format -cf "$work/$format.tar" demo.sig demo || fail "tar --format=$format"
	expect 0 keep verify "$work/$format.tar" --key "$work/pub.pub.pem"
done

# another machine
KEEP_ROOT=$work/second
expect 0 keep init
expect 1 keep import "$work/demo.tar"
says unknown-key
expect 0 keep trust add pub --key "$work/pub.pub.pem"
expect 0 keep import "$work/demo.tar" --json
[ "$(member "$out" path)" = demo ] || fail "not by its name"
for f in "$work"/app/store/models/*/0*; do
	cmp -s "$f" "$(echo "$f" | sed "s|/app/|/second/|")" || fail "other bytes arrived"
done
expect 0 keep rm demo

# one byte of it is other: the file is named
cp "$work/demo.tar" "$work/bad.tar"
flip "$work/bad.tar" $(($(stat -c %s "$work/bad.tar") / 2))
expect 1 keep import "$work/bad.tar"
says '^  reason +digest'
head -c 100000 "$work/demo.tar" >"$work/short.tar"
expect 1 keep import "$work/short.tar"
says 'reason +transfer'

# parts: by any sha256sum, in any order, one after the other, each held against the list
KEEP_ROOT=$work/app
mkdir "$work/media" "$work/a" "$work/b"
expect 2 keep export demo "$work/media/d.tar" --split 1000
expect 2 keep export demo "$work/media/d.tar" --part 1
expect 0 keep export demo "$work/media/d.tar" --split 1048576
(cd "$work/media" && sha256sum -c --quiet d.tar.sha256) || fail "sha256sum -c"
cat "$work"/media/d.tar.[0-9]* | cmp -s - "$work/demo.tar" || fail "the parts are not the whole"
parts=$(ls "$work"/media/d.tar.[0-9]* | wc -l)
[ "$parts" -ge 2 ] || fail "the demo model is too small for this test"
rm "$work/media/d.tar.002"
touch -d '2001-01-01' "$work/media/d.tar.001"
expect 0 keep export demo "$work/media/d.tar" --split 1048576
[ -s "$work/media/d.tar.002" ] || fail "what was missing was not written"
[ "$(stat -c %Y "$work/media/d.tar.001")" -lt 1000000000 ] || fail "what was there was written again"
flip "$work/media/d.tar.001" 7
expect 1 keep export demo "$work/media/d.tar" --split 1048576
says 'd.tar.001: the medium gives back other bytes'
flip "$work/media/d.tar.001" 7
# one medium for each part
expect 1 keep export demo "$work/a/d.tar" --split 1048576 --part 99
for i in $(seq "$parts"); do
	mkdir -p "$work/m$i"
	expect 0 keep export demo "$work/m$i/d.tar" --split 1048576 --part "$i"
	[ "$(ls "$work/m$i" | wc -l)" = 2 ] || fail "more than a part and its list"
done

KEEP_ROOT=$work/second
expect 0 keep import "$work/m2/d.tar.002"
says "1 of $parts parts are here; to come: 001"
cp "$work/m1/d.tar.001" "$work/keep.001"
flip "$work/m1/d.tar.001" 1000
expect 1 keep import "$work/m1/d.tar.001"
says 'd.tar.001: is damaged'
cp "$work/keep.001" "$work/m1/d.tar.001"
for i in $(seq 3 "$parts") 1; do
	expect 0 keep import "$work/m$i/d.tar"
done
says 'accepted'
[ -z "$(ls "$work/.local/state/keep/incoming")" ] || fail "parts are left"
expect 0 keep rm demo
# all on one medium
expect 0 keep import "$work/media/d.tar" --into "$work/b" --name other
[ -z "$(ls "$work/b")" ] || fail "parts are left in --into"
expect 0 keep rm other
# a list of another transfer
expect 0 keep import "$work/m1/d.tar.001" --into "$work/b"
sed -i "s/transfer demo/transfer dmeo/" "$work/m2/d.tar.sha256"
expect 1 keep import "$work/m2/d.tar.002" --into "$work/b"
says 'is of another transfer'
echo garbage >"$work/m2/d.tar.sha256"
expect 1 keep import "$work/m2/d.tar.002" --into "$work/b"
says "not the list of a transfer's parts"

# the largest number of files
mkdir "$work/many"
cp "$work/demo/demo.gguf" "$work/many/"
(cd "$work/many" && for i in $(seq 1023); do echo "$i" >"f$i"; done)
expect 0 keep sign "$work/many" --key "$work/pub.key.pem"
expect 0 keep import "$work/many"
(ulimit -Sn 256 && expect 0 keep export many "$work/many.tar") || exit 1
expect 0 keep verify "$work/many.tar" --key "$work/pub.pub.pem"
expect 0 keep rm many

# what was revoked does not leave
KEEP_ROOT=$work/app
flip "$(stored)" 5000
expect 1 keep export demo "$work/x.tar"
says 'the stored bytes at 0 were changed'
[ ! -e "$work/x.tar" ] || fail "a damaged model was written"
expect 0 keep revoke demo
expect 1 keep export demo "$work/y.tar"
says 'model demo: was revoked'
expect 0 keep audit verify
