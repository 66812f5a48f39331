"""idle.py HOW PORT NUMBER UP KEY: opens so many clients that wait, and prints what each costs the keep-gateway that UP started."""
import json, os, resource, socket, ssl, subprocess, sys, time

how, port, n, up = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
key = open(sys.argv[5]).read().strip().encode()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE


def connect(i):
    s = socket.socket()
    s.bind(("127.0.1.%d" % (1 + i % 40), 0))  # no address has more than its share
    s.connect(("127.0.0.1", port))
    return tls.wrap_socket(s, do_handshake_on_connect=False) if how == "tls" else s


def handshake(some):
    """Of all of them side by side: one after the other they would take so long that the first are given up."""
    for s in some:
        s.setblocking(False)
    left = list(some)
    while left:
        again = []
        for s in left:
            try:
                s.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                again.append(s)
        left = again
        time.sleep(0.001)
    for s in some:
        s.setblocking(True)


def health(s):
    s.sendall(b"GET /health HTTP/1.1\r\nHost: keep\r\n\r\n")


def healthy(s):
    assert b" 200 " in s.recv(4096)


def stream(s, i):
    body = json.dumps({"model": "demo", "stream": True, "max_tokens": 300, "seed": i, "messages": [{"role": "user", "content": "Question %d" % i}],
                       "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "string", "minLength": 1000}}}}).encode()
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: keep\r\nAuthorization: Bearer " + key + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def answered(s):
    """By anything but the beginning of a stream."""
    try:
        return not s.recv(64, socket.MSG_PEEK).startswith(b"HTTP/1.1 200 ")
    except BlockingIOError:
        return False


def rss(pid):
    return int(next(l for l in open("/proc/%s/status" % pid) if l.startswith("VmRSS")).split()[1])


first = connect(0)
if how == "tls":
    handshake([first])
health(first)
healthy(first)
pid = subprocess.run(["pgrep", "-P", up, "-x", "keep-gateway"], capture_output=True, text=True).stdout.strip()
if how == "streams":  # a seat and a model are there before
    stream(first, 0)
    first.recv(4096)
before, had, all = rss(pid), len(os.listdir("/proc/%s/fd" % pid)) - 1, []
first.close()
asked = time.monotonic()
while len(all) < n:
    if how != "streams" and time.monotonic() - asked > 20:  # who says nothing for a minute is given up
        for s in all:
            health(s)
        for s in all:
            healthy(s)
        asked = time.monotonic()
    some = [connect(len(all) + i) for i in range(min(100, n - len(all)))]
    if how == "tls":
        handshake(some)
    for i, s in enumerate(some):
        stream(s, len(all) + i) if how == "streams" else health(s)
    for s in some:
        how == "streams" or healthy(s)
    all += some
most = 0
for _ in range(20 if how == "streams" else 2):
    time.sleep(0.25)
    most = max(most, rss(pid))
there = len(os.listdir("/proc/%s/fd" % pid)) - had
if how == "streams":  # all of them wait for their turn: none was refused
    for s in all:
        s.setblocking(False)
    refused = [s for s in all if answered(s)]
    why = {s.recv(4096)[-60:] if s else b"" for s in refused}
    assert not refused, "%d of them were refused: %r" % (len(refused), why)
assert there >= n, "only %d are still there" % there
print(f"{n:6} {how:7} {(most - before) / n:6.1f} KiB each over {before / 1024:.1f} MiB, {most / 1024:.0f} MiB together", flush=True)
