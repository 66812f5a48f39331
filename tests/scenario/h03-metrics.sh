#!/bin/sh
# Metrics: a listener of its own says what llama-server's monitors look for, what the gate and the log are about, and nothing of anybody.
. "$(dirname "$0")/lib.sh"
appliance
start_up
mkdir "$work/g"
# a gateway as systemd would start it, with two sockets told apart by name
cat >"$work/start.py" <<'END'
import os, socket, sys
gateway, run, where = sys.argv[1:]
fds = []
for name in ("http.sock", "metrics.sock"):
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(where, name))
    s.listen(64)
    fds.append(os.dup2(s.fileno(), 20 + len(fds)))
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.set_inheritable(3 + i, True)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="http:metrics")
os.environ.pop("LISTEN_PID", None)
os.execv(gateway, [gateway, "--run", run])
END
$python "$work/start.py" "$KEEP_BUILD/appliance/gateway/keep-gateway" "$KEEP_ROOT/run" "$work/g" 2>"$work/gateway.log" &
gateway=$!
trap 'set -- $?; kill $gateway 2>/dev/null; (exit "$1"); finish' EXIT
wait_for '[ -S "$work/g/metrics.sock" ]' 'the sockets'
get() { # SOCKET PATH: the body to $out
	$python - "$work/g/$1" "$2" >"$out" 2>"$err" <<-'END' || fail "GET $2"
		import http.client, socket, sys
		c = http.client.HTTPConnection("keep", timeout=60)
		c.sock = socket.socket(socket.AF_UNIX)
		c.sock.connect(sys.argv[1])
		c.request("GET", sys.argv[2])
		r = c.getresponse()
		print(r.status, r.getheader("content-type"))
		print(r.read().decode(), end="")
	END
}
value() { sed -n "s/^$1 //p" "$out"; }

get metrics.sock /metrics
says '^200 text/plain; version=0.0.4'
[ "$(value 'llamacpp:tokens_predicted_total')" = 0 ] || fail 'tokens before anybody asked'
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$work/g/http.sock" refused
expect 0 keep run demo 'What is Keep?' --max-tokens 7
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$work/g/http.sock" messages
get metrics.sock /metrics
cp "$out" "$work/metrics"
sed -i 1d "$work/metrics"
[ "$(value 'llamacpp:tokens_predicted_total')" -gt 7 ] || fail 'what the terminal asked is not counted'
[ "$(value 'keep_http_responses_total{code="400"}')" -ge 5 ] || fail 'refusals are not counted'
[ "$(value 'llamacpp:spec_decode_num_draft_tokens_total')" -ge "$(value 'llamacpp:spec_decode_num_accepted_tokens_total')" ] ||
	fail 'more guesses were right than there were'
[ "$(value 'keep_first_token_seconds_count')" -ge 1 ] || fail 'no first token'
[ "$(value keep_gate_open)" = 1 ] || fail 'the gate is open'
records=$(value keep_log_records)
expect 0 keep status --json
[ "$(member "$out" log_size)" -ge "$records" ] || fail 'records of the log'

wait_for 'get metrics.sock /metrics; [ "$(value llamacpp:requests_processing) $(value llamacpp:requests_deferred)" = "0 0" ]' 'nobody asks, and something runs or waits'

# nothing that tells one from another: no name of model, user, key, prompt; labels are the few that are stated
for word in demo uid "$(id -un)" appliance What; do
	grep -v '^#' "$work/metrics" | grep -qi -- "$word" && fail "metrics say \"$word\""
done
grep -o '[a-z]*="' "$work/metrics" | sort -u | tr -d '\n' | grep -qx 'code="le="reason="version="' || fail 'a label that is not stated'

# a client's socket has no metrics, and the monitor's has nothing else
get http.sock /metrics
says '^404 '
get metrics.sock /v1/models
says '^404 '

# what is wrong by Prometheus' own reckoning: but for the colons of llama-server's names, which its monitors look for
if command -v promtool >/dev/null; then
	promtool check metrics <"$work/metrics" >"$out" 2>&1
	[ "$(grep -v '^llamacpp:.*metric names should not contain .:.$' "$out")" = '' ] || fail 'promtool finds something'
else
	echo 'promtool is not installed: the page was read by our own eyes only'
fi

# a gate that is gone is what a monitor wants to hear of
stop_up || fail "keep up ended with $?"
get metrics.sock /metrics
[ "$(value keep_gate_up)" = 0 ] || fail 'keepd is down, and metrics do not say so'
