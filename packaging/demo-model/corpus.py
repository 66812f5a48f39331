#!/usr/bin/python3
"""Turns corpus/*.txt into questions with answers: the only text that the demo model ever sees.

  corpus.py [COUNT [SEED]]     prints COUNT examples, "topic<TAB>question<TAB>answer"

The questions of questions.txt never occur, with any wrapping, case or punctuation: they test wording that was not learned.
"""
import os
import random
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GENERATED = {'N': 'DU', 'M': 'D', 'P': 'P', 'V': 'H', 'I': 'I', 'R': 'R'}
CONTRACT = [('what is', "what's"), ('who is', "who's"), ('where is', "where's"), ('do not', "don't"), ('does not', "doesn't"),
            ('is not', "isn't"), ('cannot', "can't"), ('i would', "i'd"), ('i am', "i'm"), ('it is', "it's"), ('there is', "there's"),
            ('how is', "how's"), ('what are', "what're"), ('has no', "hasn't any"), ('i have', "i've"), ('was not', "wasn't")]


def parse(s):
    """'a (b|c|)' -> tree: a list is a sequence, a tuple a choice."""
    stack = [([], [])]                       # (finished alternatives, current sequence)
    for t in re.findall(r'[()|]|[^()|]+', s):
        if t == '(':
            stack.append(([], []))
        elif t in '|)':
            alts, seq = stack.pop()
            alts.append(seq)
            if t == '|':
                stack.append((alts, []))
            else:
                stack[-1][1].append(tuple(alts))
        else:
            stack[-1][1].append(t)
    if len(stack) != 1 or stack[0][0]:
        raise SystemExit('unbalanced: ' + s)
    return stack[0][1]


def pick(rng, tree):
    """One random expansion."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, tuple):
        return pick(rng, list(rng.choice(tree)))
    return ''.join(pick(rng, t) for t in tree)


def count(tree):
    """The number of expansions."""
    if isinstance(tree, str):
        return 1
    if isinstance(tree, tuple):
        return sum(count(list(t)) for t in tree)
    n = 1
    for t in tree:
        n *= count(t)
    return n


def tidy(s):
    s = re.sub(r'\s+', ' ', s).strip()
    return re.sub(r' ([,.?!])', r'\1', s)


def plain(s):
    """What two questions are compared by: words only."""
    return ' '.join(re.findall(r'[a-z0-9]+', s.lower()))


class Topic:
    def __init__(self, name, weight):
        self.name, self.weight, self.answer, self.sources = name, weight, None, []     # sources: (kind, tree)


def read_lines(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        return [l.rstrip('\n') for l in f]


class Corpus:
    def __init__(self, seed=1):
        self.rng = random.Random(seed)
        self.held_out = [' %s ' % plain(l.split('\t')[0]) for l in read_lines('questions.txt') if l.strip()]
        self.phrasings = {}
        for l in read_lines('corpus/phrasings.txt'):
            if l and l[0] != '#':
                self.phrasings.setdefault(l[0], []).append(l[2:] if l[0] in 'BZ' else parse(l[2:]))
        self.topics = []
        for l in read_lines('corpus/topics.txt') + read_lines('corpus/elsewhere.txt'):
            if l.startswith('= '):
                w = l.split()
                self.topics.append(Topic(w[1], float(w[2]) if len(w) > 2 else 1.0))
            elif l.startswith('A '):
                self.topics[-1].answer = l[2:]
            elif l and l[0] != '#':
                self.topics[-1].sources.append((l[0], parse(l[2:])))
        self.by_name = {t.name: t for t in self.topics}
        # a question written out for one topic is never taken for another by a generated phrasing
        self.claimed, self.conflicts = {}, []
        for t in self.topics:
            for kind, tree in t.sources:
                if kind != 'Q' or t.name == 'elsewhere':
                    continue
                for _ in range(min(6 * count(tree), 3000)):
                    p = plain(tidy(pick(self.rng, tree)))
                    if self.claimed.setdefault(p, t.name) != t.name:
                        self.conflicts.append((p, self.claimed[p], t.name))
        nouns = [(t, k) for t in self.topics for k, _ in t.sources if k in 'NMP' and t.name != 'elsewhere']
        for t, k in nouns:                                       # the bare noun names its topic
            for kind, tree in t.sources:
                if kind == k:
                    for _ in range(min(4 * count(tree), 200)):
                        self.claimed.setdefault(plain(tidy(pick(self.rng, tree))), t.name)

    def question(self, t):
        rng = self.rng
        while True:
            # sources in proportion to a power of what they can say, so that rich patterns do not drown the others
            kind, tree = rng.choices(t.sources, [min(count(x), 200) ** 0.4 * (3 if k in GENERATED else 1) for k, x in t.sources])[0]
            q = pick(rng, tree)
            if kind in GENERATED:
                group = rng.choice(GENERATED[kind])
                body = tidy(q)
                q = re.sub(r'\bX\b', lambda m: body, pick(rng, rng.choice(self.phrasings[group])))
            q = tidy(q)
            q = q[0].upper() + q[1:] if rng.random() < 0.95 or not q.startswith('keep') else q
            if self.claimed.get(plain(q), t.name) != t.name:
                continue
            q = self.dress(t, q)
            if not any(h in ' %s ' % plain(q) for h in self.held_out):
                return q

    def dress(self, t, q):
        """The same question as somebody else would type it."""
        rng = self.rng
        asks = re.match(r'(what|who|why|how|which|where|when|is|are|do|does|can|could|will|would|may|must|did|in which|suppose|if|and|should)\b', q.lower())
        social = t.name in ('hello', 'bye', 'thanks')
        end = ('?' if asks else rng.choice(['.', '', '?', '.'])) if not social else rng.choice(['', '!', '.', ''])
        if rng.random() < 0.12 and not social:
            q = rng.choice(self.phrasings['B']) + (q if rng.random() < 0.4 else q[0].lower() + q[1:])
        if rng.random() < 0.08 and not social:
            q += rng.choice(self.phrasings['Z'])
        if rng.random() < 0.25:
            for a, b in CONTRACT:
                q = re.sub(r'\b%s\b' % a, lambda m: b[0].upper() + b[1:] if m.group()[0].isupper() else b, q, flags=re.I)
            q = re.sub(r"\bi'(d|m|ve)\b", r"I'\1", q)
        r = rng.random()
        if r < 0.25:
            end = ''
        elif r < 0.28:
            end += end
        r = rng.random()
        if r < 0.30:
            q = q.lower()
        elif r < 0.32:
            q = q.upper()
        elif r < 0.38:
            q = q[0].lower() + q[1:]
        if rng.random() < 0.05 and len(q) > 12:                 # a slip of the finger
            i = rng.randrange(1, len(q) - 1)
            q = rng.choice([q[:i] + q[i + 1:], q[:i] + q[i] + q[i:], q[:i] + q[i + 1] + q[i] + q[i + 2:]])
        return q + end

    def noise(self):
        """Characters that mean nothing."""
        rng = self.rng
        r = rng.random()
        if r < 0.4:
            abc = rng.choice(['abcdefghijklmnopqrstuvwxyz', 'aeiourstln ', '0123456789 .', '!#$%&()*+,-./:;<=>?@[]^_{|}~ ', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ '])
            return tidy(''.join(rng.choice(abc) for _ in range(rng.randint(2, 20)))) or 'x'
        if r < 0.7:
            return ' '.join(''.join(rng.choice('bcdfghjklmnpqrstvwz') + rng.choice('aeiou') for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(1, 4)))
        lo, hi = rng.choice([(0xa1, 0x180), (0x391, 0x3c9), (0x410, 0x44f), (0x4e00, 0x4f00), (0x3041, 0x3096), (0x1f600, 0x1f640), (0x5d0, 0x5ea), (0x100, 0x2fff), (0xac00, 0xd7a3)])
        return ''.join(chr(rng.randrange(lo, hi)) for _ in range(rng.randint(1, 8)))

    def example(self):
        rng = self.rng
        t = rng.choices(self.topics, [t.weight for t in self.topics])[0]
        if t.name == 'elsewhere' and rng.random() < 0.15:
            q = self.noise()
            if rng.random() < 0.5:
                q = self.dress(t, tidy(re.sub(r'\bX\b', lambda m: q, pick(rng, rng.choice(self.phrasings['D'])))))
            return t, q
        return t, self.question(t)


def main(av):
    c = Corpus(int(av[1]) if len(av) > 1 else 1)
    for p, a, b in sorted(set(c.conflicts)):
        print('two topics: %s: %s, %s' % (p, a, b), file=sys.stderr)
    for _ in range(int(av[0]) if av else 20):
        t, q = c.example()
        print('%s\t%s\t%s' % (t.name, q, t.answer))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
