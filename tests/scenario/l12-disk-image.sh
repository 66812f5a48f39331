#!/bin/sh
# After an erasure nothing is left on the medium itself: a disk image that holds the store is read byte by byte, free blocks too.
. "$(dirname "$0")/lib.sh"
# A disk of its own needs root and a loop device; a machine without them cannot have one. tests/faults/private reads every file there all the same.
[ "$(id -u)" = 0 ] || skip "only root can mount a disk image"
image=$work/disk.img mnt=$work/mnt
truncate -s 96M "$image"
PATH=$PATH:/usr/sbin:/sbin
mkfs.ext4 -q "$image" 2>"$err" || fail "mkfs.ext4 (e2fsprogs) is needed"
mkdir "$mnt"
mount -o loop "$image" "$mnt" 2>"$err" || skip "no loop device: $(cat "$err")"
mounted=1
unmount() { [ -z "$mounted" ] || umount "$mnt"; mounted=''; }
trap 'unmount; finish' EXIT
mkdir "$mnt/t"
export TMPDIR="$mnt/t" KEEP_TEST_SECRETS="$work/secrets"
expect 0 "$KEEP_BUILD/tests/faults/test_faults_private" "$KEEP_BUILD/tests/faults/keepd_private" medium
sync
unmount
[ "$(wc -l <"$work/secrets")" -ge 6 ] || fail "no secrets were written down"
$python - "$image" "$work/secrets" <<'PY' || fail "something is left on the disk"
import sys
disk = open(sys.argv[1], "rb").read()
bad = 0
for line in open(sys.argv[2]):
    what, data = line.split()
    found = bytes.fromhex(data) in disk
    if found != (what == "canary"):
        print(what, "is on the disk" if found else "is not on the disk: the search finds nothing")
        bad = 1
sys.exit(bad)
PY
