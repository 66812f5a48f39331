#!/bin/sh
# keep status --json: every member stands in keep-status(1), and every member that stands there is said.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
appliance
ca
expect 0 keep tls csr --san DNS:keep.test --out "$work/gate.csr"
openssl x509 -req -in "$work/gate.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/gate.pem" -days 20 -copy_extensions copy \
	2>"$err" || fail 'openssl: gate'
expect 0 keep tls install "$work/gate.pem" --root "$work/ca.pem"
start_up
expect 0 $python "$KEEP_SOURCE/tests/scenario/client.py" "$KEEP_ROOT/run/http.sock" messages # a session that stays
expect 0 keep status --json
$python - "$out" "$KEEP_SOURCE/packaging/man/keep-status.1" <<'END' || fail 'keep-status(1) and --json differ'
import json, re, sys
said = set()
def walk(v, at):
    if isinstance(v, dict):
        for k, x in v.items():
            walk(x, at + "." + k if at else k)
    elif isinstance(v, list):
        assert v, "nothing in %s: this test must make one" % at
        for x in v:
            walk(x, at + "[]")
    else:
        said.add(at)
walk(json.load(open(sys.argv[1])), "")
told = set(re.findall(r"^\.It Li (\S+)$", open(sys.argv[2]).read(), re.M))
assert said - told == set(), "not in the page: %s" % (said - told)
assert told - said == {"witnessed_age_s"}, "only in the page: %s" % (told - said)  # it waits for a witness
END
stop_up || fail "keep up ended with $?"
