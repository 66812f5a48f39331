"""Byte-level BPE as GGUF's tokenizer.ggml.model = gpt2, tokenizer.ggml.pre = llama-bpe means it."""
import re
import unicodedata
from collections import Counter, defaultdict

# The llama-3 expression, over a shadow of the text: non-ASCII letters are z, numbers 0, blanks a space, anything else a dot.
SPLIT = re.compile(r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\na-zA-Z0]?[a-zA-Z]+|0{1,3}| ?[^ \na-zA-Z0]+\n*|[ \n]*\n+|[ \n]+(?![^ \n])|[ \n]+")


def shadow(c):
    if c in '\r\n':
        return '\n'
    if c.isspace():
        return ' '
    if c.isascii() and c.isalpha() or c == "'":
        return c
    k = unicodedata.category(c)[0]
    return 'z' if k == 'L' else '0' if k == 'N' else '.'


def split(text):
    return [text[m.start():m.end()] for m in SPLIT.finditer(''.join(shadow(c) for c in text))]


def byte_letters():
    """byte -> the printable letter that stands for it in a vocabulary"""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


LETTER = byte_letters()
BYTE = {c: b for b, c in LETTER.items()}


def letters(piece):
    return ''.join(LETTER[b] for b in piece.encode('utf-8'))


def merge(w, a, b):
    o, i = [], 0
    while i < len(w):
        if i + 1 < len(w) and w[i] == a and w[i + 1] == b:
            o.append(a + b)
            i += 2
        else:
            o.append(w[i])
            i += 1
    return tuple(o)


def learn(texts, n):
    """The n merges that the texts suggest, the most frequent pair first; ties by spelling, so that the result is stable."""
    freq = Counter()
    for t in texts:
        freq.update(split(t))
    words = [(tuple(letters(w)), c) for w, c in sorted(freq.items())]
    pairs, where = Counter(), defaultdict(set)
    for i, (w, c) in enumerate(words):
        for p in zip(w, w[1:]):
            pairs[p] += c
            where[p].add(i)
    merges = []
    while len(merges) < n:
        (a, b), c = max(pairs.items(), key=lambda kv: (kv[1], kv[0]))
        if c < 2:
            raise SystemExit('the text has not enough pairs for %d merges' % n)
        merges.append((a, b))
        for i in sorted(where[a, b]):
            w, k = words[i]
            for p in zip(w, w[1:]):
                pairs[p] -= k
            w = merge(w, a, b)
            words[i] = (w, k)
            for p in zip(w, w[1:]):
                pairs[p] += k
                where[p].add(i)
        del pairs[a, b]
    return merges


class Tokenizer:
    def __init__(self, tokens, merges, special):
        """tokens: list of str; merges: list of (a, b); special: the tokens that are found in a text before it is split"""
        self.tokens = tokens
        self.id = {t: i for i, t in enumerate(tokens)}
        self.rank = {m: i for i, m in enumerate(merges)}
        self.special = {t: self.id[t] for t in special}
        self.find = re.compile('(' + '|'.join(re.escape(t) for t in special) + ')')
        self.cache = {}

    def word(self, piece):
        if piece not in self.cache:
            w = tuple(letters(piece))
            if ''.join(w) in self.id:                 # llama-3: a whole word in the vocabulary is taken as it is
                w = (''.join(w),)
            while len(w) > 1:
                r, a, b = min((self.rank.get(p, 1 << 30),) + p for p in zip(w, w[1:]))
                if r == 1 << 30:
                    break
                w = merge(w, a, b)
            self.cache[piece] = [self.id[x] for x in w]
        return self.cache[piece]

    def text(self, s):
        """Text from a user: control tokens in it are plain letters."""
        return [i for p in split(s) for i in self.word(p)]

    def marked(self, s):
        """Text from a template: control tokens count."""
        return [i for part in self.find.split(s) if part for i in ([self.special[part]] if part in self.special else self.text(part))]

    def decode(self, ids):
        b = bytearray()
        for i in ids:
            t = self.tokens[i]
            b += b'' if t in self.special else bytes(BYTE[c] for c in t)
        return b.decode('utf-8', 'replace')
