#!/bin/sh
# Whatever differs from what was signed is refused with its own reason, nothing of it is stored, and the refusal is recorded.
. "$(dirname "$0")/lib.sh"
appliance
n=0
refused() { # CODE: the last copy
	n=$((n + 1))
	expect 1 keep import "$work/copy" --name copy --json
	[ "$(member "$out" code)" = "$1" ] || fail "$2: code $(member "$out" code), not $1"
	expect 1 keep verify "$work/copy" --bundle "$work/copy/model.sig" --key "$work/pub.pub.pem" --json
	[ "$(member "$out" code)" = "$1" ] || fail "verify, $2: code $(member "$out" code), not $1"
}
copy() { rm -rf "$work/copy" && cp -r "$work/demo" "$work/copy"; }
size=$(stat -c %s "$demo/demo.gguf")
for at in 0 7 100 4096 1048575 1048576 $((size - 1)); do
	copy && flip "$work/copy/demo.gguf" "$at"
	refused digest "byte $at"
done
copy && flip "$work/copy/LICENSE" 10 && refused digest LICENSE
copy && printf x >>"$work/copy/demo.gguf" && refused digest "one byte more"
copy && truncate -s -1 "$work/copy/demo.gguf" && refused digest "one byte less"
copy && rm "$work/copy/card.md" && refused missing-file "a file less"
copy && echo x >"$work/copy/extra.txt" && refused extra-file "a file more"
copy && mv "$work/copy/card.md" "$work/copy/CARD.md" && n=$((n + 1)) && expect 1 keep import "$work/copy" --name copy
# the signature: another byte anywhere in the statement or the signature itself
copy && sed -i 's/"sig": *"\(.\)/"sig":"A/' "$work/copy/model.sig" && n=$((n + 1)) && expect 1 keep import "$work/copy" --name copy
copy && $python - "$work/copy/model.sig" <<'PY'
import base64, json, sys
b = json.load(open(sys.argv[1]))
p = base64.b64decode(b["dsseEnvelope"]["payload"]).replace(b"card.md", b"card.MD")
b["dsseEnvelope"]["payload"] = base64.b64encode(p).decode()
json.dump(b, open(sys.argv[1], "w"))
PY
refused signature "another statement"
# links and special files are refused before anything is sent
copy && ln -s LICENSE "$work/copy/link" && expect 1 keep import "$work/copy" --name copy && says symlink
copy && rm "$work/copy/card.md" && ln -s "$work/demo/card.md" "$work/copy/card.md" && expect 1 keep import "$work/copy" --name copy && says symlink
copy && mkfifo "$work/copy/pipe" && expect 1 keep import "$work/copy" --name copy && says special-file
expect 0 keep ls --json
[ "$(wc -l <"$out")" = 1 ] || fail "something of it is listed"
[ "$(ls "$KEEP_ROOT/store/models" | wc -l)" = 1 ] || fail "something of it is stored"
[ -z "$(ls "$KEEP_ROOT/store/staging")" ] || fail "something of it is left in staging"
keep audit ls --json >"$out"
[ "$(grep -c '"verdict":"rejected"' "$out")" = $n ] || fail "$n refusals, $(grep -c '"verdict":"rejected"' "$out") recorded"
expect 0 keep audit verify
