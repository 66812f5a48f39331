"""Decode the blocks of test_quants by the peer's library, by blocks64.py and by Keep; called by tests/quants/peer."""
import hashlib, os, shutil, subprocess, sys, tempfile
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'logits'))
import blocks64

ours, lab, shared, mode = sys.argv[1:5]
ours = os.path.abspath(ours)

# Runs in the peer's root: the library's own names say which function decodes which type.
INSIDE = '''
import ctypes, sys
lib = ctypes.CDLL('libggml-base.so.0')
work, names = sys.argv[1], sys.argv[2:]
for name in names:
    raw = open(work + '/' + name, 'rb').read()
    f = getattr(lib, 'dequantize_row_' + (name.lower()[:-1] + 'K' if name.endswith('_K') else name.lower()))
    n = %d
    y = (ctypes.c_float * n)()
    f(ctypes.c_char_p(raw), y, ctypes.c_int64(n))
    open(work + '/' + name + '.f32', 'wb').write(bytes(y))
'''
ELEMENTS = 1024 * 256


def bits(y):
    """Of float32, with -0 as 0: Keep stores no -0."""
    return (np.asarray(y, np.float32) + np.float32(0)).view(np.uint32)


def main():
    os.makedirs(lab + '/data', exist_ok=True)
    work = tempfile.mkdtemp(prefix='quants-', dir=lab + '/data')
    names = subprocess.run([ours, 'names'], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    for name in names:
        with open(work + '/' + name, 'wb') as f:
            subprocess.run([ours, 'blocks', name], stdout=f, check=True)
    open(work + '/inside.py', 'w').write(INSIDE % ELEMENTS)
    subprocess.run(['sh', shared + '/tools/peer-root.sh', 'run', lab + '/sid-root', 'python3', work + '/inside.py', work, *names], check=True)
    want = {n: bits(np.fromfile(work + '/' + n + '.f32', '<f4')) for n in names}
    if mode == 'print':
        print('/* Printed by `tests/quants/peer BUILD print`: SHA-256 of the float32 that ggml decodes from the blocks of test_quants. */\n'
              '#pragma once\n\n/* clang-format off */\nstatic const char *const peer_digests[][2] = {')
        for n in names:
            print('\t{ "%s", "%s" },' % (n, hashlib.sha256(want[n].tobytes()).hexdigest()))
        print('};\n/* clang-format on */')
        return 0
    bad = 0
    print('%-8s %9s %22s %22s' % ('type', 'elements', 'Keep, bits that differ', 'blocks64.py'))
    for n in names:
        got = bits(np.frombuffer(subprocess.run([ours, 'floats', n], stdout=subprocess.PIPE, check=True).stdout, '<f4'))
        block, size = blocks64.BLOCKS[blocks64.TYPES[n]]
        raw = np.fromfile(work + '/' + n, np.uint8).reshape(-1, size)
        py = bits(blocks64.decode(raw, blocks64.TYPES[n]).reshape(-1))
        far = [int((got != want[n]).sum()), int((py != want[n]).sum())]
        bad += any(far)
        print('%-8s %9d %22d %22d' % (n, len(got), *far))
    shutil.rmtree(work)
    print('all bits equal' if not bad else '%d types differ' % bad)
    return 1 if bad else 0


sys.exit(main())
