// Documents with something changed that may make them invalid; which of them are is for the judge to say.

import { Kind, parse, print, visit } from 'graphql';

const name = (value) => ({ kind: Kind.NAME, value });
const strange = [
  { kind: Kind.STRING, value: 'ACTIVE' },
  { kind: Kind.INT, value: '7' },
  { kind: Kind.INT, value: '2147483648' },
  { kind: Kind.FLOAT, value: '1.5' },
  { kind: Kind.BOOLEAN, value: true },
  { kind: Kind.NULL },
  { kind: Kind.ENUM, value: 'NONE_SUCH' },
  { kind: Kind.LIST, values: [] },
  { kind: Kind.LIST, values: [{ kind: Kind.NULL }] },
  { kind: Kind.OBJECT, fields: [] },
  { kind: Kind.VARIABLE, name: name('v0') },
  { kind: Kind.VARIABLE, name: name('missing') },
];
const directives = [
  '@skip', '@skip(if: null)', '@skip(if: "true")', '@skip(if: true) @skip(if: true)', '@include(if: $missing)',
  '@include(if: true)', '@include(unless: true)', '@skip(if: true, if: false)', '@nothing', '@deprecated',
  '@specifiedBy(url: "x")', '@oneOf', '@include(if: true) @skip(if: false)',
];

/// Changes one node of a kind that the document has; null where it has none.
function change(ast, random, kinds, how) {
  let count = 0;
  visit(ast, { enter: (node) => { if (kinds.includes(node.kind)) count += 1; } });
  if (count === 0) return null;
  let at = random.below(count);
  return visit(ast, {
    enter(node) {
      if (!kinds.includes(node.kind)) return undefined;
      at -= 1;
      return at === -1 ? how(node) : undefined;
    },
  });
}

const constant = [Kind.STRING, Kind.INT, Kind.FLOAT, Kind.BOOLEAN, Kind.ENUM, Kind.OBJECT, Kind.LIST];
const twice = (items, random) => (items?.length ? [...items, random.one(items)] : items);
const without = (items, random) => items.filter((_, place) => place !== random.below(items.length));

const ways = [
  (ast, random) => change(ast, random, constant, () => random.one(strange)),
  (ast, random) => change(ast, random, [Kind.ARGUMENT], (it) => ({ ...it, value: random.one(strange) })),
  (ast, random) => change(ast, random, [Kind.OBJECT_FIELD], (it) => ({ ...it, value: random.one(strange) })),
  (ast, random) => change(ast, random, [Kind.OBJECT], (it) => ({ ...it, fields: twice(it.fields, random) })),
  (ast, random) => change(ast, random, [Kind.OBJECT], (it) => ({ ...it, fields: without(it.fields, random) })),
  (ast, random) => change(ast, random, [Kind.OBJECT_FIELD], (it) => ({ ...it, name: name('nothing') })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, arguments: twice(it.arguments, random) })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, arguments: [] })),
  (ast, random) => change(ast, random, [Kind.ARGUMENT], (it) => ({ ...it, name: name('nothing') })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, name: name('nothing') })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, name: name('__typename') })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, alias: name('id') })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, alias: undefined })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => ({ ...it, selectionSet: undefined })),
  (ast, random) => change(ast, random, [Kind.FIELD], (it) => (it.selectionSet ? undefined
    : { ...it, selectionSet: { kind: Kind.SELECTION_SET, selections: [{ kind: Kind.FIELD, name: name('id') }] } })),
  (ast, random) => change(ast, random, [Kind.SELECTION_SET], (it) => ({ ...it, selections: twice(it.selections, random) })),
  (ast, random) => change(ast, random, [Kind.NON_NULL_TYPE], (it) => it.type),
  (ast, random) => change(ast, random, [Kind.VARIABLE_DEFINITION], (it) => ({
    ...it, type: { kind: Kind.NAMED_TYPE, name: name(random.one(['Int', 'String', 'ID', 'Topic', 'Nothing', 'Boolean', 'TopicFilter'])) },
  })),
  (ast, random) => change(ast, random, [Kind.VARIABLE_DEFINITION], (it) => ({ ...it, type: { kind: Kind.LIST_TYPE, type: it.type } })),
  (ast, random) => change(ast, random, [Kind.VARIABLE_DEFINITION], (it) => ({ ...it, defaultValue: random.one(strange.slice(0, 10)) })),
  (ast, random) => change(ast, random, [Kind.VARIABLE_DEFINITION], () => null),
  (ast, random) => change(ast, random, [Kind.OPERATION_DEFINITION], (it) => ({
    ...it, variableDefinitions: twice(it.variableDefinitions, random),
  })),
  (ast, random) => change(ast, random, [Kind.FRAGMENT_SPREAD], (it) => ({ ...it, name: name('F9') })),
  (ast, random) => change(ast, random, [Kind.FRAGMENT_DEFINITION], (it) => ({ ...it, name: name('F0') })),
  (ast, random) => change(ast, random, [Kind.FRAGMENT_DEFINITION], (it) => ({
    ...it, selectionSet: { ...it.selectionSet, selections: [...it.selectionSet.selections, { kind: Kind.FRAGMENT_SPREAD, name: name('F0') }] },
  })),
  (ast, random) => change(ast, random, [Kind.FRAGMENT_DEFINITION, Kind.INLINE_FRAGMENT], (it) => ({
    ...it, typeCondition: { kind: Kind.NAMED_TYPE, name: name(random.one(['Topic', 'Node', 'Int', 'Nothing', 'TopicFilter', 'Query', 'Committee'])) },
  })),
  (ast, random) => change(ast, random, [Kind.DOCUMENT], (it) => ({ ...it, definitions: twice(it.definitions, random) })),
  (ast, random) => change(ast, random, [Kind.DOCUMENT], (it) => ({ ...it, definitions: without(it.definitions, random) })),
  (ast, random) => change(ast, random, [Kind.OPERATION_DEFINITION], (it) => ({ ...it, operation: random.one(['query', 'mutation', 'subscription']) })),
];

/// A document with directives somewhere, and what they are.
function directed(ast, random) {
  const kinds = [Kind.FIELD, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_SPREAD, Kind.FRAGMENT_DEFINITION, Kind.OPERATION_DEFINITION, Kind.VARIABLE_DEFINITION];
  const { definitions } = parse(`{ a ${random.one(directives)} }`);
  const added = definitions[0].selectionSet.selections[0].directives;
  return change(ast, random, kinds, (it) => ({ ...it, directives: [...(it.directives ?? []), ...added] }));
}

/// A text with a letter or a sign too many, too few, or another.
function mistyped(text, random) {
  const at = random.below(text.length);
  const sign = random.one(['{', '}', '(', ')', '$', '!', ':', '"', '"""', '\\', '...', '@', '|', '&', '#', '?', '\u0000', '\u00a0', '\uFEFF', '7', 'x', ' ']);
  const until = at + random.below(2);
  return text.slice(0, at) + sign + text.slice(until);
}

/// A document spoilt in one way, sometimes two.
export function spoil(text, random) {
  if (random.chance(6)) return mistyped(text, random);
  let ast = parse(text);
  for (let times = random.chance(4) ? 2 : 1; times > 0; times -= 1) {
    let changed = null;
    while (!changed) changed = random.chance(6) ? directed(ast, random) : random.one(ways)(ast, random);
    ast = changed;
    try {
      const printed = print(ast);
      ast = parse(printed);
    } catch {
      break; // no longer a document: it goes out as it is printed
    }
  }
  return print(ast);
}

const values = [null, true, 7, -1, 1.5, 1.0, 2147483648, '', 'ACTIVE', 'NONE_SUCH', [], [null], ['x'], {}, { id: 'x' }, { nothing: 1 }, { code: 'x', id: 'y' }];

/// Variables with something changed.
export function spoilVariables(variables, random) {
  const copy = structuredClone(variables);
  let within = copy;
  let keys = Object.keys(within);
  if (keys.length === 0) return { ...copy, extra: random.one(values) };
  let key = random.one(keys);
  // Down into what is nested, with some luck.
  while (within[key] !== null && typeof within[key] === 'object' && Object.keys(within[key]).length && !random.chance(3)) {
    within = within[key];
    keys = Object.keys(within);
    key = random.one(keys);
  }
  switch (random.below(4)) {
    case 0:
      if (Array.isArray(within)) within.splice(Number(key), 1);
      else delete within[key];
      break;
    case 1:
      if (!Array.isArray(within)) within.nothing = 1;
      break;
    default:
      within[key] = random.one(values);
  }
  return copy;
}
