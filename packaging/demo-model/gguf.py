"""GGUF v3: writing, reading, and the block formats that the demo model uses, in numpy."""
import struct

import numpy as np

U32, I32, F32, BOOL, STR, ARR = 4, 5, 6, 7, 8, 9
SCALAR = {U32: '<I', I32: '<i', F32: '<f', BOOL: '<?', 10: '<Q'}
ALIGN = 32
TYPES = {'F32': (0, 1, 4), 'Q8_0': (8, 32, 34), 'Q4_K': (12, 256, 144), 'Q5_K': (13, 256, 176), 'Q6_K': (14, 256, 210)}   # id, elements, bytes
NAMES = {v[0]: k for k, v in TYPES.items()}


# ------------------------------------------------------------------ container
def _str(s):
    b = s.encode('utf-8')
    return struct.pack('<Q', len(b)) + b


def _val(t, v):
    return _str(v) if t == STR else struct.pack(SCALAR[t], v)


def write(path, kv, tensors):
    """kv: list of (key, type, value) or (key, (ARR, type), values); tensors: list of (name, float array [rows, row length], type name)"""
    out = bytearray(b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(kv)))
    for k, t, v in kv:
        out += _str(k)
        if isinstance(t, tuple):
            out += struct.pack('<IIQ', ARR, t[1], len(v)) + b''.join(_val(t[1], x) for x in v)
        else:
            out += struct.pack('<I', t) + _val(t, v)
    data, offset = [], 0
    for name, a, typ in tensors:
        b = encode(a, typ)
        out += _str(name) + struct.pack('<I', a.ndim) + b''.join(struct.pack('<Q', d) for d in reversed(a.shape))
        out += struct.pack('<IQ', TYPES[typ][0], offset)
        b += b'\0' * (-len(b) % ALIGN)
        offset += len(b)
        data.append(b)
    out += b'\0' * (-len(out) % ALIGN)
    with open(path, 'wb') as f:
        f.write(bytes(out) + b''.join(data))


def read(path):
    """-> ({key: value}, {name: (float array, type name)}).  For our own file: it trusts what it reads."""
    with open(path, 'rb') as f:
        raw = f.read()
    at = 4

    def take(fmt):
        nonlocal at
        v = struct.unpack_from(fmt, raw, at)[0]
        at += struct.calcsize(fmt)
        return v

    def value(t):
        nonlocal at
        if t == STR:
            n = take('<Q')
            at += n
            return raw[at - n:at].decode('utf-8')
        if t == ARR:
            e = take('<I')
            return [value(e) for _ in range(take('<Q'))]
        return take(SCALAR[t])

    if raw[:4] != b'GGUF' or take('<I') != 3:
        raise SystemExit(path + ': not GGUF v3')
    n_tensors, n_kv = take('<Q'), take('<Q')
    kv = {}
    for _ in range(n_kv):
        k = value(STR)
        kv[k] = value(take('<I'))
    heads = []
    for _ in range(n_tensors):
        name = value(STR)
        dims = [take('<Q') for _ in range(take('<I'))]
        heads.append((name, dims[::-1], NAMES[take('<I')], take('<Q')))
    base = -(-at // ALIGN) * ALIGN
    tensors = {}
    for name, shape, typ, offset in heads:
        _, n, size = TYPES[typ]
        length = int(np.prod(shape)) // n * size
        tensors[name] = (decode(raw[base + offset:base + offset + length], typ).reshape(shape), typ)
    return kv, tensors


# ------------------------------------------------------------------ blocks
def encode(a, typ):
    if typ == 'F32':
        return a.astype('<f4').tobytes()
    assert a.shape[-1] % TYPES[typ][1] == 0, 'rows of %s must be whole blocks' % typ
    x = a.astype(np.float32).reshape(-1, TYPES[typ][1])
    return {'Q8_0': _enc_q8_0, 'Q4_K': lambda v: _enc_k(v, 4), 'Q5_K': lambda v: _enc_k(v, 5), 'Q6_K': _enc_q6_k}[typ](x).tobytes()


def decode(raw, typ):
    if typ == 'F32':
        return np.frombuffer(raw, '<f4').copy()
    b = np.frombuffer(raw, np.uint8).reshape(-1, TYPES[typ][2])
    return {'Q8_0': _dec_q8_0, 'Q4_K': lambda v: _dec_k(v, 4), 'Q5_K': lambda v: _dec_k(v, 5), 'Q6_K': _dec_q6_k}[typ](b).ravel()


def _f16(v):
    return np.ascontiguousarray(v.astype('<f2')).view(np.uint8).reshape(len(v), -1)


def _from_f16(b):
    return np.ascontiguousarray(b).view('<f2').astype(np.float32)


def _div(a, b):
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape, np.float32), where=b != 0)


def _enc_q8_0(x):
    d = (np.abs(x).max(1, keepdims=True) / 127).astype(np.float16).astype(np.float32)
    q = np.clip(np.rint(_div(x, d)), -127, 127).astype(np.int8)
    return np.hstack([_f16(d), q.view(np.uint8)])


def _dec_q8_0(b):
    return _from_f16(b[:, :2]) * np.ascontiguousarray(b[:, 2:]).view(np.int8).astype(np.float32)


def _enc_q6_k(x):
    """16 groups of 16; value = d * scale[group] * q, q in -32..31"""
    g = x.reshape(-1, 16, 16)
    ext = np.take_along_axis(g, np.abs(g).argmax(2)[:, :, None], 2)[:, :, 0]
    best, err = np.zeros_like(ext), np.full(ext.shape, np.inf, np.float32)
    for step in np.arange(-36, -27.9, 0.5, dtype=np.float32):      # the largest value falls on -32 or near it
        s = ext / step
        q = np.clip(np.rint(_div(g, s[:, :, None])), -32, 31)
        s = _div((g * q).sum(2), (q * q).sum(2))                   # least squares for these levels
        e = ((g - s[:, :, None] * q) ** 2).sum(2)
        best, err = np.where(e < err, s, best), np.minimum(e, err)
    d = _div(np.abs(best).max(1, keepdims=True), np.float32(127)).astype(np.float16).astype(np.float32)
    sc = np.clip(np.rint(_div(best, d)), -128, 127)
    q = (np.clip(np.rint(_div(g, (d * sc)[:, :, None])), -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    ql = np.concatenate([q[:, :, 0] & 15 | (q[:, :, 2] & 15) << 4, q[:, :, 1] & 15 | (q[:, :, 3] & 15) << 4], 2)
    qh = q[:, :, 0] >> 4 | (q[:, :, 1] >> 4) << 2 | (q[:, :, 2] >> 4) << 4 | (q[:, :, 3] >> 4) << 6
    return np.hstack([ql.reshape(-1, 128), qh.reshape(-1, 64), sc.astype(np.int8).view(np.uint8), _f16(d)])


def _dec_q6_k(b):
    ql, qh = b[:, :128].reshape(-1, 2, 64), b[:, 128:192].reshape(-1, 2, 32)
    sc = np.ascontiguousarray(b[:, 192:208]).view(np.int8).astype(np.float32).reshape(-1, 16, 1)
    lo, hi = ql[:, :, :32], ql[:, :, 32:]
    q = np.stack([lo & 15 | (qh & 3) << 4, hi & 15 | (qh >> 2 & 3) << 4, lo >> 4 | (qh >> 4 & 3) << 4, hi >> 4 | (qh >> 6) << 4], 2)
    q = q.reshape(-1, 16, 16).astype(np.float32) - 32
    return (_from_f16(b[:, 208:210])[:, :, None] * sc * q).reshape(-1, 256)


def _enc_k(x, bits):
    """8 groups of 32; value = d * scale[group] * q - dmin * min[group], q in 0..2^bits-1"""
    top = (1 << bits) - 1
    g = x.reshape(-1, 8, 32)
    lo, hi = np.minimum(g.min(2), 0), g.max(2)
    bs, bm, err = np.zeros_like(lo), -lo, np.full(lo.shape, np.inf, np.float32)
    for shrink in np.arange(0.80, 1.06, 0.02, dtype=np.float32):
        for rise in (0.8, 0.9, 1.0):
            m = -lo * np.float32(rise)
            s = np.maximum((hi + m) * shrink / top, 0)
            for _ in range(2):                                      # levels, then least squares for scale and minimum
                q = np.clip(np.rint(_div(g + m[:, :, None], s[:, :, None])), 0, top)
                n, sq, sqq = np.float32(32), q.sum(2), (q * q).sum(2)
                det = n * sqq - sq * sq
                s2 = _div(n * (q * g).sum(2) - sq * g.sum(2), det)
                m2 = -_div(sqq * g.sum(2) - sq * (q * g).sum(2), det)
                ok = (det > 0) & (s2 > 0) & (m2 >= 0)
                s, m = np.where(ok, s2, s), np.where(ok, m2, m)
            e = ((g - (s[:, :, None] * q - m[:, :, None])) ** 2).sum(2)
            take = e < err
            bs, bm, err = np.where(take, s, bs), np.where(take, m, bm), np.where(take, e, err)
    d = (bs.max(1, keepdims=True) / 63).astype(np.float16).astype(np.float32)
    dmin = (bm.max(1, keepdims=True) / 63).astype(np.float16).astype(np.float32)
    sc, mn = (np.clip(np.rint(_div(v, w)), 0, 63).astype(np.uint8) for v, w in ((bs, d), (bm, dmin)))
    q = np.clip(np.rint(_div(g + (dmin * mn)[:, :, None], (d * sc)[:, :, None])), 0, top).astype(np.uint8)
    packed = np.empty((len(x), 12), np.uint8)
    packed[:, 0:4] = sc[:, :4] | (sc[:, 4:] >> 4) << 6
    packed[:, 4:8] = mn[:, :4] | (mn[:, 4:] >> 4) << 6
    packed[:, 8:12] = sc[:, 4:] & 15 | (mn[:, 4:] & 15) << 4
    p = q.reshape(-1, 4, 2, 32)
    parts = [_f16(d), _f16(dmin), packed]
    if bits == 5:
        qh = np.zeros((len(x), 32), np.uint8)
        for j in range(8):
            qh |= (q[:, j] >> 4) << j
        parts.append(qh)
    parts.append((p[:, :, 0] & 15 | (p[:, :, 1] & 15) << 4).reshape(-1, 128))
    return np.hstack(parts)


def _dec_k(b, bits):
    d, dmin, s = _from_f16(b[:, 0:2]), _from_f16(b[:, 2:4]), b[:, 4:16]
    sc = np.hstack([s[:, 0:4] & 63, s[:, 8:12] & 15 | (s[:, 0:4] >> 6) << 4]).astype(np.float32)
    mn = np.hstack([s[:, 4:8] & 63, s[:, 8:12] >> 4 | (s[:, 4:8] >> 6) << 4]).astype(np.float32)
    qs = b[:, 16 + (32 if bits == 5 else 0):].reshape(-1, 4, 32)
    q = np.stack([qs & 15, qs >> 4], 2).reshape(-1, 8, 32)
    if bits == 5:
        qh = b[:, 16:48]
        q = q | np.stack([(qh >> j & 1) << 4 for j in range(8)], 1)
    return ((d * sc)[:, :, None] * q - (dmin * mn)[:, :, None]).reshape(-1, 256)


def self_check():
    """Round trip errors of every type on random numbers, relative to their spread."""
    x = np.random.default_rng(1).standard_normal((64, 512)).astype(np.float32)
    limit = {'F32': 0, 'Q8_0': 0.006, 'Q6_K': 0.021, 'Q5_K': 0.037, 'Q4_K': 0.075}
    for t in TYPES:
        e = float(np.sqrt(np.mean((decode(encode(x, t), t).reshape(x.shape) - x) ** 2)))
        print('%-5s round trip error %.5f, limit %.3f' % (t, e, limit[t]))
        if e > limit[t]:
            raise SystemExit(t + ': the round trip is worse than the format')


if __name__ == '__main__':
    self_check()
