#!/usr/bin/env python3
"""Write good-* and bad-* GGUF models and expected.tsv (name, reason code of attest/reason.h or "accepted"), each bad one a
good one with one thing wrong.  generate.py OUTDIR   The outputs are checked in; run this only to add one. Standard library only."""
import os, shutil, struct, sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)
FMT = {U8: 'B', I8: 'b', U16: 'H', I16: 'h', U32: 'I', I32: 'i', F32: 'f', BOOL: 'B', U64: 'Q', I64: 'q', F64: 'd'}
TYPES = {'F32': (0, 1, 4), 'F16': (1, 1, 2), 'Q4_0': (2, 32, 18), 'Q8_0': (8, 32, 34), 'Q4_K': (12, 256, 144), 'Q5_K': (13, 256, 176),
         'Q6_K': (14, 256, 210), 'BF16': (30, 1, 2), 'Q4_1': (3, 32, 20), 'Q5_0': (6, 32, 22), 'Q5_1': (7, 32, 24), 'Q2_K': (10, 256, 84),
         'Q3_K': (11, 256, 110), 'IQ2_XXS': (16, 256, 66), 'IQ2_XS': (17, 256, 74), 'IQ3_XXS': (18, 256, 98), 'IQ1_S': (19, 256, 50),
         'IQ4_NL': (20, 32, 18), 'IQ3_S': (21, 256, 110), 'IQ2_S': (22, 256, 82), 'IQ4_XS': (23, 256, 136), 'IQ1_M': (29, 256, 56),
         'TQ1_0': (34, 256, 54), 'TQ2_0': (35, 256, 66), 'MXFP4': (39, 32, 17), 'NVFP4': (40, 64, 36), 'Q8_1': (9, 32, 36), 'IQ4_KS': (144, 1, 4), 'unknown': (99999, 1, 4)}

def s(x):
    b = x if isinstance(x, bytes) else x.encode()
    return struct.pack('<Q', len(b)) + b

def value(t, v):
    if t == STR: return s(v)
    if t == ARR: return struct.pack('<IQ', v[0], len(v[1])) + b''.join(value(v[0], x) for x in v[1])
    if t == 'raw': return v
    return struct.pack('<' + FMT[t], v)

class Model:
    """A model that a case may bend before it is written."""
    def __init__(m, heads=2, kv=1, hd=4, dim=8, ffn=16, layers=1, tok='llama', types=None):
        types = types or {}
        m.magic, m.version, m.n_kv, m.n_tensors, m.align, m.tail, m.cut = b'GGUF', 3, None, None, 32, b'', None
        m.kv = [['general.architecture', STR, 'llama'], ['general.name', STR, 'vector'], ['general.license', STR, 'mit'],
            ['llama.block_count', U32, layers], ['llama.context_length', U32, 64], ['llama.embedding_length', U32, dim],
            ['llama.feed_forward_length', U32, ffn], ['llama.attention.head_count', U32, heads], ['llama.attention.head_count_kv', U32, kv],
            ['llama.attention.key_length', U32, hd], ['llama.attention.value_length', U32, hd], ['llama.rope.dimension_count', U32, hd],
            ['llama.rope.freq_base', F32, 10000.0], ['llama.attention.layer_norm_rms_epsilon', F32, 1e-5]]
        if tok == 'llama':
            toks = ['<unk>', '<s>', '</s>', '<0x0A>', '\u2581a', 'b', 'ab', '<|im_end|>']
            m.kv += [['tokenizer.ggml.model', STR, 'llama'], ['tokenizer.ggml.tokens', ARR, (STR, toks)],
                ['tokenizer.ggml.scores', ARR, (F32, [0.0] * 4 + [-1.0, -2.0, -3.0, 0.0])],
                ['tokenizer.ggml.token_type', ARR, (I32, [2, 3, 3, 6, 1, 1, 1, 1])]]
        else:
            toks = ['a', 'b', 'ab', '\u0120', '<|begin_of_text|>', '<|eot_id|>', 'c', 'd']
            m.kv += [['tokenizer.ggml.model', STR, 'gpt2'], ['tokenizer.ggml.pre', STR, tok], ['tokenizer.ggml.tokens', ARR, (STR, toks)],
                ['tokenizer.ggml.token_type', ARR, (I32, [1, 1, 1, 1, 3, 3, 1, 1])], ['tokenizer.ggml.merges', ARR, (STR, ['a b', '\u0120 a'])],
                ['tokenizer.ggml.bos_token_id', U32, 4], ['tokenizer.ggml.eos_token_id', U32, 5]]
        m.kv.append(['tokenizer.chat_template', STR, '{{ messages }}'])
        V = len(toks)
        m.t = []
        def add(name, dims, typ='F32'): m.t.append([name, dims, types.get(name.split('.')[-2], typ), None])
        def vec(name, n): m.t.append([name, [n], 'F32', None])
        add('token_embd.weight', [dim, V]); vec('output_norm.weight', dim); add('output.weight', [dim, V])
        for i in range(layers):
            b = f'blk.{i}.'
            vec(b + 'attn_norm.weight', dim); add(b + 'attn_q.weight', [dim, heads * hd]); add(b + 'attn_k.weight', [dim, kv * hd])
            add(b + 'attn_v.weight', [dim, kv * hd]); add(b + 'attn_output.weight', [heads * hd, dim]); vec(b + 'ffn_norm.weight', dim)
            add(b + 'ffn_gate.weight', [dim, ffn]); add(b + 'ffn_up.weight', [dim, ffn]); add(b + 'ffn_down.weight', [ffn, dim])
    def find(m, k): return next(x for x in m.kv if x[0] == k)
    def set(m, k, v, t=None):
        for x in m.kv:
            if x[0] == k:
                x[2] = v
                if t is not None: x[1] = t
                return m
        m.kv.append([k, t, v]); return m
    def drop(m, k): m.kv = [x for x in m.kv if x[0] != k]; return m
    def tensor(m, n): return next(x for x in m.t if x[0] == n)
    def untensor(m, n): m.t = [x for x in m.t if x[0] != n]; return m
    def bytes(m):
        out = m.magic + struct.pack('<IQQ', m.version, len(m.t) if m.n_tensors is None else m.n_tensors, len(m.kv) if m.n_kv is None else m.n_kv)
        for k, t, v in m.kv:
            out += s(k)
            if t == 'raw': out += v
            else: out += struct.pack('<I', t) + value(t, v)
        off = 0; data = b''
        for name, dims, typ, forced in m.t:
            tid, blk, size = TYPES[typ]
            n = 1
            for d in dims: n *= d
            n = n // blk * size
            if n > 1 << 16: n = 4096 # a lie about its size needs no such bytes
            out += s(name) + struct.pack('<I', len(dims)) + b''.join(struct.pack('<Q', d) for d in dims)
            out += struct.pack('<IQ', tid, off if forced is None else forced)
            step = -(-n // m.align) * m.align if m.align else n
            data += b'\0' * step; off += step
        out += b'\0' * (-len(out) % (m.align or 1)) + data + m.tail
        return out if m.cut is None else out[:m.cut]

CASES = []
def case(code):
    def reg(f): CASES.append((f.__name__, code, f)); return f
    return reg
def edit(name, code, f, **kw): CASES.append((name, code, lambda: (lambda m: (f(m), m)[1])(Model(**kw))))
def kvset(name, code, key, v, t=None, **kw): edit(name, code, lambda m: m.set(key, v, t), **kw)

MIXED = dict(heads=4, kv=2, hd=4, dim=256, ffn=32, types={'token_embd': 'BF16', 'output': 'Q4_0', 'attn_q': 'Q4_K', 'attn_k': 'Q5_K', 'attn_v': 'Q6_K',
    'attn_output': 'F16', 'ffn_gate': 'Q6_K', 'ffn_up': 'Q8_0', 'ffn_down': 'Q8_0'})
ok = 'accepted'
edit('good-f32', ok, lambda m: None)
edit('good-mixed-types', ok, lambda m: None, **MIXED)
NAMES = ('token_embd', 'output', 'attn_q', 'attn_k', 'attn_v', 'ffn_gate', 'ffn_up', 'ffn_down')
for name, types in (('k', 'Q2_K Q6_K Q2_K Q2_K Q3_K Q2_K Q3_K Q5_0'), ('iq', 'IQ3_S Q5_K IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ4_XS IQ4_NL'),
                    ('small', 'TQ1_0 TQ2_0 IQ1_S IQ1_M NVFP4 Q4_1 Q5_1 MXFP4')):
    edit('good-mixed-types-' + name, ok, lambda m: None, heads=4, kv=2, hd=4, dim=256, ffn=32, types=dict(zip(NAMES, types.split())))
edit('good-bpe', ok, lambda m: None, tok='llama-bpe')
edit('good-two-layers-tied', ok, lambda m: m.untensor('output.weight'), layers=2)
edit('good-rope-freqs', ok, lambda m: m.t.append(['rope_freqs.weight', [2], 'F32', None]))
edit('good-defaults', ok, lambda m: [m.drop(k) for k in ('llama.attention.head_count_kv', 'llama.attention.key_length', 'llama.attention.value_length',
    'llama.rope.dimension_count', 'llama.rope.freq_base', 'general.name', 'general.license', 'tokenizer.chat_template', 'tokenizer.ggml.scores')], kv=2)
kvset('good-linear-scaling', ok, 'llama.rope.scaling.factor', 4.0, F32)
kvset('good-alignment-64', ok, 'general.alignment', 64, U32); CASES[-1] = ('good-alignment-64', ok, lambda: (lambda m: (m.set('general.alignment', 64, U32), setattr(m, 'align', 64), m)[2])(Model()))
kvset('good-empty-token', ok, 'tokenizer.ggml.tokens', (STR, ['<unk>', '<s>', '</s>', '<0x0A>', '', 'b', 'ab', 'c']))
edit('good-bytes-behind', ok, lambda m: setattr(m, 'tail', b'x' * 7))

edit('good-key-255', ok, lambda m: m.kv.append(['k' * 255, U32, 1]))
edit('bad-magic', 'gguf-magic', lambda m: setattr(m, 'magic', b'GGML'))
edit('bad-version-2', 'gguf-version', lambda m: setattr(m, 'version', 2))
edit('bad-big-endian', 'gguf-version', lambda m: setattr(m, 'version', 3 << 24))
edit('bad-empty', 'gguf-truncated', lambda m: setattr(m, 'cut', 0))
edit('bad-cut-in-head', 'gguf-truncated', lambda m: setattr(m, 'cut', 20))
edit('bad-cut-in-keys', 'gguf-truncated', lambda m: setattr(m, 'cut', 1500)); CASES[-1] = ('bad-cut-in-keys', 'gguf-truncated', lambda: (lambda m: (setattr(m, 'n_tensors', 0), setattr(m, 'cut', 300), m)[2])(Model()))
edit('bad-count-tensors', 'gguf-limit', lambda m: setattr(m, 'n_tensors', 65537))
edit('bad-count-tensors-2-64', 'gguf-limit', lambda m: setattr(m, 'n_tensors', 2**64 - 1))
edit('bad-count-kv', 'gguf-limit', lambda m: setattr(m, 'n_kv', 65537))
edit('bad-count-kv-2-63', 'gguf-limit', lambda m: setattr(m, 'n_kv', 2**63))
edit('bad-count-beyond-file', 'gguf-truncated', lambda m: setattr(m, 'n_kv', 65536))
edit('bad-string-length-2-64', 'gguf-limit', lambda m: m.set('general.name', struct.pack('<IQ', STR, 2**64 - 1), 'raw'))
edit('bad-string-length-wraps', 'gguf-limit', lambda m: m.set('general.name', struct.pack('<IQ', STR, 2**64 - 8), 'raw'))
edit('bad-string-over-limit', 'gguf-limit', lambda m: m.set('general.name', struct.pack('<IQ', STR, (1 << 20) + 1), 'raw'))
edit('bad-array-length', 'gguf-limit', lambda m: m.set('x.y', struct.pack('<IIQ', ARR, U32, (1 << 22) + 1), 'raw'))
edit('bad-array-length-wraps', 'gguf-limit', lambda m: m.set('x.y', struct.pack('<IIQ', ARR, U64, 2**61), 'raw'))
edit('bad-array-beyond-file', 'gguf-truncated', lambda m: m.set('x.y', struct.pack('<IIQ', ARR, U64, 1 << 20), 'raw'))
edit('bad-array-of-arrays', 'gguf-value', lambda m: m.set('x.y', struct.pack('<IIQ', ARR, ARR, 1), 'raw'))
edit('bad-array-type', 'gguf-value', lambda m: m.set('x.y', struct.pack('<IIQ', ARR, 13, 1), 'raw'))
edit('bad-value-type', 'gguf-value', lambda m: m.set('x.y', struct.pack('<I', 13), 'raw'))
kvset('bad-boolean', 'gguf-value', 'tokenizer.ggml.add_bos_token', 2, BOOL)
edit('bad-key-empty', 'gguf-key', lambda m: m.kv.append(['', U32, 1]))
edit('bad-key-long', 'gguf-key', lambda m: m.kv.append(['k' * 256, U32, 1]))
edit('bad-key-not-ascii', 'gguf-key', lambda m: m.kv.append(['k\u00e9', U32, 1]))
edit('bad-key-nul', 'gguf-key', lambda m: m.kv.append(['a\0b', U32, 1]))
edit('bad-key-twice', 'gguf-key', lambda m: m.kv.append(['llama.block_count', U32, 1]))
edit('bad-no-architecture', 'gguf-missing-key', lambda m: m.drop('general.architecture'))
kvset('bad-architecture', 'gguf-architecture', 'general.architecture', 'qwen4exp')
kvset('bad-architecture-type', 'gguf-value', 'general.architecture', 5, U32)
kvset('bad-adapter', 'gguf-architecture', 'general.type', 'adapter', STR)
kvset('bad-experts', 'gguf-experts', 'llama.expert_count', 8, U32)
edit('bad-architecture-before-type', 'gguf-architecture', lambda m: (m.set('general.architecture', 'deepseek2'), m.tensor('output.weight').__setitem__(2, 'Q8_1')))
edit('bad-experts-before-type', 'gguf-experts', lambda m: (m.set('llama.expert_count', 8, U32), m.tensor('output.weight').__setitem__(2, 'IQ4_KS')))
kvset('bad-name-not-utf8', 'gguf-value', 'general.name', b'\xff\xfe')
for k in ('block_count', 'context_length', 'embedding_length', 'feed_forward_length', 'attention.head_count', 'attention.layer_norm_rms_epsilon'):
    edit('bad-no-' + k.replace('.', '-').replace('_', '-'), 'gguf-missing-key', lambda m, k=k: m.drop('llama.' + k))
H = 'gguf-hyperparameter'
kvset('bad-layers-0', H, 'llama.block_count', 0)
kvset('bad-layers-513', H, 'llama.block_count', 513)
kvset('bad-layers-float', 'gguf-value', 'llama.block_count', 1.0, F32)
kvset('bad-layers-negative', 'gguf-value', 'llama.block_count', -1, I32)
kvset('bad-layers-u64', 'gguf-value', 'llama.block_count', 2**32, U64)
kvset('bad-dim-0', H, 'llama.embedding_length', 0)
kvset('bad-dim-over-limit', H, 'llama.embedding_length', (1 << 18) + 1)
kvset('bad-ffn-0', H, 'llama.feed_forward_length', 0)
kvset('bad-ffn-array', 'gguf-value', 'llama.feed_forward_length', (U32, [16]), ARR)
kvset('bad-context-0', H, 'llama.context_length', 0)
kvset('bad-heads-0', H, 'llama.attention.head_count', 0)
kvset('bad-heads-1025', H, 'llama.attention.head_count', 1025)
kvset('bad-kv-heads-0', H, 'llama.attention.head_count_kv', 0)
kvset('bad-kv-heads-more', H, 'llama.attention.head_count_kv', 3)
edit('bad-kv-heads-no-divisor', H, lambda m: m.set('llama.attention.head_count', 3), kv=2)
edit('bad-heads-no-divisor', H, lambda m: [m.set('llama.attention.head_count', 3), m.drop('llama.attention.key_length'), m.drop('llama.attention.value_length')])
kvset('bad-head-dim-513', H, 'llama.attention.key_length', 513)
kvset('bad-value-length', H, 'llama.attention.value_length', 8)
kvset('bad-rope-odd', H, 'llama.rope.dimension_count', 3)
kvset('bad-rope-wide', H, 'llama.rope.dimension_count', 6)
kvset('bad-eps-0', H, 'llama.attention.layer_norm_rms_epsilon', 0.0)
kvset('bad-eps-nan', 'gguf-value', 'llama.attention.layer_norm_rms_epsilon', float('nan'))
kvset('bad-eps-large', H, 'llama.attention.layer_norm_rms_epsilon', 0.5)
kvset('bad-rope-base-0', H, 'llama.rope.freq_base', 0.0)
kvset('bad-rope-base-inf', 'gguf-value', 'llama.rope.freq_base', float('inf'))
kvset('bad-rope-scaling-dynamic', H, 'llama.rope.scaling.type', 'dynamic', STR)
kvset('bad-rope-factor-negative', H, 'llama.rope.scaling.factor', -2.0, F32)
kvset('bad-rope-attn-factor', H, 'llama.rope.scaling.attn_factor', 1.5, F32)
kvset('bad-sliding-window', H, 'llama.attention.sliding_window', 4096, U32)
kvset('bad-not-causal', H, 'llama.attention.causal', 0, BOOL)

def t(name, code, tensor, i, v): edit(name, code, lambda m: m.tensor(tensor).__setitem__(i, v))
N = 'gguf-tensor-name'; SH = 'gguf-tensor-shape'
t('bad-tensor-name-empty', N, 'output.weight', 0, '')
t('bad-tensor-name-64', N, 'output.weight', 0, 'n' * 64)
t('bad-tensor-name-not-ascii', N, 'output.weight', 0, 'outp\u00fct')
t('bad-tensor-name-twice', N, 'output.weight', 0, 'token_embd.weight')
t('bad-tensor-type-q8-1', 'gguf-tensor-type', 'output.weight', 2, 'Q8_1')
t('bad-tensor-type-fork', 'gguf-tensor-type', 'output.weight', 2, 'IQ4_KS')
t('bad-tensor-type-unknown', 'gguf-tensor-type', 'output.weight', 2, 'unknown')
t('bad-norm-f16', 'gguf-tensor-type', 'output_norm.weight', 2, 'F16')
t('bad-row-not-blocks', SH, 'output.weight', 2, 'Q8_0')
t('bad-dims-0', SH, 'output.weight', 1, [])
t('bad-dims-5', SH, 'output.weight', 1, [8, 8, 1, 1, 1])
t('bad-dim-zero', SH, 'output.weight', 1, [8, 0])
t('bad-dim-2-63', SH, 'output.weight', 1, [2**63 - 1, 2])
t('bad-product-overflow', SH, 'output.weight', 1, [2**31, 2**31, 2**31, 2**31])
t('bad-shape', SH, 'blk.0.attn_q.weight', 1, [8, 4])
t('bad-shape-transposed', SH, 'blk.0.ffn_down.weight', 1, [8, 16])
t('bad-shape-3d', SH, 'blk.0.ffn_up.weight', 1, [8, 16, 2])
edit('bad-tensor-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_up.weight'))
edit('bad-tensors-none', 'gguf-tensor-missing', lambda m: setattr(m, 't', []))
edit('bad-tensor-extra', 'gguf-tensor-extra', lambda m: m.t.append(['blk.0.attn_sinks.weight', [2], 'F32', None]))
edit('bad-tensor-extra-layer', 'gguf-tensor-extra', lambda m: m.t.append(['blk.1.attn_norm.weight', [8], 'F32', None]))
kvset('bad-alignment-0', 'gguf-alignment', 'general.alignment', 0, U32)
kvset('bad-alignment-24', 'gguf-alignment', 'general.alignment', 24, U32)
kvset('bad-alignment-4', 'gguf-alignment', 'general.alignment', 4, U32)
t('bad-offset-unaligned', 'gguf-alignment', 'output.weight', 3, 33)
t('bad-offset-beyond', 'gguf-offset', 'output.weight', 3, 1 << 20)
t('bad-offset-wraps', 'gguf-offset', 'output.weight', 3, 2**64 - 32)
edit('bad-file-short', 'gguf-offset', lambda m: setattr(m, 'cut', len(m.bytes()) - 1))
t('bad-overlap', 'gguf-overlap', 'output.weight', 3, 0)
kvset('bad-split-count', 'gguf-split', 'split.count', 2, U16)
kvset('bad-split-no', 'gguf-split', 'split.no', 1, U16)
kvset('bad-split-tensors', 'gguf-split', 'split.tensors.count', 11, I32)
edit('bad-no-tokenizer', 'gguf-missing-key', lambda m: m.drop('tokenizer.ggml.model'))
kvset('bad-tokenizer', 'gguf-tokenizer', 'tokenizer.ggml.model', 'rwkv')
kvset('bad-pre-tokenizer', 'gguf-pre-tokenizer', 'tokenizer.ggml.pre', 'plamo', STR, tok='gpt-2')
edit('bad-no-tokens', 'gguf-missing-key', lambda m: m.drop('tokenizer.ggml.tokens'))
edit('bad-no-merges', 'gguf-missing-key', lambda m: m.drop('tokenizer.ggml.merges'), tok='gpt-2')
kvset('bad-tokens-of-ints', 'gguf-value', 'tokenizer.ggml.tokens', (U32, [1, 2]))
kvset('bad-tokens-empty', 'gguf-limit', 'tokenizer.ggml.tokens', (STR, []))
kvset('bad-tokens-twice', 'gguf-vocab', 'tokenizer.ggml.tokens', (STR, list('abcdefga')))
kvset('bad-token-long', 'gguf-limit', 'tokenizer.ggml.tokens', (STR, ['x' * 1025] + list('bcdefgh')))
kvset('bad-token-not-utf8', 'gguf-vocab', 'tokenizer.ggml.tokens', (STR, [b'\xc3'] + list('bcdefgh')))
kvset('bad-vocab-size', 'gguf-vocab', 'llama.vocab_size', 9, U32)
kvset('bad-vocab-shape', 'gguf-tensor-shape', 'tokenizer.ggml.tokens', (STR, list('abcdefg'))); CASES[-1] = ('bad-vocab-shape', 'gguf-tensor-shape', lambda: (lambda m: ([m.drop('tokenizer.ggml.' + k) for k in ('scores', 'token_type')], m.set('tokenizer.ggml.tokens', (STR, list('abcdefg'))))[1])(Model()))
kvset('bad-scores-short', 'gguf-vocab', 'tokenizer.ggml.scores', (F32, [0.0] * 7))
kvset('bad-scores-nan', 'gguf-vocab', 'tokenizer.ggml.scores', (F32, [float('nan')] * 8))
kvset('bad-types-long', 'gguf-vocab', 'tokenizer.ggml.token_type', (I32, [1] * 9))
kvset('bad-type-7', 'gguf-vocab', 'tokenizer.ggml.token_type', (I32, [7] * 8))
kvset('bad-type-negative', 'gguf-vocab', 'tokenizer.ggml.token_type', (I32, [-1] * 8))
kvset('bad-merge-no-blank', 'gguf-vocab', 'tokenizer.ggml.merges', (STR, ['ab']), tok='gpt-2')
kvset('bad-merge-half', 'gguf-vocab', 'tokenizer.ggml.merges', (STR, ['a ']), tok='gpt-2')
kvset('bad-bos-beyond', 'gguf-vocab', 'tokenizer.ggml.bos_token_id', 8, U32)
kvset('bad-eos-negative', 'gguf-value', 'tokenizer.ggml.eos_token_id', -1, I32)
kvset('bad-template-long', 'gguf-template', 'tokenizer.chat_template', 'x' * ((256 << 10) + 1))
kvset('bad-template-not-utf8', 'gguf-template', 'tokenizer.chat_template', b'\xff')

# ---- the other architectures: one good model each, then lies about what is their own
def tens(m, name, ne, i=0): m.t.append([f'blk.{i}.{name}' if i is not None else name, ne, 'F32', None])
def fused(m):
    for n in ('attn_q', 'attn_k', 'attn_v', 'ffn_gate', 'ffn_up'): m.untensor(f'blk.0.{n}.weight')
    tens(m, 'attn_qkv.weight', [8, 16]); tens(m, 'ffn_up.weight', [8, 32])
def qkv_bias(m): tens(m, 'attn_q.bias', [8]); tens(m, 'attn_k.bias', [4]); tens(m, 'attn_v.bias', [4])
def qk_norm(m): tens(m, 'attn_q_norm.weight', [4]); tens(m, 'attn_k_norm.weight', [4])
def post(m): tens(m, 'post_attention_norm.weight', [8]); tens(m, 'post_ffw_norm.weight', [8])
def key(m, k, t, v): m.set('llama.' + k, v, t)
def gemma3(m): qk_norm(m); post(m); m.untensor('output.weight'); key(m, 'attention.sliding_window', U32, 16)
def cohere2(m):
    m.untensor('output.weight'); m.untensor('blk.0.ffn_norm.weight'); m.drop('llama.attention.layer_norm_rms_epsilon')
    key(m, 'attention.layer_norm_epsilon', F32, 1e-5); key(m, 'attention.sliding_window', U32, 16); key(m, 'logit_scale', F32, 0.25)
def phi3(m): fused(m); tens(m, 'rope_factors_long.weight', [2], None); tens(m, 'rope_factors_short.weight', [2], None); key(m, 'rope.scaling.original_context_length', U32, 32)
def apertus(m):
    qk_norm(m); m.untensor('blk.0.ffn_gate.weight')
    for k in ('alpha_p', 'alpha_n', 'beta', 'eps'): m.set('xielu.' + k, (F32, [0.5]), ARR)
def mistral3(m):
    for k, t, v in (('type', STR, 'yarn'), ('factor', F32, 16.0), ('original_context_length', U32, 16), ('yarn_log_multiplier', F32, 1.0)): key(m, 'rope.scaling.' + k, t, v)
    key(m, 'attention.temperature_scale', F32, 0.1)
def granite(m):
    for k in ('attention.scale', 'embedding_scale', 'residual_scale', 'logit_scale'): key(m, k, F32, 0.5)
def gemma4(m):
    """Two layers: one with a window and heads of 2, one of 4 that reads nobody's values but its keys; both with embeddings of their own."""
    key(m, 'block_count', U32, 2); gemma3(m)
    for n, ne in (('attn_q.weight', [8, 4]), ('attn_k.weight', [8, 2]), ('attn_v.weight', [8, 2]), ('attn_output.weight', [4, 8]),
                  ('attn_q_norm.weight', [2]), ('attn_k_norm.weight', [2])): m.tensor('blk.0.' + n).__setitem__(1, ne)
    for n, ne in (('attn_norm.weight', [8]), ('attn_q.weight', [8, 8]), ('attn_k.weight', [8, 4]), ('attn_q_norm.weight', [4]), ('attn_k_norm.weight', [4]),
                  ('attn_output.weight', [8, 8]), ('post_attention_norm.weight', [8]), ('ffn_norm.weight', [8]), ('ffn_gate.weight', [8, 32]),
                  ('ffn_up.weight', [8, 32]), ('ffn_down.weight', [32, 8]), ('post_ffw_norm.weight', [8])): tens(m, n, ne, 1)
    for i in (0, 1):
        for n, ne in (('inp_gate.weight', [8, 2]), ('proj.weight', [2, 8]), ('post_norm.weight', [8]), ('layer_output_scale.weight', [1])): tens(m, n, ne, i)
    for n, ne in (('per_layer_token_embd.weight', [4, 8]), ('per_layer_model_proj.weight', [8, 4]), ('per_layer_proj_norm.weight', [2]), ('rope_freqs.weight', [2])): tens(m, n, ne, None)
    for k, v in (('attention.key_length_swa', 2), ('attention.value_length_swa', 2), ('rope.dimension_count_swa', 2), ('attention.shared_kv_layers', 0),
                 ('embedding_length_per_layer_input', 2)): key(m, k, U32, v)
    key(m, 'feed_forward_length', ARR, (U32, [16, 32])); key(m, 'attention.head_count_kv', ARR, (U32, [1, 1]))
    key(m, 'attention.sliding_window_pattern', ARR, (BOOL, [1, 0]))

def experts(m, n=4, used=2):
    """Four experts as wide as the dense part was."""
    for k in ('gate', 'up', 'down'): m.untensor(f'blk.0.ffn_{k}.weight')
    tens(m, 'ffn_gate_inp.weight', [8, n])
    for k, ne in (('gate', [8, 16, n]), ('up', [8, 16, n]), ('down', [16, 8, n])): tens(m, f'ffn_{k}_exps.weight', ne)
    for k, v in (('count', n), ('used_count', used), ('feed_forward_length', 16)): key(m, 'expert_' + k, U32, v)
def shared(m):
    for k, ne in (('gate', [8, 16]), ('up', [8, 16]), ('down', [16, 8])): tens(m, f'ffn_{k}_shexp.weight', ne)
def late(m): m.tensor('blk.0.ffn_norm.weight')[0] = 'blk.0.post_attention_norm.weight'
def glm4moe(m):
    """Its second layer only drafts."""
    experts(m); shared(m); late(m); qkv_bias(m); tens(m, 'exp_probs_b.bias', [4]); tens(m, 'nextn.eh_proj.weight', [16, 8], 1); tens(m, 'attn_norm.weight', [8], 1)
    for k, v in (('block_count', 2), ('nextn_predict_layers', 1), ('expert_shared_count', 1), ('expert_gating_func', 2)): key(m, k, U32, v)
    key(m, 'expert_weights_scale', F32, 2.5); key(m, 'expert_weights_norm', BOOL, 1)
def gpt_oss(m):
    experts(m); late(m); qkv_bias(m); tens(m, 'attn_output.bias', [8]); tens(m, 'attn_sinks.weight', [2]); tens(m, 'ffn_gate_inp.bias', [4])
    for k, ne in (('gate', [16, 4]), ('up', [16, 4]), ('down', [8, 4])): tens(m, f'ffn_{k}_exps.bias', ne)
    key(m, 'attention.sliding_window', U32, 16)
def minimax(m): experts(m); tens(m, 'attn_q_norm.weight', [8]); tens(m, 'attn_k_norm.weight', [4]); tens(m, 'exp_probs_b.bias', [4])
def llama4(m): experts(m, used=1); shared(m); key(m, 'interleave_moe_layer_step', U32, 1)

FAMILIES = {'gemma4': gemma4,'qwen2': qkv_bias, 'qwen3': qk_norm, 'gemma3': gemma3, 'phi3': phi3, 'granite': granite, 'apertus': apertus, 'mistral3': mistral3,
    'glm4': lambda m: (fused(m), post(m), tens(m, 'attn_qkv.bias', [16])), 'cohere2': cohere2,
    'llama': experts, 'qwen3moe': lambda m: (qk_norm(m), experts(m)), 'glm4moe': glm4moe, 'gpt-oss': gpt_oss, 'minimax-m2': minimax, 'llama4': llama4,
    'granitemoe': lambda m: (granite(m), experts(m))}

def family(arch, f=lambda m: None):
    m = Model(); FAMILIES[arch](m); f(m); m.set('general.architecture', arch)
    for x in m.kv: x[0] = arch + x[0][5:] if x[0].startswith('llama.') else x[0]
    return m
def lie(arch, name, code, f): CASES.append((f'bad-{arch}-{name}', code, lambda: family(arch, f)))
for a in FAMILIES: CASES.append(('good-' + a, ok, lambda a=a: family(a)))
for a in FAMILIES:
    lie(a, 'heads', H, lambda m: key(m, 'attention.head_count', U32, 1025))
    lie(a, 'dim', H, lambda m: key(m, 'embedding_length', U32, 0x80000000))
    lie(a, 'experts', 'gguf-experts', lambda m: key(m, 'expert_count', U32, 4096))
    lie(a, 'extra', 'gguf-tensor-extra', lambda m, a=a: tens(m, 'attn_gate.weight' if a == 'gpt-oss' else 'attn_sinks.weight', [2]))
E = 'gguf-experts'
for a in ('qwen3moe', 'glm4moe', 'gpt-oss', 'minimax-m2', 'llama4', 'granitemoe'):
    lie(a, 'no-experts', E, lambda m: key(m, 'expert_count', U32, 0))
    lie(a, 'expert-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_up_exps.weight'))
    lie(a, 'expert-shape', SH, lambda m: m.tensor('blk.0.ffn_down_exps.weight').__setitem__(1, [16, 8, 3]))
lie('llama', 'used-0', E, lambda m: key(m, 'expert_used_count', U32, 0))
lie('llama', 'used-more', E, lambda m: key(m, 'expert_used_count', U32, 5))
lie('llama', 'experts-unsaid', E, lambda m: key(m, 'expert_count', U32, 0))
lie('llama', 'experts-unknown', 'gguf-tensor-extra', lambda m: [m.drop('llama.expert_' + k) for k in ('count', 'used_count')] and [tens(m, f'ffn_{k}.weight', ne) for k, ne in
    (('gate', [8, 16]), ('up', [8, 16]), ('down', [16, 8]))])
lie('llama', 'router-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_gate_inp.weight'))
lie('qwen3moe', 'count-missing', 'gguf-missing-key', lambda m: m.drop('llama.expert_count'))
lie('qwen3moe', 'count-1025', E, lambda m: key(m, 'expert_count', U32, 1025))
lie('qwen3moe', 'count-fewer', SH, lambda m: key(m, 'expert_count', U32, 3))
lie('qwen3moe', 'used-33', H, lambda m: (key(m, 'expert_count', U32, 64), key(m, 'expert_used_count', U32, 33)))
lie('qwen3moe', 'width-0', H, lambda m: key(m, 'expert_feed_forward_length', U32, 0))
lie('qwen3moe', 'width-huge', H, lambda m: key(m, 'expert_feed_forward_length', U32, 2**31))
lie('qwen3moe', 'width-no-step', E, lambda m: key(m, 'expert_feed_forward_length', U32, 18))
lie('qwen3moe', 'two-dims', SH, lambda m: m.tensor('blk.0.ffn_gate_exps.weight').__setitem__(1, [8, 64]))
lie('qwen3moe', 'gating', E, lambda m: key(m, 'expert_gating_func', U32, 2))
lie('qwen3moe', 'no-norm', E, lambda m: key(m, 'expert_weights_norm', BOOL, 0))
lie('qwen3moe', 'groups', E, lambda m: key(m, 'expert_group_count', U32, 2))
lie('qwen3moe', 'scale', E, lambda m: key(m, 'expert_weights_scale', F32, 2.5))
lie('qwen3moe', 'shared', H, lambda m: key(m, 'expert_shared_count', U32, 1))
lie('qwen3moe', 'dense-first', H, lambda m: key(m, 'leading_dense_block_count', U32, 1))
lie('qwen3moe', 'drafts', H, lambda m: key(m, 'nextn_predict_layers', U32, 1))
lie('glm4moe', 'dense-all', E, lambda m: key(m, 'leading_dense_block_count', U32, 1))
lie('glm4moe', 'dense-beyond', H, lambda m: key(m, 'leading_dense_block_count', U32, 9))
lie('glm4moe', 'shared-unsaid', 'gguf-tensor-extra', lambda m: m.drop('llama.expert_shared_count'))
lie('glm4moe', 'shared-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_up_shexp.weight'))
lie('glm4moe', 'shared-huge', E, lambda m: (key(m, 'expert_shared_count', U32, 1024), key(m, 'expert_feed_forward_length', U32, 1 << 18)))
lie('glm4moe', 'drafts-all', H, lambda m: key(m, 'nextn_predict_layers', U32, 2))
lie('glm4moe', 'drafts-beyond', 'gguf-tensor-extra', lambda m: tens(m, 'attn_norm.weight', [8], 2))
lie('glm4moe', 'scale-nan', 'gguf-value', lambda m: key(m, 'expert_weights_scale', F32, float('nan')))
lie('glm4moe', 'choice-shape', SH, lambda m: m.tensor('blk.0.exp_probs_b.bias').__setitem__(1, [3]))
lie('gpt-oss', 'expert-bias-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_up_exps.bias'))
lie('gpt-oss', 'expert-bias-shape', SH, lambda m: m.tensor('blk.0.ffn_up_exps.bias').__setitem__(1, [16, 3]))
lie('gpt-oss', 'expert-bias-type', 'gguf-tensor-type', lambda m: m.tensor('blk.0.ffn_up_exps.bias').__setitem__(2, 'F16'))
lie('gpt-oss', 'router-bias-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_gate_inp.bias'))
lie('gpt-oss', 'sinks-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.attn_sinks.weight'))
lie('gpt-oss', 'sinks-shape', SH, lambda m: m.tensor('blk.0.attn_sinks.weight').__setitem__(1, [1]))
lie('minimax-m2', 'norm-of-heads', SH, lambda m: m.tensor('blk.0.attn_q_norm.weight').__setitem__(1, [4]))
lie('minimax-m2', 'choice-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.exp_probs_b.bias'))
lie('llama4', 'step-0', E, lambda m: key(m, 'interleave_moe_layer_step', U32, 0))
lie('llama4', 'step-5', E, lambda m: key(m, 'interleave_moe_layer_step', U32, 5))
lie('llama4', 'shared-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.ffn_down_shexp.weight'))
lie('granitemoe', 'no-positions', H, lambda m: key(m, 'rope.scaling.finetuned', BOOL, 0))
lie('granitemoe', 'shared-width-missing', 'gguf-tensor-extra', lambda m: shared(m))
for a in ('qwen2', 'qwen3', 'glm4', 'granite', 'apertus', 'mistral3'):
    lie(a, 'window', H, lambda m: key(m, 'attention.sliding_window', U32, 16))
def all_biases(m):
    qkv_bias(m)
    for n, ne in (('attn_output', [8]), ('ffn_gate', [16]), ('ffn_up', [16]), ('ffn_down', [8])): tens(m, n + '.bias', ne)
edit('good-biases', ok, all_biases)
edit('bad-biases-one-alone', 'gguf-tensor-missing', lambda m: tens(m, 'attn_q.bias', [8]))
edit('bad-biases-gate-alone', 'gguf-tensor-missing', lambda m: tens(m, 'ffn_gate.bias', [16]))
edit('bad-biases-shape', SH, lambda m: (all_biases(m), m.tensor('blk.0.ffn_down.bias').__setitem__(1, [16])))
edit('bad-biases-type', 'gguf-tensor-type', lambda m: (all_biases(m), m.tensor('blk.0.ffn_up.bias').__setitem__(2, 'F16')))
for a in ('mistral3', 'granite'): CASES.append((f'good-{a}-biases', ok, lambda a=a: family(a, all_biases)))
for a in ('qwen3', 'gemma3', 'cohere2', 'qwen3moe', 'llama4', 'granitemoe'): CASES.append((f'good-{a}-biases', ok, lambda a=a: family(a, qkv_bias if a != 'granitemoe' else
    lambda m: (qkv_bias(m), tens(m, 'attn_output.bias', [8])))))
for a in ('qwen3', 'gemma3', 'cohere2', 'qwen3moe', 'llama4'): lie(a, 'output-bias', 'gguf-tensor-extra', lambda m: tens(m, 'attn_output.bias', [8]))
lie('granitemoe', 'dense-biases', 'gguf-tensor-extra', all_biases)
CASES.append(('good-minimax-m2-biases', ok, lambda: family('minimax-m2', qkv_bias)))
CASES.append(('good-phi3-biases', ok, lambda: family('phi3', lambda m: tens(m, 'attn_qkv.bias', [16]))))
lie('phi3', 'bias-alone', 'gguf-tensor-extra', lambda m: tens(m, 'attn_q.bias', [8]))
lie('minimax-m2', 'bias-missing', 'gguf-tensor-missing', lambda m: tens(m, 'attn_q.bias', [8]))
CASES.append(('good-qwen2-head-bias', ok, lambda: family('qwen2', lambda m: tens(m, 'output.bias', [8], None))))
lie('qwen2', 'head-bias-shape', SH, lambda m: tens(m, 'output.bias', [7], None))
lie('qwen2', 'head-bias-type', 'gguf-tensor-type', lambda m: (tens(m, 'output.bias', [8], None), m.tensor('output.bias').__setitem__(2, 'F16')))
lie('qwen3', 'head-bias', 'gguf-tensor-extra', lambda m: tens(m, 'output.bias', [8], None))
lie('qwen2', 'bias-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.attn_k.bias'))
lie('qwen2', 'bias-shape', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.attn_k.bias').__setitem__(1, [8]))
lie('qwen3', 'norm-shape', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.attn_q_norm.weight').__setitem__(1, [8]))
for a in ('glm4', 'glm4moe'): CASES.append((f'good-{a}-sections', ok, lambda a=a: family(a, lambda m: key(m, 'rope.dimension_sections', ARR, (I32, [1, 1, 1, 0])))))
lie('glm4', 'sections-two', H, lambda m: key(m, 'rope.dimension_sections', ARR, (U32, [1, 1])))
lie('glm4', 'sections-gap', H, lambda m: key(m, 'rope.dimension_sections', ARR, (U32, [2, 0, 0, 0])))
lie('qwen3', 'rope-sections', H, lambda m: key(m, 'rope.dimension_sections', ARR, (U32, [1, 1, 0, 0])))
lie('gemma3', 'window-2-32', H, lambda m: key(m, 'attention.sliding_window', U32, 2**32 - 1))
lie('gemma3', 'pattern', H, lambda m: key(m, 'attention.sliding_window_pattern', ARR, (BOOL, [1, 0])))
lie('gemma3', 'base-2', H, lambda m: key(m, 'rope.freq_base_swa', F32, 0.0))
lie('gemma3', 'softcap', H, lambda m: key(m, 'final_logit_softcapping', F32, -30.0))
lie('gemma3', 'attention-softcap', H, lambda m: key(m, 'attn_logit_softcapping', F32, 50.0))
lie('gemma4', 'array-short', H, lambda m: key(m, 'feed_forward_length', ARR, (U32, [16])))
lie('gemma4', 'array-0', H, lambda m: key(m, 'feed_forward_length', ARR, (U32, [0, 32])))
lie('gemma4', 'array-huge', H, lambda m: key(m, 'feed_forward_length', ARR, (U32, [16, 2**31])))
lie('gemma4', 'kv-heads', H, lambda m: key(m, 'attention.head_count_kv', ARR, (U32, [1, 0])))
lie('gemma4', 'shared-all', H, lambda m: key(m, 'attention.shared_kv_layers', U32, 2))
lie('gemma4', 'shared-other-kind', H, lambda m: key(m, 'attention.shared_kv_layers', U32, 1))
lie('gemma4', 'head-513', H, lambda m: key(m, 'attention.key_length_swa', U32, 513))
lie('gemma4', 'head-values', H, lambda m: key(m, 'attention.value_length_swa', U32, 4))
lie('gemma4', 'rope-odd', H, lambda m: key(m, 'rope.dimension_count_swa', U32, 1))
lie('gemma4', 'own-huge', H, lambda m: key(m, 'embedding_length_per_layer_input', U32, 1 << 18))
lie('gemma4', 'own-unsaid', 'gguf-tensor-extra', lambda m: m.drop('llama.embedding_length_per_layer_input'))
lie('gemma4', 'own-missing', 'gguf-tensor-missing', lambda m: m.untensor('blk.1.proj.weight'))
lie('gemma4', 'no-keys', 'gguf-tensor-missing', lambda m: m.untensor('blk.1.attn_k.weight'))
lie('gemma4', 'no-freqs', 'gguf-tensor-missing', lambda m: m.untensor('rope_freqs.weight'))
lie('phi3', 'factors-missing', 'gguf-tensor-missing', lambda m: m.untensor('rope_factors_long.weight'))
lie('phi3', 'factors-shape', 'gguf-tensor-shape', lambda m: m.tensor('rope_factors_long.weight').__setitem__(1, [4]))
lie('phi3', 'both', 'gguf-tensor-extra', lambda m: tens(m, 'attn_q.weight', [8, 8]))
lie('phi3', 'no-qkv', 'gguf-tensor-missing', lambda m: m.untensor('blk.0.attn_qkv.weight'))
lie('phi3', 'qkv-shape', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.attn_qkv.weight').__setitem__(1, [8, 24]))
lie('phi3', 'original-0', H, lambda m: key(m, 'rope.scaling.original_context_length', U32, 0))
lie('granite', 'scale', H, lambda m: key(m, 'residual_scale', F32, 1e30))
lie('granite', 'no-logit-scale', 'gguf-missing-key', lambda m: m.drop('llama.logit_scale'))
lie('granite', 'no-positions', H, lambda m: key(m, 'rope.scaling.finetuned', BOOL, 0))
lie('glm4', 'bias-alone', 'gguf-tensor-extra', lambda m: tens(m, 'attn_q.bias', [8]))
lie('cohere2', 'no-eps', 'gguf-missing-key', lambda m: m.drop('llama.attention.layer_norm_epsilon'))
lie('cohere2', 'yarn', H, lambda m: key(m, 'rope.scaling.type', STR, 'yarn'))
lie('apertus', 'no-xielu', 'gguf-missing-key', lambda m: m.drop('xielu.beta'))
lie('apertus', 'xielu-short', H, lambda m: m.set('xielu.beta', (F32, []), ARR))
lie('apertus', 'xielu-huge', H, lambda m: m.set('xielu.alpha_p', (F32, [1e30]), ARR))
lie('apertus', 'xielu-nan', H, lambda m: m.set('xielu.alpha_p', (F32, [float('nan')]), ARR))
lie('mistral3', 'yarn-factor', H, lambda m: key(m, 'rope.scaling.factor', F32, 1e9))
lie('mistral3', 'yarn-magnitude', H, lambda m: key(m, 'rope.scaling.yarn_attn_factor', F32, 1.25))
lie('mistral3', 'yarn-beta', H, lambda m: key(m, 'rope.scaling.yarn_beta_fast', F32, -1.0))
lie('mistral3', 'temperature', H, lambda m: key(m, 'attention.temperature_scale', F32, 1e9))
lie('mistral3', 'temperature-nan', 'gguf-value', lambda m: key(m, 'attention.temperature_scale', F32, float('nan')))

# ---- the second scales of NVFP4: of a matrix one, of experts one each; those of inputs are left out
def scales(m):
    for n in ('attn_q', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'):
        if any(t[0] == f'blk.0.{n}.weight' for t in m.t): tens(m, n + '.scale', [1]); tens(m, n + '.input_scale', [1])
    tens(m, 'output.scale', [1], None)
def expert_scales(m):
    experts(m); scales(m)
    for k in ('gate', 'up', 'down'): tens(m, f'ffn_{k}_exps.scale', [4]); tens(m, f'ffn_{k}_exps.input_scale', [4])
def scaled(name, code, f): edit(name, code, lambda m: (expert_scales(m), f(m)))
edit('good-scales', ok, scales)
scaled('good-scales-experts', ok, lambda m: None)
scaled('bad-scale-two', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.attn_q.scale').__setitem__(1, [2]))
scaled('bad-scale-experts-one', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.ffn_up_exps.scale').__setitem__(1, [1]))
scaled('bad-scale-f16', 'gguf-tensor-type', lambda m: m.tensor('blk.0.attn_q.scale').__setitem__(2, 'F16'))
scaled('bad-scale-input-two', 'gguf-tensor-shape', lambda m: m.tensor('blk.0.attn_q.input_scale').__setitem__(1, [2]))
scaled('bad-scale-router', 'gguf-tensor-extra', lambda m: tens(m, 'ffn_gate_inp.scale', [1]))
scaled('bad-scale-embedding', 'gguf-tensor-extra', lambda m: tens(m, 'token_embd.scale', [1], None))
scaled('bad-scale-norm', 'gguf-tensor-extra', lambda m: tens(m, 'attn_norm.scale', [1]))
scaled('bad-scale-alone', 'gguf-tensor-extra', lambda m: tens(m, 'ffn_gate.scale', [1]))
scaled('bad-scale-twice', N, lambda m: tens(m, 'attn_q.scale', [1]))

def splits():
    """Several files: name → {file: Model}."""
    def parts(n, bend=lambda ms: None, order=None):
        m = Model(); chunks = [m.t[i::n] for i in range(n)]; ms = []
        for i in range(n):
            p = Model(); p.t = chunks[i]
            if i: p.kv = [['general.architecture', STR, 'llama']]
            p.set('split.no', i, U16); p.set('split.count', n, U16); p.set('split.tensors.count', len(m.t), I32); ms.append(p)
        bend(ms)
        return {f'm-{i + 1:05d}-of-{n:05d}.gguf': ms[i] for i in (order or range(len(ms)))}
    yield 'good-split-3', ok, parts(3)
    def swap(ms): ms[0], ms[2] = ms[2], ms[0]
    yield 'good-split-3-any-names', ok, parts(3, swap)
    yield 'bad-split-missing', 'gguf-split', parts(3, order=[0, 2])
    yield 'bad-split-same-no', 'gguf-split', parts(3, lambda ms: ms[2].set('split.no', 1))
    yield 'bad-split-other-count', 'gguf-split', parts(3, lambda ms: ms[1].set('split.count', 4))
    yield 'bad-split-other-total', 'gguf-split', parts(3, lambda ms: ms[1].set('split.tensors.count', 7))
    yield 'bad-split-tensor-twice', N, parts(3, lambda ms: ms[2].tensor('blk.0.attn_v.weight').__setitem__(0, 'token_embd.weight') if any(x[0] == 'blk.0.attn_v.weight' for x in ms[2].t) else ms[2].t[0].__setitem__(0, ms[0].t[0][0]))
    yield 'bad-two-models', 'gguf-split', {'a.gguf': Model(), 'b.gguf': Model()}
    yield 'bad-no-gguf', 'gguf-none', {'weights.bin': Model()}

def main(out):
    lines = []
    for name, code, f in CASES:
        with open(os.path.join(out, name + '.gguf'), 'wb') as w: w.write(f().bytes())
        lines.append((name + '.gguf', code))
    for name, code, files in splits():
        d = os.path.join(out, name); shutil.rmtree(d, ignore_errors=True); os.mkdir(d)
        for n, m in files.items():
            with open(os.path.join(d, n), 'wb') as w: w.write(m.bytes())
        lines.append((name, code))
    with open(os.path.join(out, 'expected.tsv'), 'w') as w:
        w.write('# model\tverdict: a reason code of attest/reason.h\n' + ''.join(f'{a}\t{b}\n' for a, b in sorted(lines)))
    return 0

if __name__ == '__main__': sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
