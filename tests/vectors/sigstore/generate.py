#!/usr/bin/env python3
"""Write a small sigstore of our own: authorities, logs and time stamps, bundles that are good-* or bad-* in one thing, trusted roots
and two lists: expected.tsv (bundle, trusted root, authorities of stamps, roots, key, identity, provider, stamp policy, now, verdict; "-" none)
and roots.tsv (file, verdict). A verdict is a reason code of attest/reason.h or "accepted".  generate.py OUTDIR [CORPUS]   CORPUS: where the seeds of the fuzzers
certs, crl, timestamp and trusted_root go. Signatures differ from
run to run, so the outputs are checked in; run this only to add a case. Needs python3-cryptography; the tests do not."""
import base64, datetime, hashlib, json, os, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID, ObjectIdentifier as OID

OUT = sys.argv[1] if len(sys.argv) in (2, 3) else sys.exit(__doc__)
T, NOW = 1790000000, 1795000000              # when things are signed; when they are judged
SAN, PROVIDER = 'https://example.org/build.yml@refs/heads/main', 'https://token.example.org'
PT, MT = 'application/vnd.in-toto+json', 'application/vnd.dev.sigstore.bundle.v0.3+json'
ORIGIN, ORIGIN2 = 'rekor.example.org', 'log2.example.org'
sha = lambda b: hashlib.sha256(b).digest()
b64 = lambda b: base64.b64encode(b).decode()
copy = lambda d: json.loads(json.dumps(d))
when = lambda t: datetime.datetime.utcfromtimestamp(t)
iso = lambda t: when(t).strftime('%Y-%m-%dT%H:%M:%SZ')
spki = lambda k: k.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
der = lambda c: c.public_bytes(serialization.Encoding.DER)
pem = lambda c: c.public_bytes(serialization.Encoding.PEM)
new = lambda curve=ec.SECP256R1: ec.generate_private_key(curve())
def sign(k, data, h=hashes.SHA256): return k.sign(data) if isinstance(k, ed25519.Ed25519PrivateKey) else k.sign(data, ec.ECDSA(h()))
def write(path, data):
    path = os.path.join(OUT, path); os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'wb') as f: f.write(data)

# ---- certificates

SERIAL = [0x1000]
def name(cn): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])
def cert(cn, key, issuer=None, by=None, ca=False, frm=T - 10**7, to=T + 10**9, eku=None, eku_critical=False, exts=(), usage=None, h=hashes.SHA256, serial=None):
    if serial is None: SERIAL[0] += 1; serial = SERIAL[0]
    b = (x509.CertificateBuilder().subject_name(name(cn)).issuer_name(issuer.subject if issuer else name(cn)).public_key(key.public_key())
         .serial_number(serial).not_valid_before(when(frm)).not_valid_after(when(to)))
    if ca: b = b.add_extension(x509.BasicConstraints(True, None), True)
    u = usage or (('key_cert_sign', 'crl_sign') if ca else ('digital_signature',))
    flags = ('digital_signature', 'content_commitment', 'key_encipherment', 'data_encipherment', 'key_agreement', 'key_cert_sign', 'crl_sign', 'encipher_only', 'decipher_only')
    b = b.add_extension(x509.KeyUsage(**{f: f in u for f in flags}), True)
    if eku: b = b.add_extension(x509.ExtendedKeyUsage(eku), eku_critical)
    for e, critical in exts: b = b.add_extension(e, critical)
    return b.sign(by or key, h())
raw = lambda oid, data: (x509.UnrecognizedExtension(OID(oid), data), False)
utf8 = lambda s: b'\x0c' + bytes([len(s)]) + s.encode()

K = {n: new(ec.SECP384R1) for n in ('root', 'mid', 'tsaroot')}
K.update({n: new() for n in ('ct', 'ct2', 'rekor', 'leaf', 'tsa', 'other', 'otherroot')})
K['log2'] = ed25519.Ed25519PrivateKey.generate()
ROOT = cert('fulcio root', K['root'], ca=True)
MID = cert('fulcio', K['mid'], ROOT, K['root'], ca=True, eku=[EKU.CODE_SIGNING])
OTHER = cert('fulcio root', K['otherroot'], ca=True)
TSAROOT = cert('tsa root', K['tsaroot'], ca=True)
def tsa(cn='tsa', key=None, issuer=None, by=None, **k):
    k = {'eku': [EKU.TIME_STAMPING], 'eku_critical': True, **k}
    return cert(cn, key or K['tsa'], issuer or TSAROOT, by or K['tsaroot'], **k)
TSA = tsa()

def sct(tbs, issuer_key, key, t):
    text = bytes(2) + (t * 1000).to_bytes(8, 'big') + b'\0\1' + sha(issuer_key) + len(tbs).to_bytes(3, 'big') + tbs + bytes(2)
    s = sign(key, text)
    one = b'\0' + sha(spki(key)) + (t * 1000).to_bytes(8, 'big') + bytes(2) + b'\4\3' + len(s).to_bytes(2, 'big') + s
    one = len(one).to_bytes(2, 'big') + one
    lst = len(one).to_bytes(2, 'big') + one
    return b'\x04' + (bytes([len(lst)]) if len(lst) < 128 else b'\x81' + bytes([len(lst)])) + lst

def leaf(key=None, san=SAN, provider=PROVIDER, old=PROVIDER, log='ct', at=T, frm=T - 60, to=T + 540, eku=(EKU.CODE_SIGNING,), forge=False, issuer=MID, by='mid', **k):
    exts = [(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(san)]), True)]
    if provider: exts.append(raw('1.3.6.1.4.1.57264.1.8', utf8(provider)))
    if old: exts.append(raw('1.3.6.1.4.1.57264.1.1', old.encode()))
    SERIAL[0] += 1
    make = lambda more: cert(None, key or K['leaf'], issuer, K[by], frm=frm, to=to, eku=list(eku), exts=exts + more, serial=SERIAL[0], **k)
    if not log: return make([])
    ext = sct(make([]).tbs_certificate_bytes, spki(K[by]), K[log], at)
    if forge: ext = ext[:-3] + bytes([ext[-3] ^ 1]) + ext[-2:]
    return make([raw('1.3.6.1.4.1.11129.2.4.2', ext)])
LEAF = leaf()

# ---- time stamps: DER by hand, so that each rule can be broken alone

def tlv(tag, *parts):
    body = b''.join(parts); n = len(body)
    return bytes([tag]) + (bytes([n]) if n < 128 else bytes([0x80 + (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, 'big')) + body
seq, octets = (lambda *p: tlv(0x30, *p)), (lambda b: tlv(4, b))
def num(v): return tlv(2, v.to_bytes(v.bit_length() // 8 + 1, 'big'))
def oid(text):
    a = [int(x) for x in text.split('.')]; out = bytes([a[0] * 40 + a[1]])
    for v in a[2:]:
        part = [v & 127]
        while v > 127: v >>= 7; part.insert(0, v & 127 | 128)
        out += bytes(part)
    return tlv(6, out)
HASH = {'sha1': '1.3.14.3.2.26', 'sha256': '2.16.840.1.101.3.4.2.1', 'sha384': '2.16.840.1.101.3.4.2.2', 'sha512': '2.16.840.1.101.3.4.2.3'}
alg = lambda h: seq(oid(HASH[h]), b'\5\0')
gtime = lambda t: tlv(0x18, when(t).strftime('%Y%m%d%H%M%SZ').encode())
def stamp(data, t=T, cert=None, key=None, h='sha256', imprint=None, accuracy=seq(num(1)), ext=b'', policy='1.3.6.1.4.1.57264.2', version=1, ess='v2', bring=True,
          status=0, tsa_name=b'', time=None, digest='sha256', signers=1, tail=b'', forge=False, token=True, ess_of=None, cms=3, kind=None):
    cert, key = cert or TSA, key or K['tsa']
    mi = seq(alg(h), octets(imprint or hashlib.new(h, data).digest()))
    info = seq(num(version), oid(policy), mi, num(77), time or gtime(t), accuracy, tsa_name, ext)
    d = der(ess_of or cert)
    attrs = [seq(oid('1.2.840.113549.1.9.3'), tlv(0x31, oid('1.2.840.113549.1.9.16.1.4'))),
             seq(oid('1.2.840.113549.1.9.4'), tlv(0x31, octets(hashlib.new(digest, info).digest())))]
    if ess == 'v2': attrs.append(seq(oid('1.2.840.113549.1.9.16.2.47'), tlv(0x31, seq(seq(seq(octets(sha(d))))))))
    if ess == 'v2-384': attrs.append(seq(oid('1.2.840.113549.1.9.16.2.47'), tlv(0x31, seq(seq(seq(seq(oid(HASH['sha384'])), octets(hashlib.sha384(d).digest())))))))
    if ess == 'v2-sha1': attrs.append(seq(oid('1.2.840.113549.1.9.16.2.47'), tlv(0x31, seq(seq(seq(seq(oid(HASH['sha1'])), octets(hashlib.sha1(d).digest())))))))
    if ess == 'v1': attrs.append(seq(oid('1.2.840.113549.1.9.16.2.12'), tlv(0x31, seq(seq(seq(octets(hashlib.sha1(d).digest())))))))
    attrs = b''.join(sorted(attrs))
    s = sign(key, tlv(0x31, attrs), {'sha1': hashes.SHA1, 'sha256': hashes.SHA256}[digest])
    if forge: s = sign(K['other'], tlv(0x31, attrs))
    si = seq(num(1), seq(cert.issuer.public_bytes(), num(cert.serial_number)), alg(digest), tlv(0xa0, attrs), seq(oid(kind or ('1.2.840.10045.4.3.2' if digest == 'sha256' else '1.2.840.10045.4.1'))), octets(s))
    sd = seq(num(cms), tlv(0x31, alg(digest)), seq(oid('1.2.840.113549.1.9.16.1.4'), tlv(0xa0, octets(info))), tlv(0xa0, der(cert)) if bring else b'', tlv(0x31, si * signers))
    return seq(seq(num(status)), seq(oid('1.2.840.113549.1.7.2'), tlv(0xa0, sd)) if token else b'') + tail

# ---- logs

node = lambda a, b: sha(b'\1' + a + b)
def mth(d):
    if len(d) == 1: return d[0]
    k = 1 << (len(d) - 1).bit_length() - 1
    return node(mth(d[:k]), mth(d[k:]))
def path(m, d):
    if len(d) == 1: return []
    k = 1 << (len(d) - 1).bit_length() - 1
    return path(m, d[:k]) + [mth(d[k:])] if m < k else path(m - k, d[k:]) + [mth(d[:k])]
id1 = lambda k: sha(spki(k))
id2 = lambda k, o=ORIGIN2: sha(o.encode() + b'\n\1' + spki(k)[-32:])
note_line = lambda n, kid, s: f'— {n} {b64(kid[:4] + s)}\n'
def checkpoint(size, root, v2=False, key=None, kid=None, more='', lines=(), text=None, sign_as=None):
    k = key or K['log2' if v2 else 'rekor']
    body = text or (f'{ORIGIN2}\n{size}\n{b64(root)}\n' if v2 else f'{ORIGIN} - 1\n{size}\n{b64(root)}\n') + more
    kid = kid or (id2(K['log2']) if v2 else id1(K['rekor']))
    return body + '\n' + ''.join(lines) + note_line(sign_as or (ORIGIN2 if v2 else ORIGIN), kid, sign(k, body.encode()))
def entry(body, kind, v2=False, t=T, index=5, size=9, promise=None, kid=None, cp=None):
    text = json.dumps(body, separators=(',', ':')).encode() if not isinstance(body, bytes) else body
    leaves = [sha(b'\0%d' % i) for i in range(size)]; leaves[index] = sha(b'\0' + text)
    kid = kid or (id2(K['log2']) if v2 else id1(K['rekor']))
    e = {'logIndex': str(index if v2 else index + 1000), 'logId': {'keyId': b64(kid)}, 'kindVersion': {'kind': kind[0], 'version': kind[1]},
         'inclusionProof': {'logIndex': str(index), 'rootHash': b64(mth(leaves)), 'treeSize': str(size), 'hashes': [b64(h) for h in path(index, leaves)],
                            'checkpoint': {'envelope': checkpoint(size, mth(leaves), v2, **(cp or {}))}}, 'canonicalizedBody': b64(text)}
    if promise is None: promise = not v2
    if not v2: e['integratedTime'] = str(t)
    if promise:
        p = {'body': b64(text), 'integratedTime': t, 'logID': kid.hex(), 'logIndex': index + 1000}
        e['inclusionPromise'] = {'signedEntryTimestamp': b64(sign(K['rekor'] if promise is True else promise, json.dumps(p, separators=(',', ':')).encode()))}
    return e
pem64 = lambda c: b64(pem(c))
def dsse1(payload, s, c): return {'apiVersion': '0.0.1', 'kind': 'dsse', 'spec': {'envelopeHash': {'algorithm': 'sha256', 'value': '0' * 64}, 'payloadHash': {'algorithm': 'sha256', 'value': sha(payload).hex()}, 'signatures': [{'signature': b64(s), 'verifier': pem64(c)}]}}
def intoto2(payload, s, c, keep=False):
    e = {'payloadType': PT, 'signatures': [{'publicKey': pem64(c), 'sig': b64(b64(s).encode())}]}
    if keep: e['payload'] = b64(b64(payload).encode())
    return {'apiVersion': '0.0.2', 'kind': 'intoto', 'spec': {'content': {'envelope': e, 'hash': {'algorithm': 'sha256', 'value': '0' * 64}, 'payloadHash': {'algorithm': 'sha256', 'value': sha(payload).hex()}}}}
ver2 = lambda c: {'keyDetails': 'PKIX_ECDSA_P256_SHA_256', 'x509Certificate': {'rawBytes': b64(der(c))}}
def hashed2(payload, s, c): return {'apiVersion': '0.0.2', 'kind': 'hashedrekord', 'spec': {'hashedRekordV002': {'data': {'algorithm': 'SHA2_256', 'digest': b64(sha(pae(payload)))}, 'signature': {'content': b64(s), 'verifier': ver2(c)}}}}
def dsse2(payload, s, c): return {'apiVersion': '0.0.2', 'kind': 'dsse', 'spec': {'dsseV002': {'payloadHash': {'algorithm': 'SHA2_256', 'digest': b64(sha(payload))}, 'signatures': [{'content': b64(s), 'verifier': ver2(c)}]}}}

# ---- bundles

WEIGHTS = b'weights\n'
def statement(data=WEIGHTS):
    d = sha(data).hex()
    return json.dumps({'_type': 'https://in-toto.io/Statement/v1', 'subject': [{'name': 'model', 'digest': {'sha256': sha(bytes.fromhex(d)).hex()}}], 'predicateType': 'https://model_signing/signature/v1.0',
        'predicate': {'serialization': {'method': 'files', 'hash_type': 'sha256', 'allow_symlinks': False}, 'resources': [{'name': 'weights', 'algorithm': 'sha256', 'digest': d}]}}, separators=(',', ':')).encode()
pae = lambda p: b'DSSEv1 %d %s %d ' % (len(PT), PT.encode(), len(p)) + p
S = statement(); SIG = sign(K['leaf'], pae(S)); SIG2 = sign(K['leaf'], pae(S))
def bundle(entries=(), c=None, sig=SIG, stamps=None, mt=MT, material=None, payload=S):
    m = material or {'certificate': {'rawBytes': b64(der(c or LEAF))}}
    m = {**m, 'tlogEntries': list(entries)}
    if stamps is not None: m['timestampVerificationData'] = {'rfc3161Timestamps': [{'signedTimestamp': b64(s)} for s in stamps]}
    return {'mediaType': mt, 'verificationMaterial': m, 'dsseEnvelope': {'payload': b64(payload), 'payloadType': PT, 'signatures': [{'sig': b64(sig)}]}}
D1, I2, H2, D2 = ('dsse', '0.0.1'), ('intoto', '0.0.2'), ('hashedrekord', '0.0.2'), ('dsse', '0.0.2')
def v1(c=None, sig=SIG, **k): c = c or LEAF; return entry(dsse1(S, sig, c), D1, **k)
def v2(c=None, sig=SIG, **k): c = c or LEAF; return entry(hashed2(S, sig, c), H2, v2=True, **k)

def log(url, key, kid=None, frm=T - 10**8, to=None, **over):
    k = {'rawBytes': b64(spki(key)), 'keyDetails': 'PKIX_ED25519' if isinstance(key, ed25519.Ed25519PrivateKey) else 'PKIX_ECDSA_P256_SHA_256', 'validFor': {'start': iso(frm)}}
    if to: k['validFor']['end'] = iso(to)
    return {'baseUrl': 'https://' + url, 'hashAlgorithm': 'SHA2_256', 'publicKey': k, 'logId': {'keyId': b64(kid or id1(key))}, **over}
def authority(*certs, frm=T - 10**8, to=None):
    v = {'start': iso(frm)}
    if to: v['end'] = iso(to)
    return {'subject': {'organization': 'example.org', 'commonName': 'x'}, 'uri': 'https://example.org', 'certChain': {'certificates': [{'rawBytes': b64(der(c))} for c in certs]}, 'validFor': v}
def trusted_root(**over):
    t = {'mediaType': 'application/vnd.dev.sigstore.trustedroot+json;version=0.1', 'tlogs': [log(ORIGIN, K['rekor']), log(ORIGIN2, K['log2'], id2(K['log2']))], 'certificateAuthorities': [authority(MID, ROOT)],
         'ctlogs': [log('ct.example.org', K['ct'])], 'timestampAuthorities': [authority(TSA, TSAROOT)]}
    t.update(over); return {k: v for k, v in t.items() if v is not None}

LINES, ROOTS = [], []
def case(nm, code, b, root='trusted_root.json', tsa='-', roots='-', key='-', identity=SAN, provider=PROVIDER, policy='-', now=NOW):
    write(nm + '.json', b if isinstance(b, bytes) else json.dumps(b, separators=(',', ':')).encode())
    LINES.append('\t'.join((nm + '.json', root, tsa, roots, key, identity, provider, policy, str(now), code)) + '\n')
def root_file(nm, code, t):
    write(nm, t if isinstance(t, bytes) else json.dumps(t, indent=1).encode()); ROOTS.append(f'{nm}\t{code}\n')
def put(d, v, *at):
    d = copy(d); o = d
    for p in at[:-1]: o = o[p]
    o[at[-1]] = v; return d
def drop(d, *at):
    d = copy(d); o = d
    for p in at[:-1]: o = o[p]
    del o[at[-1]]; return d
flip = lambda s: b64(bytes([base64.b64decode(s)[0] ^ 1]) + base64.b64decode(s)[1:])
E0 = ('verificationMaterial', 'tlogEntries', 0)

def good():
    ok = 'accepted'
    case('good-dsse-1', ok, bundle([v1()]))
    case('good-intoto-2', ok, bundle([entry(intoto2(S, SIG, LEAF), I2)]))
    case('good-intoto-2-payload', ok, bundle([entry(intoto2(S, SIG, LEAF, True), I2)]))
    case('good-hashedrekord-2', ok, bundle([v2()], stamps=[stamp(SIG)]))
    case('good-dsse-2', ok, bundle([entry(dsse2(S, SIG, LEAF), D2, v2=True)], stamps=[stamp(SIG)]))
    case('good-promise-and-stamp', ok, bundle([v1()], stamps=[stamp(SIG, T + 1)]))
    case('good-stamp-without-certificate', ok, bundle([v2()], stamps=[stamp(SIG, bring=False)]))
    case('good-stamp-sha512', ok, bundle([v2()], stamps=[stamp(SIG, h='sha512', ess='v2-384')]))
    case('good-stamp-kind-of-key', ok, bundle([v2()], stamps=[stamp(SIG, kind='1.2.840.10045.2.1')]))
    case('good-stamp-fraction', ok, bundle([v2()], stamps=[stamp(SIG, time=tlv(0x18, when(T).strftime('%Y%m%d%H%M%S.25Z').encode()))]))
    case('good-stamp-named', ok, bundle([v2()], stamps=[stamp(SIG, tsa_name=tlv(0xa0, tlv(0xa4, TSA.subject.public_bytes())))]))
    case('good-stamp-accuracy-60', ok, bundle([v2()], stamps=[stamp(SIG, accuracy=seq(num(60), tlv(0x80, b'\x01'), tlv(0x81, b'\x01')))]))
    case('good-stamp-of-stranger', ok, bundle([v1()], stamps=[stamp(SIG2, cert=tsa('x', K['other'], OTHER, K['otherroot']), key=K['other'])]))
    case('good-two-entries', ok, bundle([v1(), v2()]))
    case('good-chain-v0.2', ok, bundle([v1()], mt='application/vnd.dev.sigstore.bundle+json;version=0.2', material={'x509CertificateChain': {'certificates': [{'rawBytes': b64(der(LEAF))}]}}))
    for i, n in ((0, 1), (0, 2), (6, 7), (7, 8), (8, 9), (63, 64), (64, 65)): case(f'good-tree-{i}-of-{n}', ok, bundle([v1(index=i, size=n)]))
    other = note_line('witness.example.org', b'\1\2\3\4', bytes(72))
    case('good-witnesses', ok, bundle([v1(cp={'lines': (other, other), 'more': 'Timestamp: 1\n'})]))
    c = leaf(provider=None); case('good-older-provider', ok, bundle([v1(c)], c))
    c = leaf(old=None); case('good-newer-provider', ok, bundle([v1(c)], c))
    c = leaf(log=None); case('good-leaf-without-ct-logs', ok, bundle([v1(c)], c), root='root-no-ct.json')

def bad_logs():
    b = bundle([v1()]); e = E0
    case('bad-log-unknown', 'log-unknown', bundle([v1(kid=id1(K['other']))]))
    case('bad-log-not-then', 'log-unknown', b, root='root-log-ended.json')
    case('bad-log-is-ct', 'log-unknown', bundle([v1(kid=id1(K['ct']))]))
    case('bad-proof-none', 'log-proof', drop(b, *e, 'inclusionProof'))
    case('bad-proof-path', 'log-proof', put(b, flip(b['verificationMaterial']['tlogEntries'][0]['inclusionProof']['hashes'][1]), *e, 'inclusionProof', 'hashes', 1))
    case('bad-proof-short', 'log-proof', drop(b, *e, 'inclusionProof', 'hashes', 0))
    case('bad-proof-long', 'log-proof', put(b, b['verificationMaterial']['tlogEntries'][0]['inclusionProof']['hashes'] + [b64(bytes(32))], *e, 'inclusionProof', 'hashes'))
    case('bad-proof-index', 'log-proof', put(b, '4', *e, 'inclusionProof', 'logIndex'))
    case('bad-proof-index-beyond', 'log-proof', put(b, '9', *e, 'inclusionProof', 'logIndex'))
    case('bad-proof-size', 'log-proof', put(b, '8', *e, 'inclusionProof', 'treeSize'))
    case('bad-proof-root', 'log-proof', put(b, b64(bytes(32)), *e, 'inclusionProof', 'rootHash'))
    case('bad-proof-63-are-read', 'log-proof', put(b, [b64(bytes(32))] * 63, *e, 'inclusionProof', 'hashes'))
    case('bad-proof-64', 'size-limit', put(b, [b64(bytes(32))] * 64, *e, 'inclusionProof', 'hashes'))
    case('bad-checkpoint-forged', 'log-proof', bundle([v1(cp={'key': K['other']})]))
    case('bad-checkpoint-of-stranger', 'log-proof', bundle([v1(cp={'kid': b'\1\2\3\4'})]))
    two = note_line(ORIGIN, id1(K['rekor']), bytes(70)); case('bad-checkpoint-one-of-two', 'log-proof', bundle([v1(cp={'lines': (two,)})]))
    case('bad-checkpoint-malformed-line', 'log-proof', bundle([v1(cp={'lines': ('- x AAAAAAAA\n',)})]))
    case('bad-checkpoint-line-base64', 'log-proof', bundle([v1(cp={'lines': ('— x AAAAAAA\n',)})]))
    case('bad-checkpoint-name', 'log-proof', bundle([v1(cp={'sign_as': 'rekor.example.net'})]))
    case('bad-checkpoint-no-name', 'log-proof', bundle([v1(cp={'lines': ('—  AAAAAAAA\n',)})]))
    case('bad-checkpoint-size-zero-first', 'log-proof', bundle([v1(cp={'text': f'{ORIGIN} - 1\n09\n{b64(bytes(32))}\n'})]))
    case('bad-checkpoint-short-root', 'log-proof', bundle([v1(cp={'text': f'{ORIGIN} - 1\n9\n{b64(bytes(31))}\n'})]))
    case('bad-checkpoint-two-lines', 'log-proof', bundle([v1(cp={'text': f'{ORIGIN} - 1\n9\n'})]))
    other = note_line('witness.example.org', b'\1\2\3\4', bytes(72))
    case('good-checkpoint-64-signatures', 'accepted', bundle([v1(cp={'lines': (other,) * 63})]))
    case('bad-checkpoint-65-signatures', 'size-limit', bundle([v1(cp={'lines': (other,) * 64})]))
    env = b['verificationMaterial']['tlogEntries'][0]['inclusionProof']['checkpoint']['envelope']
    case('bad-checkpoint-cut', 'log-proof', put(b, env[:-1], *e, 'inclusionProof', 'checkpoint', 'envelope'))
    case('bad-checkpoint-unsigned', 'log-proof', put(b, env.split('\n\n')[0] + '\n', *e, 'inclusionProof', 'checkpoint', 'envelope'))
    case('bad-checkpoint-none', 'field', drop(b, *e, 'inclusionProof', 'checkpoint'))
    case('bad-checkpoint-ed25519', 'log-proof', bundle([v2(cp={'key': ed25519.Ed25519PrivateKey.generate()})], stamps=[stamp(SIG)]))
    case('bad-promise-forged', 'log-promise', bundle([v1(promise=K['other'])]))
    case('bad-promise-time', 'log-promise', put(b, str(T + 1), *e, 'integratedTime'))
    case('bad-promise-index', 'log-promise', put(b, '1', *e, 'logIndex'))
    case('bad-promise-no-time', 'field', drop(b, *e, 'integratedTime'))
    case('bad-promise-der', 'log-promise', put(b, b64(base64.b64decode(b['verificationMaterial']['tlogEntries'][0]['inclusionPromise']['signedEntryTimestamp']) + b'\0'), *e, 'inclusionPromise', 'signedEntryTimestamp'))
    case('bad-time-none', 'signing-time', bundle([v1(promise=False)]))
    case('bad-time-unsigned', 'signing-time', drop(b, *e, 'inclusionPromise'))
    case('bad-time-stamp-of-stranger', 'signing-time', bundle([v2()], stamps=[stamp(SIG, cert=tsa('x', K['other'], OTHER, K['otherroot']), key=K['other'])]))
    case('bad-proof-index-of-entry', 'log-proof', put(bundle([v2()], stamps=[stamp(SIG)]), '6', *e, 'logIndex'))
    case('bad-time-ahead', 'signing-time', b, now=T - 301)
    case('good-time-ahead-300', 'accepted', b, now=T - 300)
    case('bad-entry-statement', 'log-entry', bundle([entry(dsse1(statement(b'x'), SIG, LEAF), D1)]))
    case('bad-entry-signature', 'log-entry', bundle([v1(sig=SIG2)]))
    case('bad-entry-certificate', 'log-entry', bundle([v1(leaf())]))
    case('bad-entry-of-two', 'log-entry', bundle([v1(), v2(sig=SIG2)]))
    for n, k, make in (('intoto', I2, intoto2), ('hashedrekord', H2, hashed2), ('dsse-2', D2, dsse2)):
        l2 = k != I2; st = [stamp(SIG)] if l2 else None
        case(f'bad-entry-{n}-statement', 'log-entry', bundle([entry(make(statement(b'x'), SIG, LEAF), k, v2=l2)], stamps=st))
        case(f'bad-entry-{n}-signature', 'log-entry', bundle([entry(make(S, SIG2, LEAF), k, v2=l2)], stamps=st))
        case(f'bad-entry-{n}-certificate', 'log-entry', bundle([entry(make(S, SIG, leaf()), k, v2=l2)], stamps=st))
    case('bad-entry-intoto-payload', 'log-entry', bundle([entry(put(intoto2(S, SIG, LEAF, True), b64(b'x'), 'spec', 'content', 'envelope', 'payload'), I2)]))
    case('bad-entry-intoto-type', 'log-entry', bundle([entry(put(intoto2(S, SIG, LEAF), 'x', 'spec', 'content', 'envelope', 'payloadType'), I2)]))
    d = dsse1(S, SIG, LEAF); two = put(d, d['spec']['signatures'] * 2, 'spec', 'signatures')
    case('bad-entry-two-signatures', 'log-entry', bundle([entry(two, D1)]))
    case('bad-entry-md5', 'log-entry', bundle([entry(put(d, {'algorithm': 'md5', 'value': '0'}, 'spec', 'payloadHash'), D1)]))
    case('bad-entry-kind', 'log-entry', bundle([entry({'kind': 'rfc3161', 'apiVersion': '0.0.1', 'spec': {}}, ('rfc3161', '0.0.1'))]))
    case('bad-entry-kind-differs', 'log-entry', bundle([entry(d, ('dsse', '0.0.2'))]))
    case('bad-entry-version-0.0.3', 'log-entry', bundle([entry({**d, 'apiVersion': '0.0.3'}, ('dsse', '0.0.3'))]))
    case('bad-body-json', 'json', bundle([entry(b'{', D1)]))
    case('bad-body-duplicate-key', 'duplicate-key', bundle([entry(b'{"kind":"dsse","kind":"dsse"}', D1)]))
    case('bad-body-no-kind', 'field', bundle([entry({'apiVersion': '0.0.1'}, D1)]))

def bad_form():
    b = bundle([v1()]); e = E0
    case('bad-no-entries', 'material', bundle([]))
    case('bad-chain-v0.3', 'material', bundle([v1()], material={'x509CertificateChain': {'certificates': [{'rawBytes': b64(der(LEAF))}]}}))
    case('bad-9-entries', 'size-limit', bundle([v1()] * 9))
    case('good-8-entries', 'accepted', bundle([v1()] * 8))
    case('bad-9-stamps', 'size-limit', bundle([v1()], stamps=[stamp(SIG)] * 9))
    case('good-8-stamps', 'accepted', bundle([v1()], stamps=[stamp(SIG)] * 8))
    case('bad-stamp-65537', 'size-limit', bundle([v1()], stamps=[bytes(65537)]))
    case('bad-stamp-65536-is-read', 'timestamp', bundle([v1()], stamps=[bytes(65536)]))
    case('bad-entry-text', 'field', put(b, 'x', *e)); case('bad-entry-unknown-field', 'field', put(b, 1, *e, 'x'))
    for f in ('logId', 'kindVersion', 'canonicalizedBody'): case('bad-no-' + f, 'field', drop(b, *e, f))
    case('bad-number-integer', 'field', put(b, 5, *e, 'logIndex')); case('bad-number-zero-first', 'field', put(b, '01', *e, 'logIndex'))
    case('bad-number-sign', 'field', put(b, '-1', *e, 'inclusionProof', 'logIndex')); case('bad-number-long', 'field', put(b, '9' * 19, *e, 'inclusionProof', 'treeSize'))
    case('bad-log-id-short', 'field', put(b, b64(bytes(31)), *e, 'logId', 'keyId')); case('bad-log-id-base64', 'base64', put(b, 'AAA', *e, 'logId', 'keyId'))
    case('bad-proof-hash-base64', 'base64', put(b, 'AAA', *e, 'inclusionProof', 'hashes', 0)); case('bad-proof-unknown-field', 'field', put(b, 1, *e, 'inclusionProof', 'x'))
    case('bad-promise-text', 'field', put(b, 'x', *e, 'inclusionPromise')); case('bad-promise-base64', 'base64', put(b, 'A', *e, 'inclusionPromise', 'signedEntryTimestamp'))
    case('bad-stamps-text', 'field', put(b, 'x', 'verificationMaterial', 'timestampVerificationData')); case('bad-stamp-unknown-field', 'field', put(bundle([v1()], stamps=[b'x']), 1, 'verificationMaterial', 'timestampVerificationData', 'rfc3161Timestamps', 0, 'x'))
    case('bad-stamp-base64', 'base64', put(bundle([v1()], stamps=[b'x']), 'A', 'verificationMaterial', 'timestampVerificationData', 'rfc3161Timestamps', 0, 'signedTimestamp'))
    case('bad-no-trusted-root', 'method', b, root='-')

def bad_leaf():
    def with_leaf(nm, code, c, **k): case(nm, code, bundle([v1(c)], c), **k)
    case('bad-identity-name', 'identity', bundle([v1()]), identity=SAN + '2'); case('bad-identity-provider', 'identity', bundle([v1()]), provider=PROVIDER + '/')
    case('bad-identity-none', 'identity', bundle([v1()]), identity='-', provider='-'); case('bad-identity-name-alone', 'identity', bundle([v1()]), provider='-')
    with_leaf('bad-identity-no-provider', 'identity', leaf(provider=None, old=None)); with_leaf('bad-identity-two-providers', 'identity', leaf(old='https://x'))
    with_leaf('bad-expired', 'expired', leaf(to=T - 1)); with_leaf('bad-not-yet', 'not-yet', leaf(frm=T + 1))
    with_leaf('bad-eku', 'eku', leaf(eku=(EKU.SERVER_AUTH,))); with_leaf('bad-key-usage', 'key-usage', leaf(usage=('key_agreement',)))
    with_leaf('bad-other-authority', 'chain', leaf(issuer=OTHER, by='otherroot')); case('bad-authority-not-then', 'chain', bundle([v1()]), root='root-ca-ended.json')
    with_leaf('bad-sct-none', 'sct', leaf(log=None)); with_leaf('bad-sct-forged', 'sct', leaf(forge=True)); with_leaf('bad-sct-unknown-log', 'sct', leaf(log='ct2'))
    with_leaf('bad-sct-log-not-then', 'sct', leaf(at=T - 10**8 - 1))
    case('bad-signature', 'signature', bundle([v1(sig=sign(K['other'], pae(S)))], sig=sign(K['other'], pae(S))))
    case('bad-payload', 'signature', bundle([v1()], payload=statement(b'x')))

def bad_stamps():
    def st(nm, code='timestamp', **k): case('bad-stamp-' + nm, code, bundle([v2()], stamps=[stamp(k.pop('data', SIG), **k)]))
    other = lambda **k: (lambda key: {'cert': tsa(key=key, **k), 'key': key})(new())
    st('other-bytes', data=SIG2); st('forged', forge=True); st('sha1', h='sha1'); st('imprint-length', imprint=sha(SIG)[:31])
    st('ess-v1', ess='v1'); st('ess-none', ess='none'); st('ess-sha1', ess='v2-sha1'); st('ess-other', ess_of=TSAROOT); st('digest-sha1', digest='sha1')
    st('accuracy-61', accuracy=seq(num(61))); st('accuracy-millis-1000', accuracy=seq(num(1), tlv(0x80, b'\x03\xe8'))); st('accuracy-negative', accuracy=seq(tlv(2, b'\xff')))
    st('critical-extension', ext=tlv(0xa1, seq(oid('1.2.3.4'), b'\1\1\xff', octets(b'x')))); st('version-2', version=2); st('cms-version', cms=1); st('kind-of-signature', kind='1.2.840.10045.4.3.3'); st('kind-rsa', kind='1.2.840.113549.1.1.11')
    st('rejected', status=2, token=False); st('waiting', status=3, token=False); st('no-token', token=False)
    st('trailing', tail=b'\0'); st('two-signers', signers=2); st('named-otherwise', tsa_name=tlv(0xa0, tlv(0xa4, TSAROOT.subject.public_bytes())))
    st('local-time', time=tlv(0x18, when(T).strftime('%Y%m%d%H%M%S').encode())); st('fraction-zero', time=tlv(0x18, when(T).strftime('%Y%m%d%H%M%S.50Z').encode())); st('day-40', time=tlv(0x18, b'20260940000000Z'))
    good = stamp(SIG); long = good[:1] + b'\x83\0' + good[2:] if good[1] == 0x82 else None
    case('bad-stamp-long-length', 'timestamp', bundle([v2()], stamps=[long])); case('bad-stamp-cut', 'timestamp', bundle([v2()], stamps=[good[:-1]]))
    case('bad-stamp-inner-length', 'timestamp', bundle([v2()], stamps=[stamp(SIG, accuracy=b'\x30\x81\x03\x02\x01\x01')]))
    case('bad-stamp-ahead', 'timestamp', bundle([v2()], stamps=[stamp(SIG)]), now=T - 301); case('good-stamp-ahead-300', 'accepted', bundle([v2()], stamps=[stamp(SIG)]), now=T - 300)
    case('bad-stamp-before-authority', 'timestamp', bundle([v2()], stamps=[stamp(SIG)]), root='root-tsa-ended.json')
    st('after-leaf', 'expired', t=T + 541); st('before-leaf', 'not-yet', t=T - 61)
    case('bad-stamp-one-of-two', 'timestamp', bundle([v2()], stamps=[stamp(SIG), stamp(SIG2)])); case('bad-stamp-beside-promise', 'expired', bundle([v1()], stamps=[stamp(SIG, T + 541)]))
    c = leaf(frm=T + 1); case('bad-promise-beside-stamp', 'not-yet', bundle([v1(c)], c, stamps=[stamp(SIG, T + 1)])) # the leaf is valid at one of two signed times
    case('bad-promise-forged-beside-stamp', 'log-promise', bundle([v1(promise=K['other'])], stamps=[stamp(SIG, T + 1)]))
    # below the root of the authorities, with its own leaf
    for nm, k in (('eku-not-critical', {'eku_critical': False}), ('eku-two', {'eku': [EKU.TIME_STAMPING, EKU.CODE_SIGNING]}), ('eku-other', {'eku': [EKU.CODE_SIGNING]}), ('eku-none', {'eku': None}),
                  ('authority-expired', {'to': T - 1}), ('authority-not-yet', {'frm': T + 1}), ('authority-key-usage', {'usage': ('digital_signature', 'key_cert_sign')}), ('authority-sha224', {'h': hashes.SHA224}),
                  ('authority-unknown-critical', {'exts': ((x509.UnrecognizedExtension(OID('1.2.3.4'), b'\5\0'), True),)})):
        o = other(**k); case('bad-stamp-' + nm, 'timestamp', bundle([v2()], stamps=[stamp(SIG, **o)]), root='root-no-tsa.json', tsa='tsa-root.pem')
    weak = ec.generate_private_key(ec.SECP224R1()); case('bad-stamp-weak-key', 'timestamp', bundle([v2()], stamps=[stamp(SIG, cert=tsa(key=weak), key=weak)]), root='root-no-tsa.json', tsa='tsa-root.pem')
    o = other(); b = bundle([v2()], stamps=[stamp(SIG, **o)])
    case('good-stamp-pinned-root', 'accepted', b, root='root-no-tsa.json', tsa='tsa-root.pem')
    case('bad-stamp-other-leaf', 'timestamp', b, root='root-no-tsa.json', tsa='tsa.pem') # the file pins a leaf
    case('bad-stamp-only-leaf', 'timestamp', bundle([v2()], stamps=[stamp(SIG)]), root='root-no-tsa.json', tsa='tsa-leaf.pem')
    case('good-stamp-policy', 'accepted', bundle([v2()], stamps=[stamp(SIG)]), root='root-no-tsa.json', tsa='tsa.pem', policy='1.3.6.1.4.1.57264.2')
    case('bad-stamp-policy', 'timestamp', bundle([v2()], stamps=[stamp(SIG)]), root='root-no-tsa.json', tsa='tsa.pem', policy='1.3.6.1.4.1.57264.3')

def other_methods():
    c = leaf(log=None); chain = {'x509CertificateChain': {'certificates': [{'rawBytes': b64(der(c))}, {'rawBytes': b64(der(MID))}]}}
    k = {'root': '-', 'roots': 'ca.pem', 'tsa': 'tsa.pem'}
    case('good-certificate-stamped', 'accepted', bundle([], material=chain, stamps=[stamp(SIG)]), **k)
    case('bad-certificate-not-stamped', 'timestamp', bundle([], material=chain), **k)
    case('bad-certificate-stamp-of-stranger', 'timestamp', bundle([], material=chain, stamps=[stamp(SIG, cert=tsa('x', K['other'], OTHER, K['otherroot']), key=K['other'])]), **k)
    case('bad-certificate-stamped-late', 'expired', bundle([], material=chain, stamps=[stamp(SIG, T + 541)]), **k)
    case('bad-certificate-nobody-asks', 'expired', bundle([], material=chain, stamps=[stamp(SIG)]), **{**k, 'tsa': '-'})
    case('good-certificate-then', 'accepted', bundle([], material=chain, stamps=[b'unread']), **{**k, 'tsa': '-', 'now': T})
    case('bad-certificate-identity', 'identity', bundle([], material=chain, stamps=[stamp(SIG)]), **{**k, 'identity': 'x', 'provider': '-'})
    pub = K['leaf'].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo); write('leaf.pub.pem', pub)
    m = {'publicKey': {'hint': sha(pub).hex()}}; k = {'root': '-', 'key': 'leaf.pub.pem', 'tsa': 'tsa.pem', 'identity': '-', 'provider': '-'}
    case('good-key-stamped', 'accepted', bundle([], material=m, stamps=[stamp(SIG)]), **k)
    case('bad-key-not-stamped', 'timestamp', bundle([], material=m), **k)
    case('bad-key-stamp-forged', 'timestamp', bundle([], material=m, stamps=[stamp(SIG, forge=True)]), **k)
    case('bad-key-with-entries', 'material', bundle([v1()], material=m), **k)
    case('bad-key-identity', 'identity', bundle([], material=m, stamps=[stamp(SIG)]), **{**k, 'identity': SAN})

def roots():
    t = trusted_root(); lg = t['tlogs'][0]; tr = 'trusted-root'
    root_file('trusted_root.json', 'accepted', t)
    root_file('root-no-ct.json', 'accepted', trusted_root(ctlogs=None)); root_file('root-no-tsa.json', 'accepted', trusted_root(timestampAuthorities=None))
    root_file('root-log-ended.json', 'accepted', trusted_root(tlogs=[log(ORIGIN, K['rekor'], to=T - 1)]))
    root_file('root-ca-ended.json', 'accepted', trusted_root(certificateAuthorities=[authority(MID, ROOT, to=T - 1)]))
    root_file('root-tsa-ended.json', 'accepted', trusted_root(timestampAuthorities=[authority(TSA, TSAROOT, to=T - 1)]))
    root_file('root-good-v0.2.json', 'accepted', {**t, 'mediaType': 'application/vnd.dev.sigstore.trustedroot.v0.2+json'})
    root_file('root-good-config.json', 'accepted', {'mediaType': 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json', 'trustedRoot': t, 'signingConfig': {}})
    root_file('root-good-unusable-log.json', 'accepted', {**t, 'tlogs': [lg, put(put(lg, b64(b'key'), 'publicKey', 'rawBytes'), 'ML_DSA_65', 'publicKey', 'keyDetails')]})
    root_file('root-good-checkpoint-id.json', 'accepted', {**t, 'tlogs': [{**lg, 'checkpointKeyId': lg['logId'], 'operator': 'example.org'}]})
    root_file('root-good-fraction.json', 'accepted', {**t, 'tlogs': [put(lg, '2021-01-12T11:53:27.000Z', 'publicKey', 'validFor', 'start')]})
    root_file('root-good-no-window.json', 'accepted', {**t, 'tlogs': [drop(lg, 'publicKey', 'validFor')]})
    root_file('root-good-64-logs.json', 'accepted', {**t, 'tlogs': [lg] * 64}); root_file('root-bad-65-logs.json', 'size-limit', {**t, 'tlogs': [lg] * 65})
    root_file('root-bad-empty.json', 'json', b''); root_file('root-bad-trailing.json', 'json', json.dumps(t).encode() + b'{}'); root_file('root-bad-utf8.json', 'utf8', b'{"a":"\xff"}')
    root_file('root-bad-depth.json', 'depth-limit', b'{"a":' + b'[' * 64 + b']' * 64 + b'}')
    root_file('root-bad-duplicate.json', 'duplicate-key', json.dumps(t).encode()[:-1] + b',"tlogs":[]}')
    root_file('root-bad-field.json', 'field', {**t, 'x': 1}); root_file('root-bad-log-field.json', 'field', {**t, 'tlogs': [{**lg, 'x': 1}]}); root_file('root-bad-logs-object.json', 'field', {**t, 'tlogs': {}})
    root_file('root-bad-key-base64.json', 'base64', {**t, 'tlogs': [put(lg, 'A', 'publicKey', 'rawBytes')]}); root_file('root-bad-certificate.json', 'certificate', {**t, 'certificateAuthorities': [put(authority(MID, ROOT), 'MAA=', 'certChain', 'certificates', 0, 'rawBytes')]})
    root_file('root-bad-media-type.json', tr, {**t, 'mediaType': 'application/json'}); root_file('root-bad-no-media-type.json', tr, drop(t, 'mediaType'))
    root_file('root-bad-id.json', tr, {**t, 'tlogs': [put(lg, b64(bytes(32)), 'logId', 'keyId')]}); root_file('root-bad-checkpoint-id.json', tr, {**t, 'tlogs': [{**lg, 'checkpointKeyId': {'keyId': b64(bytes(32))}}]})
    root_file('root-bad-key-kind.json', tr, {**t, 'tlogs': [put(lg, 'PKIX_ED25519', 'publicKey', 'keyDetails')]}); root_file('root-bad-key-curve.json', tr, {**t, 'tlogs': [put(lg, 'PKIX_ECDSA_P384_SHA_384', 'publicKey', 'keyDetails')]})
    root_file('root-bad-ed25519-origin.json', tr, {**t, 'tlogs': [log('other.example.org', K['log2'], id2(K['log2']))]})
    root_file('root-bad-no-logs.json', tr, trusted_root(tlogs=None)); root_file('root-bad-no-cas.json', tr, trusted_root(certificateAuthorities=[])); root_file('root-bad-empty-chain.json', tr, trusted_root(certificateAuthorities=[authority()]))
    for n, v in (('local', '2023-01-01T00:00:00'), ('offset', '2023-01-01T00:00:00+01:00'), ('month', '2023-13-01T00:00:00Z'), ('day', '2023-02-30T00:00:00Z'), ('number', 5), ('space', '2023-01-01 00:00:00Z'), ('fraction', '2023-01-01T00:00:00.Z')):
        root_file(f'root-bad-time-{n}.json', tr, {**t, 'tlogs': [put(lg, v, 'publicKey', 'validFor', 'start')]})
    root_file('root-bad-time-reversed.json', tr, {**t, 'tlogs': [log(ORIGIN, K['rekor'], frm=T, to=T - 1)]})

write('model/weights', WEIGHTS); write('ca.pem', pem(ROOT)); write('tsa.pem', pem(TSA) + pem(TSAROOT)); write('tsa-root.pem', pem(TSAROOT)); write('tsa-leaf.pem', pem(TSA))
roots(); good(); bad_logs(); bad_form(); bad_leaf(); bad_stamps(); other_methods()
write('expected.tsv', '# bundle\ttrusted root\tauthorities of stamps\troots\tkey\tidentity\tprovider\tstamp policy\tnow\tverdict\n'.encode() + ''.join(LINES).encode())
write('roots.tsv', '# trusted root\tverdict\n'.encode() + ''.join(ROOTS).encode())
def seeds(top):
    def seed(nm, data):
        os.makedirs(os.path.dirname(f'{top}/{nm}'), exist_ok=True)
        with open(f'{top}/{nm}', 'wb') as f: f.write(data)
    behind = pem(TSA) + pem(TSAROOT)
    for nm, k in (('good', {}), ('bare', {'bring': False}), ('named', {'tsa_name': tlv(0xa0, tlv(0xa4, TSA.subject.public_bytes()))}), ('sha512', {'h': 'sha512', 'ess': 'v2-384'}), ('ess-v1', {'ess': 'v1'}),
                  ('two-signers', {'signers': 2}), ('extension', {'ext': tlv(0xa1, seq(oid('1.2.3.4'), b'\1\1\xff', octets(b'x')))}), ('accuracy', {'accuracy': seq(num(60), tlv(0x80, b'\1'), tlv(0x81, b'\1'))}), ('rejected', {'status': 2, 'token': False})):
        seed('timestamp/' + nm, bytes([len(SIG)]) + SIG + stamp(SIG, **k) + behind)
    t = json.dumps(trusted_root()).encode(); leaves = [sha(b'x')] * 2
    seed('trusted_root/root', t); seed('trusted_root/config', json.dumps({'mediaType': 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json', 'trustedRoot': trusted_root()}).encode())
    for nm, b in (('dsse-1', bundle([v1()])), ('intoto-2', bundle([entry(intoto2(S, SIG, LEAF), I2)])), ('hashedrekord-2', bundle([v2()], stamps=[stamp(SIG)])), ('dsse-2', bundle([entry(dsse2(S, SIG, LEAF), D2, v2=True)], stamps=[stamp(SIG)]))):
        seed('trusted_root/bundle-' + nm, t + b'\0' + json.dumps(b).encode())
    seed('trusted_root/checkpoint', t + b'\0\0' + checkpoint(2, mth(leaves)).encode())
    row = lambda *c: b''.join(len(der(x)).to_bytes(2, 'big') + der(x) for x in c)
    mail = leaf(san='a@example.org')
    policy = x509.CertificatePolicies([x509.PolicyInformation(OID('1.2.3'), None)])
    bound = cert('mid', K['mid'], ROOT, K['root'], ca=True, exts=((policy, False), (x509.NameConstraints([x509.DNSName('example.org')], None), True)))
    seed('certs/keyless', row(LEAF, MID, ROOT)); seed('certs/stamps', row(TSA, TSAROOT)); seed('certs/root', row(ROOT)); seed('certs/order', row(mail, ROOT, MID, ROOT))
    seed('certs/constraints', row(cert('leaf', K['leaf'], bound, K['mid'], exts=((policy, False), (x509.SubjectAlternativeName([x509.DNSName('www.example.org'), x509.RFC822Name('a@example.org')]), False))), bound, ROOT))
    def crl(issuer, by, revoked=(), frm=T - 60, to=T + 60, exts=(), entry_ext=None):
        b = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(when(frm)).next_update(when(to))
        for c in revoked:
            r = x509.RevokedCertificateBuilder().serial_number(c.serial_number).revocation_date(when(frm))
            b = b.add_revoked_certificate((r.add_extension(entry_ext, True) if entry_ext else r).build())
        for e in exts: b = b.add_extension(e, True)
        return pem(b.sign(by, hashes.SHA256()))
    files = lambda *c: b''.join(pem(x) for x in c)
    both = files(LEAF, MID, ROOT)
    for nm, l in (('fresh', crl(MID, K['mid']) + crl(ROOT, K['root'])), ('revoked', crl(MID, K['mid'], [LEAF]) + crl(ROOT, K['root'])), ('stale', crl(MID, K['mid'], to=T - 30) + crl(ROOT, K['root'])), ('forged', crl(MID, K['other'])),
                  ('partial', crl(MID, K['mid'], exts=[x509.IssuingDistributionPoint(None, None, True, False, None, False, False)])), ('entry', crl(MID, K['mid'], [TSA], entry_ext=x509.CRLReason(x509.ReasonFlags.key_compromise)))):
        seed('crl/' + nm, both + l)

if len(sys.argv) == 3: seeds(sys.argv[2])
print(len(LINES), 'bundles', len(ROOTS), 'trusted roots')
