"""A GGUF of floats with its matrices made anew as random blocks of one type: every bit pattern of a type, of the size that the floats had. What
quantisers write uses but a part of these.  rewrite(from, to, type, seed); with scales, as NVFP4 is published: each matrix but embedding and router is
times a number of its own, each expert too, and has another for its input, which nobody reads."""
import struct
import numpy as np

import blocks64
import float64

# where the float16 of a block stand, and what the second is to the first so that the mean is 0
HALVES = {2: (0,), 3: (0, 2), 6: (0,), 7: (0, 2), 8: (0,), 10: (80, 82), 11: (108,), 12: (0, 2), 13: (0, 2), 14: (208,), 16: (0,), 17: (0,), 18: (0,), 19: (0,),
          20: (0,), 21: (0,), 22: (0,), 23: (0,), 34: (52,), 35: (64,)}
SECOND = {3: -7.5, 7: -15.5, 10: 1.5, 12: 7.5, 13: 15.5}


def put_scale(raw, t, d):
    """The scales of blocks [n, bytes] become d [n]."""
    if t == 29:  # hidden in four nibbles
        h = d.astype('<f2').view('<u2').astype(np.uint16)
        for i in range(4):
            raw[:, 49 + 2 * i] = raw[:, 49 + 2 * i] & 15 | (h >> 4 * i & 15).astype(np.uint8) << 4
    elif t == 39:
        raw[:, 0] = np.clip(np.round(np.log2(d)) + 128, 1, 160)
    elif t == 40:  # the nearest of all codes, for each of four
        codes = np.arange(0x7f)
        e, m = codes >> 3, codes & 7
        values = np.where(e == 0, m / 512, (1 + m / 8) * 2.0 ** (e - 7)) / 2
        raw[:, :4] = np.abs(values - d[:, None]).argmin(axis=1)[:, None]
    else:
        for at, v in zip(HALVES[t], (d, d * SECOND.get(t, 0))):
            raw[:, at:at + 2] = v.astype('<f2').view(np.uint8).reshape(-1, 2)


def blocks(t, n, size, rng):
    """n elements whose standard deviation is about `size`."""
    block, length = blocks64.BLOCKS[t]
    raw = rng.integers(0, 256, (n // block, length), np.uint8)
    put_scale(raw, t, np.full(len(raw), 1.0))
    d = size / blocks64.decode(raw[:64], t).std() * rng.uniform(0.75, 1.25, len(raw))
    put_scale(raw, t, d)
    return raw.tobytes()


def scales_of(name, dims, size, rng):
    """The numbers of a matrix, of about a 32nd of the size of its elements, and the tensors that say them."""
    x = (size / 32 * rng.uniform(0.5, 1.5, dims[2] if len(dims) > 2 else 1)).astype('<f4')
    return x, [(name.replace('.weight', '.scale'), [len(x)], 0, x.tobytes()), (name.replace('.weight', '.input_scale'), [len(x)], 0, (x * 3).tobytes())]


def tensors(b, t, seed, scales):
    """Name, dimensions, type and bytes of what the new file holds."""
    rng = np.random.Generator(np.random.PCG64(seed))
    _, _, infos, start = float64.header(b)
    for name, dims, kind, at in infos:
        n = int(np.prod(dims))
        matrix = len(dims) >= 2 and kind == 0 and dims[0] % blocks64.BLOCKS[t][0] == 0 and not name.endswith('.bias')
        if scales and ('ffn_gate_inp' in name or 'token_embd' in name) or len(dims) > 2 and not scales:
            matrix = False
        x = np.frombuffer(b, '<f4', n, start + at)
        own = scales_of(name, dims, x.std(), rng) if matrix and scales else ([1.0], [])
        parts = [blocks(t, n // len(own[0]), x.std() / s, rng) for s in own[0]] if matrix else [x.tobytes()]
        yield name, dims, t if matrix else kind, b''.join(parts)
        yield from own[1]


def rewrite(path, out, t, seed, scales=False):
    b = open(path, 'rb').read()
    _, infos_at, _, _ = float64.header(b)
    made = list(tensors(b, t, seed, scales))
    head, data = b[:8] + struct.pack('<Q', len(made)) + b[16:infos_at], b''
    for name, dims, kind, raw in made:
        data += b'\0' * (-len(data) % 32)
        head += struct.pack('<Q', len(name)) + name.encode() + struct.pack('<I%dQIQ' % len(dims), len(dims), *dims, kind, len(data))
        data += raw
    open(out, 'wb').write(head + b'\0' * (-len(head) % 32) + data)
