// What a filter chooses, computed from records alone: the same words as the listing's, found a second time by other code. A record is
// what JSON.parse makes of its line.

const ROUTINE = ['session', 'session-end', 'request', 'outcome', 'grant', 'load', 'unload', 'log-read', 'clock', 'import-intent'];
const ANSWERS = {
	request: ['outcome', 'orphan'], grant: ['load', 'orphan'], 'import-intent': ['import-verdict', 'orphan'],
	propose: ['approve', 'reject', 'expire'], erase: ['erased'],
};

function words(text) {
	return text.split(',').map((w) => w.replace(/^ +| +$/g, '')).filter((w) => w);
}

// By uid, of those who came by their own socket; else by the principal's name.
function who(record) {
	const principal = record.principal ?? '';
	if (principal && !principal.startsWith('uid:'))
		return { name: principal };
	return record.actor?.auth === 'self' ? {} : { uid: record.actor?.uid };
}

function result(record) {
	return record.event === 'orphan' ? 'orphan' : record.finish ?? record.verdict ?? record.result ?? '';
}

// f: {kind, who, model, event, result, text}, as they stand in the address. Records come in the order of the log.
export class Chooser {
	constructor(f) {
		this.events = f.event ? words(f.event) : f.kind === 'asks' ? ['request'] : f.kind === 'acts' ? ROUTINE : [];
		this.except = !f.event && f.kind === 'acts';
		if (!this.except)
			this.events = [...new Set(this.events.flatMap((e) => [e, ...ANSWERS[e] ?? []]))];
		this.who = words(f.who).map((w) => (/^(uid:)?[0-9]{1,10}$/.test(w) ? { uid: Number(w.replace('uid:', '')) } : { name: w }));
		this.models = words(f.model);
		this.results = words(f.result);
		this.text = new TextEncoder().encode(f.text);
		this.questions = new Map();
		this.chosen = [];
		this.unknown = 0; // answers to questions further back: whose they are is not known here
	}

	add(index, bytes) {
		const record = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
		this.questions.set(index, record);
		if (this.fits(record, bytes))
			this.chosen.push(index);
	}

	// What an answer does not say itself, its question says.
	asked(record) {
		if (record.intent === undefined || (!this.who.length && !this.models.length))
			return record;
		const question = this.questions.get(record.intent);
		if (!question)
			this.unknown++;
		return question ?? record;
	}

	fits(record, bytes) {
		const asked = this.asked(record), by = who(asked);
		const model = (m) => [record, asked].some((r) => r.name === m || (/^[0-9a-f]{8,}$/.test(m) && r.model?.startsWith(m)));
		return (!this.events.length || this.events.includes(record.event) !== this.except)
			&& (!this.who.length || this.who.some((w) => (w.uid === undefined ? by.name === w.name : by.uid === w.uid)))
			&& (!this.models.length || this.models.some(model))
			&& (!this.results.length || this.results.includes(result(record)))
			&& (!this.text.length || holds(bytes, this.text));
	}
}

function holds(bytes, part) {
	for (let i = bytes.indexOf(part[0]); i >= 0; i = bytes.indexOf(part[0], i + 1))
		if (part.every((b, k) => bytes[i + k] === b))
			return true;
	return false;
}
