// The API's own scalars as a client would check them, by the texts that their descriptions name.

import { GraphQLError, Kind } from 'graphql';

const day = (text) => {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!parts || parts[1] === '0000') return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
};

const moment = (text) => {
  const parts = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/.exec(text);
  return parts !== null && day(parts[1]);
};

const address = (text) =>
  text.length <= 2000 && /^https?:\/\/[^\s/?#]+[^\s]*$/.test(text) && URL.canParse(text);

const checks = { Date: day, DateTime: moment, URL: address };

/// Gives the scalars of a schema that was built from its text their meaning.
export function teach(schema) {
  for (const [name, fits] of Object.entries(checks)) {
    const check = (value) => {
      if (typeof value === 'string' && fits(value)) return value;
      throw new GraphQLError(`not a ${name}`);
    };
    const scalar = schema.getType(name);
    scalar.parseValue = check;
    scalar.parseLiteral = (node) => check(node.kind === Kind.STRING ? node.value : undefined);
  }
  return schema;
}
