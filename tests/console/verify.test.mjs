// The console's proofs (verify.js, ed25519.js) outside of a browser: a log that is made here by the definitions, other people's vectors
// where KEEP_SHARED points at them, and for each thing that must hold the ways in which it must not.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

globalThis.crypto ??= crypto.webcrypto; // node 18 keeps it apart
const source = process.argv[2];
const v = await import(path.join(source, 'verify.js'));
const own = await import(path.join(source, 'ed25519.js'));
let done = 0;

async function fails(what, regex) {
	await assert.rejects(what, regex);
	done++;
}

function sha(...parts) {
	const h = crypto.createHash('sha256');
	parts.forEach((p) => h.update(p));
	return new Uint8Array(h.digest());
}

// ---- Ed25519: RFC 8032, section 7.1, and every way to spoil a signature ----

const rfc8032 = [
	['d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
		'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
	['3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
		'92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
	['fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82',
		'6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'],
];

function unhex(s) {
	return new Uint8Array(Buffer.from(s, 'hex'));
}

for (const [key, message, signature] of rfc8032.map((row) => row.map(unhex))) {
	assert.equal(await own.verify(key, signature, message), true);
	for (let bit = 0; bit < 512; bit += 37) {
		const bad = signature.slice();
		bad[bit >> 3] ^= 1 << (bit & 7);
		assert.equal(await own.verify(key, bad, message), false, `bit ${bit}`);
	}
	const order = 2n ** 252n + 27742317777372353535851937790883648493n;
	let s = BigInt('0x' + Buffer.from(signature.slice(32)).reverse().toString('hex')) + order;
	const high = signature.slice();
	for (let i = 32; i < 64; i++, s >>= 8n)
		high[i] = Number(s & 255n);
	assert.equal(await own.verify(key, high, message), false, 'S + order is another spelling');
	assert.equal(await own.verify(key, signature, Uint8Array.of(...message, 0)), false);
	assert.equal(await own.verify(key, signature.slice(1), message), false);
	done += 4;
}
for (let i = 0; i < 8; i++) { // and the other implementation at hand says the same
	const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
	const raw = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
	const text = crypto.randomBytes(i * 40), signature = new Uint8Array(crypto.sign(null, text, privateKey));
	assert.equal(await own.verify(raw, signature, text), true);
	signature[i * 7] ^= 4;
	assert.equal(await own.verify(raw, signature, text), crypto.verify(null, text, publicKey, signature));
	done += 2;
}
const small = unhex('0100000000000000000000000000000000000000000000000000000000000000'); // anything would be signed by it
assert.equal(await own.verify(small, Uint8Array.of(...small, ...new Uint8Array(32)), unhex('00')), false);

// ---- a log by the definitions ----

function mth(leaves) { // RFC 6962, 2.1, as it stands there
	if (leaves.length === 0)
		return sha('');
	if (leaves.length === 1)
		return leaves[0];
	let k = 1;
	while (k * 2 < leaves.length)
		k *= 2;
	return sha(Uint8Array.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

function made(n) {
	const entries = Array.from({ length: n }, (_, i) => new TextEncoder().encode(`record ${i} ${'x'.repeat(i % 7)}`));
	const leaves = entries.map((e) => sha(Uint8Array.of(0), e));
	const rows = [leaves];
	for (let l = 0; rows[l].length >= 256; l++)
		rows.push(Array.from({ length: rows[l].length >> 8 }, (_, i) => mth(rows[l].slice(256 * i, 256 * i + 256))));
	return { n, entries, leaves, rows, root: mth(leaves) };
}

// As tlog-tiles serves them; the path's own digits are read, not made by the same function.
function server(log, spoil = {}) {
	return async (name) => {
		const m = /^tile\/(entries|\d+)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(name);
		assert.ok(m, name);
		const n = Number(m[2].replaceAll(/[x/]/g, '')), row = m[1] === 'entries' ? log.entries : log.rows[m[1]];
		const part = row.slice(256 * n, 256 * n + Number(m[3] ?? 256));
		assert.equal(part.length, Number(m[3] ?? 256), name);
		const out = Buffer.concat(part.flatMap((e) => m[1] === 'entries' ? [Buffer.of(e.length >> 8, e.length & 255), e] : [e]));
		if (spoil.path === name)
			out[spoil.byte] ^= 1;
		return new Uint8Array(spoil.path === name && spoil.cut ? out.subarray(0, -spoil.cut) : out);
	};
}

for (const n of [1, 2, 3, 7, 8, 255, 256, 257, 511, 700]) {
	const log = made(n), cp = { size: n, root: log.root };
	for (const i of new Set([0, n >> 1, n - 1, Math.min(255, n - 1), Math.min(256, n - 1)])) {
		const p = await v.proveRecord(new v.Tiles(n, server(log)), cp, i);
		assert.deepEqual(p.entry, log.entries[i]);
		assert.deepEqual(p.way.at(-1), log.root);
		done++;
	}
	for (const m of new Set([1, n >> 1, n - 1, n, 256, 512])) {
		if (m < 1 || m > n)
			continue;
		const tiles = new v.Tiles(n, server(log)), older = { size: m, root: mth(log.leaves.slice(0, m)) };
		const proof = m === n ? [] : await v.consistency(tiles, m, n);
		await v.checkConsistency({ older, newer: cp, proof });
		await fails(v.checkConsistency({ older: { size: m, root: sha('other') }, newer: cp, proof }), /written anew/);
		if (proof.length)
			await fails(v.checkConsistency({ older, newer: cp, proof: proof.slice(1) }), /written anew/);
	}
	for (const [from, to] of [[0, n], [n >> 2, n - (n >> 2)], [n - 1, n]]) {
		const seen = [];
		await v.proveRange(new v.Tiles(n, server(log)), cp, from, to, (i, bytes) => seen.push([i, bytes]));
		assert.deepEqual(seen, log.entries.slice(from, to).map((e, i) => [from + i, e]));
		done++;
	}
	await fails(v.proveRecord(new v.Tiles(n, server(log)), cp, n), /not of record/);
	await fails(v.proveRange(new v.Tiles(n, server(log)), cp, 0, n + 1, () => {}), /not of/);
	await fails(v.proveRange(new v.Tiles(n, server(log)), { size: n, root: sha('x') }, 0, n, () => {}), /not those/);
}

const big = made(70000), bigHead = { size: big.n, root: big.root }; // three levels of tiles
for (const i of [0, 65535, 65536, 69999]) {
	await v.proveRecord(new v.Tiles(big.n, server(big)), bigHead, i);
	done++;
}
assert.equal(v.tilePath(0, 1234067, 4e9).path, 'tile/0/x001/x234/067');
assert.equal(v.tilePath('entries', 273, big.n).path, 'tile/entries/273.p/112');
assert.throws(() => v.tilePath(1, 2, big.n), /no such tile/);

// one bit of any tile on the way
for (const [name, byte] of [['tile/entries/002', 40], ['tile/0/002', 7], ['tile/1/000', 99], ['tile/1/001.p/17', 12], ['tile/2/000.p/1', 0]]) {
	const why = /is not in the log|does not have the form|is not what the log has signed|do not make the root|are not those/;
	await fails(v.proveRecord(new v.Tiles(big.n, server(big, { path: name, byte })), bigHead, 512), why);
	await fails(v.proveRange(new v.Tiles(big.n, server(big, { path: name, byte })), bigHead, 600, 602, () => {}), why);
	await fails(v.proveRecord(new v.Tiles(big.n, server(big, { path: name, byte: 0, cut: 1 })), bigHead, 512), /bytes, not|have the form/);
}

// ---- notes ----

function note(text, pair, name) {
	const raw = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32), typed = Buffer.concat([Buffer.of(1), raw]);
	const id = Buffer.from(sha(name + '\n', typed).slice(0, 4));
	return {
		vkey: `${name}+${id.toString('hex')}+${typed.toString('base64')}`,
		line: `\u2014 ${name} ${Buffer.concat([id, crypto.sign(null, Buffer.from(text), pair.privateKey)]).toString('base64')}\n`,
	};
}

const pair = crypto.generateKeyPairSync('ed25519'), name = 'keep.local/ab', text = `${name}\n700\n${Buffer.from(big.root).toString('base64')}\n`;
const signed = note(text, pair, name), other = note(text, crypto.generateKeyPairSync('ed25519'), 'witness.test');
const key = await v.readKey(signed.vkey);
const head = await v.openCheckpoint(`${text}\n${other.line}${signed.line}`, key);
assert.deepEqual([head.origin, head.size, head.others], [name, 700, ['witness.test']]);
assert.deepEqual(head.root, big.root);
const importKey = crypto.subtle.importKey;
crypto.webcrypto.subtle.importKey = () => Promise.reject(new Error('as in a browser without Ed25519'));
assert.match((await v.openCheckpoint(`${text}\n${signed.line}`, key)).by, /own/);
const spoilt = `${text}\n${signed.line}`.replace('\n700\n', '\n701\n');
await fails(v.openCheckpoint(spoilt, key), /is not one of/);
crypto.webcrypto.subtle.importKey = importKey;
done += 2;
for (const [bad, why] of [
	[spoilt, /is not one of/],
	[`${text}\n${other.line}`, /not signed by/],
	[`${text}\n`, /no whole line/],
	[`${text}${signed.line}`, /not a signed note/],
	[`${text}\n${signed.line.slice(0, -1)}`, /no whole line/],
	[`${text}\n${signed.line}${signed.line.replace('\u2014', '-')}`, /malformed line/],
	[`${text.replace('\n700', '\r\n700')}\n${signed.line}`, /not a signed note/],
])
	await fails(v.openCheckpoint(bad, key), why);
for (const bad of ['x\n1\n', 'x\n01\nAAAA\n', `\n1\n${'A'.repeat(43)}=\n`, `x\n9999999999999999999\n${'A'.repeat(43)}=\n`, `x\n1\n${'A'.repeat(43)}=\n\n`])
	assert.throws(() => v.readCheckpoint(bad), /malformed|not a number/);
for (const bad of ['', 'x', signed.vkey.replace('+', '++'), signed.vkey.replace(/\+.{8}\+/, '+00000000+'), signed.vkey + '='])
	await fails(v.readKey(bad), /key/);

// ---- other people's ----

const shared = process.env.KEEP_SHARED && path.join(process.env.KEEP_SHARED, 'vectors/tlog');
if (!shared || !fs.existsSync(shared)) {
	// the published vectors are not ours to carry
	console.log(`${done} checks; KEEP_SHARED is not set: no published vectors were tried`);
	process.exit(77);
}

function bytes64(textOf) {
	const raw = new Uint8Array(Buffer.from(textOf ?? '', 'base64'));
	return raw.length === 32 || raw.length === 0 ? raw : sha(raw);
}

async function merkle(kind, one) {
	for (const file of fs.readdirSync(path.join(shared, 'merkle/testdata', kind), { recursive: true })) {
		if (!file.endsWith('.json'))
			continue;
		const c = JSON.parse(fs.readFileSync(path.join(shared, 'merkle/testdata', kind, file)));
		const proof = (c.proof ?? []).map(bytes64);
		let held = true;
		try {
			await one(c, proof);
		} catch {
			held = false;
		}
		assert.equal(held, !c.wantErr, `${kind}/${file}: ${c.desc}`);
		done++;
	}
}

await merkle('inclusion', (c, proof) => v.checkInclusion({
	index: c.leafIdx, size: c.treeSize, leaf: bytes64(c.leafHash), root: bytes64(c.root), proof }));
await merkle('consistency', (c, proof) => v.checkConsistency({
	older: { size: c.size1, root: bytes64(c.root1) }, newer: { size: c.size2, root: bytes64(c.root2) }, proof }));

const tessera = path.join(shared, 'tessera'), logDir = path.join(tessera, 'testdata/log');
const tesseraKey = await v.readKey(/^log vkey\t(.*)$/m.exec(fs.readFileSync(path.join(tessera, 'keys.tsv'), 'utf8'))[1]);
for (let n = 1; n <= 15; n++) {
	const cp = await v.openCheckpoint(fs.readFileSync(path.join(logDir, `checkpoint.${n}`), 'utf8'), tesseraKey);
	assert.equal(cp.size, n);
	const tiles = new v.Tiles(n, async (p) => new Uint8Array(fs.readFileSync(path.join(logDir, p))));
	await v.proveRange(tiles, cp, 0, n, () => {});
	await v.proveRecord(tiles, cp, n - 1);
	done += 3;
}
console.log(`${done} checks`);
