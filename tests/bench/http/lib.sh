# Sourced by what measures here: an appliance with the demo model in a temporary directory, and keep up in the background.
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
keep="$build/appliance/cli/keep"
up=
export KEEP_ROOT="$work/app"
trap 'status=$?; [ -z "$up" ] || { kill $up && wait $up; } 2>/dev/null; rm -rf "$work"; exit $status' EXIT

quietly() { # COMMAND…: what it said is shown where it fails
	"$@" >>"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
}
appliance() {
	quietly "$keep" init
	quietly "$keep" keygen --out "$work/pub"
	mkdir "$work/demo" && cp "$here"/../../../packaging/demo-model/demo.gguf "$work/demo/"
	quietly "$keep" sign "$work/demo" --key "$work/pub.key.pem"
	quietly "$keep" trust add pub --key "$work/pub.pub.pem"
	quietly "$keep" import "$work/demo"
}
serve() { # COMMAND…: that becomes keep up
	: >"$work/log"
	"$@" >"$work/log" 2>&1 &
	up=$!
	until grep -q ': ready' "$work/log"; do
		kill -0 $up 2>/dev/null || { cat "$work/log" && exit 1; }
		sleep 0.1
	done
}
serve_no_more() { # an end in order, or none
	kill $up
	wait $up || { cat "$work/log" && exit 1; }
	up=
}
