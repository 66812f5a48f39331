"""Blocks of every quantised type as numbers, by numpy, from the published layouts: apart from Keep's decoders and from the peer's. The codebooks alone are
read from shaders/grids.c; tests/quants/peer holds them against the peer's library.  decode(raw uint8 [n, bytes of a block], type) gives [n, block]."""
import os
import re
import numpy as np

# number: elements and bytes of a block
BLOCKS = {0: (1, 4), 1: (1, 2), 30: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144),
          13: (256, 176), 14: (256, 210), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
          23: (256, 136), 29: (256, 56), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36)}
TYPES = {'F32': 0, 'F16': 1, 'Q4_0': 2, 'Q4_1': 3, 'Q5_0': 6, 'Q5_1': 7, 'Q8_0': 8, 'Q2_K': 10, 'Q3_K': 11, 'Q4_K': 12, 'Q5_K': 13, 'Q6_K': 14, 'IQ2_XXS': 16,
         'IQ2_XS': 17, 'IQ3_XXS': 18, 'IQ1_S': 19, 'IQ4_NL': 20, 'IQ3_S': 21, 'IQ2_S': 22, 'IQ4_XS': 23, 'IQ1_M': 29, 'BF16': 30, 'TQ1_0': 34,
         'TQ2_0': 35, 'MXFP4': 39, 'NVFP4': 40}


def half(x):
    return np.ascontiguousarray(x).view('<f2').astype(np.float64)


def nibbles(x):
    return np.concatenate([x & 15, x >> 4], axis=-1).astype(np.int64)


def words(x, kind):
    return np.ascontiguousarray(x).view(kind).astype(np.int64)


def bits(x, n):
    """The n low bits of each number, lowest first, in a new last axis."""
    return x[..., None] >> np.arange(n) & 1


def k_scales(s):
    """The eight six-bit scales and minima in 12 bytes."""
    s = s.astype(np.int64)
    lo = np.concatenate([s[:, :4] & 63, s[:, 8:12] & 15 | s[:, 0:4] >> 6 << 4], axis=1)
    hi = np.concatenate([s[:, 4:8] & 63, s[:, 8:12] >> 4 | s[:, 4:8] >> 6 << 4], axis=1)
    return lo, hi


def each(scale, q):
    """Scales [n, parts] times elements [n, block]."""
    n, parts = scale.shape
    return (scale[:, :, None] * q.reshape(n, parts, -1)).reshape(n, -1)


def pairs_of(q):
    """[n, 64] bytes to [n, 256]: of 32 bytes first the lowest two bits of all, then the next."""
    q = q.reshape(len(q), 2, 1, 32) >> np.array([0, 2, 4, 6])[:, None] & 3
    return q.reshape(len(q), 256).astype(np.int64)


# ---- codebooks

GRIDS = None
LEVELS = {2: [8, 25, 43], 3: [4, 12, 20, 28, 36, 44, 52, 62], 4: [1, 3, 5, 7, 9, 11, 13, 15], 1: [-1, 0, 1]}


def grid(first, count, per, kind):
    """Entries of a codebook as [count, per]."""
    global GRIDS
    if GRIDS is None:
        text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'shaders', 'grids.c')).read()
        GRIDS = np.array([int(w, 16) for w in re.findall(r'0x([0-9a-f]{8}),', text)], np.uint32).view('<u2').astype(np.int64)
    e = GRIDS[2 * first:2 * first + count]
    width = 16 // per
    return np.array(LEVELS[kind] + [0] * (1 << width))[e[:, None] >> width * np.arange(per) & (1 << width) - 1]


def parity_signs(seven):
    """Seven bits and the eighth, which makes their number even, as +1 and -1."""
    b = bits(seven, 7)
    return 1 - 2 * np.concatenate([b, b.sum(axis=-1, keepdims=True) & 1], axis=-1)


def iq2(raw, t):
    n = len(raw)
    if t == 16:
        w = words(raw[:, 2:], '<u4').reshape(n, 8, 2)
        index = words(raw[:, 2:], 'u1').reshape(n, 8, 8)[:, :, :4]
        signs = parity_signs(w[:, :, 1, None] >> 7 * np.arange(4) & 127)
        return half(raw[:, :2]) / 8, 2 * (w[:, :, 1] >> 28) + 1, grid(0, 256, 8, 2)[index] * signs
    if t == 17:
        w = words(raw[:, 2:66], '<u2')
        scale = np.stack([raw[:, 66:] & 15, raw[:, 66:] >> 4], axis=2).reshape(n, 16).astype(np.int64)
        return half(raw[:, :2]) / 8, 2 * scale + 1, grid(128, 512, 8, 2)[w & 511] * parity_signs(w >> 9)
    high = (raw[:, 66:74, None] >> np.array([0, 2, 4, 6]) & 3).reshape(n, 32).astype(np.int64)
    scale = np.stack([raw[:, 74:] & 15, raw[:, 74:] >> 4], axis=2).reshape(n, 16).astype(np.int64)
    signs = 1 - 2 * bits(raw[:, 34:66].astype(np.int64), 8)
    return half(raw[:, :2]) / 8, 2 * scale + 1, grid(384, 1024, 8, 2)[raw[:, 2:34] | high << 8] * signs


def iq3(raw, t):
    n = len(raw)
    if t == 18:
        w = words(raw[:, 66:], '<u4')
        signs = parity_signs(w[:, :, None] >> 7 * np.arange(4) & 127).reshape(n, 64, 4)
        return half(raw[:, :2]) / 4, 2 * (w >> 28) + 1, grid(896, 256, 4, 3)[raw[:, 2:66]] * signs
    index = raw[:, 2:66] | bits(raw[:, 66:74].astype(np.int64), 8).reshape(n, 64) << 8
    scale = np.stack([raw[:, 106:] & 15, raw[:, 106:] >> 4], axis=2).reshape(n, 8).astype(np.int64)
    signs = 1 - 2 * bits(raw[:, 74:106].astype(np.int64), 8).reshape(n, 64, 4)
    return half(raw[:, :2]), 2 * scale + 1, grid(1024, 512, 4, 4)[index] * signs


def iq1(raw, t):
    n = len(raw)
    if t == 19:
        h = words(raw[:, 34:], '<u2')
        index = raw[:, 2:34] | ((h[:, :, None] >> 3 * np.arange(4) & 7) << 8).reshape(n, 32)
        delta = np.repeat(np.where(h >> 15, -0.125, 0.125), 4, axis=1)
        return half(raw[:, :2]), 2 * (h >> 12 & 7) + 1, grid(1280, 2048, 8, 1)[index] + delta[:, :, None]
    h = np.stack([raw[:, 32:48] & 15, raw[:, 32:48] >> 4], axis=2).reshape(n, 32).astype(np.int64)
    s = words(raw[:, 48:], '<u2')
    d = sum((s[:, i] >> 12) << 4 * i for i in range(4)).astype('<u2').view('<f2').astype(np.float64)[:, None]
    scale = 2 * (s[:, :, None] >> 3 * np.arange(4) & 7).reshape(n, 16) + 1
    q = grid(1280, 2048, 8, 1)[raw[:, :32] | (h & 7) << 8] + np.where(h >> 3, -0.125, 0.125)[:, :, None]
    return d, scale, q


# ---- types

IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])


def of_32(raw, t):
    d = half(raw[:, :2])
    if t == 8:
        return d * raw[:, 2:].view(np.int8)
    if t == 20:
        return d * IQ4[nibbles(raw[:, 2:])]
    if t == 39:  # twice E2M1 times half a power of two
        return np.ldexp(E2M1[nibbles(raw[:, 1:])].astype(np.float64), raw[:, :1].astype(np.int64) - 128)
    at = {2: 2, 3: 4, 6: 2, 7: 4}[t]
    q = nibbles(raw[:, at + 4:] if t in (6, 7) else raw[:, at:])
    if t in (6, 7):
        q = q + 16 * bits(words(raw[:, at:at + 4], '<u4')[:, 0], 32)
    if t in (3, 7):
        return d * q + half(raw[:, 2:4])
    return d * (q - (8 if t == 2 else 16))


def of_k(raw, t):
    n = len(raw)
    if t in (12, 13):
        sc, mn = k_scales(raw[:, 4:16])
        q = raw[:, 48 if t == 13 else 16:].reshape(n, 4, 32)
        q = np.stack([q & 15, q >> 4], axis=2).reshape(n, 8, 32).astype(np.int64)
        if t == 13:
            q = q + 16 * np.stack([raw[:, 16:48] >> i & 1 for i in range(8)], axis=1)
        return (half(raw[:, :2])[:, :, None] * sc[:, :, None] * q - half(raw[:, 2:4])[:, :, None] * mn[:, :, None]).reshape(n, 256)
    if t == 14:
        low, high = raw[:, :128].reshape(n, 2, 2, 32), raw[:, 128:192].reshape(n, 2, 32)
        low = np.stack([low[:, :, 0] & 15, low[:, :, 1] & 15, low[:, :, 0] >> 4, low[:, :, 1] >> 4], axis=2)
        high = np.stack([high >> 2 * i & 3 for i in range(4)], axis=2)
        return each(half(raw[:, 208:]) * raw[:, 192:208].view(np.int8), (low | high << 4).reshape(n, 256).astype(np.int64) - 32)
    if t == 10:
        s = raw[:, :16]
        return each(half(raw[:, 80:82]) * (s & 15), pairs_of(raw[:, 16:80])) - np.repeat(half(raw[:, 82:84]) * (s >> 4), 16, axis=1)
    s = raw[:, 96:108].astype(np.int64)
    low = np.concatenate([s[:, :8] & 15, s[:, :8] >> 4], axis=1)
    high = (s[:, None, 8:] >> np.array([0, 2, 4, 6])[:, None] & 3).reshape(n, 16)
    mask = np.stack([raw[:, :32] >> i & 1 for i in range(8)], axis=1).reshape(n, 256).astype(np.int64)
    return each(half(raw[:, 108:]) * ((low | high << 4) - 32), pairs_of(raw[:, 32:96]) - 4 * (1 - mask))


def ternary(raw, t):
    if t == 35:
        return half(raw[:, 64:]) * (pairs_of(raw[:, :64]) - 1)

    def trits(x, count):
        x = x[:, None, :].astype(np.int64) * np.array([1, 3, 9, 27, 81])[:count, None] & 255
        return (x * 3 >> 8).reshape(len(x), -1) - 1
    q = np.concatenate([trits(raw[:, :32], 5), trits(raw[:, 32:48], 5), trits(raw[:, 48:52], 4)], axis=1)
    return half(raw[:, 52:]) * q


def nvfp4(raw):
    n = len(raw)
    e, m = raw[:, :4] >> 3 & 15, (raw[:, :4] & 7).astype(np.float64)
    d = np.where(e == 0, m / 512, (1 + m / 8) * 2.0 ** (e.astype(np.float64) - 7)) / 2
    return each(d, E2M1[nibbles(raw[:, 4:].reshape(n, 4, 8))].reshape(n, 64))


def decode(raw, t):
    if t == 0:
        return raw.copy().view('<f4')
    if t == 1:
        return half(raw)
    if t == 30:
        return (raw.copy().view('<u2').astype(np.uint32) << 16).view(np.float32)
    if BLOCKS[t][0] == 32:
        return of_32(raw, t)
    if t in (10, 11, 12, 13, 14):
        return of_k(raw, t)
    if t == 23:
        low = (raw[:, 4:8, None] >> np.array([0, 4]) & 15).reshape(-1, 8).astype(np.int64)
        high = words(raw[:, 2:4], '<u2') >> 2 * np.arange(8) & 3
        q = IQ4[nibbles(raw[:, 8:].reshape(-1, 8, 16))].reshape(-1, 256)
        return each(half(raw[:, :2]) * ((low | high << 4) - 32), q)
    if t in (34, 35):
        return ternary(raw, t)
    if t == 40:
        return nvfp4(raw)
    d, scale, q = (iq2 if t in (16, 17, 22) else iq3 if t in (18, 21) else iq1)(raw, t)
    return each(d * scale, q.reshape(len(raw), 256))
