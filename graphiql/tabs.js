// The tabs that GraphiQL keeps in the browser, and the links that open one more.

// Where GraphiQL keeps the tabs, and the contents of the one that is open.
const TABS = 'graphiql:tabState';
const OPEN = ['graphiql:query', 'graphiql:variables', 'graphiql:operationName'];

export function hasTabs() {
  return localStorage.getItem(TABS) !== null;
}

/** Puts the examples in front of the reader's own tabs, in place of the examples that were left unchanged. */
export function restoreExamples(examples) {
  const kept = JSON.parse(localStorage.getItem(TABS) ?? '{"tabs":[]}').tabs;
  const unchanged = new Set(examples.map(({ query }) => query));
  const own = kept.filter(({ query }) => query?.trim() && !unchanged.has(query));
  const fresh = examples.map(({ query, variables = null }) => {
    const name = /^(?:query|mutation|subscription) (\w+)/m.exec(query)[1];
    return { id: crypto.randomUUID?.() ?? name, title: name, query, variables, headers: null, operationName: name, response: null };
  });
  localStorage.setItem(TABS, JSON.stringify({ activeTabIndex: 0, tabs: [...fresh, ...own] }));
  OPEN.forEach((key) => localStorage.removeItem(key));
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
