#!/usr/bin/env python3
"""A log, or a record's receipt, judged with nothing but Python's standard library, so that nobody need trust our code.

  verify.py tiles DIR VKEY [--older CHECKPOINT]... [--witness VKEY]... [-k N]
  verify.py proof PROOF ENTRY VKEY [--witness VKEY]... [-k N]

DIR is a C2SP tlog-tiles directory: every entry is hashed, every tile recomputed, the root compared with the signed checkpoint.
PROOF is a C2SP tlog-proof, ENTRY the record it is about. VKEY is the log's verifier key; of the witnesses, N must have cosigned
(default: all that are named). Prints one line and ends with 0 when everything holds, with 1 and the reason when something does not.
"""
import base64, hashlib, os, re, sys


# ---- Ed25519 verification, RFC 8032 5.1.7, with the checks that libsodium makes ----

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = add(q, p)
        p, s = add(p, p), s >> 1
    return q


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or x == 0 and sign:
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point(bytes([0x58]) + b"\x66" * 31)


def small_order(p):
    q = mul(8, p)
    return q[0] % P == 0 and (q[1] - q[2]) % P == 0


def ed25519(key, message, sig):
    a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], "little")
    if len(sig) != 64 or not a or not r or s >= L or small_order(a) or small_order(r):
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    p, q = mul(s, BASE), add(r, mul(h, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


# ---- notes, keys, checkpoints ----

class Bad(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Bad(why)


def unbase64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Bad(f"{what}: not base64")
    need(base64.b64encode(data) == (text.encode() if isinstance(text, str) else text), f"{what}: not canonical base64")
    return data


def number(text, what):
    need(re.fullmatch(r"0|[1-9][0-9]{0,19}", text), f"{what}: not a decimal number")
    return int(text)


def vkey(text):
    name, key_id, key = (text.strip().split("+", 2) + ["", ""])[:3]
    raw = unbase64(key, "vkey")
    need(name and len(raw) == 33 and raw[0] in (1, 4), "vkey: not of a known type")
    need(hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_id, "vkey: its id does not fit")
    return name, bytes.fromhex(key_id), raw[0], raw[1:]


def note(data):
    """The text, and its signature lines as (name, blob)."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("note: not UTF-8")
    need(text.endswith("\n") and not re.search(r"[\x00-\x09\x0b-\x1f]", text), "note: malformed")
    at = text.rfind("\n\n")
    need(at >= 0 and at + 2 < len(text), "note: no signatures")
    lines = []
    for line in text[at + 2:-1].split("\n"):
        m = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})", line)
        need(m, "note: a signature line is malformed")
        lines.append((m[1], unbase64(m[2], "signature")))
    return text[:at + 1], lines


def signed(text, lines, key):
    """Did the key sign? A wrong signature of it condemns the note."""
    name, key_id, kind, public = key
    found = False
    for who, blob in lines:
        if who != name or blob[:4] != key_id:
            continue
        message, sig = text.encode(), blob[4:]
        if kind == 4:
            time = int.from_bytes(sig[:8], "big")
            need(time < 1 << 63, f"{name}: the cosignature's time is out of range")
            message, sig = f"cosignature/v1\ntime {time}\n".encode() + message, sig[8:]
        need(ed25519(public, message, sig), f"{name}: its signature is wrong")
        found = True
    return found


def checkpoint(data, log, witnesses=(), k=0):
    """(origin, size, root) of a checkpoint that the log and k of the witnesses signed."""
    text, lines = note(data)
    parts = text.split("\n")
    need(len(parts) >= 4 and all(parts[:-1]), "checkpoint: malformed")
    size, root = number(parts[1], "checkpoint"), unbase64(parts[2], "checkpoint")
    need(len(root) == 32, "checkpoint: its root has not 32 bytes")
    need(parts[0] == log[0], "checkpoint: of another log")
    need(signed(text, lines, log), "checkpoint: not signed by the log")
    have = sum(signed(text, lines, w) for w in witnesses)
    need(have >= k, f"checkpoint: {have} witnesses cosigned, {k} must")
    return parts[0], size, root


# ---- the tree ----

def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """MTH of RFC 6962 over hashes of subtrees of equal size."""
    if not hashes:
        return hashlib.sha256().digest()
    stack = []  # (height, hash)
    for h in hashes:
        height = 0
        while stack and stack[-1][0] == height:
            h, height = node(stack.pop()[1], h), height + 1
        stack.append((height, h))
    h = stack.pop()[1]
    while stack:
        h = node(stack.pop()[1], h)
    return h


def included(index, size, leaf, proof, root):
    """RFC 9162 2.1.3.2."""
    need(index < size, "proof: the index is not in the tree")
    fn, sn, h = index, size - 1, leaf
    for p in proof:
        need(sn, "proof: too long")
        if fn & 1 or fn == sn:
            h = node(p, h)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            h = node(h, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and h == root, "proof: the entry is not at that index of that tree")


# ---- a directory of tiles ----

def tile_path(level, n, width):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return os.path.join("tile", str(level), *groups) + (f".p/{width}" if width < 256 else "")


def read_tile(base, level, n, width):
    for w in {width, 256}:
        try:
            with open(os.path.join(base, tile_path(level, n, w)), "rb") as f:
                return f.read(), w
        except (FileNotFoundError, NotADirectoryError):
            pass
    raise Bad(f"{tile_path(level, n, width)}: missing")


def entries(base, n, width):
    data, w = read_tile(base, "entries", n, width)
    out, at, name = [], 0, tile_path("entries", n, w)
    while at < len(data):
        size = int.from_bytes(data[at:at + 2], "big")
        need(at + 2 + size <= len(data), f"{name}: cut short")
        out.append(data[at + 2:at + 2 + size])
        at += 2 + size
    need(len(out) == w, f"{name}: {len(out)} entries, not {w}")
    return out[:width]


def check_level(base, level, hashes):
    """Compare the tiles of a level with what they must hold; the hashes of its full tiles are the next level."""
    above = []
    for at in range(0, len(hashes), 256):
        want = hashes[at:at + 256]
        data, w = read_tile(base, level, at // 256, len(want))
        need(len(data) == 32 * w and data[:32 * len(want)] == b"".join(want), f"{tile_path(level, at // 256, w)}: not its hashes")
        if len(want) == 256:
            above.append(root_of(want))
    return above


def tiles(base, log, olds, witnesses, k):
    origin, size, root = checkpoint(open(os.path.join(base, "checkpoint"), "rb").read(), log, witnesses, k)
    leaves = [leaf_hash(e) for at in range(0, size, 256) for e in entries(base, at // 256, min(256, size - at))]
    hashes, level = leaves, 0
    while hashes:
        hashes, level = check_level(base, level, hashes), level + 1
    need(root_of(leaves) == root, "checkpoint: not the root of the entries")
    for name in olds:
        _, old_size, old_root = checkpoint(open(name, "rb").read(), log)
        need(old_size <= size, f"{name}: the log was rolled back from {old_size} to {size} entries")
        need(root_of(leaves[:old_size]) == old_root, f"{name}: the log is not the one it was")
    return f"{origin}: {size} entries, {level} levels of tiles, {len(olds)} older checkpoints"


def proof(path, entry, log, witnesses, k):
    data = open(path, "rb").read()
    head, gap, cp = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(gap and lines.pop(0) == "c2sp.org/tlog-proof@v1", "proof: malformed")
    if lines and lines[0].startswith("extra "):
        need(unbase64(lines.pop(0)[6:], "extra"), "extra: empty")
    need(lines and lines[0].startswith("index "), "proof: no index")
    index, hashes = number(lines.pop(0)[6:], "index"), [unbase64(x, "proof") for x in lines]
    need(all(len(h) == 32 for h in hashes), "proof: a hash has not 32 bytes")
    origin, size, root = checkpoint(cp, log, witnesses, k)
    included(index, size, leaf_hash(open(entry, "rb").read()), hashes, root)
    return f"{origin}: entry {index} of {size}"


def main(argv):
    words, olds, witnesses, k = [], [], [], None
    args = iter(argv)
    for a in args:
        if a == "--older":
            olds.append(next(args))
        elif a == "--witness":
            witnesses.append(vkey(next(args)))
        elif a == "-k":
            k = int(next(args))
        else:
            words.append(a)
    k = len(witnesses) if k is None else k
    if words[:1] == ["tiles"] and len(words) == 3:
        return tiles(words[1], vkey(words[2]), olds, witnesses, k)
    if words[:1] == ["proof"] and len(words) == 4 and not olds:
        return proof(words[1], words[2], vkey(words[3]), witnesses, k)
    print(__doc__, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except (Bad, OSError) as e:
        print(e, file=sys.stderr)
        sys.exit(1)
