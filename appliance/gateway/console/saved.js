// Filters that a reader wants to have again. They are addresses, and lie in this browser alone: nothing of a reader is kept on the appliance.

import { element } from './prove.js';

const KEY = 'keep-filters', MOST = 50;
const section = document.getElementById('saved'), list = section.querySelector('ul'), name = section.querySelector('input');

// [[name, query], …]; whatever else somebody put there is none.
function read() {
	try {
		const all = JSON.parse(localStorage.getItem(KEY) ?? '[]');
		return Array.isArray(all) ? all.filter((f) => Array.isArray(f) && f.length === 2 && f.every((s) => typeof s === 'string')).slice(0, MOST) : [];
	} catch {
		return [];
	}
}

function write(all) {
	localStorage.setItem(KEY, JSON.stringify(all.slice(0, MOST)));
	show();
}

function show() {
	list.replaceChildren(...read().map(([words, query], i) => {
		const remove = element('button', { type: 'button', 'class': 'small', 'aria-label': `Forget ${words}` }, '✕');
		remove.addEventListener('click', () => write(read().filter((_, k) => k !== i)));
		return element('li', {}, element('a', { href: `/console/records?${query}` }, words), ' ', remove);
	}));
}

section.hidden = false;
show();
section.querySelector('button').addEventListener('click', () => {
	const words = name.value.trim().slice(0, 80);
	if (!words) {
		name.focus();
		return;
	}
	write([...read().filter(([w]) => w !== words), [words, location.search.slice(1)]]);
	name.value = '';
});
