// Documents whose variables are partly left out, each beside the same document without variables, as the reference
// implementation of GraphQL understands it. Prints them as JSON.

import { readFileSync } from 'node:fs';

import {
  astFromValue,
  buildSchema,
  getVariableValues,
  isNonNullType,
  Kind,
  parse,
  print,
  specifiedRules,
  TypeInfo,
  typeFromAST,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';

import { Generator } from './generate.mjs';
import { Random } from './random.mjs';
import { teach } from './scalars.mjs';

const schema = teach(buildSchema(readFileSync(process.env.SCHEMA, 'utf8')));

/// The document with the value of each variable in its place. An argument or input field whose variable was left out is
/// absent; an item of a list is null.
function inline(ast, coerced) {
  const types = new TypeInfo(schema);
  const written = visit(
    ast,
    visitWithTypeInfo(types, {
      Argument: (node) => (isAbsent(node.value, coerced) ? null : undefined),
      ObjectField: (node) => (isAbsent(node.value, coerced) ? null : undefined),
      Variable(node, key, parent) {
        if (parent.kind === Kind.VARIABLE_DEFINITION) return undefined;
        if (isAbsent(node, coerced)) return { kind: Kind.NULL };
        return astFromValue(coerced[node.name.value], declared(ast, node.name.value));
      },
    }),
  );
  return print(visit(written, { VariableDefinition: () => null }));
}

function declared(ast, name) {
  const definitions = ast.definitions.flatMap((definition) => definition.variableDefinitions ?? []);
  return typeFromAST(schema, definitions.find((definition) => definition.variable.name.value === name).type);
}

function isAbsent(value, coerced) {
  return value.kind === Kind.VARIABLE && !Object.hasOwn(coerced, value.name.value);
}

const random = new Random(23);
const generator = new Generator(schema, random);
const pairs = [];
for (let count = 0; pairs.length < 400 && count < 4000; count += 1) {
  const { document, variables } = generator.document(count % 3 === 2 ? 'mutation' : 'query');
  // Sent twice, it would be refused the second time.
  if (/(Create|Propose|Add|Send|Request|Relate)\(/.test(document)) continue;
  const ast = parse(document);
  const definitions = ast.definitions.flatMap((definition) => definition.variableDefinitions ?? []);
  for (const definition of definitions) {
    const optional = !isNonNullType(typeFromAST(schema, definition.type)) || definition.defaultValue;
    if (optional && random.chance(2)) delete variables[definition.variable.name.value];
  }
  const left = definitions.length - Object.keys(variables).length;
  if (left === 0 || validate(schema, ast, specifiedRules).length) continue;
  const { coerced, errors } = getVariableValues(schema, definitions, variables);
  if (errors) continue;
  const written = inline(ast, coerced);
  if (validate(schema, parse(written), specifiedRules).length) continue;
  pairs.push({ document, variables, inlined: written });
}
console.log(JSON.stringify(pairs));
