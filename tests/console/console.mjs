// The console in a browser: every page and every filter, what a proof says when it holds and when it does not, and the way of somebody who
// has never seen it. One line for each case; whatever a page should not have done is said at the end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { Keep } from './browser.mjs';

const [url, link, shots, only = ''] = process.argv.slice(2); // only: cases and pages whose names hold that
const wanted = (name) => name.includes(only);
fs.mkdirSync(shots, { recursive: true });
const keep = new Keep(url, link, shots);
let cases = 0;

async function test(name, run) {
	if (!wanted(name) && name !== 'every page')
		return;
	const began = Date.now();
	cases++;
	await run().catch((e) => keep.faults.push(`${name}: ${e.message}`));
	console.log(`${name}: ${Date.now() - began} ms`);
}

// Every page: its address, what its heading is, what stands on it.
const pages = [
	['overview', '/console', 'Overview', [/Nothing needs attention|one user/, /Models of this appliance/]],
	['records', '/console/records', 'Records', [/Questions to models and their answers/, /alice/, /bob/, /Is anything missing\?/]],
	['records-all', '/console/records?kind=all', 'Records', [/All records/, /log-read/]],
	['records-acts', '/console/records?kind=acts', 'Records', [/Acts that changed something/, /trust-add/, /access-add/, /<b>loud<\/b> "onload=x"/]],
	['record', '/console/records/5', /^Record 5: /, [/verified on the server/, /What it says/, /As it stands in the log/]],
	['people', '/console/people', 'People', [/alice/, /bob/]],
	['person', '/console/people/alice', 'alice', [/With what/, /demo/, /The newest/]],
	['used', '/console/used', 'Models in use', [/demo/]],
	['used-demo', '/console/used/demo', 'demo', [/With what/, /alice/]],
	['models', '/console/models', 'Models', [/demo/, /accepted/, /pub/]],
	['model', '/console/models/demo', 'demo', [/Publisher: pub/, /rules hold/, /licence any: mit/, /demo\.gguf/, /accepted/, /today it would be accepted/]],
	['reviews', '/console/reviews', 'Reviews', [/not reviewed yet/, /Sign off a part of the log/, /keep audit evidence/, /The newest checkpoint/]],
	['live', '/console/live?still=1', 'Live', [/0 running, 0 waiting/, /What each model does/, /In memory/, /demo/, /Tokens today/, /of 50,000/]],
	['report', '/console/reviews/report?from=0&to=40', 'Report of records 0 to 39', [/40 of them/, /alice/, /The log.s key/, /Events/]],
];
// Filters: the address, events that stand in the listing and such that do not.
const filters = [
	['who=alice', /alice/, /bob/],
	['who=bob', /bob/, /alice/],
	['model=demo', /demo/, /trust-add/],
	['event=import-verdict', /rejected/, /alice/],
	['event=orphan&kind=all', /never answered/, /stop/],
	['kind=all&result=rejected', /rejected/, /alice/],
	['kind=all&text=%22trust-add%22', /trust-add/, /alice/],
	['kind=all&since=2019-01-01&until=2019-12-31', /Nothing here fits/, /alice/],
	['who=nobody', /Nothing here fits/, /alice/],
];

async function see(context, at, heading, words) {
	const page = await keep.page(context);
	const answer = await page.goto(url + at);
	assert.equal(answer.status(), 200, at);
	const h1 = await page.locator('h1').innerText();
	assert.ok(heading instanceof RegExp ? heading.test(h1) : h1 === heading, `${at}: the heading is ${h1}`);
	const main = await page.locator('main').innerText();
	for (const w of words)
		assert.ok(w.test(main), `${at}: no ${w} in ${main.slice(0, 1500)}`);
	return page;
}

async function onePage(plain, [name, at, heading, words]) {
	await (await see(plain, at, heading, words)).close(); // readable without a script
	const page = await see(keep.context, at, heading, words);
	assert.equal(await page.locator('b, i').count(), 0, `${at}: a name became markup`);
	await keep.accessible(page);
	await keep.shoot(page, name);
	await page.close();
}

// Two at a time: drawing takes a processor each.
async function everyPage() {
	const plain = await keep.open({ javaScriptEnabled: false });
	const rows = pages.filter((row) => wanted(row[0]) || wanted('every page'));
	const some = async () => {
		for (let row; (row = rows.shift());)
			await onePage(plain, row);
	};
	await Promise.all([some(), some()]);
	await plain.close();
}

async function everyFilter() {
	const page = await keep.page();
	for (const [query, has, hasNot] of filters) {
		await page.goto(`${url}/console/records?${query}`);
		const text = (await page.locator('main .table, main .none').allInnerTexts()).join('\n');
		assert.match(text, has, query);
		assert.doesNotMatch(text, hasNot, query);
	}
	await page.goto(`${url}/console/records`); // and by hand
	await page.getByText('Filter', { exact: true }).click();
	await page.getByLabel('Who').fill('alice');
	await page.getByRole('button', { name: 'Show' }).click();
	await page.waitForURL(/who=alice/);
	assert.doesNotMatch(await page.locator('main .table').first().innerText(), /bob/);
	await page.close();
}

// By the keyboard alone: first the way past the navigation, then everything in the order in which it stands, each in sight and marked.
async function keyboard() {
	const page = await keep.page();
	const focused = () => page.evaluate(() => {
		const e = document.activeElement, r = e.getBoundingClientRect();
		return e === document.body ? null : { what: e.outerHTML.slice(0, 120), skip: e.className === 'skip', at: [...document.querySelectorAll('*')].indexOf(e),
			marked: getComputedStyle(e).outlineStyle !== 'none' || e.closest('svg') !== null,
			seen: r.width > 0 && r.bottom > 0 && r.top < innerHeight };
	});
	for (const at of ['/console', '/console/records', '/console/records/3', '/console/reviews']) {
		await page.goto(url + at);
		await page.keyboard.press('Tab');
		assert.ok((await focused())?.skip, `${at}: the first is no way past the navigation`);
		for (let last = -1, n = 0, f; n < 60 && (f = await focused()); last = f.at, n++) {
			assert.ok(f.at > last && f.marked && f.seen, `${at}: ${JSON.stringify(f)} behind ${last}`);
			await page.keyboard.press('Tab');
		}
		await page.goto(url + at);
		await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		await page.waitForFunction(() => document.activeElement.id === 'main');
	}
	await page.close();
}

// A filter that is kept is a link in this browser; what somebody else wrote there is no markup.
async function kept() {
	const page = await keep.page();
	await page.goto(`${url}/console/records?kind=all&who=alice`);
	await page.getByLabel('Keep this filter').fill('<i>Alice</i>');
	await page.getByRole('button', { name: 'Keep', exact: true }).click();
	await page.goto(`${url}/console/records`);
	await page.getByText('Filter', { exact: true }).click();
	await page.getByRole('link', { name: '<i>Alice</i>' }).click();
	await page.waitForURL(/kind=all&who=alice$/);
	await keep.accessible(page);
	await page.getByRole('button', { name: 'Forget <i>Alice</i>' }).click();
	assert.equal(await page.getByRole('link', { name: '<i>Alice</i>' }).count(), 0);
	for (const words of ['Never answered', 'Not as asked', 'Models', 'Who read the log']) {
		await page.goto(`${url}/console/records`);
		await page.getByText('Filter', { exact: true }).click();
		await page.locator('main').getByRole('link', { name: words, exact: true }).click();
		await page.waitForURL(/kind=all/);
		assert.ok(await page.locator('main tbody tr').count(), words);
	}
	await page.close();
}

// Both ways through the log by its cursors: the same records, each once.
async function cursors() {
	const page = await keep.page(), down = [], up = [];
	const rows = () => page.locator('main tbody th').allInnerTexts();
	await page.goto(`${url}/console/records?kind=all&rows=25`);
	for (;;) {
		down.push(...await rows());
		const older = page.getByRole('link', { name: 'Older' }).first();
		if (!await older.count())
			break;
		await Promise.all([page.waitForNavigation(), older.click()]);
	}
	for (;;) {
		up.unshift(...await rows());
		const newer = page.getByRole('link', { name: 'Newer' }).first();
		if (!await newer.count() || up.length >= down.length)
			break;
		await Promise.all([page.waitForNavigation(), newer.click()]);
	}
	const paged = new Set(down), newest = Number(down[0]);
	await page.goto(`${url}/console/records?kind=all&rows=500`);
	const missing = (await rows()).filter((n) => Number(n) <= newest && !paged.has(n));
	assert.deepEqual(missing, [], 'what stands on one large page and on no small one');
	await page.goBack();
	assert.deepEqual(up.slice(-down.length), down, 'the way back is another one');
	await page.close();
}

async function proves(page, button) {
	await page.getByRole('button', { name: button }).click();
	await page.locator('.prove[data-state=proven], .prove[data-state=failed]').waitFor();
	return page.locator('.prove .result').innerText();
}

async function holds() {
	const page = await keep.page();
	await page.goto(`${url}/console/records/3`);
	const said = await proves(page, 'Verify in this browser');
	assert.match(said, /verified in this browser/);
	assert.match(said, /Hash of the record/);
	assert.equal((said.match(/the same/g) ?? []).length, 2, said);
	await keep.accessible(page);
	await keep.shoot(page, 'record-verified');
	await page.close();
}

// What comes from the network is altered on its way: every kind of file, and what the page itself says.
async function altered() {
	const cases = [
		['a record', /tile\/entries\//, (b) => { b[9] ^= 1; }, /not proven/],
		['a row of hashes', /tile\/0\//, (b) => { b[70] ^= 1; }, /not proven/],
		['the root that is signed', /log\/checkpoint/, (b) => { b[b.indexOf(10, b.indexOf(10, b.indexOf(10) + 1)) + 3] ^= 1; }, /not proven/],
		['a file that is cut', /tile\/0\//, (b) => b.subarray(0, 32), /not proven/],
	];
	for (const [what, where, alter, says] of cases) {
		const page = await keep.page();
		await page.route(where, async (route) => {
			const answer = await route.fetch(), body = await answer.body();
			await route.fulfill({ response: answer, body: alter(body) ?? body });
		});
		await page.goto(`${url}/console/records/3`);
		assert.match(await proves(page, 'Verify in this browser'), says, what);
		assert.ok(await page.locator('.prove .bad').isVisible(), `${what}: nothing is seen`);
		if (what === 'a record')
			await keep.shoot(page, 'record-altered');
		await page.goto(`${url}/console/records?kind=all&until=2100-01-01`);
		assert.match(await proves(page, 'Prove that nothing is missing'), says, `${what}, of a span`);
		await page.close();
	}
	const page = await keep.page(); // the server shows another hash than the one that is in the log
	await page.goto(`${url}/console/records/3`);
	await page.evaluate(() => { document.getElementById('verify').dataset.leaf = '0'.repeat(64); });
	assert.match(await proves(page, 'Verify in this browser'), /what the server says is not what this browser found/);
	await page.goto(`${url}/console/records?kind=all`);
	await page.getByRole('link', { name: /^Tuesday/ }).click();
	await page.evaluate(() => { const d = document.getElementById('complete').dataset; d.to = Number(d.to) - 3; });
	assert.match(await proves(page, 'Prove that nothing is missing'), /was left out/);
	await page.close();
}

// A sign-off goes out as a text, is signed elsewhere, comes back as a note; one that was changed is not taken.
async function signOff() {
	const page = await keep.page(), work = path.dirname(process.env.KEEP_ROOT);
	const vkey = fs.readFileSync(path.join(work, 'auditor.vkey'), 'utf8').trim();
	const text = path.join(work, 'review.txt'), note = path.join(work, 'review.note');
	await page.goto(`${url}/console/reviews`);
	await page.getByLabel('From record').fill('0');
	await page.getByLabel('Up to, and without').fill('40');
	await page.getByLabel('Your public key').fill(vkey);
	await page.getByLabel('Remark, one line').fill('I have read <b>these</b>');
	await page.getByLabel('Open questions').fill('Why was 44 never answered?\nWho is bob?');
	await page.getByRole('button', { name: 'Show what is to be signed' }).click();
	const shown = await page.locator('#text').innerText();
	assert.match(shown, /^keep review v1\n.*\nrange 0 40\nroot /);
	await keep.accessible(page);
	await keep.shoot(page, 'sign');
	const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download it' }).click()]);
	await download.saveAs(text);
	assert.equal(fs.readFileSync(text, 'utf8').trim(), shown.trim(), 'what is shown and what is signed differ');
	fs.rmSync(note, { force: true });
	execFileSync(process.env.KEEP, ['audit', 'sign-off', '--sign', text, '--key', path.join(work, 'auditor.key'), '--out', note], { stdio: 'ignore' });
	const good = fs.readFileSync(note, 'utf8');
	const bring = async (words) => {
		await page.goto(`${url}/console/reviews`);
		await page.getByLabel('or its text').fill(words);
		await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Hand it in' }).click()]);
		return page.locator('main').innerText();
	};
	keep.faultsAllowed = /status of 400/;
	assert.match(await bring(good.replace('these', 'those')), /signature does not hold/);
	keep.faultsAllowed = null;
	assert.match(await bring(good), /review/);
	assert.match(page.url(), /\/console\/records\/[0-9]+$/);
	await page.goto(`${url}/console/reviews`);
	assert.match(await page.locator('main').innerText(), /I have read <b>these<\/b>[^]*Why was 44 never answered\?/);
	assert.match(await page.locator('.lead').innerText(), /from 40 on/);
	await page.getByLabel('The file that').setInputFiles(note);
	await page.waitForFunction(() => document.getElementById('note').value.startsWith('keep review v1'));
	await page.close();
	await signOffWithoutScript(note, good);
}

// The same, of a file that is chosen where no script runs.
async function signOffWithoutScript(note, good) {
	const plain = await keep.open({ javaScriptEnabled: false }), page = await keep.page(plain);
	const bring = async (words) => {
		fs.writeFileSync(note, words);
		await page.goto(`${url}/console/reviews`);
		await page.getByLabel('The file that').setInputFiles(note);
		await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Hand it in' }).click()]);
		return page.locator('main').innerText();
	};
	keep.faultsAllowed = /status of 400/;
	assert.match(await bring(good.replace('these', 'those')), /signature does not hold/);
	assert.match(await bring(''), /That is no signed note/);
	keep.faultsAllowed = null;
	assert.match(await bring(good), /review/);
	assert.match(page.url(), /\/console\/records\/[0-9]+$/);
	await plain.close();
}

// A bundle of evidence judges itself, by two programs that are not the console's; one whose records were changed does not.
async function evidence() {
	const answer = await keep.context.request.get(`${url}/console/reviews/evidence?from=20&to=40`);
	assert.equal(answer.status(), 200);
	assert.match(answer.headers()['content-disposition'], /filename="evidence-20-39.tar"/);
	const dir = fs.mkdtempSync(path.join(path.dirname(process.env.KEEP_ROOT), 'evidence-'));
	const judge = (program, args) => {
		try {
			return execFileSync(program, [...args, dir, '--vkey', vkey], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }) && 0;
		} catch (e) {
			return e.status;
		}
	};
	execFileSync('tar', ['xf', '-', '-C', dir], { input: await answer.body() });
	const vkey = fs.readFileSync(path.join(dir, 'log.vkey'), 'utf8').trim();
	assert.deepEqual(fs.readdirSync(path.join(dir, 'context')), ['0.json', '0.tlog-proof']);
	assert.equal(judge(process.env.KEEP_VERIFY, ['evidence']), 0, 'keep-audit-verify');
	assert.equal(judge('python3', [path.join(dir, 'verify.py')]), 0, 'verify.py');
	const report = fs.readFileSync(path.join(dir, 'report.html'), 'utf8'), own = `${dir}-own`;
	execFileSync(process.env.KEEP, ['audit', 'evidence', '20..40', own], { stdio: 'ignore' });
	const made = /made by [^<]*/, body = (s) => s.replace(made, '').replace(/Checkpoint<[^]*<h2>How/, '<h2>How');
	assert.match(report, /records 20 to 39/);
	assert.equal(body(report), body(fs.readFileSync(path.join(own, 'report.html'), 'utf8')), 'the report of keep audit evidence is another one');
	for (const f of ['README.txt', 'verify.py', 'entries.jsonl'])
		assert.equal(fs.readFileSync(path.join(dir, f), 'utf8'), fs.readFileSync(path.join(own, f), 'utf8'), f);
	const entries = path.join(dir, 'entries.jsonl');
	fs.writeFileSync(entries, fs.readFileSync(entries, 'utf8').replace('alice', 'mallo'));
	assert.equal(judge(process.env.KEEP_VERIFY, ['evidence']), 1, 'changed, to keep-audit-verify');
	assert.equal((await keep.context.request.get(`${url}/console/reviews/evidence?from=0&to=10001`)).status(), 400);
	assert.equal((await keep.context.request.get(`${url}/console/reviews/evidence?from=0&to=9999`)).status(), 400);
}

// Questions of bob's, two at a time, until that holds.
async function asking(run) {
	let over = false;
	const schema = { type: 'string', minLength: 900, maxLength: 900 }; // an answer that takes its time
	const body = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Write for ever' }], max_tokens: 900,
		response_format: { type: 'json_schema', json_schema: { name: 'long', schema } } });
	const ask = () => new Promise((resolve, reject) => {
		const r = http.request({ socketPath: path.join(process.env.KEEP_ROOT, 'run/http.sock'), path: '/v1/chat/completions', method: 'POST',
			headers: { Authorization: `Bearer ${process.env.KEEP_KEY}`, 'Content-Type': 'application/json' } }, (a) => a.resume().on('end', resolve));
		r.on('error', reject);
		r.end(body);
	});
	const again = async () => {
		while (!over)
			await ask();
	};
	const both = Promise.all([again(), again()]);
	await run().finally(() => { over = true; });
	await both;
}

// The page of what happens now loads itself again, with a script and without; and says what runs, of which model and for whom, and how fast.
async function live() {
	await Promise.all([true, false].map(async (javaScriptEnabled) => {
		const context = await keep.open({ javaScriptEnabled }), page = await keep.page(context);
		await page.goto(`${url}/console/live`);
		await page.waitForEvent('load');
		assert.equal(await page.locator('h1').innerText(), 'Live');
		await context.close();
	}));
	await asking(async () => {
		const page = await keep.page();
		const fast = page.locator('section[aria-labelledby=now]').getByText(/^written [0-9.]*[1-9][0-9.]* a second, read/);
		do
			await page.goto(`${url}/console/live?still=1`);
		while (!await page.getByText(/^[1-9][0-9]* running, /).count() || !await fast.count());
		assert.match(await page.locator('section[aria-labelledby=sessions]').innerText(), /bob/);
		await keep.accessible(page);
		await keep.shoot(page, 'live-busy');
		await page.close();
	});
}

// Somebody who has never seen it: who asked what of which model last Tuesday, and is nothing missing?
async function lastTuesday() {
	const page = await keep.page();
	let clicks = 0;
	const click = async (role, name) => {
		await page.getByRole(role, { name }).first().click();
		clicks++;
	};
	await page.goto(`${url}/console`);
	await click('link', 'Records');
	await click('link', /^Tuesday/);
	const rows = await page.locator('main tbody tr').allInnerTexts();
	assert.equal(rows.filter((r) => /alice/.test(r) && /demo/.test(r)).length, 3, rows.join('\n'));
	assert.equal(rows.filter((r) => /bob/.test(r) && /demo/.test(r)).length, 1, rows.join('\n'));
	await click('button', 'Prove that nothing is missing');
	await page.locator('.prove[data-state=proven], .prove[data-state=failed]').waitFor();
	const said = await page.locator('.prove .result').innerText();
	assert.match(said, /nothing is missing/);
	assert.match(said, /Of these fit the filter/);
	await keep.accessible(page);
	await keep.shoot(page, 'last-tuesday');
	await page.locator('main tbody th a').last().click(); // what the first of them was
	clicks++;
	assert.match(await page.locator('h1').innerText(), /request/);
	await click('button', 'Verify in this browser');
	await page.locator('.prove[data-state=proven]').waitFor();
	assert.ok(clicks < 12, `${clicks} clicks`);
	await page.close();
}

await keep.begin();
await test('last Tuesday', lastTuesday);
await test('every filter', everyFilter);
await test('keyboard', keyboard);
await test('kept filters', kept);
await test('cursors', cursors);
await test('verified in the browser', holds);
await test('altered on the way', altered);
await test('sign-off', signOff);
await test('evidence', evidence);
await test('every page', everyPage);
await test('live', live); // last: it fills the log
await keep.end();
keep.faults.forEach((f) => console.log(f));
console.log(`${cases} cases, ${keep.requests} requests, ${keep.faults.length} faults`);
process.exit(keep.faults.length ? 1 : 0);
