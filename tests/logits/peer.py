"""Compare logits with the peer's; called by tests/logits/peer. Prints a table and exits 1 when a bound does not hold."""
import importlib.util, os, shutil, sys, tempfile
import numpy as np

import blocks64
import families
import float64
import random_blocks
from against import CTX, compare, device, lab, peer, peer_logits, run_ours, shared

PROMPTS = [
    'The quick brown fox jumps over the lazy dog. Keep runs models on a machine that is connected to nothing, and writes down '
    'what it did. An auditor can prove, without trusting anybody, what ran, on which weights, for whom, and can run it again.',
    'Gr\u00fc\u00dfe aus dem Keller: 3.14159, 42 und 1,000,000; \u65e5\u672c\u8a9e, \u043f\u0440\u0438\u0432\u0435\u0442!\n\n  def f(x):\n\treturn x * x\n',
]
# A top-1 that differs is a near-tie when the peer's own margin is at most this share of the spread (standard deviation) of its logits.
NEAR_TIE = 0.10

# type, model of families.py, dtype of the random file, peer's quantisation of it, bound on NMSE, bound on KL.  F16 and BF16: the peer rounds
# activations to the weights' type, Keep does not, so the bound is the peer's rounding.
ROWS = [('F32', m, 'f32', None, 1e-8, None) for m in families.names()]
for m in ('llama', 'llama3'):
    ROWS += [('F16', m, 'f16', None, 1e-4, 0.02), ('BF16', m, 'bf16', None, 1e-3, 0.02)]
for q in ('Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'):
    for m in families.FAMILIES if q in ('Q8_0', 'Q4_K') else ('llama', 'llama3'):
        ROWS.append((q, m, 'f32', q + ('_S' if q in ('Q4_K', 'Q5_K') else ''), None, 0.02))
# the other types, of random blocks: every bit pattern, where a quantiser would write but some
for q in ('Q4_1', 'Q5_0', 'Q5_1', 'Q2_K', 'Q3_K', 'IQ4_NL', 'IQ4_XS', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S', 'IQ1_S', 'IQ1_M', 'TQ1_0', 'TQ2_0', 'NVFP4'):
    ROWS.append((q, 'llama', 'f32', 'random', None, 0.02))
# as NVFP4 is published: with a second scale of every matrix and expert
for m in ('llama', 'qwen2', 'qwen3', 'phi3', 'glm4', 'cohere2', 'mixtral', 'qwen3moe', 'glm4moe', 'llama4'):
    ROWS.append(('NVFP4 x', m, 'f32', 'scaled', None, 0.02))
# mixtures as files are published
for q in ('Q4_K_M', 'Q2_K', 'Q3_K_L', 'IQ3_M', 'IQ4_XS', 'TQ2_0'):
    ROWS.append((q + ' mix', 'llama', 'f32', q + ' mix', None, 0.02))
ROWS.append(('Q5_K_M', 'llama3', 'f32', 'Q5_K_M', None, 0.02))
for m in ('mixtral', 'qwen3moe', 'gpt-oss', 'llama4'):  # experts in MXFP4, the rest in Q8_0
    ROWS.append(('MXFP4', m, 'f32', 'MXFP4_MOE', None, 0.02))
only = os.environ.get('KEEP_ROWS')  # "F32" or "gemma3" or "Q8_0:gemma3": only rows that begin so
if only:
    ROWS = [r for r in ROWS if (r[0] + ':' + r[1]).startswith(only) or r[1].startswith(only)]


def make(model, path, dtype, seed):
    spec = importlib.util.spec_from_file_location('gguf', shared + '/tools/make-random-gguf.py')
    gguf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gguf)
    families.build(gguf, model, dtype).write(path, np.random.Generator(np.random.PCG64(seed)))


# Where the peer is not the measure: the bound on its distance, and why. Keep is held to float64 there as everywhere.
REASONS = {
    'gemma4': (1e-6, 'as gemma3'),
    'gemma4-dense': (1e-6, 'as gemma3'),
    'gemma3': (1e-6, 'the peer rounds GELU to float16, twice, by a table'),
    'phi3/window': (None, 'the peer drops the window of phi3'),
    'gpt-oss/exact': (None, 'the peer does not read rope.scaling.yarn_truncate'),
    'llama4/pieces': (None, 'the peer has pieces of 8192 positions whatever the file says'),
    'llama4/full': (None, 'the peer aborts on a llama4 without pieces, which its converter writes: float64 stands in its place'),
}
# Families whose layer program, at the peer, leaves the scales of the feed-forward part out: with those of attention alone it is as near as anywhere.
for m in ('qwen2', 'phi3', 'glm4', 'glm4moe', 'llama4'):
    REASONS['NVFP4 x:' + m] = (None, 'the peer reads the scales of feed-forward matrices in this family and does not multiply by them')
SCALED_KL_MAX = 0.02  # of these to float64, median row
F64_NMSE_MAX = 1e-10  # F32 rows against float64
# With experts, activations in 8 bits choose others where two scores are nearly equal, on both sides and not in the same rows: such a row is far off,
# the others are as near as those of dense models. So the bounds are on the median row: its KL to the peer, and to float64 no farther than the peer's.
CHOICE = 'choices of experts that are nearly ties fall otherwise when activations have 8 bits: bounds are on the median row'
FARTHER = 1.25


def chooses(model):
    return 'experts' in families.FAMILIES[model.partition('/')[0]].spec


def choices_ok(kl_median, kl_max, ours, theirs):
    return kl_median < kl_max and ours[5] < FARTHER * theirs[5] + 1e-4


def reason_of(name, model):
    return REASONS.get(name + ':' + model) or REASONS.get(model) or REASONS.get(model.partition('/')[0])


def run_all(work, path, may_abort):
    """Logits of the peer, of Keep, and in float64, of both prompts."""
    want, got, true = [], [], []
    model = float64.Model(path)
    for text in PROMPTS:
        ids, logits = peer_logits(work, path, text, may_abort) or (list(range(7, 247)), None)
        got.append(run_ours(path, ids, work + '/o.bin'))
        true.append(model.logits(ids, CTX))
        want.append(true[-1] if logits is None else logits)
    return (np.concatenate(x) for x in (want, got, true))


def main():
    os.makedirs(lab + '/data', exist_ok=True)
    work = tempfile.mkdtemp(prefix='logits-', dir=lab + '/data')
    bad, why = 0, {}
    print('device %s; near-tie: margin at most %.2f of the spread of the logits; the last four against float64' % (device, NEAR_TIE))
    print('%-10s %-15s %5s %9s %9s %9s %9s %8s %9s %9s %9s %9s' % ('type', 'model', 'rows', 'NMSE', 'KL mean', 'KL max', 'top-1', 'margin',
          'Keep NMSE', 'peer NMSE', 'Keep KL', 'peer KL'))
    for seed, (name, model, dtype, quant, nmse_max, kl_max) in enumerate(ROWS):
        path = work + '/m.gguf'
        make(model, path, dtype, seed % 2 + 1)
        if quant in ('random', 'scaled'):
            random_blocks.rewrite(path, work + '/q.gguf', blocks64.TYPES[name.removesuffix(' x')], seed, quant == 'scaled')
            os.replace(work + '/q.gguf', path)
        elif quant:
            pure, quant = [] if quant.endswith(' mix') else ['--pure'], quant.replace(' mix', '')
            pure = [] if quant.endswith('_M') or quant == 'MXFP4_MOE' else pure
            peer('llama-quantize', *pure, path, work + '/q.gguf', quant, '1')
            os.replace(work + '/q.gguf', path)
        reason = reason_of(name, model)
        want, got, true = run_all(work, path, bool(reason and reason[0] is None))
        nmse, kl, kl_worst, same, margin, kl_median = compare(want, got)
        ours_far, peer_far = compare(true, got), compare(true, want)
        if reason:
            nmse_max = reason[0] if nmse_max else None
            why[name + ' ' + model if name == 'NVFP4 x' else model if model in REASONS else model.partition('/')[0]] = reason[1]
        excused = reason and reason[0] is None
        ok = excused or ((nmse_max is None or nmse < nmse_max) and (kl_max is None or kl < kl_max) and margin <= NEAR_TIE)
        if excused and quant == 'scaled':
            ok = ours_far[5] < SCALED_KL_MAX
        elif kl_max and name not in ('F16', 'BF16') and chooses(model):
            ok, reason = choices_ok(kl_median, kl_max, ours_far, peer_far), (None, CHOICE)
            why['experts'] = CHOICE
        ok = ok and (name != 'F32' or ours_far[0] < F64_NMSE_MAX)
        bad += not ok
        print('%-10s %-15s %5d %9.2e %9.2e %9.2e %4d/%-4d %8.4f %9.2e %9.2e %9.2e %9.2e%s%s' % (name, model, len(want), nmse, kl, kl_worst, same,
              len(want), margin, ours_far[0], peer_far[0], ours_far[1], peer_far[1], ' *' if reason else '', '' if ok else '  TOO FAR'))
    for model, text in why.items():
        print('* %s: %s' % (model, text))
    shutil.rmtree(work)
    print('all within their bounds' if not bad else '%d rows are too far' % bad)
    return 1 if bad else 0


sys.exit(main())
