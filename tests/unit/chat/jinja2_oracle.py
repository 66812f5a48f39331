#!/usr/bin/env python3
"""Compare our template engine with Jinja2, byte for byte.

  jinja2_oracle.py CHAT_TOOL TEMPLATES_DIR

Every template of the directory over every list of messages below, and every line of expressions.txt there as a template of its own.
A line that begins with "!" must be refused by us (Jinja2 may do what it likes). Exit 77 if there is no jinja2.
"""
import json, os, subprocess, sys, time
try:
    import jinja2, jinja2.ext, jinja2.nodes
except ImportError:
    print('skipped: no jinja2 for this python'); sys.exit(77)

NOW = 1767225600 + 86400 * 45 + 3723

class Generation(jinja2.ext.Extension):
    tags = {'generation'}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(['name:endgeneration'], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method('_run'), [], [], body).set_lineno(line)
    def _run(self, caller): return caller()

def environment():
    def fail(m): raise jinja2.TemplateError(m)
    e = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=['jinja2.ext.loopcontrols', 'jinja2.ext.do', Generation])
    e.filters['tojson'] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    e.filters['from_json'] = json.loads
    e.globals['raise_exception'] = fail
    e.globals['strftime_now'] = lambda f: time.strftime(f, time.gmtime(NOW))
    for k in ('lipsum', 'cycler', 'joiner'): e.globals.pop(k, None)
    return e

MESSAGES = [
    [],
    [('user', 'Hello')],
    [('system', 'You are brief.'), ('user', 'Why is the sky blue?')],
    [('user', 'one'), ('assistant', 'two'), ('user', 'three')],
    [('system', '  padded  \n'), ('user', '\n lines\n\n'), ('assistant', ' <think>a thought</think>\n\nanswer '), ('user', 'more <|im_end|> [/INST] </s>')],
    [('user', 'Grüße, 漢字 and 😀 \u200b"quoted" \\ back\ttab'), ('assistant', '')],
    [('assistant', 'I begin'), ('assistant', 'twice')],
    [('user', 'q'), ('tool', '{"t": 21}'), ('assistant', 'a')],
    [('tool', 'x'), ('tool', 'y'), ('weird', 'z')],
    [('user', 'turn %d' % i) if i % 2 == 0 else ('assistant', 'reply %d' % i) for i in range(9)],
]

def theirs(env, source, messages, gen):
    try:
        out = env.from_string(source).render(messages=[{'role': r, 'content': c} for r, c in messages], add_generation_prompt=gen,
                                             bos_token='<s>', eos_token='</s>', tools=None, documents=None)
        return out.encode('utf-8', 'surrogatepass')
    except Exception as e: return e

def ours(tool, source, messages, gen):
    src = source.encode(); m = ''.join('%s\x1f%s\x1e' % x for x in messages).encode()
    tool.stdin.write(b'%d %d %d %d <s> </s>\n' % (len(src), len(m), gen, NOW) + src + m); tool.stdin.flush()
    head = tool.stdout.readline().split()
    if len(head) != 2: raise SystemExit('%r: chat_tool ended' % source)
    out = tool.stdout.read(int(head[1]))
    return out if head[0] == b'0' else RuntimeError(out.decode())

def agree(a, b): return isinstance(a, Exception) and isinstance(b, Exception) or a == b

def main():
    where = sys.argv[2]
    tool = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    env = environment(); bad = n_t = n_e = refused = 0
    def compare(name, source, messages, gen, must_refuse=False):
        nonlocal bad, refused
        got = ours(tool, source, messages, gen)
        want = RuntimeError('refused') if must_refuse else theirs(env, source, messages, gen)
        refused += isinstance(got, Exception)
        if agree(got, want): return
        bad += 1
        if bad <= 20: print('differs: %s\n  ours   %r\n  jinja2 %r' % (name, got, want))
    for f in sorted(os.listdir(where)):
        if not f.endswith('.jinja'): continue
        source = open(os.path.join(where, f), newline='', encoding='utf-8').read()
        was = refused
        for i, m in enumerate(MESSAGES):
            for gen in (False, True):
                n_t += 1; compare('%s, messages %d, %s' % (f, i, gen), source, m, gen)
        if refused - was > 12: bad += 1; print('%s renders too seldom to be a test' % f)
    for line in open(os.path.join(where, 'expressions.txt'), encoding='utf-8'):
        line = line.rstrip('\n')
        if not line or line.startswith('##'): continue
        must = line.startswith('!')
        n_e += 1; compare(line, line[must:].replace('⏎', '\n'), MESSAGES[4], True, must)
    print('%d template runs, %d expressions, %d refused by both, %d differ' % (n_t, n_e, refused, bad))
    sys.exit(1 if bad else 0)

main()
