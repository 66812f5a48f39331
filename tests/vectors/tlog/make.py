#!/usr/bin/env python3
"""make.py DIR: writes cases of notes, checkpoints, policies, proofs and witnesses, good and bad, each with its verdict: cases.tsv and
the files that it names. The same bytes every time; nobody's keys, all seeds are here.

cases.tsv: exit status, what standard output must be ("*": anything), then the words behind `keep tlog`. A word that begins with @ is a
file of that folder; one that begins with < is standard input; =NAME stands for a folder that lives as long as the run."""
import base64, hashlib, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tlog"))
sys.dont_write_bytecode = True
import verify as v

HERE = sys.argv[1]
rows, files = [], {}
b64 = lambda d: base64.b64encode(d).decode()


def encode(p):
    z = pow(p[2], v.P - 2, v.P)
    x, y = p[0] * z % v.P, p[1] * z % v.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    def __init__(self, name, kind=1):
        h = hashlib.sha512(hashlib.sha256(name.encode() + bytes([kind])).digest()).digest()
        self.name, self.kind, self.prefix = name, kind, h[32:]
        self.a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.public = encode(v.mul(self.a, v.BASE))
        self.id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(bytes([kind]) + self.public)}"

    def raw(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % v.L
        big_r = encode(v.mul(r, v.BASE))
        h = int.from_bytes(hashlib.sha512(big_r + self.public + message).digest(), "little")
        return big_r + ((r + h * self.a) % v.L).to_bytes(32, "little")

    def line(self, text, time=1700000000):
        if self.kind == 1:
            return f"\u2014 {self.name} {b64(self.id + self.raw(text.encode()))}\n"
        sig = self.raw(f"cosignature/v1\ntime {time}\n".encode() + text.encode())
        return f"\u2014 {self.name} {b64(self.id + time.to_bytes(8, 'big') + sig)}\n"


def put(name, data):
    data = data.encode() if isinstance(data, str) else data
    assert files.setdefault(name, data) == data, name
    return "@" + name


def case(status, out, *words):
    rows.append("\t".join([str(status), out, *(x.replace("\t", "\\t").replace("\n", "\\n") for x in words)]))


log, other = Key("example.org/log"), Key("example.org/other")
w = [Key(f"witness.example/{i}", 4) for i in range(4)]
leaves = [f"entry {i}".encode() for i in range(10)]
hashes = [v.leaf_hash(x) for x in leaves]


def cp(size, root=None, origin="example.org/log", ext=""):
    return f"{origin}\n{size}\n{b64(root or v.root_of(hashes[:size]))}\n{ext}"


def signed(text, *keys, time=1700000000):
    return text + "\n" + "".join(k.line(text, time) for k in keys)


# ---- verifier keys ----
good = log.vkey
name, key_id, raw = good.split("+", 2)
key = base64.b64decode(raw)
mldsa = bytes([6]) + bytes(range(256)) * 5 + bytes(32)
pq_id = hashlib.sha256(b"pq.example\n" + mldsa).hexdigest()[:8]
for k in [good, w[0].vkey, "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", f"pq.example+{pq_id}+{b64(mldsa)}"]:
    case(0, "*", "vkey", k)


def odd_id(name, body):
    """Of a key of another shape."""
    return hashlib.sha256(name.encode() + b"\n" + body).hexdigest()[:8]


for k in ["", "+", "++", good[:-1], good + "=", good + "\n", " " + good, f"{name}+{key_id.upper()}+{raw}", f"{name}+{key_id}", f"+{key_id}+{raw}",
          f"{name}+00000000+{raw}", f"{name}+{key_id}0+{raw}", f"{name}+{key_id}+{raw.replace('A', '-')}", f"{name}+{key_id}+{raw}AAAA",
          f"{name}x+{key_id}+{raw}"] + \
         [f"{n}+{odd_id(n, body)}+{b64(body)}" for n, body in [
             ("a b", key), ("a\u00a0b", key), ("a\u2003b", key), ("a\u3000b", key), ("a\tb", key), ("n" * 256, key), ("a", b""),
             ("a", b"\x01"), ("a", key[:-1]), ("a", key + b"\0"), ("a", b"\x02" + key[1:]), ("a", b"\x05" + key[1:]), ("a", b"\xff" + key[1:]),
             ("a", b"e" + key[1:]), ("a", b"\x06" + key[1:]), ("a", mldsa[:-1])]]:
    case(1, "*", "vkey", k)
case(0, "*", "vkey", f"{'n' * 255}+{odd_id('n' * 255, key)}+{b64(key)}")
case(2, "*", "vkey")
case(2, "*", "vkey", good, good)
case(2, "*", "vkey", "--nonsense", good)

# ---- notes ----
text = "Some words.\n\nAnd more of them.\n"
note = signed(text, log)
head, sig = note.rsplit("\n\n", 1)
gone = sig.split(" ")[2].strip()


def n(status, out, label, data, *keys):
    args = [x for k in keys or (good,) for x in ("--vkey", k)]
    case(status, out, "note-verify", *args, put(f"note-{label}.note", data))


n(0, "1", "plain", note)
n(0, "2", "two", signed(text, log, other), good, other.vkey)
n(0, "1", "two", signed(text, log, other))
n(0, "1", "twice", note + sig)
n(0, "1", "unknown", signed(text, other, log))
n(1, "*", "plain", note, other.vkey)
n(1, "*", "plain", note, good, "nonsense")
n(0, "1", "plain", note, good, good)
n(0, "1", "many", note + other.line(text) * 63)
n(1, "*", "too-many", note + other.line(text) * 64)
n(0, "1", "sixteen", note + "".join(Key(f"k{i}").line(text) for i in range(15)))
flipped = base64.b64decode(gone)
flipped = b64(flipped[:-1] + bytes([flipped[-1] ^ 1]))
n(1, "*", "flipped", note.replace(gone, flipped))
n(1, "*", "good-and-flipped", note + f"\u2014 {name} {flipped}\n")
n(0, "1", "same-id-other-name", note + f"\u2014 stranger {flipped}\n")
n(0, "1", "same-name-other-id", note + f"\u2014 {name} {b64(b'1234' + bytes(64))}\n")
n(1, "*", "text-changed", note.replace("Some", "some"))
for label, data in {
        "no-signature": text + "\n", "no-gap": text + sig, "no-final-lf": note[:-1], "empty": "", "crlf": note.replace("\n", "\r\n"),
        "tab": signed("a\tb\n", log), "control": signed("a\x01b\n", log), "nul": signed("a\0b\n", log), "trailing": note + "words\n",
        "trailing-lf": note + "\n", "dash": note.replace("\u2014", "-"), "two-spaces": note.replace(" " + gone, "  " + gone), "unpadded": note.replace("=", ""),
        "url-base64": note.replace("/", "_"), "bit-in-padding": note.replace(gone, gone[:-2] + chr(ord(gone[-2]) + 1) + "="),
        "short-blob": note + f"\u2014 x {b64(b'1234')}\n", "name-plus": note + f"\u2014 a+b {gone}\n", "name-nbsp": note + f"\u2014 a\u00a0b {gone}\n",
        "no-name": note + f"\u2014  {gone}\n", "long-signature": note.replace(gone, b64(base64.b64decode(gone) + b"\0")),
        "short-signature": note.replace(gone, b64(base64.b64decode(gone)[:-1]))}.items():
    n(1, "*", label, data)
n(1, "*", "not-utf8", note.encode().replace(b"Some", b"S\xffme"))
n(1, "*", "surrogate", note.encode().replace(b"Some", b"S\xed\xa0\x80"))
case(1, "*", "note-verify", put("note-plain.note", note))
case(1, "*", "note-verify", "--vkey", good, "/nonexistent/note")
case(2, "*", "note-verify", "--vkey", good)
case(2, "*", "note-verify", "--vkey", good, "a", "b")

# ---- checkpoints and cosignatures ----


def c(status, out, label, data, *keys):
    args = [x for k in keys or (good,) for x in ("--vkey", k)]
    case(status, out, "checkpoint", *args, put(f"checkpoint-{label}.note", data))


t10 = cp(10)
c(0, "10", "plain", signed(t10, log))
c(0, "0", "empty", signed(cp(0), log))
c(0, "10", "cosigned", signed(t10, log, w[0]))
c(0, "10", "cosigned", signed(t10, log, w[0]), w[0].vkey)
c(0, "10", "cosigned-only", signed(t10, w[0]), w[0].vkey)
c(0, "10", "extended", signed(cp(10, ext="more\nand more\n"), log))
c(0, "10", "blanks", signed(cp(10, origin="an origin with blanks"), log))
c(0, "18446744073709551615", "largest", signed(f"o\n{2 ** 64 - 1}\n{b64(bytes(32))}\n", log))
c(0, "10", "time-0", signed(t10, w[0], time=0), w[0].vkey)
c(0, "10", "time-63", signed(t10, w[0], time=2 ** 63 - 1), w[0].vkey)
c(1, "*", "time-64", signed(t10, w[0], time=2 ** 63), w[0].vkey)
c(1, "*", "cosignature-as-note", t10 + "\n" + f"\u2014 {w[0].name} {b64(w[0].id + w[0].raw(t10.encode()))}\n", w[0].vkey)
c(1, "*", "note-as-cosignature", t10 + "\n" + f"\u2014 {log.name} {b64(log.id + bytes(8) + log.raw(t10.encode()))}\n")
good_line = w[0].line(t10)
blob = base64.b64decode(good_line.split(" ")[2])
c(1, "*", "time-changed", t10 + "\n" + f"\u2014 {w[0].name} {b64(blob[:11] + bytes([blob[11] ^ 1]) + blob[12:])}\n", w[0].vkey)
r = b64(v.root_of(hashes))
for label, body in {"leading-zero": f"o\n010\n{r}\n", "zeros": f"o\n00\n{r}\n", "plus": f"o\n+1\n{r}\n", "minus": f"o\n-1\n{r}\n", "blank": f"o\n 10\n{r}\n", "hex": f"o\n0x1\n{r}\n",
                    "no-size": f"o\n\n{r}\n", "too-large": f"o\n{2 ** 64}\n{r}\n", "root-31": f"o\n10\n{b64(bytes(31))}\n", "root-33": f"o\n10\n{b64(bytes(33))}\n",
                    "root-unpadded": f"o\n10\n{r[:-1]}\n", "root-bits": f"o\n10\n{r[:-2] + chr(ord(r[-2]) + 1)}=\n", "no-origin": f"\n10\n{r}\n", "empty-extension": f"o\n10\n{r}\n\nmore\n",
                    "two-lines": "o\n10\n", "origin-256": f"{'o' * 256}\n10\n{r}\n"}.items():
    c(1, "*", label, signed(body, log))

# ---- policies ----
ks = [k.vkey for k in w]
base = f"log {good}\n" + "".join(f"witness w{i} {k}\n" for i, k in enumerate(ks))


def p(status, label, data):
    case(status, "*", "policy", put(f"policy-{label}.txt", data))


for label, data in {
        "none": "quorum none\n", "one": base + "quorum w0\n", "any": base + "group g any w0 w1\nquorum g\n", "all": base + "group g all w0 w1 w2 w3\nquorum g\n",
        "2": base + "group g 2 w0 w1 w2\nquorum g\n", "nested": base + "group a 1 w0 w1\ngroup b all w2 w3\ngroup c any a b\nquorum c\n",
        "blanks": " \t\n# words\n\t# more\n\tlog \t" + good + "  \nquorum\tnone \n", "urls": f"log {good} https://a.example/\nwitness w {ks[0]} u\nquorum w\n", "after": "quorum none\n" + base,
        "bytes": f"witness \xff\xfe {ks[0]}\nquorum \xff\xfe\n".encode("latin-1"), "pq": f"witness w pq.example+{pq_id}+{b64(mldsa)}\nquorum w\n",
        "64": "".join(f"witness w{i} {Key(f'k{i}', 4).vkey}\n" for i in range(64)) + "quorum w63\n"}.items():
    p(0, label, data)
for label, data in {
        "empty": "", "no-quorum": base, "two-quorums": "quorum none\nquorum none\n", "no-lf": "quorum none", "cr": "quorum none\r\n", "unknown-word": "quorum none\nmore x\n",
        "quorum-unknown": base + "quorum w9\n", "quorum-before": "quorum w0\n" + base, "quorum-empty": "quorum\n", "quorum-two": base + "quorum w0 w1\n", "log-empty": "log\nquorum none\n",
        "log-three": f"log {good} u v\nquorum none\n", "log-twice": f"log {good}\nlog {good} u\nquorum none\n", "log-witness-key": f"log {ks[0]}\nquorum none\n", "log-bad-key": "log nonsense\nquorum none\n",
        "witness-log-key": f"witness w {good}\nquorum w\n", "witness-twice": f"witness a {ks[0]}\nwitness b {ks[0]}\nquorum a\n", "witness-name-twice": f"witness a {ks[0]}\nwitness a {ks[1]}\nquorum a\n",
        "witness-none": f"witness none {ks[0]}\nquorum none\n", "witness-no-key": "witness a\nquorum none\n", "group-none": base + "group none any w0\nquorum none\n",
        "group-member-none": base + "group g any none\nquorum g\n", "group-empty": base + "group g any\nquorum none\n", "group-0": base + "group g 0 w0\nquorum g\n", "group-3-of-2": base + "group g 3 w0 w1\nquorum g\n",
        "group-01": base + "group g 01 w0\nquorum g\n", "group-word": base + "group g most w0\nquorum g\n", "group-forward": base + "group g any h w0\ngroup h any w1\nquorum g\n", "group-itself": base + "group g any g\nquorum g\n",
        "group-member-twice": base + "group g any w0 w0\nquorum g\n", "member-of-two": base + "group g any w0\ngroup h any w0\nquorum g\n", "group-named-as-witness": base + "group w0 any w1\nquorum w0\n",
        "delete": "# \x7f\nquorum none\n", "control": "# \x01\nquorum none\n", "vertical-tab": "quorum\x0bnone\n",
        "same-key-other-name": f"witness a {ks[0]}\nwitness b x+{odd_id('x', bytes([4]) + w[0].public)}+{b64(bytes([4]) + w[0].public)}\nquorum a\n",
        "65": "".join(f"witness w{i} {Key(f'k{i}', 4).vkey}\n" for i in range(65)) + "quorum w63\n"}.items():
    p(1, label, data)

# ---- proofs ----


def path(i, lo, hi):
    if hi - lo == 1:
        return []
    k = lo + (1 << (hi - lo - 1).bit_length() - 1)
    return path(i, lo, k) + [v.root_of(hashes[k:hi])] if i < k else path(i, k, hi) + [v.root_of(hashes[lo:k])]


def proof(i, size, *keys, extra="", text=None):
    return f"c2sp.org/tlog-proof@v1\n{extra}index {i}\n" + "".join(b64(h) + "\n" for h in path(i, 0, size)) + "\n" + signed(text or cp(size), *keys)


for i in range(10):
    put(f"entry-{i}.bin", leaves[i])
policies = {"none": "quorum none\n", "2": "group g 2 w0 w1 w2\nquorum g\n"}
for k, t in policies.items():
    put(f"trust-{k}.txt", base + t)


def pv(status, label, data, entry, policy="none"):
    case(status, "*", "proof-verify", "--policy", f"@trust-{policy}.txt", put(f"proof-{label}.tlog-proof", data), f"@entry-{entry}.bin")


for i in range(10):
    pv(0, f"{i}", proof(i, 10, log, w[0], w[2]), i, "2")
pv(0, "extra", proof(3, 10, log, extra="extra AAAA\n"), 3)
pv(0, "one", proof(0, 1, log), 0)
pv(1, "3", proof(3, 10, log, w[0], w[2]), 4)
pv(1, "one-witness", proof(3, 10, log, w[0]), 3, "2")
pv(1, "other-witness", proof(3, 10, log, w[0], w[3]), 3, "2")
pv(1, "same-witness", proof(3, 10, log, w[0], w[0]), 3, "2")
pv(1, "unsigned", proof(3, 10, other), 3)
pv(1, "other-origin", proof(3, 10, log, text=cp(10, origin="example.org/other")), 3)
pv(1, "wrong-cosignature", proof(3, 10, log, w[0]).replace(b64(w[0].id)[:5], b64(w[0].id)[:5]) + f"\u2014 {w[1].name} {b64(w[1].id + bytes(72))}\n", 3)
ok = proof(3, 10, log)
for label, data in {
        "index": ok.replace("index 3", "index 2"), "index-large": ok.replace("index 3", "index 10"), "index-zero": ok.replace("index 3", "index 03"), "index-plus": ok.replace("index 3", "index +3"), "no-index": ok.replace("index 3\n", ""),
        "magic": ok.replace("@v1", "@v2"), "crlf": ok.replace("\n", "\r\n"), "crlf-head": ok.replace("\n", "\r\n", 1), "extra-empty": ok.replace("index", "extra \nindex"), "extra-twice": ok.replace("index", "extra AAAA\nextra AAAA\nindex"),
        "extra-behind": ok.replace("index 3\n", "index 3\nextra AAAA\n"), "extra-bits": ok.replace("index", "extra AAB=\nindex"), "hash-missing": "\n".join(ok.split("\n")[:2] + ok.split("\n")[3:]),
        "hash-more": ok.replace("index 3\n", f"index 3\n{b64(bytes(32))}\n"), "hash-31": ok.replace("index 3\n", f"index 3\n{b64(bytes(31))}\n"), "no-gap": ok.replace("\n\n", "\n", 1), "leading-lf": "\n" + ok, "trailing": ok + "x\n",
        "empty": "", "only-head": "c2sp.org/tlog-proof@v1\n", "65": ok.replace("index 3\n", "index 3\n" + (b64(bytes(32)) + "\n") * 65)}.items():
    pv(1, label, data, 3)
case(1, "*", "proof-verify", "--policy", "@trust-none.txt", "@proof-3.tlog-proof", "/nonexistent/entry")
case(1, "*", "proof-verify", "--policy", "@policy-empty.txt", "@proof-3.tlog-proof", "@entry-3.bin")
case(1, "*", "proof-verify", "--policy", "@policy-none.txt", "@proof-3.tlog-proof", "@entry-3.bin")
case(2, "*", "proof-verify", "@proof-3.tlog-proof", "@entry-3.bin")
case(2, "*", "proof-verify", "--policy", "@trust-none.txt", "@proof-3.tlog-proof")

# ---- trees ----
hx = lambda h: h.hex()
root = hx(v.root_of(hashes))
proof3 = ",".join(hx(h) for h in path(3, 0, 10))
case(0, root, "root", *(f"@entry-{i}.bin" for i in range(10)))
case(2, "*", "root")
case(1, "*", "root", "/nonexistent/leaf")
case(0, "*", "inclusion", "3", "10", hx(hashes[3]), root, proof3)
case(0, "*", "inclusion", "0", "1", hx(hashes[0]), hx(hashes[0]), "-")
for words in [("4", "10", hx(hashes[3]), root, proof3), ("3", "17", hx(hashes[3]), root, proof3), ("3", "10", hx(hashes[4]), root, proof3), ("3", "10", hx(hashes[3]), root, "-"),
              ("03", "10", hx(hashes[3]), root, proof3), ("3", "ten", hx(hashes[3]), root, proof3), ("3", "10", hx(hashes[3])[:-1], root, proof3), ("3", "10", hx(hashes[3]), root, proof3 + ","),
              ("3", "10", hx(hashes[3]), root, proof3 + ",00"), ("18446744073709551616", "10", hx(hashes[3]), root, proof3), ("3", "10", hx(hashes[3]).upper() + " ", root, proof3), ("3", "10", hx(hashes[3]), root, ""),
              ("3", "10", hx(hashes[3]), root, ",".join(["00" * 32] * 65))]:
    case(1, "*", "inclusion", *words)
case(2, "*", "inclusion", "3", "10", hx(hashes[3]), root)
# what begins with a dash and no letter is an argument, and malformed
for words in [("-3", "10", hx(hashes[3]), root, proof3), ("3", "-10", hx(hashes[3]), root, proof3), ("3", "10", "-" + "0" * 64, root, proof3), ("0", "1", hx(hashes[0]), hx(hashes[0]), "-,"),
              ("0", "1", hx(hashes[0]), hx(hashes[0]), "- "), ("0", "1", hx(hashes[0]), hx(hashes[0]), "-0")]:
    case(1, "*", "inclusion", *words)
for words in [("vkey", "-1"), ("policy", "-5"), ("root", "-0"), ("consistency", "-1", "1", root, root, "-")]:
    case(1, "*", *words)
case(2, "*", "vkey", "-x")
con = [v.root_of(hashes[6:7]), v.root_of(hashes[7:8]), v.root_of(hashes[4:6]), v.root_of(hashes[0:4]), v.root_of(hashes[8:10])]  # 7 to 10
case(0, "*", "consistency", "7", "10", hx(v.root_of(hashes[:7])), root, ",".join(map(hx, con)))
case(0, "*", "consistency", "10", "10", root, root, "-")
for words in [("7", "10", hx(v.root_of(hashes[:6])), root, ",".join(map(hx, con))), ("0", "10", hx(v.root_of([])), root, "-"), ("10", "7", root, hx(v.root_of(hashes[:7])), ",".join(map(hx, con))),
              ("10", "10", root, root, hx(con[0])), ("7", "10", hx(v.root_of(hashes[:7])), root, ",".join(map(hx, con[:-1]))), ("7", "10", "x", root, "-")]:
    case(1, "*", "consistency", *words)
case(2, "*", "consistency", "7", "10", root, root)

# ---- a witness ----


def req(old, size, proof=(), key=log, text=None, raw=None):
    return f"old {old}\n" + "".join(b64(h) + "\n" for h in proof) + "\n" + signed(text or cp(size), key)


def ask(status, label, data):
    case(0, f"{status}", "witness", "--state", "=w", "--vkey", good, "--name", "witness.example/w", "<" + put(f"witness-{label}.req", data)[1:])


ask(409, "old-5", req(5, 7))
ask(422, "zero-proof", req(0, 7, con))
ask(422, "zero-root", req(0, 0, text=cp(0, root=bytes(32))))
ask(200, "zero", req(0, 0))
ask(200, "seven", req(0, 7))
ask(409, "seven", req(0, 7))
ask(200, "seven-again", req(7, 7))
ask(422, "seven-again-proof", req(7, 7, con))
ask(422, "seven-other-root", req(7, 7, text=cp(7, root=bytes(32))))
ask(422, "no-proof", req(7, 10))
ask(422, "bad-proof", req(7, 10, con[:-1] + [bytes(32)]))
ask(400, "older", req(8, 7))
ask(403, "unsigned", req(7, 10, con, key=other))
ask(403, "wrong", req(7, 10, con).replace(b64(log.raw(t10.encode()))[40:50], "AAAAAAAAAA") + f"\u2014 {log.name} {b64(log.id + bytes(64))}\n")
ask(404, "unknown", req(0, 10, text=cp(10, origin="example.org/other"), key=other))
for label, data in {"empty": "", "no-old": req(7, 10, con)[6:], "leading-zero": req("07", 10, con), "crlf": req(7, 10, con).replace("\n", "\r\n", 1), "blank": req(7, 10, con).replace("old ", "old  "), "no-gap": req(7, 10, con).replace("\n\n", "\n", 1),
                    "hash-31": req(7, 10, [bytes(31)]), "64-hashes": req(7, 10, [bytes(32)] * 64), "no-note": "old 0\n\nwords\n"}.items():
    ask(400, label, data)
ask(422, "63-hashes", req(7, 10, [bytes(32)] * 63))
ask(200, "ten", req(7, 10, con))
ask(409, "seven-again", req(7, 7))
case(1, "*", "witness", "--state", "=v", "--vkey", ks[0], "<witness-ten.req")
case(1, "*", "witness", "--state", "=v", "--vkey", "nonsense", "<witness-ten.req")
# folders that lead nowhere, and files in the place of folders
put("loop", b"")
for place in ["@loop", "/nonexistent/a/b", ""]:
    case(1, "*", "witness", "--state", place, "--vkey", good, "<witness-ten.req")
    case(1, "*", "fsck", place, "--policy", "@trust-none.txt")
case(1, "*", "fsck", "d" * 5000, "--policy", "@trust-none.txt")
case(1, "*", "note-verify", "--vkey", good, "n" * 5000)
case(2, "*", "witness", "--vkey", good)
case(2, "*", "witness", "--state", "=v")
case(2, "*", "nonsense")

for name, data in files.items():
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
with open(os.path.join(HERE, "cases.tsv"), "w", encoding="utf-8", newline="\n") as f:
    f.write("\n".join(rows) + "\n")
print(f"{len(rows)} cases, {len(files)} files, {sum(map(len, files.values()))} bytes")
