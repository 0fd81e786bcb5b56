// The audits of the GraphQL-over-HTTP specification against the service at $ADDRESS; prints what came of each.

import { serverAudits } from 'graphql-http';

const results = [];
for (const audit of serverAudits({ url: process.env.ADDRESS })) {
  const { status, reason } = await audit.fn();
  results.push({ id: audit.id, name: audit.name, status, reason: reason ?? null });
}
console.log(JSON.stringify(results));
