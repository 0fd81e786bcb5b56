// `graphql-sse` in its mode of distinct connections, and `EventSource` as browsers have it.
import assert from 'node:assert/strict';

import { EventSource } from 'eventsource';
import { createClient } from 'graphql-sse';

import { addNotes, address, bodies, FOLLOW, INVALID, newest, take, token } from './register.mjs';

const url = `${address}/graphql`;
const client = createClient({ url, headers: { Authorization: `Bearer ${token}` }, retryAttempts: 0 });

const query = client.iterate({ query: '{ viewer { party } }' });
assert.deepEqual((await query.next()).value, { data: { viewer: { party: 'UPU' } } });
assert.equal((await query.next()).done, true);

const start = await newest();
await addNotes('one');
const following = take(3, client.iterate({ query: FOLLOW, variables: { after: start } }));
await addNotes('two', 'three');
assert.deepEqual(bodies(await following), ['one', 'two', 'three']);

const invalid = await client.iterate({ query: INVALID }).next();
assert.equal(invalid.value.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');

const refused = createClient({ url, headers: { Authorization: 'Bearer nonsense' }, retryAttempts: 0 });
const error = await refused.iterate({ query: FOLLOW }).next().catch((thrown) => thrown);
assert.equal(error.response.status, 401);

// A browser comes back by itself after its connection broke, with the id of the last event and no more.
const asked = new URL(url);
asked.searchParams.set('query', FOLLOW);
asked.searchParams.set('variables', JSON.stringify({ after: start }));
const sent = [];
let cut;
const source = new EventSource(asked, {
  fetch: async (input, init) => {
    sent.push(init.headers['Last-Event-ID']);
    const { url, status, redirected, headers, body } = await fetch(input, init);
    const { readable, writable } = new TransformStream();
    const wire = new AbortController();
    cut = () => wire.abort(new Error('the connection broke'));
    body.pipeTo(writable, { signal: wire.signal }).catch(() => {});
    return { url, status, redirected, headers, body: readable };
  },
});
const seen = [];
await new Promise((resolve) => {
  source.addEventListener('next', ({ data }) => {
    if (seen.push(JSON.parse(data).data.activity.subject.body) === 2) {
      cut();
      addNotes('four');
    }
    if (seen.length === 4) resolve();
  });
});
source.close();
assert.deepEqual(seen, ['one', 'two', 'three', 'four']);
assert.equal(sent[0], undefined);
assert.ok(sent.length === 2 && sent[1]);

// An answer is complete, and a page can hear of that.
asked.searchParams.set('query', '{ viewer { roles } }');
asked.searchParams.delete('variables');
const whole = new EventSource(asked);
const heard = await new Promise((resolve) => {
  const events = [];
  for (const kind of ['next', 'complete']) {
    whole.addEventListener(kind, () => events.push(kind) === 2 && resolve(events));
  }
});
whole.close();
assert.deepEqual(heard, ['next', 'complete']);
console.log('ok');
process.exit(0);
