"""crowd.py STORY PORT …: very many clients of one gateway at once. Each story ends with 0 or says what was wrong.

connections PORT PID   10,000 connections of forty addresses, in every state before a request; the memory of process PID is bounded, a client that
                       comes meanwhile is served, and nothing is left of them
streams PORT KEYS      1,000 streams at once, of the API keys that stand in KEYS: two thirds are read to their ends, some are hung up on, some are
                       not read for a while
aborted PORT KEYS PID  4,000 streams of the same, 400 at a time, each dropped at one of five stages, half of them by a reset; after each 400 somebody
                       else is served whole; the memory of process PID is what it was after the first of them"""
import json, os, resource, selectors, socket, sys, time

HOST = b"Host: keep\r\n"
PORT = int(sys.argv[2])


def want(ok, what, *more):
    if not ok:
        sys.exit("crowd.py: %s: %s" % (what, " ".join(str(m) for m in more)))


def connect(i):
    """Of one of the forty addresses."""
    s = socket.socket()
    s.settimeout(60)
    s.bind(("127.0.1.%d" % (1 + i % 40), 0))
    s.connect(("127.0.0.1", PORT))
    return s


def rss(pid):
    return int(next(l for l in open("/proc/%s/status" % pid) if l.startswith("VmRSS")).split()[1])


def descriptors(pid):
    return len(os.listdir("/proc/%s/fd" % pid))


def settled(pid):
    """Descriptors when the last of those that hung up is gone."""
    few = []
    for _ in range(20):
        few.append(descriptors(pid))
        time.sleep(0.02)
    return min(few)


def served():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    s.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    want(s.recv(65536).startswith(b"HTTP/1.1 200 "), "a client among many is not served")
    s.close()


# What is sent, and how many seconds the gateway keeps such a connection: a head that is begun has 15, one that is idle or was answered 60.
STARTS = ((b"", 60), (b"G", 15), (b"GET /health HTTP/1.1\r\nHos", 15),
          (b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 16777216\r\n", 15), (b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n", 60))


def due(opened, now):
    """How many of those that were opened at these times must be there still."""
    return sum(now - t < STARTS[i % len(STARTS)][1] for i, t in enumerate(opened))


def all_are_in(pid, had, opened):
    """On a slow machine some heads have had their time before the last one is accepted: those are due no more."""
    until = time.monotonic() + 30
    while True:
        now = time.monotonic()
        there, wanted = descriptors(pid) - had, due(opened, now)
        if there >= wanted:
            return there
        want(now < until, "every one is let in, and kept as long as it may stay", there, wanted)
        time.sleep(0.05)


def story_connections():
    pid, n, all, opened = sys.argv[3], 10000, [], []
    served()
    before, had = rss(pid), settled(pid)
    for i in range(n):
        s = connect(i)
        opened.append(time.monotonic())  # earlier than the gateway's own clock begins
        s.sendall(STARTS[i % len(STARTS)][0])
        all.append(s)
    most = all_are_in(pid, had, opened)
    served()
    grown = (rss(pid) - before) / n
    want(grown < 24, "so many KiB for each connection", grown)
    for s in all[4::5]:
        want(s.recv(4096).startswith(b"HTTP/1.1 200 "), "one that asks is served")
    for s in all:
        s.close()
    for _ in range(600):
        if descriptors(pid) <= had + 2:
            break
        time.sleep(0.05)
    want(descriptors(pid) <= had + 2, "descriptors are left", descriptors(pid), had)
    served()
    print("%d connections in %.1f s, %d at once: %.1f KiB each" % (n, opened[-1] - opened[0], most, grown))


# ---- streams ---------------------------------------------------------------------------------------------------------------------


def request(i, key, tokens=24, stream=True):
    body = json.dumps({"model": "demo", "stream": stream, "max_tokens": tokens, "temperature": 1, "seed": i,
                       "messages": [{"role": "user", "content": "Question %d: what is Keep?" % (i % 50)}]}).encode()
    return (b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + key.encode() +
            b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


class Stream:
    def __init__(self, i, key):
        self.kind = ("read", "read", "hang up", "read", "late", "read")[i % 6]
        self.got, self.over = b"", False
        self.s = connect(i)
        self.s.sendall(request(i, key))

    def read(self):
        """True: there will be more."""
        part = self.s.recv(65536)
        self.got += part
        if not part or (self.kind == "hang up" and b"data: " in self.got):
            self.s.close()
            self.over = True
        return not self.over


def read_all(streams, seconds):
    sel = selectors.DefaultSelector()
    for t in streams:
        sel.register(t.s, selectors.EVENT_READ, t)
    until = time.monotonic() + seconds
    while sel.get_map():
        want(time.monotonic() < until, "streams that do not end", len(sel.get_map()))
        for key, _ in sel.select(1):
            sock = key.fileobj
            fd = key.fd
            if not key.data.read():
                sel.unregister(fd if sock.fileno() < 0 else sock)


def story_streams():
    keys = open(sys.argv[3]).read().split()
    all = [Stream(i, keys[i % len(keys)]) for i in range(1000)]
    read_all([t for t in all if t.kind != "late"], 150)
    read_all([t for t in all if t.kind == "late"], 150)
    for t in all:
        want(t.got.startswith(b"HTTP/1.1 200 "), "an answer", t.got[:400])
        want(t.kind == "hang up" or b"data: [DONE]" in t.got, "a stream that ends", t.kind, t.got[-200:])
    ids = {t.got.split(b"keep-log-index: ")[1].split(b"\r")[0] for t in all}
    want(len(ids) == len(all), "a record for each", len(ids))
    print("%d streams, %d read to their ends" % (len(all), sum(b"[DONE]" in t.got for t in all)))


def whole(i, key):
    s = connect(i)
    s.sendall(request(i, key, stream=False))
    got = b""
    while part := s.recv(65536):
        got += part
    s.close()
    want(got.startswith(b"HTTP/1.1 200 ") and b'"finish_reason"' in got, "somebody else is served", got[:400])


def abort(i, s):
    """Dropped with a body that is not whole, or unheard, or while its answer begins or goes on."""
    stage = i % 5
    if stage > 1:
        s.recv((1, 300, 900)[stage - 2])
    if i % 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    s.close()


def story_aborted():
    keys, pid, before, waited = open(sys.argv[3]).read().split(), sys.argv[4], None, []
    for wave in range(10):
        all = [connect(i) for i in range(400)]
        for i, s in enumerate(all):
            r = request(i, keys[i % (len(keys) - 1)], 200)
            s.sendall(r[:len(r) - (i % 5 == 0)])
        for i, s in enumerate(all):
            abort(i, s)
        asked = time.monotonic()
        whole(wave, keys[-1])
        waited.append(time.monotonic() - asked)
        before = before or rss(pid)
    grown = rss(pid) - before
    want(grown < 4096, "so many KiB are left of them", grown)
    print("4000 aborted: %d KiB; an answer to somebody else behind 400: %.2f s" % (grown, sorted(waited)[5]))


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
globals()["story_" + sys.argv[1]]()
