// Proves that the time of this page has the records that were listed and no others: every record of it is downloaded, hashed and held against
// the signed checkpoint, its neighbours show that the time begins and ends there, and the filter is applied a second time.

import { proveRange } from './verify.js';
import { Chooser } from './choose.js';
import { compared, count, element, onButton, open, state } from './prove.js';

const MOST = 200000; // records that a browser is asked to download at once: some 100 MB
const section = document.getElementById('complete');
const said = section.dataset;

// Nanoseconds are more than a number holds: digits of equal length are compared.
function time(bytes) {
	const m = /"time_ns":([0-9]+)/.exec(new TextDecoder().decode(bytes.subarray(0, 200)));
	return m ? BigInt(m[1]) : null;
}

onButton(section, async (say) => {
	const from = Number(said.from), to = Number(said.to);
	if (to - from > MOST)
		throw new Error(`these are ${count(to - from)} records, more than a browser should download at once: choose a shorter time`);
	const { checkpoint, tiles } = await open(said.vkey);
	const first = Math.max(from - 1, 0), end = Math.min(to + 1, checkpoint.size), chooser = new Chooser(said);
	await proveRange(tiles, checkpoint, first, end, (index, bytes) => {
		const at = time(bytes);
		if (index < from && at !== null && at >= BigInt(said.since))
			throw new Error(`record ${index} is of this time, and was left out`);
		if (index >= to && at !== null && at <= BigInt(said.until))
			throw new Error(`record ${index} is of this time, and was left out: load the page again if the time is not over yet`);
		if (index >= from && index < to)
			chooser.add(index, bytes);
		if (index % 5000 === 0)
			say(`${count(index - from)} of ${count(to - from)} records …`);
	});
	const rows = [['Records of this time', count(to - from), count(chooser.questions.size)]];
	if (said.hits !== '' && !chooser.unknown)
		rows.push(['Of these fit the filter', count(Number(said.hits)), count(chooser.chosen.length)]);
	const all = rows.map((r) => [...r, r[1] === r[2]]);
	if (!all.every((r) => r[3]))
		throw new Error(`the server lists ${all.map((r) => r[1]).join(', ')} records, and there are ${all.map((r) => r[2]).join(', ')}`);
	return [
		element('p', {}, state(true, 'nothing is missing'), ` Records ${count(from)} to ${count(to - 1)} are those that ${checkpoint.origin} has `
			+ `signed, all of them and no others; the records before and behind are of another time. ${tiles.loaded.size} files of `
			+ `${count(tiles.bytes)} bytes were downloaded.`),
		...(chooser.unknown ? [element('p', {}, `${count(chooser.unknown)} answers belong to questions of an earlier time, so how many fit `
			+ 'was not counted again.')] : []),
		compared('Both counts', all),
	];
});
