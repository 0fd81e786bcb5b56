// Sends requests with the token of the bar, and says in one plain sentence what went wrong.
import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-sse';

const UNREACHABLE = 'The service cannot be reached. Check that it runs and that you are online, then try again.';
const CUT_OFF = 'The connection to the service was lost. Run the subscription again.';

/** Returns the headers for the token and the role in the bar. */
export function identity() {
  // A header cannot hold every character: the service refuses a token with any of these all the same.
  const token = sessionStorage.getItem('token')?.replace(/[^!-~]/g, '?');
  const role = sessionStorage.getItem('acting-as');
  return { ...(token && { Authorization: `Bearer ${token}` }), ...(role && { 'Acting-As': role }) };
}

/** Sends one request. Returns the response's JSON with its status, time in milliseconds and request id. */
export async function send(body, headers) {
  const begun = performance.now();
  let response;
  let text;
  try {
    response = await fetch('graphql', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/graphql-response+json, application/json;q=0.9',
        ...headers,
      },
      body: JSON.stringify(body),
    });
    text = await response.text();
  } catch {
    return { result: failure(UNREACHABLE) };
  }
  return {
    result: decode(response, text),
    status: response.status,
    milliseconds: performance.now() - begun,
    requestId: response.headers.get('x-request-id'),
  };
}

/** Returns GraphiQL's fetcher. It reports the outcome of each operation that the reader runs. */
export const fetcher = (report) => async ({ query, variables, operationName }, { headers } = {}) => {
  if (operationName === 'IntrospectionQuery') return introspect({ query, operationName }, headers);
  const operations = operationsOf(query);
  // Just after a change of tabs GraphiQL still has the name of an operation in the tab before.
  const body = { query, variables, ...(operations.length > 1 && { operationName }) };
  const operation = operations.find(({ name }) => operations.length === 1 || name?.value === operationName);
  if (operation?.operation === 'subscription') return subscription(body, { ...identity(), ...headers }, report);
  const { result, ...outcome } = await send(body, { ...identity(), 'GraphQL-Cost': '1', ...headers });
  const { cost, ...extensions } = result.extensions ?? {};
  report({ ...outcome, cost });
  const { extensions: _, ...shown } = result;
  return Object.keys(extensions).length ? { ...shown, extensions } : shown;
};

// A token that is refused keeps nobody from reading the schema.
async function introspect(body, headers) {
  const { result, status } = await send(body, { ...identity(), ...headers });
  return status === 401 ? (await send(body, headers)).result : result;
}

function operationsOf(query) {
  try {
    return parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch {
    return []; // the service says what is wrong with the document
  }
}

function subscription(body, headers, report) {
  let events;
  // Without retries: an error of the service is shown at once, and no event is missed silently.
  const on = {
    connected() {
      events = 0;
      report({ events });
    },
  };
  const client = createClient({ url: 'graphql', headers, retryAttempts: 0, on });
  return {
    subscribe({ next, complete }) {
      report({});
      return {
        unsubscribe: client.subscribe(body, {
          next(result) {
            events += 1;
            report({ events });
            next(result);
          },
          complete,
          async error({ response }) {
            report({ status: response?.status, requestId: response?.headers.get('x-request-id') });
            const text = await response?.text().catch(() => '');
            next(response ? decode(response, text) : failure(events === undefined ? UNREACHABLE : CUT_OFF));
            complete();
          },
        }),
      };
    },
  };
}

function decode({ status, statusText }, text) {
  try {
    return JSON.parse(text);
  } catch {
    return failure(`The response is not JSON. Something between here and the service may have sent it: ${status} ${statusText}`);
  }
}

function failure(message) {
  return { errors: [{ message }] };
}
