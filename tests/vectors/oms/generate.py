#!/usr/bin/env python3
"""Write good-* and bad-* bundles, the small models that they sign, keys and expected.tsv (bundle, model, trusted keys, verdict: a
reason code of attest/reason.h or "accepted").  generate.py OUTDIR   Signatures differ from run to run (ECDSA), so the outputs are checked in
and a bundle that is there already is kept: remove the one that shall be made anew. Needs the commands openssl and b3sum, else only the
standard library."""
import base64, hashlib, json, os, shutil, subprocess, sys, tempfile

OUT = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
FILES = {'config.json': b'{"a":1}\n', 'weights.gguf': bytes(range(256)) * 3, 'a/x': b'inside a', 'a-b/x': b'inside a-b', 'README.md': b'model\n'}
PT, ST, PR = 'application/vnd.in-toto+json', 'https://in-toto.io/Statement/v1', 'https://model_signing/signature/v1.0'
MT = 'application/vnd.dev.sigstore.bundle.v0.3+json'
HASH = {'p256': 'sha256', 'p384': 'sha384', 'p521': 'sha512'}
sha = lambda b: hashlib.sha256(b).hexdigest()
b64 = lambda b: base64.b64encode(b).decode()
run = lambda *a, **k: subprocess.run(a, check=True, capture_output=True, **k).stdout

def write(path, data):
    path = os.path.join(OUT, path); os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f: f.write(data)

def models():
    def model(name, files):
        shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)
        for n, d in files.items(): write(f'{name}/{n}', d)
    model('model', FILES)
    model('model-flipped', {**FILES, 'weights.gguf': FILES['weights.gguf'][:100] + b'?' + FILES['weights.gguf'][101:]})
    model('model-missing', {k: v for k, v in FILES.items() if k != 'a/x'})
    model('model-extra', {**FILES, 'extra': b'', '.hidden': b'x'})
    model('model-longer', {**FILES, 'weights.gguf': FILES['weights.gguf'] + b'x'})
    model('model-renamed', {('a/y' if k == 'a/x' else k): v for k, v in FILES.items()})
    model('model-ignored', {**FILES, 'cache/one': b'1', 'cache/sub/two': b'2', 'notes.txt': b'n'})
    model('single', {'weights.gguf': FILES['weights.gguf']})

def keys():
    for c, name in (('p256', 'prime256v1'), ('p384', 'secp384r1'), ('p521', 'secp521r1'), ('other', 'prime256v1')):
        key = f'{OUT}/keys/{c}.key.pem'; os.makedirs(f'{OUT}/keys', exist_ok=True)
        if not os.path.exists(key): run('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:' + name, '-out', key)
        run('openssl', 'pkey', '-in', key, '-pubout', '-out', f'{OUT}/keys/{c}.pub.pem')

def bad_keys():
    # public keys that are no keys of ours, refused as "key"
    def gen(name, *opts, conv=()):
        if os.path.exists(f'{OUT}/keys/bad-{name}.pem'): return
        with tempfile.NamedTemporaryFile() as f:
            run('openssl', 'genpkey', *opts, '-out', f.name)
            run('openssl', *(conv or ('pkey',)), '-in', f.name, '-pubout', '-out', f'{OUT}/keys/bad-{name}.pem')
    ec = lambda c, *more: ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:' + c, *more)
    gen('ed25519', '-algorithm', 'ED25519'); gen('rsa', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')
    gen('secp256k1', *ec('secp256k1')); gen('p224', *ec('secp224r1')); gen('explicit', *ec('prime256v1', '-pkeyopt', 'ec_param_enc:explicit'))
    gen('compressed', *ec('prime256v1'), conv=('ec', '-conv_form', 'compressed'))
    write('keys/bad-two.pem', pub('p256') + pub('p384')); write('keys/bad-empty.pem', b'')
    write('keys/bad-base64.pem', pub('p256').replace(b'A', b'*', 1)); write('keys/bad-no-end.pem', pub('p256').split(b'-----END')[0])
    write('keys/bad-encrypted.pem', pub('p256').replace(b'KEY-----\n', b'KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F\n\n', 1))
    write('keys/bad-certificate.pem', pub('p256').replace(b'PUBLIC KEY', b'CERTIFICATE'))

def pub(c):
    with open(f'{OUT}/keys/{c}.pub.pem', 'rb') as f: return f.read()

def sign(c, payload, ptype=PT, prefix=b'DSSEv1'):
    pae = prefix + b' %d %s %d ' % (len(ptype), ptype.encode(), len(payload)) + payload
    return run('openssl', 'dgst', '-' + HASH.get(c, 'sha256'), '-sign', f'{OUT}/keys/{c}.key.pem', input=pae)

def blake2b(b): return hashlib.blake2b(b).hexdigest()
def blake3(b): return run('b3sum', '--no-names', input=b).decode().strip()

def resources(files=FILES, shard=None, key=None, alg=None, sha=sha):
    out = []
    for n, d in files.items():
        if shard:
            out += [{'name': f'{n}:{i}:{min(i + shard, len(d))}', 'algorithm': alg or 'sha256', 'digest': sha(d[i:i + shard])} for i in range(0, len(d), shard)]
        else: out.append({'name': n, 'algorithm': alg or 'sha256', 'digest': sha(d)})
    return sorted(out, key=key or (lambda r: r['name']))

def statement(res=None, name='model', ser=None, root=None, **over):
    res = resources() if res is None else res
    root = root or sha(b''.join(bytes.fromhex(r['digest']) for r in res if len(r['digest']) % 2 == 0))
    st = {'_type': ST, 'subject': [{'name': name, 'digest': {'sha256': root}}], 'predicateType': PR,
          'predicate': {'serialization': {'method': 'files', 'hash_type': 'sha256', 'allow_symlinks': False, **(ser or {})}, 'resources': res}}
    st.update(over); return st

def bundle(payload, c='p256', sig=None, material=None, env=None, top=None, sigs=None, ptype=PT):
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sig = sign(c, payload, ptype) if sig is None else sig
    e = {'payload': b64(payload), 'payloadType': ptype, 'signatures': sigs if sigs is not None else [{'sig': b64(sig), 'keyid': ''}]}
    e.update(env or {})
    b = {'mediaType': MT, 'verificationMaterial': material or {'publicKey': {'hint': sha(pub(c))}, 'tlogEntries': []}, 'dsseEnvelope': e}
    b.update(top or {}); return {k: v for k, v in b.items() if v is not None}

LINES = []
def case(name, code, b, model='model', trust='p256'):
    if not os.path.exists(f'{OUT}/{name}.sig'): write(name + '.sig', b if isinstance(b, bytes) else json.dumps(b, separators=(',', ':')).encode())
    LINES.append(f'{name}.sig\t{model}\t{trust}\t{code}\n')
text = lambda b: json.dumps(b).encode()
st = lambda code, name, s, **k: case(name, code, bundle(s), **k)
def without(d, *path):
    d = json.loads(json.dumps(d)); at = d
    for p in path[:-1]: at = at[p]
    del at[path[-1]]; return d
def put(d, v, *path):
    d = json.loads(json.dumps(d)); at = d
    for p in path[:-1]: at = at[p]
    at[path[-1]] = v; return d
def der(r, s_, extra=b'', pad=b''):
    num = lambda x: b'\x02' + bytes([len(x)]) + x
    body = num(r) + num(pad + s_) + extra; return b'\x30' + bytes([len(body)]) + body
def split(sig):
    i = 2 if sig[1] < 128 else 3; n = sig[i + 1]; r = sig[i + 2:i + 2 + n]; j = i + 2 + n; return r, sig[j + 2:j + 2 + sig[j + 1]]

def good():
    ok = 'accepted'
    for c in ('p256', 'p384', 'p521'):
        case('good-' + c, ok, bundle(statement(), c), trust=c)
    case('good-three-trusted', ok, bundle(statement(), 'p384'), trust='p256,p384,p521')
    case('good-before-v1.1', ok, bundle(statement(), material={'publicKey': {'rawBytes': b64(pub('p256')), 'keyDetails': 'PKIX_ECDSA_P256_SHA_256'}}, env={
        'signatures': [{'sig': b64(sign('p256', text(statement()))), 'keyid': None}]}))
    # a key file with a text before the key, as some tools write: the fingerprint is over the key's own PEM text
    write('keys/preamble.pub.pem', b'some key\n  of somebody\n' + pub('p256'))
    case('good-key-with-preamble', ok, bundle(statement()), trust='preamble')
    s = text(statement())
    case('good-no-keyid-no-tlog', ok, bundle(s, material={'publicKey': {'hint': sha(pub('p256'))}}, sigs=[{'sig': b64(sign('p256', s))}]))
    case('good-component-order', ok, bundle(statement(resources(key=lambda r: r['name'].split('/')))))
    case('good-blanks', ok, b'\n ' + json.dumps(bundle(json.dumps(statement(), indent=1).encode()), indent=4).encode() + b'\n\t ')
    case('good-unknown-resource-field', ok, bundle(statement([{**r, 'mediaType': 'x', 'annotations': {'a': 1}} for r in resources()])))
    case('good-ignore-paths', ok, bundle(statement(ser={'ignore_paths': ['cache', 'notes.txt', '.git']})), model='model-ignored')
    sh = {'method': 'shards', 'shard_size': 256}
    case('good-shards', ok, bundle(statement(resources(shard=256), ser=sh)))
    case('good-shards-python', ok, bundle(statement(resources(shard=256, alg='sha256-sharded-256', key=lambda r: (r['name'].rsplit(':', 2)[0], int(r['name'].rsplit(':', 2)[1]))), ser={**sh, 'shard_size': 256.0})))
    case('good-shard-larger-than-files', ok, bundle(statement(resources(shard=10**9), ser={**sh, 'shard_size': 10**9})))
    for h in (blake2b, blake3):
        n = h.__name__   # a build without BLAKE3 refuses its two as "hash-type": test_attest_vectors knows
        case('good-' + n, ok, bundle(statement(resources(sha=h, alg=n), ser={'hash_type': n})))
        case(f'good-{n}-shards', ok, bundle(statement(resources(shard=256, sha=h, alg=n), ser={**sh, 'hash_type': n})))
        case(f'good-{n}-shards-python', ok, bundle(statement(resources(shard=256, sha=h, alg=n + '-sharded-256'), ser={**sh, 'hash_type': n, 'shard_size': 256.0})))
    one = {'weights.gguf': FILES['weights.gguf']}
    case('good-single', ok, bundle(statement(resources(one), name='weights.gguf')), model='single/weights.gguf')
    case('good-single-unnamed', ok, bundle(statement(resources({'.': FILES['weights.gguf']}))), model='single/weights.gguf')

def bad_bundle():
    base = bundle(statement()); s = text(statement()); sig = sign('p256', s)
    case('bad-empty', 'json', b'')
    case('bad-truncated', 'json', text(base)[:-20])
    case('bad-trailing', 'json', text(base) + b'{}')
    case('bad-two-documents', 'json', text(base) + text(base))
    case('bad-array', 'json', b'[' + text(base) + b']')
    case('bad-bom', 'json', b'\xef\xbb\xbf' + text(base))
    case('bad-nul-escape', 'json', text({**base, 'x': 'Z'}).replace(b'"Z"', b'"\\u0000"'))
    case('bad-lone-surrogate', 'json', text({**base, 'x': 'Z'}).replace(b'"Z"', b'"\\ud800"'))
    case('bad-utf8', 'utf8', text({**base, 'x': 'Z'}).replace(b'"Z"', b'"\xff"'))
    case('bad-utf8-overlong', 'utf8', text({**base, 'x': 'Z'}).replace(b'"Z"', b'"\xc0\x80"'))
    case('bad-depth-65', 'depth-limit', text({**base, 'x': 'Z'}).replace(b'"Z"', b'[' * 64 + b']' * 64))
    case('bad-depth-64-is-read', 'field', text({**base, 'x': 'Z'}).replace(b'"Z"', b'[' * 63 + b']' * 63))
    case('bad-duplicate-key', 'duplicate-key', text(base)[:-1] + b',"mediaType":"' + MT.encode() + b'"}')
    case('bad-duplicate-in-envelope', 'duplicate-key', text(base).replace(b'"payloadType"', b'"payloadType":"x","payloadType"'))
    case('bad-unknown-field', 'field', {**base, 'extra': 1})
    case('bad-unknown-field-envelope', 'field', put(base, 1, 'dsseEnvelope', 'x'))
    case('bad-unknown-field-signature', 'field', put(base, 1, 'dsseEnvelope', 'signatures', 0, 'x'))
    case('bad-unknown-field-material', 'field', put(base, 1, 'verificationMaterial', 'x'))
    for f in ('mediaType', 'verificationMaterial', 'dsseEnvelope'): case('bad-no-' + f, 'field', without(base, f))
    for f in ('payload', 'payloadType', 'signatures'): case('bad-no-' + f, 'field', without(base, 'dsseEnvelope', f))
    case('bad-no-sig', 'field', without(base, 'dsseEnvelope', 'signatures', 0, 'sig'))
    case('bad-keyid', 'field', put(base, 'abc', 'dsseEnvelope', 'signatures', 0, 'keyid'))
    case('bad-media-type', 'media-type', put(base, 'application/json', 'mediaType'))
    case('bad-media-type-v0.4', 'media-type', put(base, MT.replace('0.3', '0.4'), 'mediaType'))
    case('bad-method-certificate', 'method', put(base, {'x509CertificateChain': {'certificates': [{'rawBytes': 'AAAA'}]}}, 'verificationMaterial'))
    case('bad-method-sigstore', 'method', put(base, {'certificate': {'rawBytes': 'AAAA'}, 'tlogEntries': [{}]}, 'verificationMaterial'))
    case('bad-two-methods', 'material', put(base, {'rawBytes': 'AAAA'}, 'verificationMaterial', 'certificate'))
    case('bad-no-method', 'material', without(base, 'verificationMaterial', 'publicKey'))
    case('bad-no-hint', 'material', without(base, 'verificationMaterial', 'publicKey', 'hint'))
    case('bad-tlog-entry', 'material', put(base, [{}], 'verificationMaterial', 'tlogEntries'))
    h = sha(pub('p256'))
    case('bad-hint-upper-case', 'key-hint', put(base, h.upper(), 'verificationMaterial', 'publicKey', 'hint'))
    case('bad-hint-short', 'key-hint', put(base, h[:-2], 'verificationMaterial', 'publicKey', 'hint'))
    case('bad-hint-empty', 'key-hint', put(base, '', 'verificationMaterial', 'publicKey', 'hint'))
    case('bad-hint-and-other-key', 'key-hint', put(base, b64(pub('other')), 'verificationMaterial', 'publicKey', 'rawBytes'))
    case('bad-hint-of-the-file', 'unknown-key', put(base, sha(pub('preamble')), 'verificationMaterial', 'publicKey', 'hint'), trust='preamble')
    case('bad-key-details', 'key-hint', bundle(statement(), material={'publicKey': {'rawBytes': b64(pub('p256')), 'keyDetails': 'PKIX_ECDSA_P384_SHA_384'}}))
    case('bad-raw-bytes-base64', 'base64', bundle(statement(), material={'publicKey': {'rawBytes': 'AAA'}}))
    case('bad-payload-type', 'payload-type', bundle(statement(), ptype='application/json'))
    case('bad-no-signature', 'signature-count', bundle(statement(), sigs=[]))
    case('bad-two-signatures', 'signature-count', bundle(s, sigs=[{'sig': b64(sig)}, {'sig': b64(sig)}]))
    p64 = b64(s)
    for name, v in (('unpadded', p64.rstrip('=') if p64.endswith('=') else p64[:-1]), ('wrapped', p64[:76] + '\n' + p64[76:]), ('blank', ' ' + p64), ('url', b64(b'\xff\xff\xfe').replace('/', '_')),
                    ('bits', 'AB=='), ('inner-pad', 'AA==AAAA'), ('empty', '')):
        case('bad-base64-' + name, 'base64', put(base, v, 'dsseEnvelope', 'payload'))
    case('bad-base64-sig', 'base64', put(base, b64(sig)[:-1] + '*', 'dsseEnvelope', 'signatures', 0, 'sig'))
    case('bad-unknown-key', 'unknown-key', bundle(statement(), 'other'))
    case('bad-key-brought-along', 'unknown-key', bundle(statement(), 'other', material={'publicKey': {'rawBytes': b64(pub('other'))}}))
    case('bad-no-trusted-key', 'unknown-key', base, trust='-')
    case('bad-hint-of-other-key', 'signature', bundle(statement(), 'other', material={'publicKey': {'hint': h}}))
    case('bad-signature-of-other-payload', 'signature', bundle(statement(name='x'), sig=sig))
    case('bad-pae-of-v0.2', 'signature', bundle(s, sig=sign('p256', s, prefix=b'DSSEV1')))
    case('bad-p384-with-sha256', 'signature', bundle(s, 'p384', sig=run('openssl', 'dgst', '-sha256', '-sign', f'{OUT}/keys/p384.key.pem', input=b'DSSEv1 %d %s %d ' % (len(PT), PT.encode(), len(s)) + s)), trust='p384')
    r, v = split(sig); D = 'signature-der'
    case('bad-der-trailing', D, bundle(s, sig=sig + b'\0'))
    case('bad-der-inside', D, bundle(s, sig=der(r, v, b'\x05\x00')))
    case('bad-der-long-length', D, bundle(s, sig=b'\x30\x81' + sig[1:]))
    case('bad-der-padded', D, bundle(s, sig=der(r, v, pad=b'\0\0')))
    case('bad-der-raw', D, bundle(s, sig=r[-32:].rjust(32, b'\0') + v[-32:].rjust(32, b'\0')))
    case('bad-signature-zero', 'signature', bundle(s, sig=der(b'\0', b'\0')))
    n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    case('bad-signature-over-order', 'signature', bundle(s, sig=der(r, (int.from_bytes(v, 'big') + n).to_bytes(34, 'big').lstrip(b'\0').rjust(33, b'\0'))))

def bad_statement():
    S = statement(); R = resources()
    st('json', 'bad-statement-json', b'{"_type":')
    st('json', 'bad-statement-bom', b'\xef\xbb\xbf' + text(S))
    st('json', 'bad-statement-trailing', text(S) + b'x')
    st('depth-limit', 'bad-statement-depth-65', text({**S, 'x': 'Z'}).replace(b'"Z"', b'[' * 64 + b']' * 64))
    st('json', 'bad-statement-two', text(S) + text(S))
    st('json', 'bad-statement-array', b'[' + text(S) + b']')
    st('json', 'bad-statement-lone-surrogate', text({**S, 'x': 'Z'}).replace(b'"Z"', b'"\\ud800"'))
    st('size-limit', 'bad-statement-values', text({**S, 'x': [1] * 5000}).replace(b' ', b''))
    st('duplicate-key', 'bad-statement-duplicate-in-resource', text(S).replace(b'{"name": "README.md"', b'{"name": "x", "name": "README.md"'))
    st('statement', 'bad-statement-type-case', put(S, ST.replace('Statement', 'statement'), '_type'))
    st('utf8', 'bad-statement-utf8', text(S).replace(b'"model"', b'"\xff"'))
    st('duplicate-key', 'bad-statement-duplicate', text(S).replace(b'"resources"', b'"resources": [], "resources"'))
    st('field', 'bad-statement-field', {**S, 'x': 1})
    st('field', 'bad-predicate-field', put(S, 1, 'predicate', 'x'))
    st('field', 'bad-serialization-field', put(S, 1, 'predicate', 'serialization', 'x'))
    st('field', 'bad-no-allow-symlinks', without(S, 'predicate', 'serialization', 'allow_symlinks'))
    st('statement', 'bad-statement-type', put(S, 'https://in-toto.io/Statement/v0.1', '_type'))
    st('predicate-type', 'bad-predicate-type', put(S, 'https://slsa.dev/provenance/v1', 'predicateType'))
    st('predicate-type', 'bad-predicate-v0.2', put(S, 'https://model_signing/Digests/v0.1', 'predicateType'))
    st('subject', 'bad-subjects-two', put(S, S['subject'] * 2, 'subject'))
    st('subject', 'bad-subjects-none', put(S, [], 'subject'))
    st('subject', 'bad-subject-name-empty', put(S, '', 'subject', 0, 'name'))
    st('subject', 'bad-subject-sha512-only', put(S, {'sha512': '00' * 64}, 'subject', 0, 'digest'))
    st('serialization', 'bad-method', put(S, 'merkle', 'predicate', 'serialization', 'method'))
    st('serialization', 'bad-files-with-shard-size', statement(ser={'shard_size': 256}))
    for name, v in (('missing', None), ('zero', 0), ('negative', -256), ('fraction', 256.5), ('text', '256'), ('huge', 2**62)):
        st('serialization', 'bad-shard-size-' + name, statement(resources(shard=256), ser={'method': 'shards', **({} if v is None else {'shard_size': v})}))
    for h in ('sha512', 'SHA256', 'blake2s', 'md5', ''): st('hash-type', 'bad-hash-' + (h or 'empty'), put(S, h, 'predicate', 'serialization', 'hash_type'))
    st('resource', 'bad-blake2b-digests-sha256', put(S, 'blake2b', 'predicate', 'serialization', 'hash_type'))
    B = statement(resources(sha=blake2b, alg='blake2b'), ser={'hash_type': 'blake2b'})
    st('resource', 'bad-blake2b-algorithm-sha256', put(B, 'sha256', 'predicate', 'resources', 0, 'algorithm'))
    st('resource', 'bad-blake2b-256-bits', statement(resources(sha=lambda b: hashlib.blake2b(b, digest_size=32).hexdigest(), alg='blake2b'), ser={'hash_type': 'blake2b'}))
    st('digest', 'bad-blake2b-flipped', B, model='model-flipped')
    st('resource', 'bad-sha256-with-blake2b-sharded', statement(resources(shard=256, alg='blake2b-sharded-256'), ser={'method': 'shards', 'shard_size': 256}))
    for name, v in (('absolute', '/etc'), ('up', '../x'), ('glob', '*.txt'), ('empty', ''), ('number', 5)):
        st('ignore-path', 'bad-ignore-' + name, statement(ser={'ignore_paths': [v]}))
    st('empty-model', 'bad-resources-empty', statement([]))
    st('field', 'bad-resources-object', put(S, {}, 'predicate', 'resources'))
    st('resource', 'bad-resource-no-digest', statement(R[:-1] + [without(R[-1], 'digest')], root='00' * 32) if False else put(S, [without(r, 'digest') for r in R], 'predicate', 'resources'))
    st('resource', 'bad-resource-upper-case', put(S, [{**r, 'digest': r['digest'].upper()} for r in R], 'predicate', 'resources'))
    st('resource', 'bad-resource-short', put(S, [{**r, 'digest': r['digest'][:62]} for r in R], 'predicate', 'resources'))
    st('resource', 'bad-resource-algorithm', statement(resources(alg='sha512')))
    st('resource', 'bad-resource-sharded-algorithm', statement(resources(alg='sha256-sharded-256')))
    st('resource', 'bad-resource-other-shard', statement(resources(shard=256, alg='sha256-sharded-128'), ser={'method': 'shards', 'shard_size': 256}))
    for name, v in (('dot', './config.json'), ('double-slash', 'a//x'), ('trailing-slash', 'config.json/'), ('up', '../evil'), ('inner-up', 'a/../config.json'), ('absolute', '/etc/passwd'),
                    ('empty', ''), ('long', 'n' * 512), ('control', 'a\nb'), ('escape', '\x1b[2J')):
        st('path', 'bad-path-' + name, statement(resources({**FILES, v: b''})))
    st('missing-file', 'bad-name-case', statement(resources({('Config.json' if k == 'config.json' else k): v for k, v in FILES.items()})))
    st('path', 'bad-path-parent-only', statement(resources({**FILES, '..': b''})))
    st('missing-file', 'bad-path-511-is-read', statement(resources({**FILES, 'n' * 511: b''})))
    st('path', 'bad-dot-beside-others', statement(resources({**FILES, '.': b''})))
    st('duplicate-file', 'bad-file-twice', statement(sorted(R + [R[0]], key=lambda r: r['name'])))
    st('root-digest', 'bad-root-digest', statement(root='00' * 32))
    st('root-digest', 'bad-order-changed', statement(R[::-1], root=S['subject'][0]['digest']['sha256']))
    st('file-limit', 'bad-files-1025', statement(resources({f'f{i}': b'' for i in range(1025)})))
    st('missing-file', 'bad-files-1024-are-read', statement(resources({f'f{i}': b'' for i in range(1024)})))
    sh = {'method': 'shards', 'shard_size': 256}; SR = resources(shard=256)
    def shard(name, edit, code='shard'):
        rs = [dict(r) for r in SR]; rs = edit(rs) or rs; st(code, 'bad-shard-' + name, statement(rs, ser=sh))
    def rename(a, b): return lambda rs: [r.__setitem__('name', b) for r in rs if r['name'] == a] and rs
    shard('gap', lambda rs: [r for r in rs if r['name'] != 'weights.gguf:256:512'])
    shard('no-start', lambda rs: [r for r in rs if r['name'] != 'weights.gguf:0:256'])
    shard('missing-tail', lambda rs: [r for r in rs if r['name'] != 'weights.gguf:512:768'])
    shard('overlap', rename('weights.gguf:256:512', 'weights.gguf:255:512'))
    shard('twice', lambda rs: rs + [dict(next(r for r in rs if r['name'] == 'weights.gguf:0:256'))], 'duplicate-file')
    shard('too-long', rename('weights.gguf:512:768', 'weights.gguf:512:769'))
    shard('plus', rename('weights.gguf:0:256', 'weights.gguf:+0:256'))
    shard('leading-zero', rename('weights.gguf:0:256', 'weights.gguf:00:256'))
    shard('2-64', rename('weights.gguf:512:768', 'weights.gguf:512:18446744073709551616'))
    shard('wraps', rename('weights.gguf:512:768', 'weights.gguf:512:18446744073709552128'))
    shard('reversed', rename('weights.gguf:512:768', 'weights.gguf:768:512'))
    shard('empty', rename('weights.gguf:512:768', 'weights.gguf:512:512'))
    shard('no-range', rename('weights.gguf:512:768', 'weights.gguf'))
    shard('one-number', rename('weights.gguf:512:768', 'weights.gguf:512'))
    shard('blank', rename('weights.gguf:512:768', 'weights.gguf: 512:768'))
    w = FILES['weights.gguf']; cuts = [0, 100, 356, 612, 768]   # covers the file, digests right, but the first shard is short
    short = [{'name': f'weights.gguf:{a}:{b}', 'algorithm': 'sha256', 'digest': sha(w[a:b])} for a, b in zip(cuts, cuts[1:])]
    shard('short-first', lambda rs: sorted([r for r in rs if not r['name'].startswith('weights')] + short, key=lambda r: r['name']))
    shard('no-path', rename('weights.gguf:512:768', ':512:768'), 'path')

def bad_files():
    b = bundle(statement())
    case('bad-file-flipped', 'digest', b, model='model-flipped')
    case('bad-file-missing', 'missing-file', b, model='model-missing')
    case('bad-file-extra', 'extra-file', b, model='model-extra')
    case('bad-file-longer', 'digest', b, model='model-longer')
    case('bad-file-renamed', 'missing-file', b, model='model-renamed')
    sh = bundle(statement(resources(shard=256), ser={'method': 'shards', 'shard_size': 256}))
    case('bad-shards-flipped', 'digest', sh, model='model-flipped')
    case('bad-shards-longer', 'shard', sh, model='model-longer')
    case('bad-shards-extra-empty-file', 'extra-file', sh, model='model-extra')
    case('bad-ignored-not-signed', 'extra-file', b, model='model-ignored')
    case('bad-ignored-prefix', 'extra-file', bundle(statement(ser={'ignore_paths': ['cach', 'notes.txt']})), model='model-ignored')
    case('bad-single-other-name', 'missing-file', bundle(statement(resources({'w.gguf': FILES['weights.gguf']}))), model='single/weights.gguf')

os.makedirs(OUT, exist_ok=True)
models(); keys(); bad_keys(); good(); bad_bundle(); bad_statement(); bad_files()
for f in os.listdir(OUT):
    if f.endswith('.sig') and not any(l.startswith(f + '\t') for l in LINES): sys.exit(f'{f}: no case makes it')
with open(f'{OUT}/expected.tsv', 'w') as w:
    w.write('# bundle\tmodel\ttrusted keys (keys/NAME.pub.pem)\tverdict: a reason code of attest/reason.h\n' + ''.join(sorted(LINES)))
