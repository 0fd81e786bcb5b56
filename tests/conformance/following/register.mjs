// What the tests of all clients share: how they write, and what history says afterwards.
import assert from 'node:assert/strict';

export const [address, token, topic] = process.argv.slice(2);
export const FOLLOW =
  'subscription Follow($after: String) { activity(after: $after) { id cursor verb subject { ... on Note { body } } } }';
export const INVALID = 'subscription { activity { nothing } }';

export async function ask(query, variables) {
  const response = await fetch(`${address}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

const NOTE =
  'mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } userErrors { message } } }';

export async function addNotes(...bodies) {
  for (const body of bodies) {
    const { noteAdd } = await ask(NOTE, { input: { subjectId: topic, body } });
    assert.deepEqual(noteAdd.userErrors, []);
  }
}

export async function newest() {
  const { activities } = await ask('{ activities(last: 1) { nodes { cursor } } }');
  return activities.nodes[0].cursor;
}

// Takes so many items, then tells the other side that it is enough.
export async function take(count, iterator) {
  const items = [];
  for await (const { data, errors } of iterator) {
    assert.equal(errors, undefined);
    items.push(data.activity);
    if (items.length === count) break;
  }
  return items;
}

export const bodies = (activities) => activities.map((it) => it.subject.body);

setTimeout(() => assert.fail('it takes too long'), 60_000).unref();
