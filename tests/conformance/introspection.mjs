// Asks the service at ADDRESS for its schema by the queries of the usual tools, and makes a client's schema of each answer.
// GraphiQL, Apollo Sandbox, GraphQL Code Generator and GraphQL Inspector send the query of the reference implementation,
// each with options of its own: here are all of them. Prints how many there are as JSON, and what failed.

import { buildClientSchema, getIntrospectionQuery } from 'graphql';

const flags = [
  'descriptions',
  'specifiedByUrl',
  'directiveIsRepeatable',
  'schemaDescription',
  'inputValueDeprecation',
  'oneOf',
];

const queries = [];
for (let chosen = 0; chosen < 1 << flags.length; chosen += 1) {
  const options = Object.fromEntries(flags.map((name, place) => [name, Boolean(chosen & (1 << place))]));
  queries.push(getIntrospectionQuery(options), getIntrospectionQuery({ ...options, typeDepth: 7 }));
}
// Rover asks for deprecated arguments of fields, not of directives.
const rover = getIntrospectionQuery({ inputValueDeprecation: true, typeDepth: 7 });
queries.push(rover.replace('args(includeDeprecated: true)', 'args'));

const failed = [];
for (const query of new Set(queries)) {
  const response = await fetch(process.env.ADDRESS, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  try {
    if (errors) throw new Error(JSON.stringify(errors));
    buildClientSchema(data);
  } catch (error) {
    failed.push({ query, error: String(error) });
  }
}
console.log(JSON.stringify({ queries: queries.length, failed }));
