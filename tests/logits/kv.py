#!/usr/bin/python3
"""kv.py BUILD: what the type of the cache changes. Random models of F32 weights, logits of 240 positions with keys and values in f32, f16 and
int8 against float64 of the same weights; a row for each. Fails where the median row of a type is farther than its bound, or int8 is not the farthest.
Where experts are chosen, those that are nearly ties in a model of random weights fall otherwise, layer after layer: the bound there is another.
Models come from KEEP_SHARED/tools/make-random-gguf.py; 77 without it."""
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import float64

CTX = 4096
MODELS = ['tiny-llama', 'tiny-qwen3', 'tiny-gemma3', 'tiny-gpt-oss']
EXPERTS = {'tiny-gpt-oss': 0.1}  # of int8
BOUNDS = {'f32': 1e-9, 'f16': 1e-5, 'int8': 5e-3}  # of the median KL
IDS = [(7 + 13 * i * i) % 300 + 3 for i in range(240)]


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def run(logits_of, path, kv, out):
    subprocess.run([logits_of, path, '--tokens', ','.join(map(str, IDS)), '--out', out, '--kv', kv, '--device', 'native'], check=True,
                   stderr=subprocess.DEVNULL)
    return np.fromfile(out, '<f4').reshape(len(IDS), -1).astype(np.float64)


def rows(logits_of, work, name, make):
    path, far, bad = work + '/m.gguf', {}, 0
    subprocess.run([sys.executable, make, name, path, '--dtype', 'f32', '--seed', '5'], check=True, stdout=subprocess.DEVNULL)
    want = float64.Model(path).logits(IDS, CTX)
    p = log_softmax(want)
    for kv, bound in BOUNDS.items():
        bound = EXPERTS.get(name, bound) if kv == 'int8' else bound
        got = run(logits_of, path, kv, work + '/o.bin')
        kl = (np.exp(p) * (p - log_softmax(got))).sum(axis=1)
        same = int((want.argmax(axis=1) == got.argmax(axis=1)).sum())
        far[kv] = np.median(kl)
        bad += not far[kv] < bound
        print('%-14s %-5s KL %9.2e median, %9.2e mean, %9.2e worst   top-1 %d of %d   NMSE %9.2e%s' % (
            name, kv, far[kv], kl.mean(), kl.max(), same, len(IDS), ((want - got) ** 2).sum() / (want ** 2).sum(), '' if far[kv] < bound else '   BAD'), flush=True)
    return bad + (not far['f32'] < far['f16'] < far['int8'])


def main():
    if not os.environ.get('KEEP_SHARED'):
        print('KEEP_SHARED is not set: no models')
        return 77
    make = os.environ['KEEP_SHARED'] + '/tools/make-random-gguf.py'
    with tempfile.TemporaryDirectory() as work:
        return sum(rows(sys.argv[1] + '/tests/logits/logits_of', work, m, make) for m in MODELS) != 0


sys.exit(main())
