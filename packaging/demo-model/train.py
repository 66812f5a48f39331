#!/usr/bin/python3
"""Trains the demo model on what corpus.py says and writes demo.gguf.  Needed only to retrain.

  train.py [--steps N] [--seed N] [--threads N] [--out FILE] [--save FILE.pt] [--from FILE.pt]

Needs python3-torch and python3-numpy, and is much faster with libopenblas0-pthread.
"""
import argparse
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import bpe
import corpus
import gguf

DIM, LAYERS, HEADS, KV, HEAD, FFN, VOCAB, CONTEXT = 256, 4, 4, 2, 64, 512, 1024, 512
BASE, EPS = 10000.0, 1e-5
BOS, END, IM_START, IM_END = '<|begin_of_text|>', '<|end_of_text|>', '<|im_start|>', '<|im_end|>'
SPECIAL = [BOS, END, IM_START, IM_END]
TEMPLATE = ("{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
SYSTEM = ['You are a helpful assistant.', 'You are the demo model of Keep.', 'Answer in full sentences.', 'Be brief.', 'You answer questions about Keep.']
# tensor -> type: a mixture, so that the demo exercises several decoders
TYPE = {'token_embd': 'Q6_K', 'attn_q': 'Q8_0', 'attn_k': 'Q8_0', 'attn_v': 'Q6_K', 'attn_output': 'Q5_K',
        'ffn_gate': 'Q4_K', 'ffn_up': 'Q5_K', 'ffn_down': 'Q6_K'}


# ------------------------------------------------------------------ text -> rows of tokens
class Rows:
    """Conversations of one to several questions, packed into rows."""

    def __init__(self, text, tok):
        self.text, self.tok, self.rng = text, tok, text.rng
        self.answers = {t.name: tok.text(t.answer) for t in text.topics}
        n = tok.text('\n')
        self.head = {r: tok.special_id(IM_START) + tok.text(r) + n for r in ('user', 'assistant', 'system')}
        self.end, self.nl, self.bos = tok.special_id(IM_END), n, tok.special_id(BOS)

    def conversation(self, limit, long, short):
        """-> ids, weights of the loss.  short: the share of single questions whose answer is only begun"""
        rng, ids, w = self.rng, [], []

        def put(x, weight):
            ids.extend(x)
            w.extend([weight] * len(x))
        if rng.random() < 0.97:
            put(self.bos, 0.0)
        if rng.random() < 0.10:
            put(self.head['system'] + self.tok.text(rng.choice(SYSTEM)) + self.end + self.nl, 0.0)
        turns = rng.choice((2, 4, 6, 9)) if long else rng.choice((1, 1, 1, 1, 1, 2, 3))
        for i in range(turns):
            t, q = self.text.example()
            if any(h in ' %s ' % corpus.plain(q) for h in self.text.held_out):
                raise SystemExit('a question of questions.txt is in the training text: ' + q)
            q = self.tok.text(q)
            if len(q) > 60:
                continue
            if i and len(ids) + len(q) + len(self.answers[t.name]) + 14 > limit:
                break
            put(self.head['user'], 0.0)
            put(q, 0.1)
            put(self.end + self.nl + self.head['assistant'], 0.0)
            if turns == 1 and rng.random() < short:     # which answer it is shows in its first words
                put(self.answers[t.name][:rng.randint(3, 12)], 1.0)
                break
            put(self.answers[t.name] + self.end, 1.0)
            put(self.nl, 0.0)
        return ids, w

    def batch(self, rows, length, long=False, short=0.0):
        ids = np.zeros((rows, length + 1), np.int64)
        w = np.zeros((rows, length + 1), np.float32)
        seg = np.zeros((rows, length + 1), np.int64)
        for r in range(rows):
            at, k = 0, 1
            while True:
                c, cw = self.conversation(length - 1, long, short)
                if not c or at + len(c) > length + 1:
                    if at:
                        break
                    continue
                ids[r, at:at + len(c)], w[r, at:at + len(c)], seg[r, at:at + len(c)] = c, cw, k
                at, k = at + len(c), k + 1
        w[:, 1:][seg[:, 1:] != seg[:, :-1]] = 0
        return torch.from_numpy(ids), torch.from_numpy(w), torch.from_numpy(seg)


# ------------------------------------------------------------------ the model
def rope_tables(n):
    a = np.arange(n)[:, None] * (BASE ** (-np.arange(0, HEAD, 2) / HEAD))[None, :]
    return torch.from_numpy(np.cos(a).astype(np.float32)), torch.from_numpy(np.sin(a).astype(np.float32))


def rope(x, cos, sin):
    """Adjacent pairs, as GGUF's llama wants it.  x: [rows, heads, length, HEAD]"""
    p = x.view(*x.shape[:-1], HEAD // 2, 2)
    a, b = p[..., 0], p[..., 1]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).view(x.shape)


def rms(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * w


class Llama:
    def __init__(self, seed):
        g = torch.Generator().manual_seed(seed)

        def mat(rows, cols, gain=1.0):
            return (torch.randn(rows, cols, generator=g) * (gain / math.sqrt(cols))).requires_grad_()
        one = lambda: torch.ones(DIM).requires_grad_()
        self.p = {'token_embd': (torch.randn(VOCAB, DIM, generator=g) * 0.04).requires_grad_(), 'output_norm': one()}
        out = 1 / math.sqrt(2 * LAYERS)
        for i in range(LAYERS):
            self.p.update({'blk.%d.%s' % (i, k): v for k, v in (
                ('attn_norm', one()), ('attn_q', mat(HEADS * HEAD, DIM)), ('attn_k', mat(KV * HEAD, DIM)), ('attn_v', mat(KV * HEAD, DIM)),
                ('attn_output', mat(DIM, HEADS * HEAD, out)), ('ffn_norm', one()), ('ffn_gate', mat(FFN, DIM)), ('ffn_up', mat(FFN, DIM)),
                ('ffn_down', mat(DIM, FFN, out)))})
        self.cos, self.sin = rope_tables(CONTEXT)

    def forward(self, ids, seg, keep):
        """Logits at the positions where keep is set."""
        R, T = ids.shape
        p = self.p
        mask = torch.where((seg[:, :, None] == seg[:, None, :]).tril(), 0.0, -1e9)[:, None]
        cos, sin = self.cos[:T], self.sin[:T]
        x = p['token_embd'][ids]
        for i in range(LAYERS):
            w = lambda n: p['blk.%d.%s' % (i, n)]
            h = rms(x, w('attn_norm'))
            q, k, v = ((h @ w(n).t()).view(R, T, -1, HEAD).transpose(1, 2) for n in ('attn_q', 'attn_k', 'attn_v'))
            q, k = rope(q, cos, sin), rope(k, cos, sin)
            k, v = k.repeat_interleave(HEADS // KV, 1), v.repeat_interleave(HEADS // KV, 1)
            a = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(HEAD) + mask, -1) @ v
            x = x + a.transpose(1, 2).reshape(R, T, -1) @ w('attn_output').t()
            h = rms(x, w('ffn_norm'))
            x = x + (F.silu(h @ w('ffn_gate').t()) * (h @ w('ffn_up').t())) @ w('ffn_down').t()
        return rms(x[keep], p['output_norm']) @ p['token_embd'].t()


# ------------------------------------------------------------------ training
def train(model, rows, args):
    decay = [v for k, v in model.p.items() if v.ndim == 2]
    plain = [v for k, v in model.p.items() if v.ndim == 1]
    opt = torch.optim.AdamW([{'params': decay, 'weight_decay': 0.05}, {'params': plain, 'weight_decay': 0.0}], lr=1, betas=(0.9, 0.98), eps=1e-8)
    begin, mean = time.time(), None
    for step in range(args.steps):
        lr = args.lr * min(1, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in opt.param_groups:
            group['lr'] = lr
        long = step % 8 == 7                                # some rows are long conversations
        ids, w, seg = rows.batch(2 if long else 8, CONTEXT if long else 128, long, 0.8 if step > args.steps * 0.3 else 0.0)
        w = w[:, 1:]
        keep = w > 0
        logits = model.forward(ids[:, :-1], seg[:, :-1], keep)
        each = F.cross_entropy(logits, ids[:, 1:][keep], reduction='none')
        loss = (each * w[keep]).sum() / w.sum()
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decay + plain, 1.0)
        opt.step()
        now = float((each * (w[keep] == 1)).sum() / (w == 1).sum())
        mean = now if mean is None else 0.97 * mean + 0.03 * now
        if step % 50 == 49:
            print('step %d of %d: answer loss %.4f, %.0f s' % (step + 1, args.steps, mean, time.time() - begin), flush=True)


def save(model, tok, merges, path):
    S = gguf.STR
    heads = [('embedding_length', DIM), ('block_count', LAYERS), ('context_length', CONTEXT), ('feed_forward_length', FFN),
             ('attention.head_count', HEADS), ('attention.head_count_kv', KV), ('attention.key_length', HEAD), ('attention.value_length', HEAD),
             ('rope.dimension_count', HEAD), ('vocab_size', VOCAB)]
    kv = [('general.architecture', S, 'llama'), ('general.name', S, 'Keep demo'), ('general.author', S, 'The Keep developers'),
          ('general.license', S, 'mit'), ('general.description', S, 'Answers questions about Keep; trained on sentences of the Keep developers only.'),
          ('general.type', S, 'model'), ('general.quantization_version', gguf.U32, 2), ('general.file_type', gguf.U32, 15)]
    kv += [('llama.' + k, gguf.U32, v) for k, v in heads]
    kv += [('llama.attention.layer_norm_rms_epsilon', gguf.F32, EPS), ('llama.rope.freq_base', gguf.F32, BASE),
           ('tokenizer.ggml.model', S, 'gpt2'), ('tokenizer.ggml.pre', S, 'llama-bpe'),
           ('tokenizer.ggml.tokens', (gguf.ARR, S), tok.tokens),
           ('tokenizer.ggml.token_type', (gguf.ARR, gguf.I32), [3 if t in tok.special else 1 for t in tok.tokens]),
           ('tokenizer.ggml.merges', (gguf.ARR, S), ['%s %s' % m for m in merges]),
           ('tokenizer.ggml.bos_token_id', gguf.U32, tok.id[BOS]), ('tokenizer.ggml.eos_token_id', gguf.U32, tok.id[IM_END]),
           ('tokenizer.ggml.padding_token_id', gguf.U32, tok.id[END]),
           ('tokenizer.ggml.add_bos_token', gguf.BOOL, True), ('tokenizer.ggml.add_eos_token', gguf.BOOL, False),
           ('tokenizer.chat_template', S, TEMPLATE)]
    tensors = [(k + '.weight', v.detach().numpy(), TYPE.get(k.split('.')[-1], 'F32')) for k, v in model.p.items()]
    for name, a, typ in tensors:
        if typ != 'F32' and name.startswith(('token', 'blk.0.')):
            e = gguf.decode(gguf.encode(a, typ), typ).reshape(a.shape) - a
            print('%-24s %-5s error %.4f of spread' % (name, typ, np.sqrt((e ** 2).mean()) / a.std()))
    gguf.write(path, kv, tensors)
    print('%s: %d bytes' % (path, os.path.getsize(path)))


class Tok(bpe.Tokenizer):
    def special_id(self, t):
        return [self.special[t]]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--steps', type=int, default=5000)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--threads', type=int, default=2)
    ap.add_argument('--lr', type=float, default=2e-3)
    ap.add_argument('--out', default=os.path.join(here, 'demo.gguf'))
    ap.add_argument('--save', help='keep the weights unquantised, too')
    ap.add_argument('--from', dest='start', help='start from weights kept with --save')
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    gguf.self_check()
    text = corpus.Corpus(1)                                  # the vocabulary does not depend on the seed
    seen = [text.example() for _ in range(12000)]
    merges = bpe.learn([q for _, q in seen] + [t.answer for t, _ in seen] + SYSTEM * 20 + ['user\nassistant\nsystem\n'] * 200, VOCAB - 256 - len(SPECIAL))
    tok = Tok([bpe.LETTER[b] for b in range(256)] + [a + b for a, b in merges] + SPECIAL, merges, SPECIAL)
    assert len(set(tok.tokens)) == VOCAB
    model = Llama(args.seed)
    if args.start:
        with torch.no_grad():
            for k, v in torch.load(args.start).items():
                model.p[k].copy_(v)
    print('%.2f million weights, %d topics' % (sum(v.numel() for v in model.p.values()) / 1e6, len(text.topics)))
    train(model, Rows(corpus.Corpus(args.seed + 1), tok), args)
    if args.save:
        torch.save({k: v.detach() for k, v in model.p.items()}, args.save)
    save(model, tok, merges, args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
