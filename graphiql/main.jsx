// The explorer: GraphiQL with prepared examples, below the bar with the token.
import './strict-styles.js';
import './workers.js';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { ToolbarButton, useGraphiQL } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

import { setUpBar } from './bar.js';
import { examples } from './examples.js';
import { fetcher, identity, send } from './service.js';
import { needsExamples, shareAddress, sharedOperation, storeExamples } from './tabs.js';

setUpBar();

if (needsExamples()) storeExamples(await examples(async (body) => (await send(body, identity())).result));
const shared = sharedOperation();

function report({ status, milliseconds, cost, requestId, events }) {
  const facts = [
    status && `Last response: status ${status}`,
    milliseconds && `${Math.round(milliseconds)} ms`,
    cost && `cost ${cost.requested.toLocaleString('en')} of ${cost.limit.toLocaleString('en')}`,
    events !== undefined && `subscribed, ${events} ${events === 1 ? 'event' : 'events'}`,
    requestId && `request ${requestId}`,
  ];
  document.getElementById('outcome').textContent = facts.filter(Boolean).join(' · ');
}

function ShareButton() {
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({ queryEditor, variableEditor }));
  const [copied, setCopied] = useState(false);
  async function share() {
    const address = shareAddress(queryEditor?.getValue(), variableEditor?.getValue());
    history.replaceState(null, '', address);
    await navigator.clipboard?.writeText(address).catch(() => undefined); // the address bar has it anyway
    setCopied(true);
    setTimeout(() => setCopied(false), 3000);
  }
  return (
    <ToolbarButton label={copied ? 'The link is copied and in the address bar' : 'Share: copy a link to this operation'} onClick={share}>
      <svg viewBox="0 0 14 14" fill="none" stroke="currentColor" strokeWidth="1.3" className="graphiql-toolbar-icon" aria-hidden="true">
        {copied ? (
          <path d="M2 7.5 5.5 11 12 3.5" />
        ) : (
          <path d="M6 8a2.6 2.6 0 0 0 3.7 0l2.1-2.1A2.6 2.6 0 0 0 8.1 2.2L7 3.3M8 6a2.6 2.6 0 0 0-3.7 0L2.2 8.1a2.6 2.6 0 0 0 3.7 3.7L7 10.7" />
        )}
      </svg>
    </ToolbarButton>
  );
}

createRoot(document.querySelector('main')).render(
  <GraphiQL
    defaultEditorToolsVisibility={matchMedia('(min-width: 701px)').matches} // a phone has no room for the variables
    fetcher={fetcher(report)}
    initialQuery={shared?.query}
    initialVariables={shared?.variables}
    plugins={[HISTORY_PLUGIN, explorerPlugin({ hideActions: true })]} // its button for one more operation has no name
    showPersistHeadersSettings={false} // a token typed among the headers is not kept either
  >
    <GraphiQL.Logo> </GraphiQL.Logo>
    <GraphiQL.Toolbar>
      {({ prettify, merge, copy }) => (
        <>
          {prettify}
          {merge}
          {copy}
          <ShareButton />
        </>
      )}
    </GraphiQL.Toolbar>
    <GraphiQL.Footer>
      <output id="outcome" aria-label="Outcome of the last request" />
    </GraphiQL.Footer>
  </GraphiQL>,
);
