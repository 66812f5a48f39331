// Verifies the record of this page, from downloaded tiles alone, and holds the result beside the server's.

import { hex, proveRecord } from './verify.js';
import { compared, count, element, onButton, open, state } from './prove.js';

const section = document.getElementById('verify');
const said = section.dataset;

onButton(section, async () => {
	const index = Number(said.index), size = Number(said.size);
	const { checkpoint, tiles } = await open(said.vkey);
	if (checkpoint.size < size)
		throw new Error(`the checkpoint speaks of ${checkpoint.size} records, and the page's of ${size}: the log was cut`);
	const { leaf, path } = await proveRecord(tiles, checkpoint, index);
	const root = await tiles.root(0, size);
	await tiles.check(checkpoint);
	const rows = [
		['Hash of the record', said.leaf, hex(leaf)],
		[`Root of ${count(size)} records`, said.root, hex(root)],
	].map(([what, server, browser]) => [what, server, browser, server === browser]);
	if (!rows.every((r) => r[3]))
		throw new Error(`what the server says is not what this browser found: ${rows.filter((r) => !r[3]).map((r) => r[0]).join(', ')}`);
	return [
		element('p', {}, state(true, 'verified in this browser'), ` Record ${count(index)} stands in the ${count(checkpoint.size)} records that `
			+ `${checkpoint.origin} has signed (checked by ${checkpoint.by}); ${tiles.loaded.size} files of ${count(tiles.bytes)} bytes were `
			+ `downloaded, and ${path.length} hashes lead to the root.`),
		compared('Both results', rows),
	];
});
