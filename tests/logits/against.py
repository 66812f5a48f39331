"""Both sides of a comparison: the peer's logits of a text and Keep's of the same ids, from the same file. Called with the path of logits_of, the lab, and
the folder with the peer's tools, as tests/logits/peer does."""
import os, struct, subprocess, sys
import numpy as np

ours, lab, shared = sys.argv[1:4]
ours = os.path.abspath(ours)
device = os.environ.get('KEEP_DEVICE', 'reference')
CTX = 4096  # of both sides


def peer(*args, may_abort=False):
    r = subprocess.run(['sh', shared + '/tools/peer-root.sh', 'run', lab + '/sid-root', *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if r.returncode and may_abort:
        return None
    if r.returncode:
        sys.exit('peer: %s: %s' % (args[0], r.stderr.decode(errors='replace')[-400:]))
    return r.stdout.decode(errors='replace')


def results(path):
    """The tensors of a results file: tokens I32 [n] and logits F32, token-major whatever the header says."""
    b = open(path, 'rb').read()
    at = 4
    def get(f):
        nonlocal at
        v = struct.unpack_from('<' + f, b, at)
        at += struct.calcsize('<' + f)
        return v[0]
    def text():
        nonlocal at
        n = get('Q')
        s = b[at:at + n]
        at += n
        return s.decode()
    def skip(t):
        nonlocal at
        if t == 8:
            text()
        elif t == 9:
            e, n = get('I'), get('Q')
            for _ in range(n):
                skip(e)
        else:
            at += {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}[t]
    get('I')
    n_tensors, n_kv, align = get('Q'), get('Q'), 32
    for _ in range(n_kv):
        text()
        skip(get('I'))
    infos = {}
    for _ in range(n_tensors):
        name = text()
        dims = [get('Q') for _ in range(get('I'))]
        get('I')
        infos[name] = (dims, get('Q'))
    start = (at + align - 1) // align * align
    n = infos['tokens'][0][0]
    ids = np.frombuffer(b, '<i4', n, start + infos['tokens'][1])
    count = int(np.prod(infos['logits'][0]))
    return ids, np.frombuffer(b, '<f4', count, start + infos['logits'][1]).reshape(n, -1).astype(np.float64)


def peer_logits(work, path, text, may_abort=False):
    """Ids and logits of a text; None where the peer aborted and may."""
    open(work + '/p.txt', 'w').write(text)
    said = peer('llama-results', '-m', path, '-f', work + '/p.txt', '-o', work + '/r.gguf', '-dev', 'none', '-t', '1', '-c', str(CTX),
                '-ctk', 'f32', '-ctv', 'f32', '-fa', 'off', may_abort=may_abort)
    return None if said is None else results(work + '/r.gguf')


def try_ours(path, ids, out):
    """Logits, or why there are none."""
    r = subprocess.run([ours, path, '--tokens', ','.join(map(str, ids)), '--out', out, '--kv', 'f32', '--device', device],
                       stderr=subprocess.PIPE)
    if r.returncode:
        return r.stderr.decode(errors='replace').strip()
    return np.fromfile(out, '<f4').reshape(len(ids), -1).astype(np.float64)


def run_ours(path, ids, out):
    said = try_ours(path, ids, out)
    return sys.exit('logits_of: ' + said) if isinstance(said, str) else said


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def compare(want, got):
    nmse = ((want - got) ** 2).sum() / (want ** 2).sum()
    p, q = log_softmax(want), log_softmax(got)
    kl = (np.exp(p) * (p - q)).sum(axis=1)
    top, ours_top = want.argmax(axis=1), got.argmax(axis=1)
    margin = (want.max(axis=1) - want[np.arange(len(want)), ours_top]) / want.std(axis=1)
    return nmse, kl.mean(), kl.max(), int((top == ours_top).sum()), margin.max(), np.median(kl)
