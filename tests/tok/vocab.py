#!/usr/bin/env python3
"""Vocabularies for the tests of the tokenizer.

  vocab.py MODEL.gguf OUT.vocab      take the vocabulary out of a model
  vocab.py make NAME OUT.gguf        write a model of our own with a vocabulary made to be difficult (see MAKERS)
  vocab.py pres                      the names of the pre-tokenizers that Keep has

A .vocab file is text, one thing a line:
  model KIND PRE FLAGS BOS EOS EOT UNK    numbers as in a layout's header, "-" for none
  t TYPE SCORE HEX                        a token
  m HEX HEX                               a merge, first is best
  n HEX                                   how text is normalised
"""
import random, struct, sys

# ---- reading a GGUF ------------------------------------------------------------------------------------------------
SCALAR = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}

def read_meta(path):
    b = open(path, 'rb').read()
    at = 0
    def take(fmt):
        nonlocal at
        v = struct.unpack_from('<' + fmt, b, at); at += struct.calcsize('<' + fmt)
        return v[0]
    def text():
        nonlocal at
        n = take('Q'); at += n
        return b[at - n:at]
    def value(t):
        if t == 8: return text()
        if t == 9:
            et, n = take('I'), take('Q')
            return [value(et) for _ in range(n)]
        return take(SCALAR[t])
    assert b[:4] == b'GGUF'; at = 8
    take('Q'); n = take('Q'); kv = {}
    for _ in range(n):
        k = text().decode(); kv[k] = value(take('I'))
    return kv

# tokenizer.ggml.model: its number (enum layout_tok_model); begin, end and unknown token where the file does not say; the flags that it has then
KIND = {'llama': (1, 1, 2, 0, 5), 'gpt2': (2, 11, 11, None, 0), 't5': (3, None, 1, 2, 2), 'bert': (4, 101, 102, 100, 3), 'gemma4': (5, None, None, None, 1)}
# The names that Keep has (attest/vocab.c) and the numbers of their rules (enum layout_tok_pre).
PRE = {'default': 0, 'llama3': 1, 'llama-v3': 1, 'llama-bpe': 1, 'falcon3': 1, 'pixtral': 1, 'gpt-2': 2, 'phi-2': 2, 'olmo': 2,
       'dbrx': 3, 'smaug-bpe': 3, 'glm4': 1, 'chatglm-bpe': 3, 'qwen2': 4, 'deepseek-r1-qwen': 4, 'stablelm2': 4, 'qwen35': 5, 'tekken': 6,
       'gpt-4o': 7, 'llama4': 7, 'starcoder': 8, 'refact': 8, 'command-r': 8, 'smollm': 8, 'deepseek-v3': 9,
       'midm-2.0': 1, 'trillion': 2, 'granite-docling': 2, 'megrez': 4, 'kormo': 4, 'minerva-7b': 8,
       'falcon-h1': 1, 'lfm2': 1, 'jina-v5-nano': 1, 'mpt': 2, 'jais': 2, 'exaone4': 2, 'gigachat': 2, 'a.x-4.0': 2, 'mellum': 2, 'modern-bert': 2,
       'f2llmv2': 4, 'hunyuan': 4, 'solar-open': 4, 'grok-2': 4, 'bailingmoe': 4, 'bailingmoe2': 4, 'llada-moe': 4,
       'kanana2': 7, 'talkie': 7, 'minimax-m2': 7, 'codeshell': 8, 'exaone': 8, 'mellum2': 8, 'hunyuan-dense': 9, 'joyai-llm': 9, 'hy_v4': 9,
       'falcon': 10, 'deepseek-llm': 11, 'deepseek-coder': 12, 'poro-chat': 13, 'bloom': 13, 'gpt3-finnish': 13, 'viking': 14,
       'laguna': 16, 'kimi-k2': 17, 'seed-coder': 18, 'ufakzeka': 19, 'minicpm5': 20, 'exaone-moe': 21, 'jais-2': 22, 'youtu': 23,
       'granite-embed-multi-97m': 24}
ADD_BOS = (1, 6)
SPACE_PREFIX, SPACE_SUFFIX, SPACE_ONCE, LOWERCASE, NO_ACCENTS, SPACE_EATEN = 4, 8, 16, 32, 64, 128

def write_vocab(kv, path):
    g = lambda k, d=None: kv.get('tokenizer.ggml.' + k, d)
    kind, bos, eos, unk, absent = KIND[g('model').decode()]
    pre = {2: lambda: PRE[g('pre', b'default').decode()], 5: lambda: 15}.get(kind, lambda: 0)()
    if pre in ADD_BOS and kind == 2 and g('pre') != b'glm4': absent |= 1
    flag = lambda key, bit: bit if g(key, absent & bit) else 0
    flags = flag('add_bos_token', 1) | flag('add_sep_token' if kind == 4 else 'add_eos_token', 2)
    if kind in (1, 3): flags |= flag('add_space_prefix', SPACE_PREFIX)
    if kind == 3: flags |= flag('remove_extra_whitespaces', SPACE_ONCE) | flag('treat_whitespace_as_suffix', SPACE_SUFFIX)
    if kind == 4:
        lower = g('normalizer.lowercase', True)
        flags |= (LOWERCASE if lower else 0) | (NO_ACCENTS if g('normalizer.strip_accents', lower) else 0)
    if kind == 5: flags |= 1
    if any(x in kv.get('general.name', b'').lower() for x in (b'phi-3', b'phi3')): flags |= SPACE_EATEN
    ids = [g('bos_token_id', bos), g('seperator_token_id' if kind == 4 else 'eos_token_id', eos), g('eot_token_id'), g('unknown_token_id', unk)]
    toks = g('tokens')
    ids = [i if i is not None and i < len(toks) else None for i in ids]
    with open(path, 'w') as f:
        f.write('model %d %d %d %s\n' % (kind, pre, flags, ' '.join('-' if i is None else str(i) for i in ids)))
        if g('precompiled_charsmap'): f.write('n %s\n' % bytes(x & 255 for x in g('precompiled_charsmap')).hex())
        for t, s, y in zip(toks, g('scores', [0.0] * len(toks)), g('token_type', [1] * len(toks))):
            f.write('t %d %r %s\n' % (y, s, t.hex()))
        for m in g('merges', []):
            at = m.index(b' ', 1)
            f.write('m %s %s\n' % (m[:at].hex(), m[at + 1:].hex()))

# ---- writing a GGUF: the smallest llama there is, all weights zero -----------------------------------------------------
def _s(x):
    b = x.encode('utf-8', 'surrogatepass') if isinstance(x, str) else x
    return struct.pack('<Q', len(b)) + b

def write_gguf(path, toks, types, model, pre, scores=None, merges=None, extra=()):
    D, V = 32, len(toks)
    kv = []
    def put(k, t, v):
        fmt = {4: '<I', 6: '<f', 7: '<?'}
        if t == 'b': kv.append(_s(k) + struct.pack('<IIQ', 9, 0, len(v)) + v)      # an array of bytes
        else: kv.append(_s(k) + struct.pack('<I', t) + (_s(v) if t == 8 else struct.pack(fmt[t], v)))
    def arr(k, et, vs):
        kv.append(_s(k) + struct.pack('<IIQ', 9, et, len(vs)) + b''.join(
            _s(v) if et == 8 else struct.pack({5: '<i', 6: '<f'}[et], v) for v in vs))
    put('general.architecture', 8, 'llama'); put('general.name', 8, 'vocabulary')
    for k, v in (('block_count', 1), ('context_length', 512), ('embedding_length', D), ('feed_forward_length', D),
                 ('attention.head_count', 1), ('attention.head_count_kv', 1)):
        put('llama.' + k, 4, v)
    put('llama.attention.layer_norm_rms_epsilon', 6, 1e-5)
    put('tokenizer.ggml.model', 8, model); put('tokenizer.ggml.pre', 8, pre)
    arr('tokenizer.ggml.tokens', 8, toks); arr('tokenizer.ggml.token_type', 5, types)
    if scores: arr('tokenizer.ggml.scores', 6, scores)
    if merges: arr('tokenizer.ggml.merges', 8, merges)
    for k, t, v in extra: put('tokenizer.ggml.' + k, t, v)
    ts = [('token_embd.weight', [D, V]), ('output_norm.weight', [D])]
    for n, d in (('attn_norm', [D]), ('attn_q', [D, D]), ('attn_k', [D, D]), ('attn_v', [D, D]), ('attn_output', [D, D]),
                 ('ffn_norm', [D]), ('ffn_gate', [D, D]), ('ffn_up', [D, D]), ('ffn_down', [D, D])):
        ts.append(('blk.0.%s.weight' % n, d))
    off, infos, size = 0, b'', 0
    for n, d in ts:
        infos += _s(n) + struct.pack('<I', len(d)) + b''.join(struct.pack('<Q', x) for x in d) + struct.pack('<IQ', 0, off)
        size = 4
        for x in d: size *= x
        off += -(-size // 32) * 32
    head = b'GGUF' + struct.pack('<IQQ', 3, len(ts), len(kv)) + b''.join(kv) + infos
    with open(path, 'wb') as f:
        f.write(head + b'\0' * (-len(head) % 32) + b'\0' * off)

# ---- difficult vocabularies ----------------------------------------------------------------------------------------
BLANK = '\u2581'
SPECIALS = [('<|im_start|>', 3), ('<|im_end|>', 3), ('<|a|>', 3), ('<|a|><|b|>', 3), ('|><|', 4), ('aab', 4), ('abba', 4), ('  ', 4),
            ('   ', 4), ('\n\n', 4), ('[X]', 4), ('<|end_of_text|>', 1), ('<|eom_id|>', 3), ('<user>', 4), ('漢字', 4),
            ('<｜end▁of▁sentence｜>', 3)]

def byte_map():
    keep = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    m, n = {}, 0
    for b in range(256):
        if b in keep: m[b] = chr(b)
        else: m[b] = chr(256 + n); n += 1
    return m

def make_spm(path, seed, alphabet, crossing, prefix=True):
    rnd = random.Random(seed)
    toks, types, scores = ['<unk>', '<s>', '</s>'], [2, 3, 3], [0.0] * 3
    for i in range(256): toks.append('<0x%02X>' % i); types.append(6); scores.append(0.0)
    have = set(toks)
    for x, t in SPECIALS:
        if x not in have: toks.append(x); types.append(t); scores.append(0.0); have.add(x)
    while len(toks) < 900:
        x = ''.join(rnd.choice(alphabet) for _ in range(rnd.choice((1, 1, 2, 2, 2, 3, 3, 4, 5, 6))))
        if not crossing: x = BLANK * rnd.choice((0, 0, 1, 1, 1, 2)) + x.replace(BLANK, '')
        if x and x not in have:
            have.add(x); toks.append(x); types.append(rnd.choice((1,) * 20 + (5,))); scores.append(-float(rnd.randrange(300)))
    write_gguf(path, toks, types, 'llama', 'default', scores=scores, extra=[
        ('bos_token_id', 4, 1), ('eos_token_id', 4, 2), ('unknown_token_id', 4, 0), ('add_bos_token', 7, True),
        ('add_space_prefix', 7, prefix)])

def make_bpe(path, seed, pre, alphabet, n_merges=900, edges='ABabé./\n~\x01\x02 \''):
    rnd = random.Random(seed)
    bm = byte_map()
    toks, types = [bm[b] for b in range(256)], [1] * 256
    have, merges, pairs = set(toks), [], set()
    parts = [bm[b] for b in alphabet.encode()] * 3
    edges = [bm[b] for b in set(edges.encode())]             # all their pairs merge, so a cut between two of them shows
    for a, b in rnd.sample([(a, b) for a in sorted(edges) for b in sorted(edges)], len(edges) ** 2):
        pairs.add((a, b)); merges.append(a + ' ' + b); have.add(a + b); toks.append(a + b); types.append(1)
    while len(merges) < n_merges:
        a, b = rnd.choice(parts), rnd.choice(parts)
        if (a, b) in pairs or len(a + b) > 14: continue
        pairs.add((a, b)); merges.append(a + ' ' + b); parts.append(a + b)
        # one in ten is no token and comes out as its bytes; of those the peer loses what is not ASCII, so keep such ones
        if a + b not in have and (rnd.random() < 0.9 or not (a + b).isascii()):
            have.add(a + b); toks.append(a + b); types.append(1)
    for _ in range(200):                                     # whole words that no merge makes
        x = ''.join(rnd.choice(parts) for _ in range(3))
        if x not in have: have.add(x); toks.append(x); types.append(1)
    for _ in range(200):                                     # and such of letters alone, which every pre-tokenizer leaves whole
        x = ''.join(rnd.choice([bm[b] for b in 'abcdefghij'.encode()]) for _ in range(rnd.randrange(3, 6)))
        if x not in have: have.add(x); toks.append(x); types.append(1)
    at = len(toks)
    for x, t in SPECIALS:
        if x not in have: toks.append(x); types.append(t); have.add(x)
    write_gguf(path, toks, types, 'gpt2', pre, merges=merges, extra=[
        ('bos_token_id', 4, at), ('eos_token_id', 4, at + 1)])

def make_text_bpe(path, seed, alphabet, n_merges=700):
    """As Gemma 4: characters as they are, blanks as U+2581, byte tokens for what is no token."""
    rnd = random.Random(seed)
    toks, types = ['<pad>', '<eos>', '<bos>', '<unk>'], [3, 3, 3, 2]
    toks += ['<0x%02X>' % i for i in range(256)]; types += [6] * 256
    letters = sorted(set(alphabet.replace(' ', BLANK)) - set('QZ'))
    have, merges, pairs, parts = set(toks), [], set(), [c for c in letters if c != '\n'] * 3
    for c in letters:
        if rnd.random() < 0.9: toks.append(c); types.append(1); have.add(c)
    for n in (1, 2, 3, 5):
        if '\n' * n not in have: toks.append('\n' * n); types.append(1); have.add('\n' * n)
    while len(merges) < n_merges:
        a, b = rnd.choice(parts), rnd.choice(parts)
        if (a, b) in pairs or len(a + b) > 7: continue
        pairs.add((a, b)); merges.append(a + ' ' + b); parts.append(a + b)
        if a + b not in have and rnd.random() < 0.9: have.add(a + b); toks.append(a + b); types.append(1)
    for x, t in SPECIALS:
        if x not in have: toks.append(x); types.append(t); have.add(x)
    write_gguf(path, toks, types, 'gemma4', 'gemma4', merges=merges, scores=[0.0] * len(toks), extra=[
        ('bos_token_id', 4, 2), ('eos_token_id', 4, 1), ('unknown_token_id', 4, 3), ('padding_token_id', 4, 0)])

def make_probe(path, pre):
    """Merges that show, for any character c, how "xcy", " c!" and "1c1" were cut."""
    bm = byte_map()
    toks, merges = [bm[b] for b in range(256)], []
    for b in range(0x80, 0x100):
        for m in ((bm[ord('x')], bm[b]), (bm[b], bm[ord('y')]), (bm[b], bm[ord('!')]), (bm[ord(' ')], bm[b]), (bm[ord('1')], bm[b])):
            merges.append(m[0] + ' ' + m[1]); toks.append(m[0] + m[1])
    at = len(toks); toks.append('<|endoftext|>')
    write_gguf(path, toks, [1] * at + [3], 'gpt2', pre, merges=merges, extra=[('bos_token_id', 4, at), ('eos_token_id', 4, at)])

ENDS = '''<|eot_id|> <|im_end|> <|end|> <|flush|> <end_of_turn> <|endoftext|> <|eom_id|> <EOT> _<EOT> [EOT] [EOS]
<|end_of_text|> <end_of_utterance> <eos> <|fim_pad|> <|repo_name|> <|file_sep|>
<|fim_prefix|> <|user|> <|observation|> <|assistant|> <|system|> <|im_start|> <|turn|> <turn|> <|message_end|> <|endofprompt|> <|eos|> [/INST] <bos>
[BOS] <|eot|> <|eom|> <|separator|> <|stop|> <|end_of_turn|> <|assistant_end|> <|end_turn|> <stop>'''.split()

ENDS_LATER = '<|tool_response> [e~[ <|ifm|im_end|> <fim_pad> <fim_prefix> <|tool_call> <channel|> [e~] <|eot|> [CLS]'.split()

def make_ends(path, ends, eos):
    toks = ['<unk>', '<s>', '</s>'] + ['<0x%02X>' % i for i in range(256)] + ends
    types = [2, 3, 3] + [6] * 256 + [3] * len(ends)
    write_gguf(path, toks, types, 'llama', 'default', scores=[0.0] * len(toks), extra=[
        ('bos_token_id', 4, 1), ('eos_token_id', 4, toks.index(eos)), ('unknown_token_id', 4, 0)])

SMALL = 'aaabb' + BLANK + 'é漢'
WIDE = 'abcdefghij \n\t\'stmrel01239.,!?-<|>é漢я' + BLANK
MIXED = WIDE + 'ABSTÉ/~か\u0301'
MAKERS = {
    'spm-small': lambda p: make_spm(p, 1, SMALL, True),
    'spm-crossing': lambda p: make_spm(p, 2, WIDE, True),
    'spm-words': lambda p: make_spm(p, 3, WIDE, False),
    'spm-noprefix': lambda p: make_spm(p, 4, 'abc' + BLANK, False, prefix=False),
    'bpe-small': lambda p: make_bpe(p, 5, 'llama-bpe', 'aab ', 700, ''),
    'spm-ends': lambda p: make_ends(p, ENDS, '</s>'),
    'spm-ends-later': lambda p: make_ends(p, ENDS_LATER, '<|eot|>'),
}
MAKERS['bpe-gemma4'] = lambda p: make_text_bpe(p, 6, MIXED + 'ñüß中')
for pre in PRE:                                              # one vocabulary for all, so that vectors need only one
    MAKERS['bpe-' + pre] = lambda p, pre=pre: make_bpe(p, 100, pre, MIXED)
    MAKERS['probe-' + pre] = lambda p, pre=pre: make_probe(p, pre)

if __name__ == '__main__':
    if len(sys.argv) == 4 and sys.argv[1] == 'make': MAKERS[sys.argv[2]](sys.argv[3])
    elif sys.argv[1:] == ['pres']: print(*PRE)
    elif len(sys.argv) == 3: write_vocab(read_meta(sys.argv[1]), sys.argv[2])
    else: sys.exit(__doc__)
