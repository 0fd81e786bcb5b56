// The explorer: GraphiQL, our examples, and what the bar above it adds to each request.
import './strict-styles.js';
import './workers.js';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-sse';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';

// Where GraphiQL keeps the tabs, and the contents of the one that is open.
const TABS = ['graphiql:tabState', 'graphiql:query', 'graphiql:variables'];

// The session alone keeps the token: it is gone with the browser's tab, and never in GraphiQL's own storage.
for (const id of ['token', 'acting-as']) {
  const input = document.getElementById(id);
  input.value = sessionStorage.getItem(id) ?? '';
  input.addEventListener('input', () => sessionStorage.setItem(id, input.value.trim()));
}

document.getElementById('restore').addEventListener('click', () => {
  TABS.forEach((key) => localStorage.removeItem(key));
  location.reload();
});

function identity() {
  const token = sessionStorage.getItem('token')?.replace(/^Bearer /i, '');
  const role = sessionStorage.getItem('acting-as');
  return { ...(token && { Authorization: `Bearer ${token}` }), ...(role && { 'Acting-As': role }) };
}

async function ask(body, { headers } = {}) {
  const response = await fetch('graphql', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      ...identity(),
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${response.status} ${response.statusText}: ${text}`);
  }
}

// A subscription has an answer for each event, until it is stopped.
function run(body, { headers, documentAST } = {}) {
  if (getOperationAST(documentAST, body.operationName)?.operation !== 'subscription') return ask(body, { headers });
  return createClient({ url: 'graphql', headers: { ...identity(), ...headers } }).iterate(body);
}

const defaultTabs = localStorage.getItem(TABS[0]) ? undefined : await examples(ask);

createRoot(document.querySelector('main')).render(
  <GraphiQL
    defaultEditorToolsVisibility
    defaultTabs={defaultTabs}
    fetcher={run}
    plugins={[HISTORY_PLUGIN, explorerPlugin()]}
    showPersistHeadersSettings={false} // a token typed among the headers is not kept either
  >
    <GraphiQL.Logo> </GraphiQL.Logo>
  </GraphiQL>,
);
