// Documents made from the schema at $SCHEMA, and what the reference implementation says of each: whether
// it can be parsed, is valid, has the variables that it needs. Prints them as JSON.

import { readFileSync } from 'node:fs';

import {
  buildSchema,
  getNullableType,
  getVariableValues,
  GraphQLError,
  isNullableType,
  Kind,
  parse,
  specifiedRules,
  typeFromAST,
  validate,
  visit,
} from 'graphql';

import { cases } from './cases.mjs';
import { Generator } from './generate.mjs';
import { Random } from './random.mjs';
import { teach } from './scalars.mjs';
import { spoil, spoilVariables } from './spoil.mjs';

const schema = teach(buildSchema(readFileSync(process.env.SCHEMA, 'utf8')));

/// What the specification has and version 16 of the reference lacks: an operation's type must exist, and a
/// variable in a OneOf input must not be null, where that input is itself never null as well.
function missed(context) {
  return {
    OperationDefinition: {
      leave(operation) {
        if (!schema.getRootType(operation.operation)) context.reportError(new GraphQLError('no such operation'));
        for (const { node, parentType } of context.getRecursiveVariableUsages(operation)) {
          const definition = operation.variableDefinitions?.find((it) => it.variable.name.value === node.name.value);
          const type = definition && typeFromAST(schema, definition.type);
          if (type && parentType && getNullableType(parentType).isOneOf && isNullableType(type)) {
            context.reportError(new GraphQLError(`$${node.name.value} may be null`));
          }
        }
      },
    },
  };
}

/// Whether a condition is null, for which the reference fails where it collects fields.
function nullCondition(ast, variables) {
  let found = false;
  visit(ast, {
    Directive({ arguments: [condition] }) {
      found ||= condition?.value.kind === Kind.VARIABLE && variables[condition.value.name.value] === null;
    },
  });
  return found;
}

function judge({ document, operationName, variables }) {
  let ast;
  try {
    ast = parse(document);
  } catch (error) {
    return ['syntax', error.message];
  }
  let errors;
  try {
    errors = validate(schema, ast, [...specifiedRules, missed]);
  } catch (error) {
    // It throws where the one field of a subscription depends on a variable, which no subscription may.
    if (!(error instanceof GraphQLError)) throw error;
    errors = [error];
  }
  if (errors.length) return ['validation', errors[0].message];
  const operations = ast.definitions.filter((it) => it.kind === 'OperationDefinition');
  const operation = operations.find((it) => !operationName || it.name?.value === operationName);
  if (operations.length > 1 && !operationName) return ['operation', 'which one'];
  const { errors: wrong, coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (wrong) return ['variables', wrong[0].message];
  return nullCondition(ast, coerced) ? ['variables', 'a condition is null'] : ['fine', ''];
}

const random = new Random(11);
const generator = new Generator(schema, random);
const all = [...cases];
for (let count = 0; count < 300; count += 1) {
  const made = generator.document(count % 4 === 3 ? 'mutation' : 'query');
  all.push(made);
  all.push({ document: spoil(made.document, random), variables: made.variables });
  all.push({ document: spoil(made.document, random), variables: made.variables });
  all.push({ document: made.document, variables: spoilVariables(made.variables, random) });
}
const judged = all.map((made) => {
  // What was spoiled between the two halves of a character is no text that JSON can carry.
  const it = { ...made, document: made.document.toWellFormed() };
  const [verdict, why] = judge(it);
  return { ...it, verdict, why };
});
console.log(JSON.stringify(judged));
