// Ed25519 verification (RFC 8032) for browsers whose WebCrypto has none. Written to be read, not to be fast: 10 ms a signature. It only
// ever sees public values, so nothing here needs to take the same time for all of them.
//
// Strict as libsodium is: S below the order, points in their one encoding, and [S]B = R + [h]A without the cofactor.

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, P - 2n));
const ROOT_MINUS_1 = power(2n, (P - 1n) / 4n);
const BASE = decode(bytesOf(mod(4n * power(5n, P - 2n))));
const NEUTRAL = { x: 0n, y: 1n, z: 1n, t: 0n };

function mod(a) {
	const r = a % P;
	return r < 0n ? r + P : r;
}

function power(a, e) {
	let r = 1n;
	for (let b = mod(a); e > 0n; e >>= 1n, b = mod(b * b))
		if (e & 1n)
			r = mod(r * b);
	return r;
}

function number(bytes) {
	let n = 0n;
	for (let i = bytes.length - 1; i >= 0; i--)
		n = (n << 8n) | BigInt(bytes[i]);
	return n;
}

function bytesOf(n) {
	const out = new Uint8Array(32);
	for (let i = 0; i < 32; i++, n >>= 8n)
		out[i] = Number(n & 255n);
	return out;
}

// Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z.
function add(p, q) {
	const a = mod((p.y - p.x) * (q.y - q.x));
	const b = mod((p.y + p.x) * (q.y + q.x));
	const c = mod(2n * D * p.t * q.t);
	const d = mod(2n * p.z * q.z);
	const e = b - a, f = d - c, g = d + c, h = b + a;
	return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

function times(n, p) {
	let r = NEUTRAL;
	for (; n > 0n; n >>= 1n, p = add(p, p))
		if (n & 1n)
			r = add(r, p);
	return r;
}

function negative(p) {
	return { x: mod(-p.x), y: p.y, z: p.z, t: mod(-p.t) };
}

// The point of 32 bytes, or null when they are not the one encoding of a point.
function decode(bytes) {
	const sign = BigInt(bytes[31] >> 7);
	const y = number(bytes) & (2n ** 255n - 1n);
	if (y >= P)
		return null;
	const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
	let x = mod(u * v ** 3n * power(u * v ** 7n, (P - 5n) / 8n));
	if (mod(v * x * x) === mod(-u))
		x = mod(x * ROOT_MINUS_1);
	if (mod(v * x * x) !== u || (x === 0n && sign === 1n))
		return null;
	if ((x & 1n) !== sign)
		x = P - x;
	return { x, y, z: 1n, t: mod(x * y) };
}

function encode(p) {
	const z = power(p.z, P - 2n);
	const out = bytesOf(mod(p.y * z));
	out[31] |= Number(mod(p.x * z) & 1n) << 7;
	return out;
}

function same(a, b) {
	return a.length === b.length && a.every((v, i) => v === b[i]);
}

export async function verify(publicKey, signature, message) {
	if (publicKey.length !== 32 || signature.length !== 64)
		return false;
	const r = signature.subarray(0, 32), s = number(signature.subarray(32)), a = decode(publicKey);
	if (s >= ORDER || !a || !decode(r) || same(encode(times(8n, a)), encode(NEUTRAL)))
		return false;
	const hashed = new Uint8Array(64 + message.length);
	hashed.set(r);
	hashed.set(publicKey, 32);
	hashed.set(message, 64);
	const h = number(new Uint8Array(await crypto.subtle.digest('SHA-512', hashed))) % ORDER;
	return same(encode(add(times(s, BASE), times(h, negative(a)))), r);
}
