# Sourced by every scenario: an appliance in a temporary directory, and words for what is expected.
#
#   KEEP_BUILD, KEEP_SOURCE   build directory and source tree; meson sets them. Without them: build/ beside this tree
#   KEEP_DEVICE               where to compute; default the reference device, which is everywhere
#
#   appliance                 init, a publisher, trust, sign, import the demo model as "demo"
#   expect STATUS COMMAND…    run it; standard output to $out, standard error to $err; anything but STATUS ends the scenario
#   says REGEX, says_not      must (not) stand in what the last expect caught
#   start_up, stop_up         keep up, in the background
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${KEEP_SOURCE:=$(cd "$here/../.." && pwd)}"
: "${KEEP_BUILD:=$KEEP_SOURCE/build}"
export KEEP_SOURCE KEEP_BUILD LC_ALL=C.UTF-8 NO_COLOR=1 MESA_SHADER_CACHE_DISABLE=true
export KEEP_DEVICE="${KEEP_DEVICE-reference}"
unset KEEP_TRACE XDG_STATE_HOME
work=$(mktemp -d) || exit 99
export KEEP_ROOT="$work/app" HOME="$work"
out=$work/out err=$work/err
up_pid=''
python=/usr/bin/python3 # a shim in the way costs a second a call
[ -x $python ] || python=python3
demo=$KEEP_SOURCE/packaging/demo-model

keep() { "$KEEP_BUILD/appliance/cli/keep" "$@"; }
fail() {
	printf 'FAIL %s: %s\n' "$(basename "$0")" "$*"
	for f in "$out" "$err" "$work/up.log" "$KEEP_ROOT/run/keep.log"; do
		[ -s "$f" ] && { echo "-- $(basename "$f")"; tail -n 25 "$f"; }
	done
	exit 1
}
# Only for what cannot be had where the test runs (a driver, a terminal, somebody else's program); the line says what that is.
skip() {
	printf 'skipped %s: %s\n' "$(basename "$0")" "$*"
	exit 77
}
expect() {
	expected=$1
	shift
	"$@" >"$out" 2>"$err" </dev/null
	got=$?
	[ $got = "$expected" ] || fail "\"$*\" ended with $got, not $expected"
}
says() { cat "$out" "$err" | grep -Eq -- "$1" || fail "nothing like \"$1\" was said"; }
says_not() { ! cat "$out" "$err" | grep -Eq -- "$1" || fail "\"$1\" was said"; }
member() { # FILE KEY: of the last JSON document in it
	$python -c 'import json, sys
v = json.loads(open(sys.argv[1]).read().strip().split("\n")[-1])[sys.argv[2]]
print({True: "true", False: "false"}.get(v, v) if isinstance(v, bool) else v)' "$1" "$2"
}

publisher() {
	[ -f "$work/pub.key.pem" ] || keep keygen --out "$work/pub" >"$out" 2>"$err" || fail keygen
}
model() { # a signed copy of the demo model in $work/demo
	publisher
	mkdir -p "$work/demo"
	cp "$demo/demo.gguf" "$demo/LICENSE" "$demo/card.md" "$work/demo/"
	keep sign "$work/demo" --key "$work/pub.key.pem" >"$out" 2>"$err" || fail sign
}
appliance() {
	keep init >"$out" 2>"$err" || fail init
	model
	keep trust add pub --key "$work/pub.pub.pem" >"$out" 2>"$err" || fail trust
	keep import "$work/demo" >"$out" 2>"$err" || fail import
}
start_up() {
	"$KEEP_BUILD/appliance/cli/keep" up "$@" >"$work/up.log" 2>&1 &
	up_pid=$!
	wait_for 'grep -q ": ready" "$work/up.log" || ! kill -0 $up_pid 2>/dev/null' "keep up"
	kill -0 $up_pid 2>/dev/null || fail 'keep up ended'
}
stop_up() { # the exit status of keep up
	[ -z "$up_pid" ] && return 0
	kill "$up_pid" 2>/dev/null
	wait "$up_pid"
	set -- $?
	up_pid=''
	return "$1"
}
wait_for() { # CONDITION WHAT: up to 60 seconds
	i=0
	until eval "$1"; do
		i=$((i + 1))
		[ $i -lt 1200 ] || fail "waited in vain: $2"
		sleep 0.05
	done
}
child() { pgrep -P "$up_pid" -x "$1"; }
flip() { # FILE OFFSET: one bit
	$python - "$1" "$2" <<-'PY'
		import os, sys
		os.chmod(sys.argv[1], 0o600)
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))
	PY
}
stored() { # the stored file that holds the weights
	find "$KEEP_ROOT/store/models" -type f -size +1000k | head -n 1
}
finish() {
	status=$?
	if [ -n "$up_pid" ]; then
		kill "$up_pid" 2>/dev/null
		wait "$up_pid" 2>/dev/null
	fi
	chmod -R u+w "$work" 2>/dev/null
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
