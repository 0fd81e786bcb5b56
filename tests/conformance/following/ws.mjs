// `graphql-ws`, the client by those who wrote the protocol down.
import assert from 'node:assert/strict';

import { CloseCode, createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { addNotes, address, bodies, FOLLOW, INVALID, newest, take, token, topic } from './register.mjs';

const url = `${address.replace('http', 'ws')}/graphql/ws`;
const connect = (options) =>
  createClient({ url, webSocketImpl: WebSocket, lazy: false, retryAttempts: 0, onNonLazyError: () => {}, ...options });

const pongs = [];
let socket;
const client = connect({
  connectionParams: { Authorization: `Bearer ${token}` },
  keepAlive: 50,
  retryAttempts: 5,
  on: {
    pong: (received) => pongs.push(received),
    opened: (opened) => {
      socket = opened;
    },
  },
});

// A query and a mutation have one answer.
const query = client.iterate({ query: '{ viewer { party } }' });
assert.deepEqual((await query.next()).value, { data: { viewer: { party: 'UPU' } } });
assert.equal((await query.next()).done, true);
const start = await newest();
const mutation = client.iterate({
  query: 'mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { body } } }',
  variables: { input: { subjectId: topic, body: 'one' } },
});
assert.equal((await mutation.next()).value.data.noteAdd.note.body, 'one');

// A subscription tells what was, and goes on.
const following = take(3, client.iterate({ query: FOLLOW, variables: { after: start } }));
await addNotes('two', 'three');
const told = await following;
assert.deepEqual(bodies(told), ['one', 'two', 'three']);

// Cut off, the client comes back by itself; what it knows is where to go on.
let last = told[0].cursor;
const seen = [];
const done = new Promise((resolve, reject) => {
  const follow = () =>
    client.subscribe(
      { query: FOLLOW, variables: { get after() { return last; } } },
      {
        next: ({ data }) => {
          last = data.activity.cursor;
          if (seen.push(data.activity.subject.body) === 1) socket.terminate();
          if (seen.length === 3) resolve();
        },
        error: reject,
        complete: () => {},
      },
    );
  follow();
});
await addNotes('four');
await done;
assert.deepEqual(seen, ['two', 'three', 'four']);

// What is wrong is said as errors.
const invalid = client.iterate({ query: INVALID });
const errors = await invalid.next().catch((thrown) => thrown);
assert.equal(errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
await client.dispose();
assert.ok(pongs.length > 0, 'pings are answered');

// Who is not let in is told so by the code.
const code = (options) =>
  new Promise((resolve) => {
    connect({ ...options, on: { closed: (event) => resolve(event.code) } });
  });
assert.equal(await code({ connectionParams: { Authorization: 'Bearer nonsense' } }), CloseCode.Forbidden);
assert.equal(await code({ connectionParams: { token: 'nonsense' } }), CloseCode.Forbidden);
assert.equal(await code({ jsonMessageReplacer: (key, value) => (key === 'type' ? 'start' : value) }), CloseCode.BadRequest);
console.log('ok');
process.exit(0);
