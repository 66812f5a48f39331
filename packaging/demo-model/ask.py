#!/usr/bin/python3
"""Reads demo.gguf back and answers in plain float arithmetic: the model as the file has it, without Keep.

  ask.py [--model FILE] QUESTION ...       answers each question
  ask.py [--model FILE] --test             asks questions.txt, prints a table; 0 when at least 18 of 20 are right
  ask.py [--model FILE] --probe N          the share of N fresh training-like questions that get their own answer
  ask.py [--model FILE] --ids TEXT         token ids of TEXT, control tokens counted

Needs python3-numpy.  Greedy: the likeliest token, always.
"""
import argparse
import os
import re
import sys

import numpy as np

import bpe
import corpus
import gguf

HERE = os.path.dirname(os.path.abspath(__file__))


class Model:
    def __init__(self, path):
        self.kv, tensors = gguf.read(path)
        self.w = {k[:-7]: a for k, (a, _) in tensors.items()}
        self.types = {k: t for k, (_, t) in tensors.items()}
        kv = self.kv
        special = [t for t, k in zip(kv['tokenizer.ggml.tokens'], kv['tokenizer.ggml.token_type']) if k == 3]
        self.tok = bpe.Tokenizer(kv['tokenizer.ggml.tokens'], [tuple(m.split(' ')) for m in kv['tokenizer.ggml.merges']], special)
        self.layers, self.heads, self.kv_heads = (kv['llama.' + k] for k in ('block_count', 'attention.head_count', 'attention.head_count_kv'))
        self.head, self.eps, self.limit = kv['llama.attention.key_length'], kv['llama.attention.layer_norm_rms_epsilon'], kv['llama.context_length']
        self.freq = kv['llama.rope.freq_base'] ** (-np.arange(0, self.head, 2) / self.head)

    def rms(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w[name]

    def rope(self, x, at):
        a = at[:, None] * self.freq[None, :]
        c, s = np.cos(a)[:, None], np.sin(a)[:, None]
        p, q = x[..., 0::2], x[..., 1::2]
        return np.stack([p * c - q * s, p * s + q * c], -1).reshape(x.shape)

    def step(self, ids, cache):
        """Logits after the last of ids; cache: one [keys, values] per layer, extended."""
        at = len(cache[0][0]) + np.arange(len(ids))
        x = self.w['token_embd'][ids]
        for i in range(self.layers):
            b = 'blk.%d.' % i
            h = self.rms(x, b + 'attn_norm')
            q, k, v = ((h @ self.w[b + n].T).reshape(len(ids), -1, self.head) for n in ('attn_q', 'attn_k', 'attn_v'))
            cache[i] = [np.concatenate([old, new]) for old, new in zip(cache[i], (self.rope(k, at), v))]
            keys, values = (np.repeat(z, self.heads // self.kv_heads, 1) for z in cache[i])
            s = np.einsum('qhd,khd->hqk', self.rope(q, at), keys) / np.sqrt(self.head)
            s = np.where(np.arange(len(keys))[None, None] <= at[None, :, None], s, -np.inf)
            p = np.exp(s - s.max(-1, keepdims=True))
            a = np.einsum('hqk,khd->qhd', p / p.sum(-1, keepdims=True), values)
            x = x + a.reshape(len(ids), -1) @ self.w[b + 'attn_output'].T
            h = self.rms(x, b + 'ffn_norm')
            g = h @ self.w[b + 'ffn_gate'].T
            x = x + (g / (1 + np.exp(-g)) * (h @ self.w[b + 'ffn_up'].T)) @ self.w[b + 'ffn_down'].T
        return self.rms(x[-1], 'output_norm') @ self.w['token_embd'].T

    def prompt(self, question):
        t = self.tok
        mark = lambda s: t.marked(s)
        return [self.kv['tokenizer.ggml.bos_token_id']] + mark('<|im_start|>user\n') + t.text(question) + mark('<|im_end|>\n<|im_start|>assistant\n')

    def ask(self, question, most=120):
        cache = [[np.zeros((0, self.kv_heads, self.head), np.float32)] * 2 for _ in range(self.layers)]
        ids, out = self.prompt(question), []
        while len(out) < most:
            n = int(self.step(ids, cache).argmax())
            if n == self.kv['tokenizer.ggml.eos_token_id']:
                return self.tok.decode(out)
            out.append(n)
            ids = [n]
        return self.tok.decode(out) + ' ...'


def test(m):
    right = total = 0
    for line in corpus.read_lines('questions.txt'):
        if not line.strip():
            continue
        question, want = line.split('\t')
        got = m.ask(question)
        ok = re.search(want, got) is not None
        right, total = right + ok, total + 1
        print('%s  %s\n      %s' % ('ok   ' if ok else 'WRONG', question, got))
    print('%d of %d right' % (right, total))
    return 0 if right * 10 >= total * 9 else 1


def probe(m, n, seed):
    c, wrong = corpus.Corpus(seed), 0
    for _ in range(n):
        t, q = c.example()
        got = m.ask(q)
        if got != t.answer:
            wrong += 1
            print('%s: %s\n    %s' % (t.name, q, got))
    print('%d of %d as trained' % (n - wrong, n))
    return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--model', default=os.path.join(HERE, 'demo.gguf'))
    ap.add_argument('--test', action='store_true')
    ap.add_argument('--probe', type=int)
    ap.add_argument('--seed', type=int, default=1000)
    ap.add_argument('--ids')
    ap.add_argument('question', nargs='*')
    a = ap.parse_args()
    m = Model(a.model)
    if a.ids is not None:
        print(' '.join(map(str, m.tok.marked(a.ids))))
    for q in a.question:
        print(m.ask(q))
    if a.probe:
        return probe(m, a.probe, a.seed)
    return test(m) if a.test else 0


if __name__ == '__main__':
    sys.exit(main())
