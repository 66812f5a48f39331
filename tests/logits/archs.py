"""The peer's own statement of what each architecture is: its test-llama-archs writes a tiny model of every one that it knows, with every tensor that
may be there and every key that it has a name for, whether its program of that architecture reads them or not. Keep must either say by name that it does not
compute the model, or give the peer's logits. A row for each model; exits 1 when something does not hold. Called by tests/logits/archs.

Both sides get the same file, with three changes. The vocabulary, of which those files only say that there is none, becomes a hundred characters. Factors of the
rotation, which are random there, partly negative, become 1 to 8. And what Keep names as a reason to refuse the file, keys and tensors of other families, is taken out, one after the
other; the last column lists these. The peer's logits are taken with them and without: equal bits show that its program does not read them. One that it does
read stands there with an exclamation mark and is a fault: Keep computes all that the peer's program reads."""
import os, re, shutil, struct, subprocess, sys, tempfile
import numpy as np

import float64
from against import CTX, compare, device, lab, peer, peer_logits, try_ours

GENERATOR = '/usr/libexec/%s-linux-gnu/llama.cpp-tests/test-llama-archs' % os.uname().machine
TEXT = 'Keep runs models on a machine that is connected to nothing, and writes down what it did; an auditor can prove, for whom.'
CHARACTERS = ['\u2581'] + [chr(c) for c in range(33, 127)]
NMSE_MAX = 1e-8
FARTHER = {  # where the peer is farther than that: the bound, and why
    'llama4-moe': (1e-6, 'it is the peer that is so far from float64, in the attention of every position but the first, with biases or without; why was not found'),
}
F64_NMSE_MAX = 1e-10
SCALES = ('the scale of a feed-forward matrix belongs to the matrix: W x * s + b, as float64 and Keep have it. The peer leaves it out in some families, and '
          'where there is a bias too it multiplies that as well')
# what Keep names: a key that it does not compute, or a tensor that its program has no place for
UNREAD = re.compile(r'model\.gguf: (\S+) (?:is|says|leaves)|, as Keep computes it, has no tensor (\S+)')


def text_bytes(s):
    return struct.pack('<Q', len(s.encode())) + s.encode()


def vocabulary(n):
    """Keys of a SentencePiece vocabulary of n pieces, as bytes by name."""
    pieces = (['<unk>', '<s>', '</s>'] + CHARACTERS + ['piece%d' % i for i in range(n)])[:n]
    lists = {'tokens': (8, b''.join(map(text_bytes, pieces))), 'scores': (6, struct.pack('<%df' % n, *[-float(i) for i in range(n)])),
             'token_type': (5, struct.pack('<%di' % n, 2, 3, 3, *[1] * (n - 3)))}
    kv = {'model': struct.pack('<I', 8) + text_bytes('llama'), 'bos_token_id': struct.pack('<II', 4, 1), 'eos_token_id': struct.pack('<II', 4, 2),
          'add_bos_token': struct.pack('<I?', 7, True), 'add_eos_token': struct.pack('<I?', 7, False)}
    kv.update({k: struct.pack('<IIQ', 9, e, n) + raw for k, (e, raw) in lists.items()})
    return {'tokenizer.ggml.' + k: v for k, v in kv.items()}


def factors(name, dims):
    """What stands in place of random factors of the rotation."""
    return np.array([1 + j % 8 for j in range(dims[0])], '<f4').tobytes() if name.startswith('rope_f') else None


def rewrite(path, out, without):
    """The file with a vocabulary, and without some keys and tensors."""
    b = open(path, 'rb').read()
    spans, made = {}, []
    kv, _, infos, start = float64.header(b, spans)
    said = {k: b[at:end] for k, (at, end) in spans.items() if not k.startswith('tokenizer.') and k not in without}
    said.update(vocabulary(len(kv['tokenizer.ggml.tokens'])))
    data = b''
    for name, dims, kind, at in infos:
        if re.sub(r'blk\.\d+', 'blk.*', name) in without:
            continue
        data += b'\0' * (-len(data) % 32)
        made.append(text_bytes(name) + struct.pack('<I%dQIQ' % len(dims), len(dims), *dims, kind, len(data)))
        data += factors(name, dims) or b[start + at:start + at + 4 * int(np.prod(dims))]  # all are F32
    head = b[:8] + struct.pack('<QQ', len(made), len(said)) + b''.join(text_bytes(k) + v for k, v in said.items()) + b''.join(made)
    open(out, 'wb').write(head + b'\0' * (-len(head) % 32) + data)


def try_without(path, work, ids):
    """Logits of Keep, or why there are none, and what was taken out for them."""
    without = []
    while True:
        rewrite(path, work + '/m.gguf', without)
        said = try_ours(work + '/m.gguf', ids, work + '/o.bin')
        if not isinstance(said, str):
            return said, without
        said = said.partition('m.gguf: ')[2]
        found = UNREAD.search(said)
        what = found and re.sub(r'blk\.\d+', 'blk.*', found[1] or found[2])
        if not what or what in without:
            return said, without
        without.append(what)


def peer_without(path, work, without):
    """Ids and logits of the peer, or None where it aborts."""
    rewrite(path, work + '/p.gguf', without)
    return peer_logits(work, work + '/p.gguf', TEXT, may_abort=True)


def read_by_peer(path, work, without, bare):
    """Which of these the peer's program reads: its bits change when they go, alone. None: it cannot say, because it aborts with them."""
    same = lambda said: said is not None and said[1].tobytes() == bare[1].tobytes()
    full = peer_without(path, work, [])
    if full is None:
        return None
    if same(full):
        return []
    return [w for w in without if not same(peer_without(path, work, [x for x in without if x != w]))]


def scales_of_feed_forward(path):
    """Their names, of all layers at once."""
    names = [t[0] for t in float64.header(open(path, 'rb').read())[2]]
    return sorted({re.sub(r'blk\.\d+', 'blk.*', n) for n in names if re.search(r'\.ffn_.*\.scale$', n)})


def nmse_without(path, work, without):
    """Keep beside the peer, Keep beside float64, the peer beside float64."""
    bare = peer_without(path, work, without)
    got = try_ours(work + '/p.gguf', bare[0], work + '/o.bin')
    true = float64.Model(work + '/p.gguf').logits(bare[0], CTX)
    return compare(bare[1], got)[0], compare(true, got)[0], compare(true, bare[1])[0]


def compared(path, work):
    """The row of a model, and whether it holds: None where it is refused by name."""
    said, without = try_without(path, work, [1, 2, 3])
    if isinstance(said, str):
        return 'refused: ' + said, None if said.startswith('gguf-') else False
    bare = peer_without(path, work, without)
    read = read_by_peer(path, work, without, bare) if bare else None
    if read is None:
        return 'the peer aborts', False
    whole = nmse_without(path, work, without)
    plain = nmse_without(path, work, without + scales_of_feed_forward(path))
    model = os.path.basename(path).removesuffix('.gguf')
    short = {w: re.sub(r'^(blk\.\*|%s)\.' % re.escape(model.rpartition('-')[0]), '', w) for w in without}
    names = ' '.join(short[w] + ('!' if w in read else '') for w in without)
    bound, _ = FARTHER.get(model, (NMSE_MAX, None))
    ok = max(whole[1], plain[1]) < F64_NMSE_MAX and plain[0] < bound and not read
    return '%9.2e%s %9.2e %9.2e %9.2e  %s' % (whole[0], '*' if whole[0] > bound else ' ', *plain, names), ok


def main():
    work = tempfile.mkdtemp(prefix='archs-', dir=lab + '/data')
    os.mkdir(work + '/archs')
    peer(GENERATOR, '-s', '1', '-o', work + '/archs')
    bad = refused = n = 0
    only = tuple(os.environ.get('KEEP_ROWS', '').split(','))  # names that begin so; without it all
    print('device %s. Keep beside the peer: the whole file; without the scales of feed-forward. Of these, Keep and the peer beside float64. What Keep refuses' % device)
    for f in sorted(f for f in os.listdir(work + '/archs') if f.startswith(only)):
        row, ok = compared(work + '/archs/' + f, work)
        n, refused, bad = n + 1, refused + (ok is None), bad + (ok is False)
        print('%-22s %s%s' % (f.removesuffix('.gguf'), row, '  TOO FAR' if ok is False else ''), flush=True)
    print('What Keep refuses changes no bit of the peer; ! but for this')
    print('* ' + SCALES)
    for model, (_, why) in FARTHER.items():
        print('%s: %s' % (model, why))
    shutil.rmtree(work)
    print('%d models: %d refused by name, %d compared, %s' % (n, refused, n - refused, 'all within their bounds' if not bad else '%d too far' % bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
