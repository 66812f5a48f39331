#!/usr/bin/env python3
"""Compare our tokenizer with llama.cpp's, string by string. Run by tok_peer.sh.

  peer.py TOOL PEER_ROOT RUN DATA MODEL... [--cases N] [--seed N] [--classes | --write DIR]

TOOL is tok_tool; RUN PEER_ROOT CMD enters the peer; DATA is a directory that both sides see and that holds MODEL.gguf and MODEL.vocab.
Prints a table; exit 1 if anything differs. --classes: instead, all code points through the probe vocabularies.
--write: instead, vectors for the unit test: DIR/MODEL.vocab and DIR/MODEL.cases, whose lines are "t" or "u", the text in hex, the peer's ids. The
vocabularies of byte-level BPE differ in the name of their rules alone: they are DIR/bpe.vocab.
"""
import argparse, http.client, json, os, random, re, socket, subprocess, sys, time

class Unix(http.client.HTTPConnection):
    def __init__(self, path): super().__init__('peer', timeout=120); self.path = path
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(120); self.sock.connect(self.path)

class Peer:
    """llama-server on a unix socket."""
    def __init__(self, a, model):
        self.sock = os.path.join(a.data, model + '.sock')
        if os.path.exists(self.sock): os.unlink(self.sock)
        self.log = open(os.path.join(a.data, model + '.log'), 'w+', errors='replace')
        self.p = subprocess.Popen([a.run, 'run', a.root, 'llama-server', '-m', os.path.join(a.data, model + '.gguf'), '--host', self.sock,
                                   '-dev', 'none', '-c', '512', '--no-warmup', '-t', '1', '-np', '1', '-v'], stdout=self.log, stderr=self.log)
        for _ in range(600):
            time.sleep(0.1)
            if self.p.poll() is not None: break
            if os.path.exists(self.sock):
                try: self.call('GET', '/health'); break
                except OSError: pass
                except RuntimeError: pass
        else: raise SystemExit('the peer does not come up')
        if self.p.poll() is not None: raise SystemExit('the peer ended: see ' + self.log.name)
    def call(self, how, path, body=None):
        if not hasattr(self, 'c'): self.c = Unix(self.sock)
        try:
            self.c.request(how, path, json.dumps(body).encode() if body is not None else None, {'Content-Type': 'application/json'})
            r = self.c.getresponse(); d = r.read()
        except (OSError, http.client.HTTPException) as e:
            self.c.close(); del self.c
            raise OSError(str(e))
        if r.status != 200: raise RuntimeError('%s: %d %r' % (path, r.status, d[:200]))
        return json.loads(d)
    def ids(self, text, special): return self.call('POST', '/tokenize', {'content': text, 'add_special': False, 'parse_special': special})['tokens']
    def begin(self): return self.call('POST', '/tokenize', {'content': '', 'add_special': True})['tokens']
    def text(self, ids): return self.call('POST', '/detokenize', {'tokens': ids})['content']
    def ends(self):
        self.log.flush(); self.log.seek(0)
        return set(int(m) for m in re.findall(r'EOG token\s*=\s*(\d+)', self.log.read()))
    def close(self):
        self.p.terminate(); self.p.wait(); self.log.close()
        if os.path.exists(self.sock): os.unlink(self.sock)

def ours(a, model, cases, flags=()):
    inp = ''.join('%s f %s\n' % ('t' if s else 'u', t.encode().hex()) for t, s in cases)
    out = subprocess.run([a.tool, *flags, os.path.join(a.data, model + '.vocab')], input=inp.encode(), stdout=subprocess.PIPE, check=True).stdout
    return out.decode().split('\n')[:-1]

WORDS = "the model said that it's fine we'll see they've don't I'M HE'LL YOU'RE keep a signed record of every token user assistant system aab abba".split()
def piece(r, specials, tokens):
    k = r.randrange(23)
    if k == 0: return r.choice(WORDS)
    if k == 1: return ' ' + r.choice(WORDS)
    if k == 2: return ''.join(r.choice('0123456789') for _ in range(r.randrange(1, 9)))
    if k == 3: return r.choice(' \t') * r.randrange(1, 8)
    if k == 4: return r.choice(('\n', '\r\n', '\r', '\n\n', ' \n', '\n ', '\t\n\t', '\u2028', '\u0085', '\u00a0', '\u3000', ' \u00a0 ', '\v', '\f'))
    if k == 5: return r.choice("'\"!?.,;:-_/\\()[]{}<>@#$%^&*+=~`|") * r.randrange(1, 4)
    if k == 6: return "'" + r.choice(('s', 'S', 't', 'T', 're', 'RE', 'Re', 'rE', 've', 'VE', 'm', 'M', 'll', 'LL', 'lL', 'd', 'D', 'x', 'l', 'v', '\u017f', '')) + r.choice(('', 'a', ' ', '1'))
    if k == 7: return r.choice(('\U0001f600', '\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f1e9\U0001f1ea', '\u2764\ufe0f', '\U0001f44d\U0001f3fd'))
    if k == 8: return ''.join(chr(r.randrange(0x4e00, 0x9fff)) for _ in range(r.randrange(1, 5))) + r.choice(('', '漢字', 'かな', '한국어'))
    if k == 9: return r.choice('aeiouéñ') + ''.join(chr(r.randrange(0x300, 0x36f)) for _ in range(r.randrange(1, 5)))
    if k == 10: return r.choice(('ⅣⅫ', '²³¹', '½¾', '٠١٢٣٤', '१२३', '𝟘𝟙', '①②③', 'ªº', 'ǅ', 'ß', 'İ', 'ﬁ', 'ᾳ', 'ʰ', 'Привет', 'Ελλάς', 'שלום', 'مرحبا', 'สวัสดี'))
    if k in (11, 12): return r.choice(specials)
    if k == 13: s = r.choice(specials); c = r.randrange(len(s)); return s[:c] + r.choice(('', ' ', '\u200b')) + s[c:r.randrange(c, len(s) + 1)]
    if k == 14: return r.choice(('\u2581', '\u2581\u2581', '<0x0A>', '<0xFF>', '<0x41', '<unk>', 'Ġ', 'Ċ'))
    if k == 15: return ''.join(r.choice('ab ') for _ in range(r.randrange(1, 12)))
    if k == 16: return ''.join(r.choice('abcdefghij \n\t\'stmrel01239.,!?-<|>é漢я\u2581') for _ in range(r.randrange(1, 12)))
    if k == 17: return ''.join(r.choice('ABSTabstéÉяЯ漢か') for _ in range(r.randrange(1, 7))) + r.choice(('', "'s", "'LL", "'t", "'"))
    if k == 18: return r.choice(('.', '/', '~', '§', ' !')) + r.choice(('\n', '\r\n', '/', '\n\n')) * r.randrange(1, 3) + r.choice(('/', '//', '\n', 'a', ''))
    if k == 19: return ''.join(r.choice('\x01\x7f\ue000\u0378\u200d~') for _ in range(r.randrange(1, 4))) + r.choice(('a', 'é', '1', ' ', '!', '漢', '\u0301', ''))
    if k in (20, 21) and tokens: return r.choice(('', '', ' ', '1', '.')) + r.choice(tokens) + r.choice(('', ' ', '.'))
    while True:
        c = r.randrange(1, r.choice((0x80, 0x800, 0x10000, 0x110000)))
        if not 0xd800 <= c < 0xe000: return chr(c) * r.randrange(1, 3)

def special_texts(a, model):
    out = []
    for l in open(os.path.join(a.data, model + '.vocab')):
        w = l.split()
        if w[0] == 't' and w[1] in '234': out.append(bytes.fromhex(w[3]).decode(errors='replace'))
    return out + ['<|im_start|>', '<|im_end|>', '<|end_of_text|>', '</s>']

def token_texts(a, model):
    """What the tokens of byte-level BPE are in text, where that is whole characters."""
    import vocab
    back = {c: b for b, c in vocab.byte_map().items()}; out = []
    for l in open(os.path.join(a.data, model + '.vocab')):
        w = l.split()
        if w[0] == 'model' and w[1] != '2': break
        if w[0] != 't' or w[1] != '1': continue
        try: out.append(bytes(back[c] for c in bytes.fromhex(w[3]).decode()).decode())
        except (KeyError, UnicodeDecodeError): pass
    return [t for t in out if t and '\0' not in t]

def begin_of(a, model):
    """What an empty prompt consists of, with the begin token that this pre-tokenizer has by default."""
    w = open(os.path.join(a.data, model + '.vocab')).readline().split()
    return [int(w[4])] if int(w[3]) & 1 else []

def classes(a, bad):
    """Every code point, cut in every way that tells letters, numbers, blanks and others apart."""
    for model in a.models:
        p = Peer(a, model); differ = []
        cps = [c for c in range(1, 0x110000) if not 0xd800 <= c < 0xe000]
        for i in range(0, len(cps), 16384):
            part = cps[i:i + 16384]
            # one text per chunk for speed; if it differs, one by one
            probe = lambda c: 'x%sy %s!1%s1 |\n' % (chr(c), chr(c), chr(c))
            text = ''.join(map(probe, part))
            if list(map(int, ours(a, model, [(text, False)])[0].split())) == p.ids(text, False): continue
            for j in range(0, len(part), 128):
                few = part[j:j + 128]; text = ''.join(map(probe, few))
                if list(map(int, ours(a, model, [(text, False)])[0].split())) == p.ids(text, False): continue
                got = ours(a, model, [(probe(c), False) for c in few])
                differ += [c for c, g in zip(few, got) if list(map(int, g.split())) != p.ids(probe(c), False)]
        p.close()
        print('%-22s %8d code points %8d equal' % (model, len(cps), len(cps) - len(differ)))
        if differ:
            runs = []
            for c in differ:
                if runs and c == runs[-1][1] + 1: runs[-1][1] = c
                else: runs.append([c, c])
            print('   ' + ' '.join('%04X-%04X' % tuple(x) for x in runs))
            bad.append(model)

def write(a):
    for model in a.models:
        r = random.Random(a.seed); sp = special_texts(a, model); tk = token_texts(a, model); p = Peer(a, model)
        with open(os.path.join(a.write, model + '.cases'), 'w') as f:
            for _ in range(a.cases):
                t = ''.join(piece(r, sp, tk) for _ in range(r.choice((1, 2, 3, 5, 8)))); s = r.random() < 0.5
                f.write('%s %s %s\n' % ('t' if s else 'u', t.encode().hex(), ' '.join(map(str, p.ids(t, s)))))
        p.close()
        if model.startswith('bpe-') and model not in ('bpe-llama3', 'bpe-gemma4'): continue
        name = 'bpe' if model == 'bpe-llama3' else model
        with open(os.path.join(a.data, model + '.vocab')) as src, open(os.path.join(a.write, name + '.vocab'), 'w') as dst: dst.write(src.read())

def main():
    ap = argparse.ArgumentParser()
    for x in ('tool', 'root', 'run', 'data'): ap.add_argument(x)
    ap.add_argument('models', nargs='+'); ap.add_argument('--cases', type=int, default=3000); ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--classes', action='store_true'); ap.add_argument('--write', metavar='DIR')
    a = ap.parse_args()
    bad = []
    if a.write: write(a); return
    if a.classes: classes(a, bad); sys.exit(1 if bad else 0)
    print('%-22s %8s %8s %8s %8s %6s %6s' % ('model', 'cases', 'ids', 'text', 'both', 'begin', 'ends'))
    for model in a.models:
        r = random.Random(a.seed)
        sp = special_texts(a, model); tk = token_texts(a, model)
        cases = [(''.join(piece(r, sp, tk) for _ in range(r.choice((1, 2, 3, 5, 8, 13, 30)))), r.random() < 0.5) for _ in range(a.cases)]
        p = Peer(a, model); same = text_same = both = 0; shown = 0
        for (t, s), line in zip(cases, ours(a, model, cases, ['-s'])):
            i, x = line.split(' | '); i = list(map(int, i.split())); want = p.ids(t, s)
            x = bytes.fromhex(x).decode(); ok = i == want; same += ok
            # the peer's text of the same ids, where it answers with whole characters; it writes special tokens out, we do not
            back = p.text(i)
            okt = x == back if not any(y in back for y in sp) and '\ufffd' not in back + x else True
            text_same += okt; both += ok and okt
            if not (ok and okt) and shown < 5:
                shown += 1; print('  differs: %r special=%s\n    ours  %s\n    peer  %s\n    text %r\n    peer %r' % (t, s, i, want, x, back))
        mine = set(map(int, ours(a, model, [], ['-e'])))
        theirs = p.ends(); begin = p.begin(); p.close()
        print('%-22s %8d %8d %8d %8d %6s %6s' % (model, len(cases), same, text_same, both, 'same' if begin == begin_of(a, model) else begin,
              'same' if mine == theirs else '%s/%s' % (sorted(mine), sorted(theirs))), flush=True)
        if both != len(cases) or mine != theirs or begin != begin_of(a, model): bad.append(model)
    sys.exit(1 if bad else 0)

if __name__ == '__main__': main()
