#!/bin/sh
# run.sh: the console in a browser (console.mjs), on the stage of stage.sh. The browser is Debian's; what drives it and what looks for barriers are
# installed from their registry into a folder of the build, once. Where one of these cannot be had nothing is said: 77. Screenshots of every page
# in every look stay in BUILD/console-shots. KEEP_ONLY: cases and pages whose names hold that, alone.
. "$(dirname "$0")/../scenario/lib.sh"
. "$(dirname "$0")/../scenario/ca.sh"
. "$(dirname "$0")/stage.sh"
folder=$KEEP_BUILD/console-browser
CHROMIUM=$(command -v chromium) || skip 'chromium is not installed'
command -v npm >/dev/null || skip 'npm is not installed'
command -v curl >/dev/null || skip 'no curl'
if ! cmp -s "$KEEP_SOURCE/tests/console/package.json" "$folder/package.json"; then
	mkdir -p "$folder"
	cp "$KEEP_SOURCE/tests/console/package.json" "$folder/"
	(cd "$folder" && timeout 240 npm install --no-audit --no-fund --ignore-scripts --loglevel=error) >"$out" 2>"$err" </dev/null ||
		{ rm "$folder/package.json" && skip "npm could not install what drives the browser: $(tail -n 1 "$err")"; }
fi
stage
export KEEP_MODULES="$folder" KEEP_VERIFY="$KEEP_BUILD/audit/verify/keep-audit-verify" KEEP="$KEEP_BUILD/appliance/cli/keep" CHROMIUM KEEP_KEY="$bob"
rm -rf "$KEEP_BUILD/console-shots"
expect 0 node "$KEEP_SOURCE/tests/console/console.mjs" "$url" "$link" "$KEEP_BUILD/console-shots" ${KEEP_ONLY:+"$KEEP_ONLY"}
cat "$out"
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
