#!/bin/sh
# run.sh: the clients of clients.mjs against keep up with the demo model. They are installed from their registry into a folder of the
# build, once; where there is no npm, or no registry answers it, nobody else's client can be had and nothing is said: 77.
. "$(dirname "$0")/../scenario/lib.sh"
folder=$KEEP_BUILD/clients
command -v npm >/dev/null || skip 'npm is not installed'
if ! cmp -s "$KEEP_SOURCE/tests/clients/package.json" "$folder/package.json"; then
	mkdir -p "$folder"
	cp "$KEEP_SOURCE/tests/clients/package.json" "$folder/"
	(cd "$folder" && timeout 240 npm install --no-audit --no-fund --ignore-scripts --loglevel=error) >"$out" 2>"$err" </dev/null ||
		{ rm "$folder/package.json" && skip "npm could not install them: $(tail -n 1 "$err")"; }
fi
cp "$KEEP_SOURCE/tests/clients/clients.mjs" "$folder/"
appliance
start_up
expect 0 node "$folder/clients.mjs" "$KEEP_ROOT/run/http.sock"
cat "$out"
[ "$(wc -l <"$out")" = 17 ] || fail 'a client said nothing'
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
