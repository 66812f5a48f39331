#!/bin/sh
# Devices are listed, chosen by name and tested; one that is not there is refused.
. "$(dirname "$0")/lib.sh"
expect 0 keep device ls
says reference
expect 0 keep device ls --json
grep -q '"reference"' "$out" || fail "no reference device"
expect 0 keep device test reference
expect 1 keep device test 'no such device'
says "no device"
appliance
for device in reference ''; do
	export KEEP_DEVICE="$device"
	expect 0 keep run demo 'What is a ticket?' --seed 1 --json
	echo "${device:-best}: $(member "$out" device)"
	member "$out" tokens_digest >>"$work/digests"
done
[ "$(sort -u "$work/digests" | wc -l)" = 1 ] || fail "the best device and the reference give different bits"
export KEEP_DEVICE='no such device'
expect 3 keep run demo 'What is a ticket?'
says 'no such device'
expect 1 keep up --device 'no such device'
says 'giving up'
expect 0 keep audit verify
