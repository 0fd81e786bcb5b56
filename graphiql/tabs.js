// The tabs, as GraphiQL stores them in the browser, and the links that open one more.

// Where GraphiQL stores the tabs, and the contents of the active one.
const TABS = 'graphiql:tabState';
const OPEN = ['graphiql:query', 'graphiql:variables', 'graphiql:operationName'];

const RESTORING = 'restoring-examples';
// GraphiQL stores a change half a second after it was made.
const STORED_AFTER = 600;

/** Loads the page again, with the examples restored. */
export function restoreExamples() {
  sessionStorage.setItem(RESTORING, 'true');
  setTimeout(() => location.reload(), STORED_AFTER);
}

/** Returns whether this page has to store the examples: on a first visit, and after `restoreExamples`. */
export function needsExamples() {
  return localStorage.getItem(TABS) === null || sessionStorage.getItem(RESTORING) !== null;
}

/** Stores the examples before the other tabs, in place of the examples that were left unchanged. */
export function storeExamples(examples) {
  const stored = JSON.parse(localStorage.getItem(TABS) ?? '{"tabs":[]}').tabs;
  const unchanged = new Set(examples.map(({ query }) => query));
  const own = stored.filter(({ query }) => query?.trim() && !unchanged.has(query));
  const fresh = examples.map(({ query, variables = null }) => {
    const name = /^(?:query|mutation|subscription) (\w+)/m.exec(query)[1];
    return { id: crypto.randomUUID?.() ?? name, title: name, query, variables, headers: null, operationName: name, response: null };
  });
  localStorage.setItem(TABS, JSON.stringify({ activeTabIndex: 0, tabs: [...fresh, ...own] }));
  OPEN.forEach((key) => localStorage.removeItem(key));
  sessionStorage.removeItem(RESTORING);
}

/** Returns the operation that the page's address names: `?query=…&variables=…`. */
export function sharedOperation() {
  const parameters = new URLSearchParams(location.search);
  const query = parameters.get('query');
  if (!query) return undefined;
  history.replaceState(null, '', location.pathname); // it is a tab from now on
  return { query, variables: parameters.get('variables') ?? '' };
}

/** Returns the address that opens this operation. */
export function shareAddress(query, variables) {
  const parameters = new URLSearchParams({ query: query ?? '', ...(variables?.trim() && { variables }) });
  return `${location.origin}${location.pathname}?${parameters}`;
}
