// Valid documents of a schema, with their variables.

import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
} from 'graphql';

const id = 'topic_01h455vb4pex5vsknk084sn02q';
const scalars = {
  Int: (random) => 1 + random.below(9),
  Float: (random) => random.below(90) / 10,
  Boolean: (random) => random.chance(2),
  String: (random) => random.one(['', 'X.509', 'öffentlich "zitiert"', '😀 中文', 'a\nb', '\\']),
  ID: (random) => random.one([id, '7', 7]),
  Date: (random) => random.one(['2026-02-28', '2024-02-29', '2031-12-31']),
  DateTime: (random) => random.one(['2026-11-24T09:30:00Z', '2026-11-24T10:30:00.123456+01:00']),
  URL: (random) => random.one(['https://www.itu.int/rec/T-REC-E.800', 'http://localhost:8080/?a=b#c']),
};

/// One document; `names` of operations and variables are simple, so that what is told of it is readable.
export class Generator {
  constructor(schema, random) {
    this.schema = schema;
    this.random = random;
  }

  document(kind) {
    this.fragments = [];
    this.definitions = [];
    this.variables = {};
    this.keys = 0;
    const root = kind === 'mutation' ? this.schema.getMutationType() : this.schema.getQueryType();
    const selection = this.selection(root, 3, kind === 'mutation');
    const definitions = this.definitions.length ? `(${this.definitions.join(', ')})` : '';
    const name = this.definitions.length || this.random.chance(2) ? ' Some' : '';
    const operation = kind === 'query' && !name && this.random.chance(2) ? '' : `${kind}${name}${definitions} `;
    const parts = [`${operation}${selection}`, ...this.fragments];
    return { document: parts.join('\n'), variables: this.variables };
  }

  selection(type, depth, one = false) {
    const { random } = this;
    const fields = isUnionType(type) ? [] : Object.values(type.getFields());
    const fit = fields.filter((it) => depth > 0 || isLeafType(getNamedType(it.type)));
    const chosen = [];
    const count = one ? 1 : 1 + random.below(4);
    for (let n = 0; n < count && fit.length; n += 1) {
      const field = this.field(random.one(fit), depth);
      chosen.push(one ? field : this.wrapped(type, field));
    }
    if (isUnionType(type) || (isInterfaceType(type) && random.chance(2))) {
      const possible = random.one(this.schema.getPossibleTypes(type));
      chosen.push(`... on ${possible.name} ${this.selection(possible, Math.max(depth - 1, 0))}`);
    }
    if (!one && (chosen.length === 0 || random.chance(4))) chosen.push('__typename');
    return `{ ${chosen.join(' ')} }`;
  }

  wrapped(type, field) {
    const { random } = this;
    switch (random.below(9)) {
      case 0:
        return `... on ${type.name} { ${field} }`;
      case 1:
        return `... @include(if: ${random.chance(2) ? 'true' : this.variable('Boolean!', true)}) { ${field} }`;
      case 2: {
        const name = `F${this.fragments.length}`;
        const place = this.fragments.push('') - 1;
        this.fragments[place] = `fragment ${name} on ${type.name} { ${field} }`;
        return `...${name}`;
      }
      default:
        return field;
    }
  }

  field(field, depth) {
    const { random } = this;
    const args = field.args.filter((it) => isRequiredArgument(it) || random.chance(4));
    const given = args.map((it) => `${it.name}: ${this.argument(it)}`);
    const type = getNamedType(field.type);
    const inner = isLeafType(type) ? '' : ` ${this.selection(type, depth - 1)}`;
    // Each under a key of its own, so that none conflict.
    this.keys += 1;
    const alias = args.length || random.chance(3) ? `k${this.keys}: ` : '';
    const skip = random.chance(12) ? ` @skip(if: ${random.chance(2)})` : '';
    return `${alias}${field.name}${given.length ? `(${given.join(', ')})` : ''}${skip}${inner}`;
  }

  argument({ type, defaultValue }) {
    if (!this.random.chance(3)) return this.literal(type, 3);
    const nullable = defaultValue !== undefined && isNonNullType(type) && this.random.chance(2);
    return this.variable(String(nullable ? type.ofType : type), this.value(type, 3));
  }

  variable(type, value) {
    const name = `v${this.definitions.length}`;
    this.definitions.push(`$${name}: ${type}`);
    this.variables[name] = value;
    return `$${name}`;
  }

  /// A value as it stands in variables.
  value(type, depth) {
    if (isNonNullType(type)) return this.value(type.ofType, depth);
    if (isListType(type)) {
      const length = this.random.below(3);
      return Array.from({ length }, () => this.value(type.ofType, depth));
    }
    if (isEnumType(type)) return this.random.one(type.getValues()).name;
    if (!isInputObjectType(type)) return scalars[type.name](this.random);
    return Object.fromEntries(this.chosen(type, depth).map((it) => [it.name, this.value(it.type, depth - 1)]));
  }

  /// The same as it is written in a document.
  literal(type, depth) {
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      if (this.random.chance(6)) return this.literal(nullable.ofType, depth);
      const length = this.random.below(3);
      return `[${Array.from({ length }, () => this.literal(nullable.ofType, depth)).join(', ')}]`;
    }
    if (isEnumType(nullable)) return this.random.one(nullable.getValues()).name;
    if (!isInputObjectType(nullable)) return JSON.stringify(scalars[nullable.name](this.random));
    const fields = this.chosen(nullable, depth).map((it) => `${it.name}: ${this.inner(it, nullable, depth)}`);
    return `{ ${fields.join(', ')} }`;
  }

  inner(field, parent, depth) {
    if (!this.random.chance(6)) return this.literal(field.type, depth - 1);
    const type = getNullableType(field.type);
    const due = isNonNullType(field.type) || parent.isOneOf;
    return this.variable(due ? `${type}!` : String(type), this.value(type, depth - 1));
  }

  chosen(type, depth) {
    const fields = Object.values(type.getFields());
    if (type.isOneOf) return [this.random.one(fields)];
    return fields.filter((it) => isRequiredInputField(it) || (depth > 0 && this.random.chance(3)));
  }
}
