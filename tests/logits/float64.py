"""A model in float64, from its file: what the arithmetic of Keep and of the peer is held against. Written from the papers and from the published
layouts of blocks (blocks64.py), apart from both; slow, plain numpy. logits(path, ids) gives float64 [n, vocab]."""
import struct
import numpy as np

from blocks64 import BLOCKS, decode

SCALARS = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}


# ---- files

def header(b, spans=None):
    """Keys; where the list of tensors begins; name, dimensions, type and offset of each; where the data begins. spans: where each value stands."""
    at = 4

    def get(f):
        nonlocal at
        v = struct.unpack_from('<' + f, b, at)[0]
        at += struct.calcsize('<' + f)
        return v

    def text():
        nonlocal at
        n = get('Q')
        at += n
        return b[at - n:at].decode()

    def value(t):
        if t == 8:
            return text()
        if t == 9:
            e, n = get('I'), get('Q')
            return [value(e) for _ in range(n)]
        return get(SCALARS[t])
    get('I')
    n_tensors, n_kv = get('Q'), get('Q')
    kv = {}
    for _ in range(n_kv):
        k, value_at = text(), at
        kv[k] = value(get('I'))
        if spans is not None:
            spans[k] = value_at, at
    infos, infos_at = [], at
    for _ in range(n_tensors):
        name = text()
        dims = [get('Q') for _ in range(get('I'))]
        infos.append((name, dims, get('I'), get('Q')))
    return kv, infos_at, infos, (at + 31) // 32 * 32


def read(path):
    """Keys and tensors: name → (rows float64 [rows, length])."""
    b = open(path, 'rb').read()
    kv, _, infos, start = header(b)
    return kv, {n: tensor(b, d, t, start + off) for n, d, t, off in infos}


def tensor(b, dims, t, at):
    n, (block, size) = int(np.prod(dims)), BLOCKS[t]
    raw = np.frombuffer(b, np.uint8, n // block * size, at).reshape(-1, size)
    return decode(raw, t).astype(np.float64).reshape(dims[::-1])


# ---- the network

def gelu(x):
    return x * 0.5 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x ** 3)))


class Model:
    def __init__(self, path):
        self.kv, self.w = read(path)
        for name in [n for n in self.w if n.endswith('.scale')]:  # one number for a matrix, or for each of several
            of = name.replace('.scale', '.weight')
            self.w[of] = self.w[of] * self.w[name].reshape(-1, *[1] * (self.w[of].ndim - 1))
        self.arch = self.kv['general.architecture']
        self.layers = self.key('block_count') - self.key('nextn_predict_layers', 0)
        self.late = self.arch in ('glm4moe', 'gpt-oss')  # the norm before feed-forward has the name of one behind attention
        self.heads = self.key('attention.head_count')
        self.each = lambda n, d=None: v if isinstance(v := self.key(n, d), list) else [v] * self.layers
        self.kv_heads = self.each('attention.head_count_kv', self.heads)
        self.dim = self.key('embedding_length')
        self.head = self.key('attention.key_length', self.dim // self.heads)
        self.rot = self.key('rope.dimension_count', self.head)
        self.ffn = self.each('feed_forward_length')
        self.gemma = self.arch in ('gemma3', 'gemma4')
        self.eps = self.key('attention.layer_norm_epsilon' if self.arch == 'cohere2' else 'attention.layer_norm_rms_epsilon')
        period = {'gemma3': 6, 'cohere2': 4, 'phi3': 0, 'gpt-oss': 2, 'llama4': 4}.get(self.arch)
        window = self.key('attention.sliding_window', 8192 if self.arch == 'llama4' else 0)
        self.windows = [window if period is not None and (not period or i % period < period - 1) else 0 for i in range(self.layers)]
        pattern = self.key('attention.sliding_window_pattern')
        if isinstance(pattern, list):
            self.windows = [window if p else 0 for p in pattern]
        shared = self.key('attention.shared_kv_layers', 0)
        self.kv_of = [i if i < self.layers - shared else max(j for j in range(self.layers - shared) if bool(self.windows[j]) == bool(self.windows[i]))
                      for i in range(self.layers)]
        self.cache = {}
        self.small = self.key('attention.key_length_swa', self.head), self.key('rope.dimension_count_swa', self.rot)
        self.big = self.head, self.rot

    def key(self, name, default=None):
        return self.kv.get(self.arch + '.' + name, default)

    def norm(self, x, w):
        if self.arch == 'cohere2':
            x = x - x.mean(axis=-1, keepdims=True)
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.eps) * w

    def frequencies(self, windowed):
        """Of each pair, and the magnitude of the rotation."""
        base, half = self.key('rope.freq_base', 10000.0), self.rot // 2
        factor = self.key('rope.scaling.factor', 0) or 1.0
        original = self.key('rope.scaling.original_context_length', self.key('context_length'))
        if self.gemma and windowed:
            return self.key('rope.freq_base_swa', 10000.0) ** (-np.arange(half) / half), 1.0
        own = base ** (-np.arange(half) / half)
        names = ['rope_freqs.weight', 'rope_factors_%s.weight' % ('long' if self.ctx > original else 'short')]
        for n in names:
            if n in self.w:
                own = own / self.w[n].ravel()
        if self.key('rope.scaling.type') != 'yarn':
            return own / factor, self.key('rope.scaling.attn_factor', 1.0)
        pair = lambda turns: self.rot * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(base))
        lo, hi = pair(32.0), pair(1.0)
        if self.key('rope.scaling.yarn_truncate', True):
            lo, hi = np.floor(lo), np.ceil(hi)
        lo, hi = max(lo, 0), min(hi, self.rot - 1)
        keep = 1 - np.clip((np.arange(half) - lo) / max(0.001, hi - lo), 0, 1)
        grown = lambda m: 0.1 * m * np.log(factor) + 1
        log = self.key('rope.scaling.yarn_log_multiplier', 0)
        return own / factor * (1 - keep) + own * keep, grown(1) / (grown(log) if log else 1)

    def rotate(self, x, windowed):
        theta, size = self.frequencies(windowed)
        angle = np.arange(len(x))[:, None, None] * theta
        c, s = np.cos(angle) * size, np.sin(angle) * size
        half, y = self.rot // 2, x.copy()
        a, b = (slice(0, half), slice(half, self.rot)) if self.key('rope.dimension_sections') or self.arch in ('qwen2', 'qwen3', 'gemma3', 'gemma4', 'phi3', 'apertus', 'qwen3moe',
                                                                                      'glm4moe', 'gpt-oss', 'minimax-m2') else \
            (slice(0, self.rot, 2), slice(1, self.rot, 2))
        y[..., a], y[..., b] = x[..., a] * c - x[..., b] * s, x[..., a] * s + x[..., b] * c
        return y

    def attention(self, i, h):
        w = lambda n: self.w.get('blk.%d.%s' % (i, n))
        self.head, self.rot = self.small if self.windows[i] else self.big
        q_dim, kv_dim, n, own = self.heads * self.head, self.kv_heads[i] * self.head, len(h), self.kv_of[i] == i
        if w('attn_qkv.weight') is not None:
            all_ = h @ w('attn_qkv.weight').T + (w('attn_qkv.bias') if w('attn_qkv.bias') is not None else 0)
            q, k, v = np.split(all_, [q_dim, q_dim + kv_dim], axis=1)
        else:
            # gemma4: values are keys where they have no matrix; what a layer computes and does not own is not used
            name = lambda s: next(n for n in {'q': 'q', 'k': 'kq', 'v': 'vkq'}[s] if w('attn_%s.weight' % n) is not None)
            q, k, v = (h @ w('attn_%s.weight' % name(s)).T + (w('attn_%s.bias' % s) if w('attn_%s.bias' % s) is not None else 0) for s in 'qkv')
        if self.arch == 'minimax-m2':  # over all heads together
            q, k = self.norm(q, w('attn_q_norm.weight')), self.norm(k, w('attn_k_norm.weight'))
        q, k, v = q.reshape(n, -1, self.head), k.reshape(n, -1, self.head), v.reshape(n, -1, self.head)
        if w('attn_q_norm.weight') is not None and self.arch != 'minimax-m2':
            q, k = self.norm(q, w('attn_q_norm.weight')), self.norm(k, w('attn_k_norm.weight')) if own else k
        if self.arch == 'gemma4':
            v = self.norm(v, 1)
        pieces = self.arch == 'llama4' and self.windows[i]
        known = self.windows[i] or self.arch != 'cohere2' and not (self.arch == 'llama4' and any(self.windows))
        if known:
            q, k = self.rotate(q, self.windows[i] > 0), self.rotate(k, self.windows[i] > 0)
        if self.arch == 'llama4' and known and self.key('expert_count') != 128:
            q, k = self.norm(q, 1), self.norm(k, 1)
        if self.arch == 'llama4' and not known:
            q = q * (1 + 0.1 * np.log(1 + (np.arange(n) + 1) // 8192))[:, None, None]
        warm = self.key('attention.temperature_scale', 0)
        if warm:
            q = q * (1 + warm * np.log(1 + np.arange(n) // self.key('rope.scaling.original_context_length')))[:, None, None]
        if own:
            self.cache[i] = k, v
        k, v = (np.repeat(x, self.heads // x.shape[1], axis=1) for x in self.cache[self.kv_of[i]])
        scores = np.einsum('ihd,jhd->hij', q, k) * (1 if self.arch == 'gemma4' else self.key('attention.scale', 0) or self.head ** -0.5)
        gap = np.arange(n)[:, None] - np.arange(n)
        scores[:, (gap < 0) | ((gap >= self.windows[i]) if self.windows[i] and not pieces else False)] = -np.inf
        if pieces:
            piece = np.arange(n) // self.windows[i]
            scores[:, piece[:, None] != piece] = -np.inf
        if w('attn_sinks.weight') is not None:  # one more place to look at, where nothing is
            scores = np.concatenate([scores, np.broadcast_to(w('attn_sinks.weight').reshape(-1, 1, 1), (self.heads, n, 1))], axis=2)
            v = np.concatenate([v, np.zeros_like(v[:1])])
        p = np.exp(scores - scores.max(axis=2, keepdims=True))
        y = np.einsum('hij,jhd->ihd', p / p.sum(axis=2, keepdims=True), v).reshape(n, q_dim) @ w('attn_output.weight').T
        if w('attn_output.bias') is not None:
            y = y + w('attn_output.bias')
        return self.norm(y, w('post_attention_norm.weight')) if w('post_attention_norm.weight') is not None and not self.late else y

    def expert(self, h, gate, up, down, biases):
        """One expert on some rows."""
        g, u = h @ gate.T + biases[0], h @ up.T + biases[1]
        if self.arch == 'gpt-oss':
            g, u = np.minimum(g, 7), np.clip(u, -7, 7)
            return g / (1 + np.exp(-1.702 * g)) * (u + 1) @ down.T + biases[2]
        return g / (1 + np.exp(-g)) * u @ down.T + biases[2]

    def experts(self, i, h):
        w = lambda n: self.w.get('blk.%d.%s' % (i, n))
        count, used = self.key('expert_count'), self.key('expert_used_count')
        kind = {'gpt-oss': 3, 'glm4moe': 2, 'minimax-m2': 2, 'llama4': 2}.get(self.arch, 1)
        said = h @ w('ffn_gate_inp.weight').T + (w('ffn_gate_inp.bias') if w('ffn_gate_inp.bias') is not None else 0)
        sigmoid, soft = 1 / (1 + np.exp(-said)), lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum()
        y = np.zeros_like(h)
        for t in range(len(h)):
            score = sigmoid[t] + w('exp_probs_b.bias').ravel() if w('exp_probs_b.bias') is not None else said[t]
            best = sorted(range(count), key=lambda e: (-score[e], e))[:used]
            weight = soft(said[t][best]) if kind == 3 else (sigmoid[t] if kind == 2 else soft(said[t]))[best]
            if kind == 1 or self.arch == 'minimax-m2' or self.key('expert_weights_norm'):
                weight = weight / weight.sum()
            weight = weight * (self.key('expert_weights_scale', 0) or 1)
            for e, f in zip(best, weight):
                biases = [w('ffn_%s_exps.bias' % n)[e] if w('ffn_%s_exps.bias' % n) is not None else 0 for n in ('gate', 'up', 'down')]
                x, f = (h[t] * f, 1) if self.arch == 'llama4' else (h[t], f)
                y[t] += f * self.expert(x, *(w('ffn_%s_exps.weight' % n)[e] for n in ('gate', 'up', 'down')), biases)
        if w('ffn_up_shexp.weight') is not None:
            y = y + self.expert(h, *(w('ffn_%s_shexp.weight' % n) for n in ('gate', 'up', 'down')), [0, 0, 0])
        return y

    def feed_forward(self, i, h):
        w = lambda n: self.w.get('blk.%d.%s' % (i, n))
        if w('ffn_gate_inp.weight') is not None:
            return self.experts(i, h)
        bias = lambda n: w('ffn_%s.bias' % n) if w('ffn_%s.bias' % n) is not None else 0
        up = h @ w('ffn_up.weight').T + bias('up')
        if self.arch == 'apertus':
            ap, an, beta, eps = (self.kv['xielu.' + k][i] for k in ('alpha_p', 'alpha_n', 'beta', 'eps'))
            ap, an = np.log1p(np.exp(ap)), beta + np.log1p(np.exp(an))
            up = np.where(up > 0, ap * up * up, (np.expm1(np.minimum(up, eps)) - up) * an) + beta * up
        else:
            fused = w('ffn_gate.weight') is None
            gate, up = (up[:, :self.ffn[i]], up[:, self.ffn[i]:]) if fused else (h @ w('ffn_gate.weight').T + bias('gate'), up)
            up = up * (gelu(gate) if self.gemma else gate / (1 + np.exp(-gate)))
        y = up @ w('ffn_down.weight').T + bias('down')
        return self.norm(y, w('post_ffw_norm.weight')) if w('post_ffw_norm.weight') is not None else y

    def logits(self, ids, ctx):
        self.ctx = ctx
        x = self.w['token_embd.weight'][ids] * (self.dim ** 0.5 if self.gemma else self.key('embedding_scale', 0) or 1)
        grow = self.key('residual_scale', 0) or 1
        per = self.key('embedding_length_per_layer_input', 0)
        if per:
            own = (x @ self.w['per_layer_model_proj.weight'].T).reshape(len(ids), -1, per) / self.dim ** 0.5
            own = self.norm(own, self.w['per_layer_proj_norm.weight'])
            own = (own + self.w['per_layer_token_embd.weight'][ids].reshape(own.shape) * per ** 0.5) / 2 ** 0.5
        for i in range(self.layers):
            h = self.norm(x, self.w['blk.%d.attn_norm.weight' % i])
            a = self.attention(i, h)
            if self.arch == 'cohere2':
                x = x + a + self.feed_forward(i, h)
                continue
            x = x + grow * a
            x = x + grow * self.feed_forward(i, self.norm(x, self.w['blk.%d.%s.weight' % (i, 'post_attention_norm' if self.late else 'ffn_norm')]))
            w = lambda n: self.w['blk.%d.%s.weight' % (i, n)]
            if per:
                x = x + self.norm((gelu(x @ w('inp_gate').T) * own[:, i]) @ w('proj').T, w('post_norm'))
            x = x * self.w.get('blk.%d.layer_output_scale.weight' % i, 1)
        y = self.norm(x, self.w['output_norm.weight']) @ self.w.get('output.weight', self.w['token_embd.weight']).T
        y = y + self.w.get('output.bias', 0)
        if self.arch in ('granite', 'granitemoe', 'cohere2'):
            y = y * self.key('logit_scale') if self.arch == 'cohere2' else y / self.key('logit_scale')
        cap = self.key('final_logit_softcapping', 0)
        return cap * np.tanh(y / cap) if cap else y
