#!/usr/bin/env python3
"""Unigram and WordPiece against independent implementations: SentencePiece (python3-sentencepiece, which also trains the vocabularies) and, for
WordPiece, the description of BERT in Python's own Unicode tables. With a peer also against llama.cpp.

  pieces.py BUILD_DIR [--cases N] [--seed N] [--write DIR]
  pieces.py BUILD_DIR --peer ROOT RUN      as tok_peer.sh, which calls it

Prints the table; exit 1 if anything differs from the reference. A tie is a text that has two best ways: the same tokens in another order, whose
scores SentencePiece adds in 32 bits, Keep and llama.cpp in 64. Where llama.cpp differs from the reference, Keep follows the reference, and the
table says how many texts it has as Keep. --write DIR: instead, the vectors for the unit test.
"""
import argparse, collections, io, os, random, struct, subprocess, sys, tempfile, unicodedata
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer, vocab

# ---- unigram: vocabularies that SentencePiece trains ---------------------------------------------------------------------------------------
ALPHABET = 'aaabbcdeefghiijklmnooprsttuvwyz' + 'éüñßяжкΩλ漢字かな한' + '0123456789' + '.,!?-\'"()'

def corpus(seed):
    r = random.Random(seed)
    words = [''.join(r.choice(ALPHABET) for _ in range(r.choice((1, 2, 2, 3, 3, 4, 5, 7)))) for _ in range(700)]
    return [' '.join(words[min(int(r.expovariate(0.01)), 699)] for _ in range(r.randrange(2, 14))) for _ in range(1500)]

# What small tables of normalisation have: case, width, ligatures, white space, accents, things that vanish, one that grows, two for one.
RULES = [(chr(c), chr(c - 0xfee0)) for c in range(0xff01, 0xff5f)] + [(chr(c), chr(c).lower()) for c in range(0x41, 0x5b)] + \
    [('\ufb01', 'fi'), ('\ufb03', 'ffi'), ('\u00a0', ' '), ('\u3000', ' '), ('\t', ' '), ('\n', ' '), ('\u2028', ' '), ('\u200b', ''), ('\u200d', ''), ('\u00ad', ''),
     ('e\u0301', 'é'), ('n\u0303', 'ñ'), ('u\u0308', 'ü'), ('\ufdfa', '\u0635\u0644\u0649 \u0627\u0644\u0644\u0647'), ('\u00a8', ' \u0308'), ('\u2460', '1'), ('\u2026', '...'),
     ('\u00bd', '1\u20442'), ('\u2581', ' '), ('aa\u0301', 'x'), ('漢字か', 'k')]
UNIGRAMS = {                      # name: what SentencePiece is told; the flags of it in a layout
    'ugm-nfkc': (dict(), 4 | 16),
    'ugm-casefold': (dict(normalization_rule_name='nmt_nfkc_cf', byte_fallback=True, vocab_size=700), 4 | 16),
    'ugm-rules': (dict(normalization_rule_tsv=RULES), 4 | 16),
    'ugm-bytes': (dict(normalization_rule_name='identity', byte_fallback=True, vocab_size=560), 4 | 16),
    'ugm-spaces': (dict(normalization_rule_name='identity', remove_extra_whitespaces=False), 4),
    'ugm-suffix': (dict(normalization_rule_tsv=RULES, treat_whitespace_as_suffix=True), 4 | 8 | 16),
    'ugm-suffix-spaces': (dict(treat_whitespace_as_suffix=True, remove_extra_whitespaces=False), 4 | 8),
    'ugm-noprefix': (dict(normalization_rule_name='identity', add_dummy_prefix=False), 16),
    'ugm-plain': (dict(normalization_rule_name='identity', add_dummy_prefix=False, remove_extra_whitespaces=False), 0),
    'ugm-crossing': (dict(normalization_rule_name='identity', split_by_whitespace=False), 4 | 16),
}

def fields(b):
    """The fields of a protocol buffer: number, value."""
    at = 0
    def varint():
        nonlocal at
        v = k = 0
        while True:
            c = b[at]; at += 1; v |= (c & 127) << k; k += 7
            if c < 128: return v
    while at < len(b):
        t = varint()
        if t & 7 == 0: yield t >> 3, varint()
        elif t & 7 == 5: yield t >> 3, struct.unpack_from('<f', b, at)[0]; at += 4
        elif t & 7 == 1: at += 8
        else: n = varint(); yield t >> 3, b[at:at + n]; at += n

class Unigram:
    def __init__(self, name, seed):
        import sentencepiece as spm
        options, self.flags = UNIGRAMS[name]
        options = dict(dict(vocab_size=330, normalization_rule_name='nmt_nfkc', character_coverage=0.997, pad_id=0, eos_id=1, unk_id=2, bos_id=-1), **options)
        rules = options.pop('normalization_rule_tsv', None); out = io.BytesIO()
        with tempfile.NamedTemporaryFile('w', suffix='.tsv') as tsv:
            if rules:
                for a, b in rules: tsv.write('%s\t%s\n' % (' '.join('%X' % ord(c) for c in a), ' '.join('%X' % ord(c) for c in b)))
                tsv.flush(); options['normalization_rule_tsv'] = tsv.name; options.pop('normalization_rule_name')
            spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus(seed)), model_writer=out, model_type='unigram', hard_vocab_limit=False, minloglevel=2, **options)
        self.sp = spm.SentencePieceProcessor(model_proto=out.getvalue())
        self.tokens, self.types, self.scores, self.charsmap = [], [], [], b''
        for n, v in fields(out.getvalue()):
            if n == 1:
                d = dict(fields(v)); self.tokens.append(d[1].decode()); self.scores.append(d.get(2, 0.0)); self.types.append(d.get(3, 1))
            if n == 3: self.charsmap = dict(fields(v)).get(2, b'')
        self.special = [t for t, y in zip(self.tokens, self.types) if y in (2, 3)]
    def ids(self, text): return self.sp.encode(text)
    def extra(self):
        e = [('eos_token_id', 4, 1), ('unknown_token_id', 4, 2), ('padding_token_id', 4, 0), ('add_space_prefix', 7, bool(self.flags & 4)),
             ('remove_extra_whitespaces', 7, bool(self.flags & 16)), ('treat_whitespace_as_suffix', 7, bool(self.flags & 8)), ('add_eos_token', 7, True)]
        return e + ([('precompiled_charsmap', 'b', self.charsmap)] if self.charsmap else [])
    kind = 't5'

# ---- WordPiece: what BERT does, by the tables of Python -----------------------------------------------------------------------------------
WORDPIECES = {'wpm-uncased': (True, True), 'wpm-cased': (False, False), 'wpm-accents': (True, False), 'wpm-nocase': (False, True)}
CJK = ((0x4e00, 0x9fff), (0x3400, 0x4dbf), (0x20000, 0x2a6df), (0x2a700, 0x2b73f), (0x2b740, 0x2b81f), (0x2b920, 0x2ceaf), (0xf900, 0xfaff), (0x2f800, 0x2fa1f))

class WordPiece:
    kind = 'bert'
    def __init__(self, name, seed):
        self.lower, self.strip = WORDPIECES[name]; self.flags = 1 | 2 | (32 if self.lower else 0) | (64 if self.strip else 0)
        r = random.Random(seed + len(name))
        chars = sorted(set(ALPHABET + 'ABCÉÜЯΩ\u0301\u0308¿「」…।' + 'ᄀᄒ\u1161\u11ab'))
        self.tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']; self.types = [3] * 5
        for c in chars:
            for t in ((c,) if r.random() < 0.1 else ('\u2581' + c,) if r.random() < 0.1 else (c, '\u2581' + c)): self.add(t, 1)
        words = sorted({w for line in corpus(seed) for w in line.split()})
        for w in r.sample(words, 200): self.add('\u2581' + self.plain(w), 1); self.add(self.plain(w)[1:3], 1)
        for _ in range(200): self.add(''.join(r.choice('abcde') for _ in range(r.randrange(2, 5))), 1)
        self.scores = None; self.charsmap = b''; self.index = {t: i for i, t in enumerate(self.tokens)}
        self.special = self.tokens[:5]
    def add(self, t, y):
        if t and t not in self.tokens: self.tokens.append(t); self.types.append(y)
    def plain(self, text):
        if self.strip: text = ''.join(c for c in unicodedata.normalize('NFD', text) if unicodedata.category(c) != 'Mn')
        return ''.join(c.lower() for c in text) if self.lower else text
    def words(self, text):
        text = ''.join(' ' if c in '\t\n\r' or unicodedata.category(c)[0] == 'Z' else c for c in text
                       if c in '\t\n\r' or not (c == '\ufffd' or unicodedata.category(c)[0] == 'C'))
        text = ''.join(' %s ' % c if any(a <= ord(c) <= b for a, b in CJK) else c for c in text)
        for word in self.plain(text).split(' '):
            piece = ''
            for c in word:
                if unicodedata.category(c)[0] == 'P' or (c.isascii() and unicodedata.category(c)[0] == 'S'):
                    if piece: yield piece
                    yield c; piece = ''
                else: piece += c
            if piece: yield piece
    def word(self, w):
        if len(w) > 100: return [1]
        ids, at, w = [], 0, '\u2581' + w
        while at < len(w):
            end = next((e for e in range(len(w), at, -1) if w[at:e] in self.index and self.types[self.index[w[at:e]]] == 1), 0)
            if not end: return [1]
            ids.append(self.index[w[at:end]]); at = end
        return ids
    def ids(self, text): return [i for w in self.words(text) for i in self.word(w)]
    def extra(self):
        return [('cls_token_id', 4, 2), ('bos_token_id', 4, 2), ('seperator_token_id', 4, 3), ('unknown_token_id', 4, 1), ('padding_token_id', 4, 0),
                ('normalizer.lowercase', 7, self.lower), ('normalizer.strip_accents', 7, self.strip)]

# ---- texts ---------------------------------------------------------------------------------------------------------------------------------
def some_text(r, m):
    out = ''
    for _ in range(r.choice((1, 2, 3, 5, 8, 13, 30))):
        k = r.randrange(9)
        if k == 0: out += r.choice(m.tokens[5:]).replace('\u2581', ' ')
        elif k == 1: out += ' ' * r.randrange(4) + ''.join(r.choice(ALPHABET) for _ in range(r.randrange(1, 9)))
        elif k == 2: out += r.choice(RULES)[0] * r.randrange(1, 3)
        elif k == 3: out += ''.join(r.choice('abcdeéABCÉ\u0301\u0308\u0947') for _ in range(r.randrange(1, 7)))
        elif k == 4: out += r.choice(('ＡＢｃ１', 'ﬃ', '①½', 'ﷺ', '각힣', 'ǅǆ', 'İıſẞß', 'Ⅳ', '㍿', '\U0001f600', '𝒜𝟙', 'ｶﾞ', 'ؤ', '\u1100\u1161\u11a8', '¨´'))
        else: out += peer.piece(r, m.special, [])
    return out.replace('\0', '')

def known(text):
    """Code points that Python's tables know as well as ours: those of Unicode 14."""
    return not any(unicodedata.category(c) == 'Cn' for c in text)

def ask(tool, path, texts):
    inp = ''.join('u f %s\n' % t.encode().hex() for t in texts)
    out = subprocess.run([tool, path], input=inp.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    return [list(map(int, x.split())) for x in out.split('\n')[:-1]]

def make(name, seed): return (Unigram if name.startswith('ugm') else WordPiece)(name, seed)

def compare(a, name, data):
    m = make(name, a.model_seed); gguf = os.path.join(data, name + '.gguf'); path = os.path.join(data, name + '.vocab')
    vocab.write_gguf(gguf, m.tokens, m.types, m.kind, 'default', scores=m.scores, extra=m.extra())
    vocab.write_vocab(vocab.read_meta(gguf), path)
    r = random.Random(a.seed); texts = []
    while len(texts) < a.cases:
        t = some_text(r, m)
        if m.kind == 't5' or known(t): texts.append(t)
    want = [m.ids(t) for t in texts]; got = ask(a.tool, path, texts)
    tie = [w != g and m.kind == 't5' and sorted(w) == sorted(g) for w, g in zip(want, got)]
    if a.write: return write(a, name, path, [(t, w) for t, w, x in zip(texts, want, tie) if not x])
    same = sum(w == g for w, g in zip(want, got)); theirs = '-'
    if a.peer:
        p = peer.Peer(argparse.Namespace(data=data, root=a.peer[0], run=a.peer[1]), name); theirs = sum(p.ids(t, False) == g for t, g in zip(texts, got)); p.close()
    print('%-18s %6d %6d %6s %5d %8s' % (name, len(m.tokens), len(texts), same, sum(tie), theirs), flush=True)
    for t, w, g, x in [x for x in zip(texts, want, got, tie) if x[1] != x[2] and not x[3]][:3]:
        print('  differs: %r\n    ours      %s\n    reference %s' % (t, ' '.join(m.tokens[i] for i in g), ' '.join(m.tokens[i] for i in w)))
    return same + sum(tie) == len(texts)

def write(a, name, path, cases):
    with open(os.path.join(a.write, name + '.cases'), 'w') as f:
        for t, w in cases:
            if t: f.write('u %s %s\n' % (t.encode().hex(), ' '.join(map(str, w))))
    with open(path) as src, open(os.path.join(a.write, name + '.vocab'), 'w') as dst: dst.write(src.read())
    return True

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('build'); ap.add_argument('--cases', type=int, default=1000); ap.add_argument('--seed', type=int, default=1); ap.add_argument('--model-seed', type=int, default=1)
    ap.add_argument('--write', metavar='DIR'); ap.add_argument('--peer', nargs=2, metavar=('ROOT', 'RUN')); ap.add_argument('--only', nargs='*')
    a = ap.parse_args(); a.tool = os.path.join(a.build, 'tests/unit/runtime/tok_tool')
    names = a.only or list(UNIGRAMS) + list(WORDPIECES)
    try: import sentencepiece
    except ImportError:
        print('not compared: %s (no python3-sentencepiece)' % ' '.join(n for n in names if n.startswith('ugm')))
        names = [n for n in names if not n.startswith('ugm')]
    if not a.write: print('%-18s %6s %6s %6s %5s %8s' % ('vocabulary', 'tokens', 'cases', 'equal', 'ties', 'the peer'))
    data = os.path.join(os.environ.get('KEEP_LAB', '/var/tmp/keep-lab'), 'data/tok') if a.peer else tempfile.mkdtemp()
    os.makedirs(data, exist_ok=True)
    good = [compare(a, n, data) for n in names]
    sys.exit(0 if all(good) else 1)

if __name__ == '__main__': main()
