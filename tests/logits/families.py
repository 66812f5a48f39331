"""Random models of every architecture that Keep computes: those of KEEP_SHARED's make-random-gguf.py, and what it lacks on top of them. A name is
an architecture, perhaps with a variant behind a slash; each variant switches on something that the plain one leaves out."""


import numpy as np

GGUF = DTYPE = None  # the module and the type of the file under way


def numbers(n, lo, hi):
    return [lo + (hi - lo) * i / max(n - 1, 1) for i in range(n)]


class Family:
    """One architecture: a spec for make-random-gguf's build(), then changes of the file that it makes."""

    def __init__(self, arch, spec=None, change=None, **variants):
        self.spec = dict({'arch': arch, 'tok': 'spm'}, **(spec or {}))
        self.change = change or (lambda g, p: None)
        self.variants = variants


def floats(**kv):
    return lambda g, p: [g.put(p + k.replace('__', '.'), 6, v) for k, v in kv.items()]


def linear(g, p):
    g.put(p + 'rope.scaling.type', 8, 'linear')
    g.put(p + 'rope.scaling.factor', 6, 4.0)


def yarn(factor, original, log=None):
    def change(g, p):
        g.put(p + 'rope.scaling.type', 8, 'yarn')
        g.put(p + 'rope.scaling.factor', 6, factor)
        g.put(p + 'rope.scaling.original_context_length', 4, original)
        if log:
            g.put(p + 'rope.scaling.yarn_log_multiplier', 6, log)
    return change


def both(*changes):
    return lambda g, p: [c(g, p) for c in changes]


def drop(g, *names):
    g.t = [t for t in g.t if not any(t[0] == n or t[0].endswith('.' + n) for n in names)]


def key(g, name, value):
    """Another value for a key that is there, or with None no such key."""
    g.kv = [(k, t, value if k == name else v) for k, t, v in g.kv if k != name or value is not None]


def cohere2(g, p):
    drop(g, 'ffn_norm.weight', 'output.weight')
    key(g, p + 'attention.layer_norm_rms_epsilon', None)
    g.put(p + 'attention.layer_norm_epsilon', 6, 1e-5)
    g.put(p + 'logit_scale', 6, 0.25)
    g.put(p + 'rope.scaling.type', 8, 'none')


def apertus(g, p):
    drop(g, 'ffn_gate.weight')
    n = next(v for k, t, v in g.kv if k == p + 'block_count')
    for name, lo, hi in (('alpha_p', -0.5, 0.8), ('alpha_n', -0.3, 0.9), ('beta', 0.5, 0.5), ('eps', -1e-6, -1e-6)):
        g.arr('xielu.' + name, 6, numbers(n, lo, hi))


def gemma4(layers, own, values, shared):
    """own: width of the layers' own embeddings, or 0; values: full layers have matrices for them; shared: layers that read keys of others."""
    def change(g, p):
        dim, heads, vocab, small = 256, 4, 1024, 64
        full = [i % 3 == 2 for i in range(layers)]
        kv, ffn = [1 if f else 2 for f in full], [512 if i < 6 else 1024 for i in range(layers)]
        head = [128 if f else small for f in full]
        g.t = [t for t in g.t if not t[0].startswith('blk.')]

        def weight(name, *ne):
            g.tensor(name, list(ne), GGUF.mat(ne[0]), DTYPE)

        def vector(name, n, size=1.0):
            g.tensor(name, [n], lambda rng, c: GGUF.norm(rng, c) * np.float32(size), 'f32')
        for i in range(layers):
            b, has = 'blk.%d.' % i, i < layers - shared
            for n in ('attn_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm'):
                vector(b + n + '.weight', dim)
            weight(b + 'attn_q.weight', dim, heads * head[i])
            vector(b + 'attn_q_norm.weight', head[i], 0.3)  # scores are not scaled: keep them small
            if has:
                weight(b + 'attn_k.weight', dim, kv[i] * head[i])
                vector(b + 'attn_k_norm.weight', head[i], 0.3)
            if has and (values or not full[i]):
                weight(b + 'attn_v.weight', dim, kv[i] * head[i])
            weight(b + 'attn_output.weight', heads * head[i], dim)
            weight(b + 'ffn_gate.weight', dim, ffn[i])
            weight(b + 'ffn_up.weight', dim, ffn[i])
            weight(b + 'ffn_down.weight', ffn[i], dim)
            g.tensor(b + 'layer_output_scale.weight', [1], lambda rng, n: np.full(n, 0.7, np.float32), 'f32')
            if own:
                weight(b + 'inp_gate.weight', dim, own)
                weight(b + 'proj.weight', own, dim)
                vector(b + 'post_norm.weight', dim)
        if own:
            weight('per_layer_token_embd.weight', own * layers, vocab)
            weight('per_layer_model_proj.weight', dim, own * layers)
            vector('per_layer_proj_norm.weight', own)
        factors = np.array([1.0] * 16 + [1e30] * 48, np.float32)
        g.tensor('rope_freqs.weight', [64], lambda rng, n: factors, 'f32')
        for k, v in (('key_length_swa', small), ('value_length_swa', small), ('shared_kv_layers', shared)):
            g.put(p + 'attention.' + k, 4, v)
        g.put(p + 'rope.dimension_count_swa', 4, small)
        g.put(p + 'embedding_length_per_layer_input', 4, own)
        key(g, p + 'attention.head_count_kv', None)
        key(g, p + 'feed_forward_length', None)
        g.arr(p + 'attention.head_count_kv', 4, kv)
        g.arr(p + 'feed_forward_length', 4, ffn)
        g.arr(p + 'attention.sliding_window_pattern', 7, [not f for f in full])
        g.put(p + 'final_logit_softcapping', 6, 3.0)
    return change


EXPERTS = {'experts': 8, 'used': 2, 'effn': 256, 'shared': 0, 'dense': 0}


def wider(g, name, n):
    """The norm of that name over n elements in place of those of a head."""
    g.t = [(t[0], [n], *t[2:]) if t[0].endswith(name) else t for t in g.t]


def minimax(g, p):
    wider(g, 'attn_q_norm.weight', 256)
    wider(g, 'attn_k_norm.weight', 128)


def llama4(step):
    """The files of this family say nothing of shared experts, and have dense layers by their step."""
    def change(g, p):
        for k in ('expert_shared_count', 'leading_dense_block_count'):
            key(g, p + k, None)
        g.put(p + 'interleave_moe_layer_step', 4, step)
        for i in range(next(v for k, t, v in g.kv if k == p + 'block_count')):
            if (i + 1) % step:
                b = 'blk.%d.ffn_' % i
                g.t = [t for t in g.t if not t[0].startswith(b) or t[0] == b + 'norm.weight']
                for name, dims in (('gate', [256, 512]), ('up', [256, 512]), ('down', [512, 256])):
                    g.tensor(b + name + '.weight', dims, GGUF.mat(dims[0]), DTYPE)
    return change


def shared_width(g, p):
    key(g, p + 'expert_shared_count', None)
    g.put(p + 'expert_shared_feed_forward_length', 4, 512)


def drafts(g, p):
    """One more layer, which only drafts."""
    n = next(v for k, t, v in g.kv if k == p + 'block_count')
    for name, make, typ, dims in [(t[0], t[2], t[3], t[1]) for t in g.t if t[0].startswith('blk.%d.' % (n - 1))]:
        g.tensor(name.replace('blk.%d.' % (n - 1), 'blk.%d.' % n), dims, make, typ)
    g.tensor('blk.%d.nextn.eh_proj.weight' % n, [512, 256], GGUF.mat(512), DTYPE)
    for name in ('enorm', 'hnorm', 'shared_head_norm'):
        g.tensor('blk.%d.nextn.%s.weight' % (n, name), [256], GGUF.norm, 'f32')
    key(g, p + 'block_count', n + 1)
    g.put(p + 'nextn_predict_layers', 4, 1)


GRANITE = floats(attention__scale=0.05, embedding_scale=12.0, residual_scale=0.22, logit_scale=8.0)


def no_bias(g, p):
    drop(g, 'attn_q.bias', 'attn_k.bias', 'attn_v.bias')


def biases(*names):
    """Biases of the matrices of these names, where models have them: large ones, so that none can be missed."""
    def change(g, p):
        for t in [t for t in g.t if t[0].endswith('.weight') and t[0].split('.')[2:3] and t[0].split('.')[2] in names]:
            g.tensor(t[0].replace('.weight', '.bias'), [t[1][1]], lambda rng, n: 0.2 * rng.standard_normal(n, dtype=np.float32), 'f32')
    return change


def head_bias(g, p):
    n = next(t[1][1] for t in g.t if t[0] == 'token_embd.weight')
    g.tensor('output.bias', [n], lambda rng, n: 0.2 * rng.standard_normal(n, dtype=np.float32), 'f32')


QKV_BIAS = biases('attn_q', 'attn_k', 'attn_v')
ATTENTION_BIAS = biases('attn_q', 'attn_k', 'attn_v', 'attn_output')
ALL_BIASES = biases('attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down')


FAMILIES = {
    'llama': Family('llama', None, None, linear=linear, yarn=yarn(8.0, 64), biases=ALL_BIASES),
    'llama3': Family('llama', {'tok': 'llama-bpe', 'base': 500000.0, 'rope_freqs': True}),
    'qwen2': Family('qwen2', {'tok': 'gpt-2', 'qkv_bias': True, 'base': 1e6, 'tied': True}, None, yarn=yarn(4.0, 64), biases=head_bias),
    'qwen3': Family('qwen3', {'tok': 'gpt-2', 'qk_norm': True, 'base': 1e6, 'hd': 128, 'eps': 1e-6}, None, yarn=yarn(4.0, 64),
                    biases=QKV_BIAS),
    'mistral3': Family('mistral3', None, both(yarn(16.0, 32, 1.0), floats(attention__temperature_scale=0.1)), biases=ALL_BIASES),
    'gemma3': Family('gemma3', {'tok': 'gemma', 'qk_norm': True, 'post': True, 'tied': True, 'base': 1e6, 'base_swa': 10000.0,
                                'window': 32, 'hd': 128, 'layers': 7, 'eps': 1e-6}, None,
                     linear=linear, softcap=floats(final_logit_softcapping=3.0), biases=QKV_BIAS),
    'gemma4': Family('gemma4', {'tok': 'gemma', 'tied': True, 'base': 1e6, 'base_swa': 10000.0, 'window': 32, 'hd': 128, 'layers': 9,
                                'eps': 1e-6}, gemma4(9, 256, True, 3)),
    'gemma4-dense': Family('gemma4', {'tok': 'gemma', 'tied': True, 'base': 1e6, 'base_swa': 10000.0, 'window': 32, 'hd': 128, 'layers': 3,
                                      'eps': 1e-6}, gemma4(3, 0, False, 0)),
    'phi3': Family('phi3', {'fused_qkv': True, 'fused_up': True}, None,
                   short=lambda g, p: key(g, p + 'rope.scaling.original_context_length', 8192),
                   window=lambda g, p: g.put(p + 'attention.sliding_window', 4, 40), biases=biases('attn_qkv')),
    'granite': Family('granite', None, GRANITE, biases=ALL_BIASES),
    'glm4': Family('glm4', {'tok': 'llama-bpe', 'qkv_bias': True, 'fused_up': True, 'post': True, 'rot': 32}, None, plain=no_bias,
                   sections=lambda g, p: g.arr(p + 'rope.dimension_sections', 5, [4, 6, 6, 0])),
    'cohere2': Family('cohere2', {'tok': 'llama-bpe', 'window': 24, 'layers': 5}, cohere2, biases=QKV_BIAS),
    'apertus': Family('apertus', {'tok': 'llama-bpe', 'qk_norm': True, 'rope_freqs': True, 'base': 500000.0}, apertus),
    'mixtral': Family('llama', dict(EXPERTS, effn=512)),
    'qwen3moe': Family('qwen3moe', dict(EXPERTS, tok='gpt-2', qk_norm=True, base=1e6, hd=128, eps=1e-6, experts=16, used=5), None,
                       biases=QKV_BIAS),
    'glm4moe': Family('glm4moe', dict(EXPERTS, tok='llama-bpe', qkv_bias=True, qk_norm=True, rot=32, layers=3, gate=2, ebias=True, wnorm=True,
                                      wscale=2.5, shared=1, dense=1), None, drafts=drafts),
    'glm4moe-plain': Family('glm4moe', dict(EXPERTS, tok='llama-bpe', rot=32, gate=2, ebias=True, wnorm=False, shared=2)),
    'gpt-oss': Family('gpt-oss', dict(EXPERTS, tok='gpt-4o', qkv_bias=True, o_bias=True, sinks=True, window=32, base=150000.0, layers=4,
                                      yarn=(32.0, 128)), None, exact=lambda g, p: g.put(p + 'rope.scaling.yarn_truncate', 7, False)),
    'minimax-m2': Family('minimax-m2', dict(EXPERTS, tok='gpt-2', qk_norm=True, rot=32, gate=2, ebias=True, base=5e6, experts=16, used=4,
                                            effn=512), minimax, biases=QKV_BIAS),
    'llama4': Family('llama4', dict(EXPERTS, tok='gpt-4o', used=1, shared=1, layers=5, base=500000.0, rope_freqs=True), llama4(1), biases=QKV_BIAS,
                     full=lambda g, p: g.put(p + 'attention.sliding_window', 4, 0),
                     pieces=lambda g, p: g.put(p + 'attention.sliding_window', 4, 24)),
    'llama4-step': Family('llama4', dict(EXPERTS, tok='gpt-4o', used=1, shared=1, layers=4, base=500000.0), llama4(2)),
    'granitemoe': Family('granitemoe', dict(EXPERTS, effn=512), GRANITE, biases=ATTENTION_BIAS),
    'granitemoe-shared': Family('granitemoe', dict(EXPERTS, effn=512, shared=1), both(GRANITE, shared_width)),
}


def build(gguf, name, dtype):
    """gguf: the module make-random-gguf. The file of that name, not written yet."""
    arch, _, variant = name.partition('/')
    global GGUF, DTYPE
    GGUF, DTYPE = gguf, dtype
    f = FAMILIES[arch]
    gguf.MODELS['family'] = f.spec
    g = gguf.build('family', dtype)
    f.change(g, f.spec['arch'] + '.')
    if variant:
        f.variants[variant](g, f.spec['arch'] + '.')
    return g


def names():
    return [n + ('/' + v if v else '') for n, f in FAMILIES.items() for v in ('', *f.variants)]
