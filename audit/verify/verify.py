#!/usr/bin/env python3
"""verify.py DIR --vkey KEY [--unwitnessed]: does evidence of `keep audit evidence` hold? Nothing but Python's standard library is needed.

KEY is the log's verifier key: your own copy, not the one in DIR. Ends with 0, or with 1 and the first thing that does not hold. Checked are:
every file against SHA256SUMS, and that against the log's own record of it; that entries.jsonl is, byte for byte, what stands at its place in the
tree that the log signed and its witnesses cosigned (--unwitnessed: the log is enough); the records of context/, each by its own proof; that
the policies are those that the log names; every sign-off's signature and root."""
import argparse, base64, hashlib, json, os, pathlib, re, sys

# ---- Ed25519 verification, RFC 8032 5.1.7, with the checks that libsodium makes ----
P, L = 2 ** 255 - 19, 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1: q = add(q, p)
        p, s = add(p, p), s >> 1
    return q

def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P: return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P: x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or x == 0 and sign: return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

BASE = point(bytes([0x58]) + b"\x66" * 31)

def ed25519(key, message, sig):
    a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], "little")
    if len(sig) != 64 or not a or not r or s >= L or any(mul(8, p)[0] % P == 0 for p in (a, r)):  # or of small order
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    p, q = mul(s, BASE), add(r, mul(h, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0

# ---- notes, keys, checkpoints: C2SP signed-note, tlog-checkpoint, tlog-cosignature ----
class Bad(Exception): pass

def need(condition, why):
    if not condition:
        raise Bad(why)

def unbase64(text, what):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, f"{what}: not canonical base64")
    return data

def number(text, what):
    need(re.fullmatch(r"0|[1-9][0-9]{0,19}", text), f"{what}: not a decimal number")
    return int(text)

def vkey(text):
    """Name, key id, type, public key. Type 6, ML-DSA-44, is known and never counts as having signed."""
    name, key_id, key = (text.split("+", 2) + ["", ""])[:3]
    raw = unbase64(key, "vkey")
    need(name and raw and raw[0] in (1, 4, 6) and (len(raw) == 33 or raw[0] == 6), "vkey: not of a known type")
    need(hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_id, "vkey: its id does not fit")
    return name, bytes.fromhex(key_id), raw[0], raw[1:]

def note(data):
    """The text, and its signature lines as (name, blob)."""
    text = data.decode("utf-8")
    need(text.endswith("\n") and not re.search(r"[\x00-\x09\x0b-\x1f]", text), "note: malformed")
    at = text.rfind("\n\n")
    need(at >= 0 and at + 2 < len(text), "note: no signatures")
    lines = [re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})", line) for line in text[at + 2:-1].split("\n")]
    need(all(lines), "note: a signature line is malformed")
    return text[:at + 1], [(m[1], unbase64(m[2], "signature")) for m in lines]

def signed(text, lines, key):
    """Did the key sign? A wrong signature of it condemns the note."""
    name, key_id, kind, public = key
    found = False
    for who, blob in lines:
        if who != name or blob[:4] != key_id or kind == 6: continue
        message, sig = text.encode(), blob[4:]
        if kind == 4:
            time = int.from_bytes(sig[:8], "big")
            need(time < 1 << 63, f"{name}: the cosignature's time is out of range")
            message, sig = f"cosignature/v1\ntime {time}\n".encode() + message, sig[8:]
        need(ed25519(public, message, sig), f"{name}: its signature is wrong")
        found = True
    return found

class Policy:
    """C2SP tlog-policy, as far as it says who must have cosigned."""
    def __init__(self, text):
        self.witnesses, self.groups, self.quorum = {}, {}, "none"
        for line in (l.split() for l in text.split("\n")):
            if line[:1] == ["witness"]:
                self.witnesses[line[1]] = vkey(line[2])
            elif line[:1] == ["group"]:
                n = {"any": 1, "all": len(line) - 3}.get(line[2]) or number(line[2], "policy")
                self.groups[line[1]] = n, line[3:]
            elif line[:1] == ["quorum"]:
                self.quorum = line[1]

    def judge(self, text, lines):
        """How many cosigned, and is that enough?"""
        good = {name for name, key in self.witnesses.items() if signed(text, lines, key)}
        def holds(name):
            if name in self.groups:
                n, members = self.groups[name]
                return sum(map(holds, members)) >= n
            return name in good
        return len(good), self.quorum == "none" or holds(self.quorum)

def checkpoint(data, log, policy, unwitnessed):
    """(size, root, witnesses) of a checkpoint that the log signed and its policy's witnesses cosigned."""
    text, lines = note(data)
    parts = text.split("\n")
    need(len(parts) >= 4 and all(parts[:-1]), "checkpoint: malformed")
    size, root = number(parts[1], "checkpoint"), unbase64(parts[2], "checkpoint")
    need(len(root) == 32, "checkpoint: its root has not 32 bytes")
    need(parts[0] == log[0], "checkpoint: of another log")
    need(signed(text, lines, log), "checkpoint: not signed by the log")
    have, enough = policy.judge(text, lines)
    need(enough or unwitnessed, f"checkpoint: {have} witnesses cosigned, too few (--unwitnessed)")
    return size, root, have

# ---- the tree: RFC 6962 ----
def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()

def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()

class Tree:
    """A growing tree: the roots of its complete subtrees, the largest first, as (level, hash)."""

    def __init__(self):
        self.size, self.stack = 0, []

    def add(self, h, level=0):
        self.size += 1 << level
        while self.stack and self.stack[-1][0] == level:
            h, level = node(self.stack.pop()[1], h), level + 1
        self.stack.append((level, h))

    def fill(self, hashes, end):
        """Complete subtrees, as large as can be, up to `end` leaves."""
        while self.size < end:
            level = min((self.size & -self.size).bit_length() - 1 if self.size else 63, (end - self.size).bit_length() - 1)
            need(hashes, "range: too few hashes")
            self.add(hashes.pop(0), level)

    def root(self):
        h = self.stack[-1][1] if self.stack else hashlib.sha256().digest()
        for _, left in self.stack[-2::-1]:
            h = node(left, h)
        return h

def root_from(index, size, h, proof):
    """The root that an inclusion proof of RFC 6962 2.1.1 gives; the proof is used up."""
    need(index < size and (size == 1) == (not proof), "does not fit its index and size")
    if size == 1: return h
    half, last = 1 << (size - 1).bit_length() - 1, proof.pop()
    if index < half:
        return node(root_from(index, half, h, proof), last)
    return node(last, root_from(index - half, size - half, h, proof))

def proof_file(data, magic, numbers):
    """Its numbers, its hashes and the checkpoint behind them."""
    head, gap, cp = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(gap and lines.pop(0) == magic and len(lines) >= len(numbers), "malformed")
    values = []
    for name in numbers:
        need(lines[0].startswith(name + " "), "malformed")
        values.append(number(lines.pop(0)[len(name) + 1:], name))
    hashes = [unbase64(x, "hash") for x in lines]
    need(all(len(h) == 32 for h in hashes), "a hash has not 32 bytes")
    return values, hashes, cp

# ---- evidence ----
class Evidence:
    def __init__(self, base, key, unwitnessed):
        self.base, self.unwitnessed, self.reviews = base, unwitnessed, []
        sums = self.sums()
        text = self.read("log.vkey").decode("ascii", "replace")
        need(text.endswith("\n") and key in (None, text[:-1]), "log.vkey: another key than the one that you gave")
        self.log = vkey(text[:-1])
        self.texts = {event: self.read(name) if name in os.listdir(base) else None
                      for event, name in (("policy-set", "policy"), ("witnesses", "witness-policy"))}
        self.named = {"policy-set": (-1, None), "witnesses": (-1, None), "key": (-1, None)}
        self.policy = Policy((self.texts["witnesses"] or b"").decode())
        self.context()
        self.entries()
        need(self.named["key"][1] == text[:-1], "log.vkey: not the key that the newest record of one names")
        for event, data in self.texts.items():
            digest = None if data is None else hashlib.sha256(data).hexdigest()
            need(digest is None or self.named[event][1] == digest, f"{event}: no record that is proven here names this policy")
        taken = self.proven("taken")
        need(taken["event"] == "log-read" and taken["what"] == "evidence" and taken["first"] == self.first and
             taken["count"] == self.end - self.first and taken["manifest"] == sums, "taken.json: not the record of this excerpt")

    def read(self, name):
        return pathlib.Path(self.base, name).read_bytes()

    def sums(self):
        data = self.read("SHA256SUMS")
        names = sorted(os.path.relpath(os.path.join(d, f), self.base) for d, _, fs in os.walk(self.base) for f in fs)
        want = "".join(f"{hashlib.sha256(self.read(n)).hexdigest()}  {n}\n" for n in names
                       if n not in ("SHA256SUMS", "taken.json", "taken.tlog-proof"))
        for line in set(data.decode("ascii", "replace").split("\n")) ^ set(want.split("\n")):
            raise Bad(f"{line[66:]}: not the file that SHA256SUMS lists")
        need(data.decode() == want, "SHA256SUMS: not in its order")
        self.n_files = len(names) - 3
        return hashlib.sha256(data).hexdigest()

    def record(self, data, index):
        r = json.loads(data)
        need(data.startswith(f'{{"v":1,"index":{index},'.encode()) and r.get("intent", -1) < index, f"record {index}: its head is not its own")
        event = "key" if r["event"] == "init" else r["event"]
        if event in self.named and index >= self.named[event][0]:
            self.named[event] = index, r["vkey" if event == "key" else "policy"]
        return r

    def proven(self, stem):
        try:
            data = self.read(stem + ".json")
            (index,), hashes, cp = proof_file(self.read(stem + ".tlog-proof"), "c2sp.org/tlog-proof@v1", ["index"])
            size, root, _ = checkpoint(cp, self.log, self.policy, True)
            need(index < size and root_from(index, size, leaf_hash(data), hashes) == root, "does not prove the record beside it")
        except Bad as e:
            raise Bad(f"{stem}: {e}")
        return self.record(data, index)

    def context(self):
        self.n_context = 0
        for name in os.listdir(os.path.join(self.base, "context")):
            stem, ending = os.path.splitext(name)
            need(ending in (".json", ".tlog-proof"), f"context/{name}: belongs to no evidence")
            if ending == ".json":
                r = self.proven("context/" + stem)
                need(str(r["index"]) == stem, f"context/{name}: is record {r['index']}")
                self.n_context += 1
        need(os.path.exists(os.path.join(self.base, "context/0.json")), "context/0.json: missing")

    def entries(self):
        (self.first, self.end), hashes, cp = proof_file(self.read("range"), "keep-range@v1", ["from", "to"])
        self.size, root, self.n_witnesses = checkpoint(cp, self.log, self.policy, self.unwitnessed)
        need(self.first < self.end <= self.size, "range: malformed")
        lines = self.read("entries.jsonl").split(b"\n")
        need(lines.pop() == b"" and len(lines) == self.end - self.first, "entries.jsonl: not the records that it should hold")
        for index, line in enumerate(lines, self.first):
            r = self.record(line, index)
            if r["event"] == "review": self.reviews.append(self.review(r))
        tree = Tree()
        tree.fill(hashes, self.first)
        for line in lines:
            self.signed_off(tree)
            tree.add(leaf_hash(line))
        self.signed_off(tree)
        tree.fill(hashes, self.size)
        need(tree.root() == root and not hashes, "entries.jsonl: these are not the records that the log signed")

    def signed_off(self, tree):
        for index, to, root in self.reviews:
            need(to != tree.size or tree.root() == root, f"record {index}: what was signed off is not this log")

    def review(self, r):
        text, lines = note(r["note"].encode())
        part = text.split("\n")
        need(part[0] == "keep review v1" and part[1] == self.log[0] and part[4].startswith("key "), f"record {r['index']}: not a sign-off of this log")
        need(part[2] == f"range {r['from']} {r['to']}" and part[3] == "root " + base64.b64encode(bytes.fromhex(r["root"])).decode() and
             r["to"] <= r["index"], f"record {r['index']}: the sign-off is not about what the record says")
        need(signed(text, lines, vkey(part[4][4:])), f"record {r['index']}: the sign-off is not signed with its key")
        return r["index"], r["to"], bytes.fromhex(r["root"])

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir")
    p.add_argument("--vkey")
    p.add_argument("--unwitnessed", action="store_true")
    a = p.parse_args()
    e = Evidence(a.dir, a.vkey, a.unwitnessed)
    print(f"{a.dir}: it holds\nlog         {e.log[0]}\nrecords     {e.first} to {e.end - 1} of {e.size}\n"
          f"witnesses   {e.n_witnesses} cosigned\nsign-offs   {len(e.reviews)}\nfiles       {e.n_files}, and {e.n_context} records from elsewhere")
    if a.vkey is None: print("key         not compared: it is the evidence's own word (--vkey)")

if __name__ == "__main__":
    try:
        main()
    except (Bad, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
        sys.exit(f"it does not hold: {e if isinstance(e, (Bad, OSError)) else repr(e)}")
