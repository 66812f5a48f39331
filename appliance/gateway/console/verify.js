// What a browser needs to judge a log by itself: RFC 6962 hashes, signed checkpoints (C2SP signed-note, tlog-checkpoint), tiles and entry
// bundles (C2SP tlog-tiles), proofs that a record is in a log and that a log has only grown. No page, no storage, no dependency: whoever
// imports this says where tiles come from. Everything that does not hold throws an Error that says what.

import { verify as ownEd25519 } from './ed25519.js';

const encoder = new TextEncoder();
const WIDTH = 256;

// ---- bytes ----

export function hex(bytes) {
	return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

export function same(a, b) {
	return a.length === b.length && a.every((v, i) => v === b[i]);
}

export function concat(...parts) {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

// Base64 in its one spelling; null when it is another.
export function base64(text) {
	try {
		const raw = atob(text);
		return btoa(raw) === text ? Uint8Array.from(raw, (c) => c.charCodeAt(0)) : null;
	} catch {
		return null;
	}
}

// A number of records in decimal, without leading zero; beyond 2^53 this script cannot count.
export function decimal(text) {
	const n = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
	if (!Number.isSafeInteger(n))
		throw new Error(`not a number of records: ${text.slice(0, 40)}`);
	return n;
}

// ---- hashes (RFC 6962) ----

export async function sha256(bytes) {
	return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

export function leafHash(entry) {
	return sha256(concat(Uint8Array.of(0), entry));
}

export function nodeHash(left, right) {
	return sha256(concat(Uint8Array.of(1), left, right));
}

// ---- notes and checkpoints ----

// "name+id+base64(type || key)": {name, id, type, key}.
export async function readKey(vkey) {
	const m = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey);
	const raw = m && base64(m[3]);
	if (!raw || raw.length !== 33 || raw[0] !== 1)
		throw new Error('the log\'s key is not an Ed25519 verifier key');
	const id = (await sha256(concat(encoder.encode(m[1] + '\n'), raw))).subarray(0, 4);
	if (hex(id) !== m[2])
		throw new Error('the log\'s key does not have the id that stands in it');
	return { name: m[1], id, key: raw.subarray(1) };
}

// {text, signatures: [{name, id, signature}]}; only the form is looked at.
export function readNote(note) {
	const at = note.lastIndexOf('\n\n');
	// eslint-disable-next-line no-control-regex
	if (at < 0 || /[\u0000-\u0009\u000b-\u001f]/.test(note))
		throw new Error('the checkpoint is not a signed note');
	const lines = note.slice(at + 2).split('\n');
	if (lines.pop() !== '' || !lines.length)
		throw new Error('the checkpoint has no whole line of a signature');
	const signatures = lines.map((line) => {
		const m = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
		const raw = m && base64(m[2]);
		if (!raw || raw.length < 5)
			throw new Error('the checkpoint has a malformed line of a signature');
		return { name: m[1], id: raw.subarray(0, 4), signature: raw.subarray(4) };
	});
	return { text: note.slice(0, at + 1), signatures };
}

// By the browser's WebCrypto where that has Ed25519, else by ed25519.js: {holds, by}.
export async function verifyEd25519(key, signature, message) {
	let imported;
	try {
		imported = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
	} catch {
		return { holds: await ownEd25519(key, signature, message), by: 'this page’s own Ed25519' };
	}
	const holds = await crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, message);
	return { holds, by: 'the browser’s Ed25519' };
}

// A checkpoint whose text is well-formed; nobody has signed it yet: {origin, size, root}.
export function readCheckpoint(text) {
	const lines = text.split('\n');
	const root = lines.length >= 4 ? base64(lines[2]) : null;
	if (!lines[0] || !root || root.length !== 32 || lines.pop() !== '' || lines.includes(''))
		throw new Error('the checkpoint is malformed');
	return { origin: lines[0], size: decimal(lines[1]), root };
}

// Of a note signed with that key (as readKey has it). A key that is named and has not signed condemns it.
export async function openCheckpoint(note, key) {
	const { text, signatures } = readNote(note);
	const mine = signatures.filter((s) => s.name === key.name && same(s.id, key.id));
	if (!mine.length)
		throw new Error(`the checkpoint is not signed by ${key.name}`);
	let by;
	for (const s of mine) {
		const v = await verifyEd25519(key.key, s.signature, encoder.encode(text));
		if (!v.holds)
			throw new Error(`the signature under the checkpoint is not one of ${key.name}`);
		by = v.by;
	}
	const c = readCheckpoint(text);
	if (c.origin !== key.name)
		throw new Error(`the checkpoint is of ${c.origin}, and the key of ${key.name}`);
	return { ...c, by, others: signatures.filter((s) => !mine.includes(s)).map((s) => s.name) };
}

// ---- tiles ----

// Groups of three digits, all but the last behind an x.
function groups(n) {
	let text = String(n % 1000).padStart(3, '0');
	for (n = Math.floor(n / 1000); n; n = Math.floor(n / 1000))
		text = `x${String(n % 1000).padStart(3, '0')}/${text}`;
	return text;
}

// level: 0, 1, … or 'entries'; size: of the log, which says whether that tile is whole.
export function tilePath(level, n, size) {
	const per = level === 'entries' ? 1 : WIDTH ** level;
	const width = Math.min(Math.floor(size / per) - n * WIDTH, WIDTH);
	if (width <= 0)
		throw new Error('there is no such tile');
	return { path: `tile/${level}/${groups(n)}${width < WIDTH ? `.p/${width}` : ''}`, width };
}

// The records of a bundle: big-endian lengths, each with so many bytes; nothing more and nothing less than `width` of them.
export function readBundle(bytes, width) {
	const out = [];
	let at = 0;
	while (at + 2 <= bytes.length && out.length < width) {
		const len = bytes[at] * 256 + bytes[at + 1];
		out.push(bytes.subarray(at + 2, at + 2 + len));
		at += 2 + len;
	}
	if (at !== bytes.length || out.length !== width)
		throw new Error('a bundle of records does not have the form that it must have');
	return out;
}

// Tiles of a log of `size` records, each loaded once. load(path) gives bytes.
export class Tiles {
	constructor(size, load) {
		this.size = size;
		this.load = load;
		this.loaded = new Map();
		this.bytes = 0;
	}

	get(level, n) {
		const { path, width } = tilePath(level, n, this.size);
		if (!this.loaded.has(path)) {
			const rows = this.load(path).then((bytes) => {
				this.bytes += bytes.length;
				return level === 'entries' ? readBundle(bytes, width) : this.hashes(path, bytes, width);
			});
			this.loaded.set(path, { level, n, path, rows });
		}
		return this.loaded.get(path).rows;
	}

	// Every tile that was loaded, whole: bundles against their row of leaves, rows against the hash above them, and what has none above
	// it against the signed root. So no byte of a download is left that nobody has looked at.
	async check(checkpoint) {
		if (!same(await this.root(0, this.size), checkpoint.root))
			throw new Error('the tiles do not make the root that the checkpoint speaks of');
		for (const tile of this.loaded.values()) { // grows while it is walked
			const rows = await tile.rows, parent = Math.floor(tile.n / WIDTH);
			let made = rows, above;
			if (tile.level === 'entries')
				[made, above] = [await Promise.all(rows.map(leafHash)), await this.get(0, tile.n)];
			else if (rows.length === WIDTH)
				[made, above] = [[await fold(rows)], [(await this.get(tile.level + 1, parent))[tile.n % WIDTH]]];
			else
				continue;
			if (!made.every((h, i) => same(h, above[i])))
				throw new Error(`${tile.path} is not what the log has signed`);
		}
	}

	hashes(path, bytes, width) {
		if (bytes.length !== 32 * width)
			throw new Error(`${path} has ${bytes.length} bytes, not ${32 * width}`);
		return Array.from({ length: width }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
	}

	async entry(index) {
		return (await this.get('entries', Math.floor(index / WIDTH)))[index % WIDTH];
	}

	// Root of records [n << level, (n + 1) << level), which are all there: from the row of hashes below it.
	async subtree(level, n) {
		const tile = Math.floor(level / 8), up = level % 8, first = n * 2 ** up;
		const row = await this.get(tile, Math.floor(first / WIDTH));
		return fold(row.slice(first % WIDTH, first % WIDTH + 2 ** up));
	}

	// Root of records [start, end), where start is a multiple of the largest power of two below their number.
	async root(start, end) {
		const n = end - start, half = halfOf(n);
		if (n === 2 ** Math.round(Math.log2(n)))
			return this.subtree(Math.round(Math.log2(n)), start / n);
		return nodeHash(await this.root(start, start + half), await this.root(start + half, end));
	}
}

// Root of a row of hashes, a power of two of them.
async function fold(row) {
	while (row.length > 1)
		row = await Promise.all(Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i], row[2 * i + 1])));
	return row[0];
}

// The largest power of two below n; of 1, that is 0.
export function halfOf(n) {
	let half = n > 1 ? 1 : 0;
	while (half && half * 2 < n)
		half *= 2;
	return half;
}

// ---- proofs ----

// RFC 6962 2.1.1, from the record up: [{hash, left}]; left: the hash stands left of what is proven.
export async function inclusion(tiles, index, size) {
	const path = [];
	for (let start = 0, end = size; end - start > 1;) {
		const middle = start + halfOf(end - start);
		if (index < middle) {
			path.unshift({ hash: await tiles.root(middle, end), left: false });
			end = middle;
		} else {
			path.unshift({ hash: await tiles.root(start, middle), left: true });
			start = middle;
		}
	}
	return path;
}

// Every hash on the way from the leaf to the root.
export async function climb(leaf, path) {
	const way = [leaf];
	for (const step of path) {
		const below = way[way.length - 1];
		way.push(await (step.left ? nodeHash(step.hash, below) : nodeHash(below, step.hash)));
	}
	return way;
}

// RFC 6962 2.1.2: hashes from which both roots follow, 0 < older < newer.
export async function consistency(tiles, older, newer) {
	async function part(m, start, end, whole) {
		if (m === end - start)
			return whole ? [] : [await tiles.root(start, end)];
		const middle = start + halfOf(end - start);
		if (m <= middle - start)
			return [...await part(m, start, middle, whole), await tiles.root(middle, end)];
		return [...await part(m - (middle - start), middle, end, false), await tiles.root(start, middle)];
	}
	return part(older, 0, newer, true);
}

// RFC 9162 2.1.4.2, where equal sizes need equal roots and no proof.
export async function checkConsistency({ older, newer, proof }) {
	const fail = () => {
		throw new Error(`the log of ${newer.size} records does not continue the one of ${older.size}: it was written anew`);
	};
	if (older.size <= 0) // nothing is proven of it
		fail();
	if (older.size === newer.size)
		return proof.length === 0 && same(older.root, newer.root) ? undefined : fail();
	if (older.size > newer.size || proof.length === 0 || !proof.every((h) => h.length === 32))
		fail();
	const left = proof.slice();
	let node = older.size - 1, last = newer.size - 1;
	while (node % 2)
		[node, last] = [(node - 1) / 2, Math.floor(last / 2)];
	let a = node ? left.shift() : older.root, b = a;
	for (const hash of left) {
		if (last === 0)
			fail();
		if (node % 2 || node === last) {
			[a, b] = [await nodeHash(hash, a), await nodeHash(hash, b)];
			while (node % 2 === 0 && node !== 0)
				[node, last] = [node / 2, Math.floor(last / 2)];
		} else {
			b = await nodeHash(b, hash);
		}
		[node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
	}
	if (last !== 0 || !same(a, older.root) || !same(b, newer.root))
		fail();
}

// RFC 9162 2.1.3.2: does the record with that leaf hash stand at index of a log with that size and root?
export async function checkInclusion({ index, size, leaf, root, proof }) {
	const no = () => {
		throw new Error(`record ${index} is not in the log that the checkpoint speaks of`);
	};
	if (index >= size || ![leaf, root, ...proof].every((h) => h.length === 32))
		no();
	let node = index, last = size - 1, r = leaf;
	for (const hash of proof) {
		if (last === 0)
			no();
		if (node % 2 || node === last) {
			r = await nodeHash(hash, r);
			while (node % 2 === 0 && node !== 0)
				[node, last] = [node / 2, Math.floor(last / 2)];
		} else {
			r = await nodeHash(r, hash);
		}
		[node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
	}
	if (last !== 0 || !same(r, root))
		no();
}

// ---- what a page asks ----

// That record `index` has these bytes: {entry, leaf, path, way}.
export async function proveRecord(tiles, checkpoint, index) {
	if (index >= checkpoint.size)
		throw new Error(`the checkpoint speaks of ${checkpoint.size} records, so not of record ${index} yet`);
	const entry = await tiles.entry(index);
	const leaf = await leafHash(entry);
	const path = await inclusion(tiles, index, checkpoint.size);
	await checkInclusion({ index, size: checkpoint.size, leaf, root: checkpoint.root, proof: path.map((s) => s.hash) });
	await tiles.check(checkpoint);
	return { entry, leaf, path, way: await climb(leaf, path) };
}

// That records from to to - 1 are these and no others: their hashes and what stands beside them make the signed root. each(index, bytes)
// sees every record, in order, before that is known.
export async function proveRange(tiles, checkpoint, from, to, each) {
	if (from >= to || to > checkpoint.size)
		throw new Error(`the checkpoint speaks of ${checkpoint.size} records, not of ${from} to ${to - 1}`);
	const leaves = [];
	for (let i = from; i < to; i++) {
		const entry = await tiles.entry(i);
		leaves.push(await leafHash(entry));
		each(i, entry);
	}
	async function root(start, end) {
		if (end <= from || start >= to)
			return tiles.root(start, end);
		if (end - start === 1)
			return leaves[start - from];
		const middle = start + halfOf(end - start);
		return nodeHash(await root(start, middle), await root(middle, end));
	}
	if (!same(await root(0, checkpoint.size), checkpoint.root))
		throw new Error(`records ${from} to ${to - 1} are not those that the checkpoint speaks of`);
	await tiles.check(checkpoint);
}
