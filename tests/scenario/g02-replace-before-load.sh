#!/bin/sh
# Whatever takes the place of a stored file between import and load is not served: another model, a shorter or longer one, a link, nothing.
. "$(dirname "$0")/lib.sh"
appliance
base=$work/base
cp -a "$KEEP_ROOT" "$base"
fresh() {
	chmod -R u+w "$KEEP_ROOT" && rm -rf "$KEEP_ROOT" && cp -a "$base" "$KEEP_ROOT"
	file=$(stored)
	chmod -R u+w "$KEEP_ROOT/store/models"
}
not_served() {
	keep run demo 'What is a ticket?' >"$out" 2>"$err" </dev/null
	status=$?
	[ $status = 1 ] || [ $status = 3 ] || fail "$1: ended with $status"
	[ -s "$out" ] && fail "$1: something was answered"
	keep audit ls --json >"$work/log"
	grep -q '"event":"request"' "$work/log" && fail "$1: a request was let through"
	expect 0 keep audit verify
}
$python - "$demo/demo.gguf" "$work/other.gguf" <<'PY'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
for i in range(len(b) - 4096, len(b)):
    b[i] ^= 0x55
open(sys.argv[2], "wb").write(b)
PY
fresh && rm "$file" && cp "$work/other.gguf" "$file" && not_served "another model"
fresh && truncate -s -1 "$file" && not_served "one byte less"
fresh && printf x >>"$file" && not_served "one byte more"
fresh && : >"$file" && not_served "an empty file"
fresh && rm "$file" && ln -s "$demo/demo.gguf" "$file" && not_served "a link to the very same bytes"
fresh && rm "$file" && not_served "nothing"
fresh && rm "$file" && mkdir "$file" && not_served "a directory"
fresh && rm "$file" && mkfifo "$file" && not_served "a pipe"
# under keep up the answer comes from memory that was hashed: what happens to the file afterwards changes nothing
fresh && start_up
expect 0 keep run demo 'What is a ticket?' --seed 1 --json
want=$(member "$out" tokens_digest)
cat "$work/other.gguf" >"$file"
expect 0 keep run demo 'What is a ticket?' --seed 1 --json
[ "$(member "$out" tokens_digest)" = "$want" ] || fail "the answer changed with the file"
