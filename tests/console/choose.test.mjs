// What a filter chooses in a browser (choose.js): each field, alternatives, answers that count for who asked.
import assert from 'node:assert/strict';
import path from 'node:path';

const { Chooser } = await import(path.join(process.argv[2], 'choose.js'));

const self = { uid: 0, auth: 'self' }, peer = { uid: 1000, auth: 'peer' };
const log = [
	{ event: 'start', actor: self },
	{ event: 'request', actor: peer, principal: 'alice', name: 'demo', model: 'abcdef0123456789' },
	{ event: 'request', actor: peer, principal: 'uid:1000', name: 'demo' },
	{ event: 'outcome', actor: self, intent: 1, finish: 'stop' },
	{ event: 'orphan', actor: self, intent: 2, of: 'request', why: 'it was <killed>' },
	{ event: 'trust-add', actor: peer, name: 'pub' },
	{ event: 'import-intent', actor: peer, name: 'other' },
	{ event: 'import-verdict', actor: peer, intent: 6, verdict: 'rejected', model: 'fedcba9876543210' },
	{ event: 'log-read', actor: peer, principal: 'alice', how: 'console-link' },
];
const rows = [ // a filter, and the records that it chooses
	[{}, [1, 2, 3, 4]],
	[{ kind: 'all' }, [0, 1, 2, 3, 4, 5, 6, 7, 8]],
	[{ kind: 'acts' }, [0, 4, 5, 7]],
	[{ who: 'alice' }, [1, 3]],
	[{ who: '1000' }, [2, 4]],
	[{ who: 'uid:1000, alice' }, [1, 2, 3, 4]],
	[{ kind: 'all', who: '0' }, []],
	[{ kind: 'all', who: '1000' }, [2, 4, 5, 6, 7]],
	[{ kind: 'all', model: 'demo' }, [1, 2, 3, 4]],
	[{ kind: 'all', model: 'abcdef01' }, [1, 3]],
	[{ kind: 'all', model: 'abcdef0' }, []],
	[{ kind: 'all', model: 'other' }, [6, 7]],
	[{ event: 'request', result: 'stop' }, [3]],
	[{ kind: 'all', result: 'orphan,rejected' }, [4, 7]],
	[{ event: 'trust-add' }, [5]],
	[{ event: 'import-intent' }, [4, 6, 7]],
	[{ kind: 'all', text: '<killed>' }, [4]],
	[{ kind: 'all', text: '"trust-add"' }, [5]],
];
for (const [filter, want] of rows) {
	const chooser = new Chooser({ kind: 'asks', who: '', model: '', event: '', result: '', text: '', ...filter });
	log.forEach((r, i) => chooser.add(i, new TextEncoder().encode(JSON.stringify(r))));
	assert.deepEqual(chooser.chosen, want, JSON.stringify(filter));
	assert.equal(chooser.unknown, 0);
}
const late = new Chooser({ kind: 'asks', who: 'alice', model: '', event: '', result: '', text: '' });
late.add(3, new TextEncoder().encode(JSON.stringify(log[3]))); // its question stands further back
assert.equal(late.unknown, 1);
assert.throws(() => late.add(9, Uint8Array.of(0xff)));
console.log(`${rows.length + 2} cases`);
