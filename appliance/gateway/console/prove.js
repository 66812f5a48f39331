// What the pages that prove something share: where tiles come from, and how a result is written. Nothing of what the server says of a
// record is used for its proof but the log's key, which stands on the page and in every receipt.

import { Tiles, openCheckpoint, readKey } from './verify.js';

export async function download(path) {
	const answer = await fetch(`/console/log/${path}`, { credentials: 'same-origin', cache: 'no-store' });
	if (!answer.ok)
		throw new Error(`${path} could not be downloaded (${answer.status})`);
	return new Uint8Array(await answer.arrayBuffer());
}

// The newest signed checkpoint, and the tiles of the log that it speaks of.
export async function open(vkey) {
	const key = await readKey(vkey);
	const note = new TextDecoder('utf-8', { fatal: true }).decode(await download('checkpoint'));
	const checkpoint = await openCheckpoint(note, key);
	return { checkpoint, tiles: new Tiles(checkpoint.size, download) };
}

export function element(name, attributes, ...children) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attributes))
		e.setAttribute(k, v);
	e.append(...children);
	return e;
}

export function state(good, words) {
	const sign = element('span', { 'class': 'sign', 'aria-hidden': 'true' }, good ? '✓' : '✕');
	return element('span', { 'class': `state ${good ? 'good' : 'bad'}` }, sign, ` ${words}`);
}

export function count(n) {
	return n.toLocaleString('en-US');
}

// rows: [what, what the server says, what this browser found, whether they are the same].
export function compared(caption, rows) {
	const head = element('tr', {}, ...['What', 'On the server', 'In this browser', 'Result'].map((w) => element('th', { scope: 'col' }, w)));
	const body = rows.map(([what, server, browser, same]) => element('tr', {}, element('th', { scope: 'row' }, what),
		element('td', {}, element('code', { 'class': 'digest' }, server)), element('td', {}, element('code', { 'class': 'digest' }, browser)),
		element('td', {}, state(same, same ? 'the same' : 'different'))));
	return element('div', { 'class': 'table', tabindex: '0', role: 'region', 'aria-label': caption },
		element('table', {}, element('caption', {}, caption), element('thead', {}, head), element('tbody', {}, ...body)));
}

// A button that is there for those who run scripts: what it proves stands in the section's result. prove() gives nodes, or throws what does not hold.
export function onButton(section, prove) {
	const button = section.querySelector('button'), result = section.querySelector('.result');
	button.hidden = false;
	button.addEventListener('click', async () => {
		button.disabled = true;
		result.replaceChildren(element('p', {}, 'Downloading and computing …'));
		section.dataset.state = 'working';
		try {
			result.replaceChildren(...await prove((words) => result.replaceChildren(element('p', {}, words))));
			section.dataset.state = 'proven';
		} catch (e) {
			result.replaceChildren(element('p', { 'class': 'failed' }, state(false, 'not proven'), ` ${e.message}.`));
			section.dataset.state = 'failed';
		}
		button.disabled = false;
	});
}
