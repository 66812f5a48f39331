"""hostile_tls.py PORT CA: handshakes that never end or never began, smuggling inside of TLS, and connections that are dropped half-way. Every one
is ended or answered, and a client that comes behind them is served."""
import resource, socket, ssl, sys, time

PORT, CA = int(sys.argv[1]), sys.argv[2]


def plain():
    return socket.create_connection(("127.0.0.1", PORT), timeout=20)


def secure():
    c = ssl.create_default_context(cafile=CA)
    c.check_hostname = False
    return c.wrap_socket(plain())


def ends(s, within, what):
    """The other end hangs up, or says no, and nothing is served."""
    s.settimeout(within)
    got = b""
    try:
        while part := s.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    except TimeoutError:
        sys.exit(f"{what}: still open")
    if b"200 OK" in got:
        sys.exit(f"{what}: served")


def served():
    s = secure()
    s.sendall(b"GET /health HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
    if b"200 OK" not in s.recv(65536):
        sys.exit("a client that does everything right is not served")


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    served()
    idle = plain()  # says nothing at all
    slow = plain()
    slow.sendall(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that stops
    began = time.monotonic()
    for junk in (b"GET / HTTP/1.1\r\nHost: k\r\n\r\n", b"\x00" * 4096, b"\x16\x03\x01\xff\xff" + b"\x41" * 65535, bytes(range(256)) * 64):
        s = plain()
        try:
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        ends(s, 15, f"garbage {junk[:8]!r}")
    for text in (b"GET /health HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                 b"GET /health HTTP/1.1\nHost: k\n\n", b"GET /health HTTP/1.1\r\nHost: k\r\nHost: l\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost : k\r\n\r\n"):
        s = secure()
        s.sendall(text)
        if text.endswith(b"\n\n") and b"\r" not in text:
            s.shutdown(socket.SHUT_WR)
        ends(s, 20, f"smuggling {text[20:60]!r}")
    # an unknown sender's body is never read: the answer comes before it
    s = secure()
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: k\r\nContent-Length: 16000000\r\n\r\n")
    if b" 401 " not in s.recv(65536):
        sys.exit("a body is waited for before its sender is known")
    s.close()
    for i in range(300):  # aborted in every state
        s = plain() if i % 3 else secure()
        if i % 3 == 1:
            s.sendall(b"\x16\x03\x01\x00\xc8" + b"\x01" * (i % 200))
        elif i % 3 == 0:
            s.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: k\r\nContent-Le")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        s.close()
    # one past as many as one address may have; who has them is served, and room comes back
    many = []
    for i in range(1100):
        try:
            many.append(plain())
        except OSError:
            break
    time.sleep(1)
    dead = 0
    for s in many:
        s.setblocking(False)
        try:
            dead += s.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            dead += 1
    if not 76 <= dead <= 92:
        sys.exit(f"{dead} of 1100 connections of one address were refused")
    for s in many:
        s.close()
    time.sleep(0.5)
    served()
    ends(idle, 15 - min(14, time.monotonic() - began) + 2, "a connection that says nothing")
    ends(slow, 3, "a handshake that stops")


main()
