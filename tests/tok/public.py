#!/usr/bin/env python3
"""The tokenizer against the references that public repositories carry: vocabularies of real models (ggml-vocab-NAME.gguf), texts
(ggml-vocab-NAME.gguf.inp, with a line __ggml_vocab_test__ between) and the ids that the models' own tokenizers gave for them (.out, one line each).

  public.py BUILD_DIR [DIR]     prints the table; DIR is KEEP_SHARED's vectors/tok where it is not given

A vocabulary may also be ggml-vocab-NAME.ranks, as its model's authors publish it: a token in base64 and its rank, a line each; RANKS says what such a
file does not. Exit 1 if anything differs, 77 if there is no such folder. What lacks a part, or is of a kind that Keep does not have, is a line that
says so.
"""
import base64, glob, os, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vocab

# What the public references are named; one that is not in the folder is a line of the table, too.
NAMES = ('bert-bge command-r deepseek-coder deepseek-llm falcon gemma-4 gpt-2 llama-bpe llama-spm mpt phi-3 qwen2 qwen35 refact '
         'starcoder').split()

# name: the rules that cut its text, the control tokens behind its ranks
RANKS = {'qwen2': (b'qwen2', [b'<|endoftext|>', b'<|im_start|>', b'<|im_end|>']),
         'llama-bpe': (b'llama-bpe', [b'<|begin_of_text|>', b'<|end_of_text|>'])}

def spelt(token):
    """A token's bytes as files write them: one character each, none of them blank."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shown = {b: chr(b) for b in plain}
    for n, b in enumerate(b for b in range(256) if b not in shown): shown[b] = chr(256 + n)
    return ''.join(shown[b] for b in token).encode()

def halves(token, rank):
    """The two parts that a token was made of: what the tokens of lower ranks make of its bytes. None: it is only found as a whole word."""
    parts = [token[i:i + 1] for i in range(len(token))]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda i: rank.get(parts[i] + parts[i + 1], 1 << 30))
        if rank.get(parts[best] + parts[best + 1], 1 << 30) >= rank[token]: return None
        parts[best:best + 2] = [parts[best] + parts[best + 1]]
    return parts

def read_ranks(path, name):
    """A file of ranks as what a GGUF says of a vocabulary."""
    pre, special = RANKS[name]
    rank = {base64.b64decode(t): int(n) for t, n in (l.split() for l in open(path))}
    tokens = sorted(rank, key=rank.get)
    assert [rank[t] for t in tokens] == list(range(len(tokens)))
    made = [halves(t, rank) for t in tokens if len(t) > 1]
    assert None not in made or pre == b'llama-bpe' # whose rules look words up before they merge
    merges = [b' '.join(spelt(p) for p in parts) for parts in made if parts]
    return {'tokenizer.ggml.model': b'gpt2', 'tokenizer.ggml.pre': pre, 'tokenizer.ggml.merges': merges,
            'tokenizer.ggml.tokens': [spelt(t) for t in tokens] + special,
            'tokenizer.ggml.token_type': [1] * len(tokens) + [3] * len(special)}

def read(path):
    """What is known of a vocabulary; None: nothing."""
    name = os.path.basename(path)[11:-5]
    if os.path.exists(path) and os.path.getsize(path): return vocab.read_meta(path)
    return read_ranks(path[:-5] + '.ranks', name) if name in RANKS and os.path.exists(path[:-5] + '.ranks') else None

def one(tool, path, tmp):
    """What the table says about one vocabulary, and whether it is as it should be."""
    kv = read(path)
    missing = [] if kv else ['vocabulary']
    missing += [x for x in ('.inp', '.out') if not os.path.exists(path + x) or not os.path.getsize(path + x)]
    if missing: return 'not compared: no %s' % ', '.join(missing), True
    try: vocab.write_vocab(kv, tmp)
    except KeyError as e: return 'not compared: Keep does not have %s' % e, True
    texts = open(path + '.inp', newline='', encoding='utf-8').read().split('\n__ggml_vocab_test__\n')
    want = open(path + '.out').read().split('\n')
    want = [x.split() for x in want[:len(texts)]]
    inp = ''.join('u f %s\n' % x.encode().hex() for x in texts)
    got = subprocess.run([tool, tmp], input=inp.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split('\n')[:-1]
    same, first = 0, ''
    for text, w, line in zip(texts, want, got):
        g = line.split()
        same += g == w
        if g != w and not first: first = '\n  differs: %r\n    ours      %s\n    reference %s' % (text, ' '.join(g), ' '.join(w))
    return '%-8s %-16s %5d %5d%s' % (kv['tokenizer.ggml.model'].decode(), kv.get('tokenizer.ggml.pre', b'-').decode(), len(texts), same, first), \
        same == len(texts) == len(want) == len(got)

def main():
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    tool = os.path.join(sys.argv[1], 'tests/unit/runtime/tok_tool')
    where = sys.argv[2] if len(sys.argv) == 3 else os.path.join(os.environ.get('KEEP_SHARED', ''), 'vectors/tok')
    names = sorted({os.path.basename(p).split('.gguf')[0].split('.ranks')[0] for p in glob.glob(os.path.join(where, 'ggml-vocab-*'))})
    if not names: print('skipped: no public vocabularies in %s' % where); sys.exit(77)
    names = sorted({*names, *('ggml-vocab-' + n for n in NAMES)})
    print('%-18s %-8s %-16s %5s %5s' % ('vocabulary', 'model', 'pre-tokenizer', 'cases', 'equal'))
    good, compared = True, 0
    for name in names:
        with tempfile.NamedTemporaryFile(suffix='.vocab') as tmp:
            text, ok = one(tool, os.path.join(where, name + '.gguf'), tmp.name)
        good = good and ok
        compared += not text.startswith('not compared')
        print('%-18s %s' % (name[11:], text), flush=True)
    if not compared: print('skipped: nothing in %s could be compared' % where); sys.exit(77)
    sys.exit(0 if good else 1)

main()
