#!/usr/bin/env python3
"""scripted.py DEMO.gguf OUT.gguf: a model that says what a script says, so that what a client does with it can be tested.

It has the demo model's vocabulary and its own weights: every token of a script is a dimension, and the row of the token behind it is large there, so
each is followed by the next, whatever stands in front. Which script is spoken says the chat template, by the control token that it ends with: it
looks at the tools that are offered and at the results that came back. All else is as with any other model: signature, import, sandbox, grammar."""
import struct
import sys

U32, I32, F32, BOOL, STR, ARR = 4, 5, 6, 7, 8, 9
FORMS = {U32: '<I', I32: '<i', F32: '<f', BOOL: '<?', 10: '<Q'}
DIM, CONTEXT, END = 128, 65536, '<|im_end|>'


def call(name, key, first, rest):
    """A call in two tokens, cut inside its command."""
    return ['<tool_call>\n{"name": "%s", "arguments": {"%s": "%s' % (name, key, first), '%s"}}\n</tool_call>' % rest]


# What the template ends with, and what is said then, a token each; no two of them are the same text. What the command prints stands in no request.
SCRIPTS = {
    '<|do:exec|>': ['<think>\nI shall look,', ' and look again.\n</think>\n\n', *call('exec_command', 'cmd', 'echo kept-$((6', '*7))'), '\n\n',
                    *call('exec_command', 'cmd', 'echo again-$((7', '*6))')],
    '<|do:bash|>': ['<think>\nI shall look.\n</think>\n\n', *call('bash', 'command', 'echo kept-$((', '6*7))')],
    '<|do:done|>': ['The command said', ' kept-', '42,', ' and that', ' is all.'],
    '<|do:lost|>': ['The result', ' never came.'],
    '<|do:title|>': ['A look', ' around'],
}
# the end of the prompt: what did the last message bring, and what may be called?
TEMPLATE = """{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{% if m.content %}{{ m.content }}{% endif %}
{%- for c in m.tool_calls or [] %}<tool_call>{{ c.function|tojson }}</tool_call>{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}
{%- set last = messages[-1] %}{%- set offered = (tools or [])|map(attribute='function')|map(attribute='name')|list %}
{%- if tools %}{{ tools|tojson }}{% endif %}<|im_start|>assistant
{% if last.role == 'tool' %}{% set all = messages|selectattr('role', 'equalto', 'tool')|map(attribute='content')|join(' ') %}
{%- if 'kept-42' in all %}<|do:done|>{% else %}<|do:lost|>{% endif %}
{%- elif 'exec_command' in offered %}<|do:exec|>{% elif 'bash' in offered %}<|do:bash|>{% else %}<|do:title|>{% endif %}"""


def text(b):
    """As vocabularies of bytes write it: a visible character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    more = {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in plain)}
    return ''.join(more.get(c, chr(c)) for c in b.encode())


def read_metadata(path):
    """The metadata of our own file: {key: (type, value)}."""
    with open(path, 'rb') as f:
        raw = f.read()
    at = 8

    def take(form):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, raw, at - struct.calcsize(form))[0]

    def value(t):
        nonlocal at
        if t == STR:
            n = take('<Q')
            at += n
            return raw[at - n:at].decode()
        if t == ARR:
            e = take('<I')
            return (e, [value(e) for _ in range(take('<Q'))])
        return take(FORMS[t])

    take('<Q')
    kv = {}
    for _ in range(take('<Q')):
        key = value(STR)
        t = take('<I')
        kv[key] = (t, value(t))
    return kv


def put_str(s):
    return struct.pack('<Q', len(s.encode())) + s.encode()


def put(t, v):
    if t == STR:
        return put_str(v)
    if t == ARR:
        return struct.pack('<IQ', v[0], len(v[1])) + b''.join(put(v[0], x) for x in v[1])
    return struct.pack(FORMS[t], v)


def write(path, kv, tensors):
    """tensors: (name, rows, row length, {(row, column): value})"""
    out = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(kv))
    out += b''.join(put_str(k) + struct.pack('<I', t) + put(t, v) for k, (t, v) in kv.items())
    data = b''
    for name, rows, n, cells in tensors:
        cell = bytearray(4 * rows * n)
        for (row, column), v in cells.items():
            struct.pack_into('<f', cell, 4 * (row * n + column), v)
        out += put_str(name) + (struct.pack('<IQ', 1, n) if rows == 1 else struct.pack('<IQQ', 2, n, rows)) + struct.pack('<IQ', 0, len(data))
        data += bytes(cell) + bytes(-len(cell) % 32)
    with open(path, 'wb') as f:
        f.write(out + bytes(-len(out) % 32) + data)


def main(demo, to):
    kv = read_metadata(demo)
    tokens, types = kv['tokenizer.ggml.tokens'][1][1], kv['tokenizer.ggml.token_type'][1][1]
    end, follows = tokens.index(END), {}
    for start, pieces in SCRIPTS.items():
        tokens.append(start)
        types.append(3)  # control
        for p in pieces:
            follows[len(tokens) - 1] = len(tokens)
            tokens.append(text(p))
            types.append(1)
        follows[len(tokens) - 1] = end
    n = len(tokens)
    at = {t: 1 + i for i, t in enumerate(follows)}  # dimension 0: every other token
    assert len(at) < DIM
    heads = {'embedding_length': DIM, 'block_count': 1, 'context_length': CONTEXT, 'feed_forward_length': DIM, 'attention.head_count': 2,
             'attention.head_count_kv': 1, 'attention.key_length': 64, 'attention.value_length': 64, 'rope.dimension_count': 64, 'vocab_size': n}
    kv.update({'llama.' + k: (U32, v) for k, v in heads.items()})
    kv['general.name'] = (STR, 'Keep scripted')
    kv['tokenizer.chat_template'] = (STR, TEMPLATE)
    ones = {(0, i): 1.0 for i in range(DIM)}
    tensors = [('token_embd.weight', n, DIM, {(t, at.get(t, 0)): 1.0 for t in range(n)}),
               ('output.weight', n, DIM, {(end, 0): 8.0} | {(then, at[t]): 8.0 for t, then in follows.items()}),
               ('output_norm.weight', 1, DIM, ones), ('blk.0.attn_norm.weight', 1, DIM, ones), ('blk.0.ffn_norm.weight', 1, DIM, ones)]
    for name, rows in [('attn_q', 128), ('attn_k', 64), ('attn_v', 64), ('attn_output', DIM), ('ffn_gate', DIM), ('ffn_up', DIM), ('ffn_down', DIM)]:
        tensors.append(('blk.0.%s.weight' % name, rows, DIM, {}))
    write(to, kv, tensors)


if __name__ == '__main__':
    main(*sys.argv[1:])
