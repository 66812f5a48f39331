#!/usr/bin/env python3
"""Compare our template engine with Jinja2, byte for byte.

  jinja2_oracle.py CHAT_TOOL TEMPLATES_DIR

Every template of the directory over every set of messages below, printed as a table ("=" equal, "r" refused by both, "X" different;
without and with the prompt of an answer), and every line of expressions.txt there as a template of its own. A line that begins with "!"
must be refused by us (Jinja2 may do what it likes). Exit 77 if there is no jinja2: it is the measure,
and a newcomer may do without; CI installs it.
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

TOOLS = [
    {'type': 'function', 'function': {'name': 'weather', 'description': 'Of a "town", größer <b>', 'parameters': {'type': 'object', 'properties': {
        'town': {'type': 'string', 'description': 'Größe egal'}, 'days': {'type': 'integer', 'minimum': 1},
        'unit': {'type': 'string', 'enum': ['C', 'F']}, 'at': {'type': 'array', 'items': {'type': 'number'}}}, 'required': ['town']}}},
    {'type': 'function', 'function': {'name': 'now', 'description': 'The time', 'parameters': {'type': 'object', 'properties': {}}}},
]

def said(role, content, **more): return dict(role=role, content=content, **more)
def call(i, name, **arguments): return {'id': 'call%05d' % i, 'type': 'function', 'function': {'name': name, 'arguments': arguments}}
def result(i, name, content): return said('tool', content, tool_call_id='call%05d' % i, name=name)

# name: what it is about; messages; tools
SETS = [
    ('empty', [], None),
    ('one', [said('user', 'Hello')], None),
    ('system', [said('system', 'You are brief.'), said('user', 'Why is the sky blue?')], None),
    ('turns', [said('user', 'one'), said('assistant', 'two'), said('user', 'three')], None),
    ('blanks', [said('system', '  padded  \n'), said('user', '\n lines\n\n'), said('assistant', ' <think>a thought</think>\n\nanswer '),
                said('user', 'more <|im_end|> [/INST] </s>')], None),
    ('unicode', [said('user', 'Grüße, 漢字 and 😀 ​"quoted" \\ back\ttab'), said('assistant', '')], None),
    ('answers', [said('assistant', 'I begin'), said('assistant', 'twice')], None),
    ('result', [said('user', 'q'), said('tool', '{"t": 21}'), said('assistant', 'a')], None),
    ('roles', [said('tool', 'x'), said('tool', 'y'), said('weird', 'z')], None),
    ('long', [said('user', 'turn %d' % i) if i % 2 == 0 else said('assistant', 'reply %d' % i) for i in range(9)], None),
    ('reasoning', [said('user', 'q'), said('assistant', 'a', reasoning_content='I think\nso'), said('user', 'r'),
                   said('assistant', 'b', reasoning_content='again')], None),
    ('tools', [said('system', 'Use them.'), said('user', 'Rain?')], TOOLS),
    ('calls', [said('user', 'Rain in Köln?'), said('assistant', '', reasoning_content='look it up', tool_calls=[
        call(0, 'weather', town='Köln "am" Rhein', days=2, at=[1.5, -2], sure=True, note=None)]), result(0, 'weather', '{"rain": true}')], TOOLS),
    ('rounds', [said('user', 'And now?'), said('assistant', 'Two at once.', tool_calls=[call(0, 'now'), call(1, 'weather', town='<Ulm>', deep={'a': [1, {'b': 'é'}]})]),
                result(0, 'now', 'noon'), result(1, 'weather', 'dry'), said('assistant', 'Noon, and dry.'), said('user', 'Thanks 😀')], TOOLS),
    ('no content', [said('user', 'q'), said('assistant', None, tool_calls=[call(0, 'now')]), result(0, 'now', 'x')], TOOLS),
    ('parts', [said('user', [{'type': 'text', 'text': 'in parts'}, {'type': 'text', 'text': ' <b>'}])], None),
]

def as_text(messages):
    """Some templates join text to the arguments of a call: they get them as JSON."""
    m = json.loads(json.dumps(messages))
    for x in m:
        for c in x.get('tool_calls') or []: c['function']['arguments'] = json.dumps(c['function']['arguments'], ensure_ascii=False)
    return m

def theirs(env, source, messages, tools, gen):
    first = None
    for m in (messages, as_text(messages)) if any('tool_calls' in x for x in messages) else (messages,):
        try:
            out = env.from_string(source).render(messages=m, add_generation_prompt=gen, bos_token='<s>', eos_token='</s>', tools=tools, documents=None)
            return out.encode('utf-8', 'surrogatepass')
        except Exception as e: first = first or e
    return first

def ours(tool, source, messages, tools, gen):
    src, m, t = source.encode(), json.dumps(messages).encode(), json.dumps(tools).encode() if tools else b''
    tool.stdin.write(b'%d %d %d %d %d <s> </s>\n' % (len(src), len(m), len(t), gen, NOW) + src + m + t); tool.stdin.flush()
    head = tool.stdout.readline().split()
    if len(head) != 2: raise SystemExit('%r: chat_tool ended' % source)
    out = tool.stdout.read(int(head[1]))
    return out if head[0] == b'0' else RuntimeError(out.decode())

def agree(a, b): return isinstance(a, Exception) and isinstance(b, Exception) or a == b

class Compare:
    def __init__(self, tool):
        self.tool, self.env = subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE), environment()
        self.bad = self.refused = 0

    def one(self, name, source, messages, tools, gen, must_refuse=False):
        """'=' equal, 'r' refused by both, 'X' different."""
        got = ours(self.tool, source, messages, tools, gen)
        want = RuntimeError('refused') if must_refuse else theirs(self.env, source, messages, tools, gen)
        self.refused += isinstance(got, Exception)
        if agree(got, want): return 'r' if isinstance(got, Exception) else '='
        self.bad += 1
        if self.bad <= 20: print('differs: %s\n  ours   %r\n  jinja2 %r' % (name, got, want))
        return 'X'

def table(c, where):
    """Templates times messages, with and without the prompt of an answer: a sign for each."""
    files = sorted(f for f in os.listdir(where) if f.endswith('.jinja'))
    formats = subprocess.run([sys.argv[1]] + [os.path.join(where, f) for f in files], check=True, capture_output=True, text=True).stdout.split()
    runs, width = 0, max(len(f) for f in files)
    print('template'.ljust(width) + 'calls'.ljust(18) + ' '.join(s[0][:5].ljust(5) for s in SETS))
    for f, calls in zip(files, formats):
        source = open(os.path.join(where, f), newline='', encoding='utf-8').read()
        signs = []
        for name, messages, tools in SETS:
            signs.append(''.join(c.one('%s, %s, %s' % (f, name, gen), source, messages, tools, gen) for gen in (False, True)))
            runs += 2
        print(f[:-6].ljust(width) + calls.ljust(18) + ' '.join(s.ljust(5) for s in signs))
        if ''.join(signs).count('=') < 12: c.bad += 1; print('%s renders too seldom to be a test' % f)
    return runs

def main():
    where, c, n_e = sys.argv[2], Compare(sys.argv[1]), 0
    n_t = table(c, where)
    for line in open(os.path.join(where, 'expressions.txt'), encoding='utf-8') if os.path.exists(os.path.join(where, 'expressions.txt')) else []:
        line = line.rstrip('\n')
        if not line or line.startswith('##'): continue
        must = line.startswith('!')
        n_e += 1; c.one(line, line[must:].replace('⏎', '\n'), SETS[4][1], None, True, must)
    print('%d template runs, %d expressions, %d refused by both, %d differ' % (n_t, n_e, c.refused, c.bad))
    sys.exit(1 if c.bad else 0)

main()
