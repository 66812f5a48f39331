#!/bin/sh
# A model signed in shards is admitted and answers like the one signed by files; a single file is a model too.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo 'What is a ticket?' --seed 1 --json
want=$(member "$out" tokens_digest)
mkdir "$work/s" && cp "$demo/demo.gguf" "$demo/LICENSE" "$work/s/"
expect 0 keep sign "$work/s" --key "$work/pub.key.pem" --shards 300000
expect 0 keep import "$work/s" --name sharded
expect 0 keep run sharded 'What is a ticket?' --seed 1 --json
[ "$(member "$out" tokens_digest)" = "$want" ] || fail "another answer: $(cat "$out") instead of $want"
cp "$demo/demo.gguf" "$work/One File.gguf"
expect 0 keep sign "$work/One File.gguf" --key "$work/pub.key.pem"
expect 0 keep import "$work/One File.gguf"
expect 0 keep run one-file 'What is a ticket?' --seed 1 --json
[ "$(member "$out" tokens_digest)" = "$want" ] || fail "another answer: $(cat "$out") instead of $want"
truncate -s -1 "$work/s/demo.gguf"
expect 1 keep import "$work/s" --name less --json
expect 0 keep audit verify
