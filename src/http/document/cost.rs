//! What a document costs: how many values its answer may hold, as a sum over the sizes of its lists.
//!
//! Each field is one value, each record of a list one more and all that is selected of it. A page counts
//! as many records as it asks for, a list without a size as `LIST`, a change `CHANGE` more.

use apollo_compiler::ast::{OperationType, Value};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use async_graphql::{Name, Value as Given, Variables};

use crate::graphql::PAGE;

/// Records of a list that is no page: most are far shorter.
const LIST: u64 = 10;
/// What a change costs beyond its answer.
const CHANGE: u64 = 10;

/// A sum: what is there once, and what is there as often as a list is long.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    once: u64,
    lists: Vec<(Size, Cost)>,
}

/// How long a list may be: as the largest of what it was given says.
#[derive(Clone, Debug, Default)]
struct Size {
    fixed: Option<u64>,
    /// Each holds a number of records or a list of as many; the second is its default.
    variables: Vec<(Name, Option<u64>)>,
    /// Where it was given nothing.
    otherwise: u64,
}

impl Size {
    fn with(&self, variables: &Variables) -> u64 {
        let given = self.variables.iter().map(|(name, default)| {
            let value = variables.get(name);
            value.map_or(*default, size_of)
        });
        let largest = given.chain([self.fixed]).flatten().max();
        largest.unwrap_or(self.otherwise)
    }
}

impl Cost {
    /// The cost with these variables, which have been checked.
    pub fn with(&self, variables: &Variables) -> u64 {
        let lists = self
            .lists
            .iter()
            .map(|(size, each)| size.with(variables).saturating_mul(each.with(variables)));
        lists.fold(self.once, u64::saturating_add)
    }

    fn add(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.lists.extend(other.lists);
    }
}

/// How many records a value asks for: a size, or a list of ids. None for null.
fn size_of(value: &Given) -> Option<u64> {
    match value {
        Given::Number(number) => Some(page(number.as_i64()?)),
        Given::List(items) => Some(items.len() as u64),
        Given::Null => None,
        _ => Some(1), // a list of one, written without its brackets
    }
}

/// A size out of range is refused when it is read, and so costs nothing worth counting.
fn page(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0).min(PAGE.1)
}

/// How long the lists of the introspection are on average.
pub struct Sizes {
    types: u64,
    fields: u64,
    args: u64,
    inputs: u64,
    values: u64,
}

impl Sizes {
    pub fn of(schema: &Schema) -> Self {
        let types = schema.types.len() as u64;
        let (mut fields, mut args, mut inputs, mut values) = (0, 0, 0, 0);
        for ty in schema.types.values() {
            let of_object = match ty {
                ExtendedType::Object(object) => &object.fields,
                ExtendedType::Interface(interface) => &interface.fields,
                ExtendedType::InputObject(input) => {
                    inputs += input.fields.len() as u64;
                    continue;
                }
                ExtendedType::Enum(list) => {
                    values += list.values.len() as u64;
                    continue;
                }
                _ => continue,
            };
            fields += of_object.len() as u64;
            args += of_object
                .values()
                .map(|it| it.arguments.len() as u64)
                .sum::<u64>();
        }
        Self {
            types,
            fields: fields.div_ceil(types),
            args: args.div_ceil(fields.max(1)),
            inputs: inputs.div_ceil(types),
            values: values.div_ceil(types),
        }
    }

    /// The cost of an operation of a validated document, whose fragments have been bounded.
    pub fn cost(&self, document: &ExecutableDocument, operation: &Operation) -> Cost {
        let count = Count {
            sizes: self,
            document,
            operation,
        };
        let mut cost = count.set(&operation.selection_set, None);
        if operation.operation_type == OperationType::Mutation {
            let changes = operation.root_fields(document).count() as u64;
            cost.once = cost.once.saturating_add(CHANGE.saturating_mul(changes));
        }
        cost
    }
}

struct Count<'a> {
    sizes: &'a Sizes,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
}

impl Count<'_> {
    /// `page` is the size of the page that this is selected of.
    fn set(&self, set: &SelectionSet, page: Option<&Size>) -> Cost {
        let mut cost = Cost::default();
        for selection in &set.selections {
            cost.add(match selection {
                Selection::Field(field) => self.field(field, set, page),
                Selection::InlineFragment(fragment) => self.set(&fragment.selection_set, page),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    fragment.map_or_else(Cost::default, |it| self.set(&it.selection_set, page))
                }
            });
        }
        cost
    }

    fn field(&self, field: &Field, parent: &SelectionSet, page: Option<&Size>) -> Cost {
        let mut cost = Cost {
            once: 1,
            lists: Vec::new(),
        };
        if field.selection_set.is_empty() {
            return cost;
        }
        let own = self.page(field);
        let mut inner = self.set(&field.selection_set, own.as_ref());
        if !field.ty().is_list() {
            cost.add(inner);
            return cost;
        }
        let size = page.cloned().or(own).unwrap_or_else(|| Size {
            otherwise: if parent.ty.starts_with("__") {
                self.sizes.list(&field.name)
            } else {
                LIST
            },
            ..Size::default()
        });
        inner.once = inner.once.saturating_add(1);
        cost.lists.push((size, inner));
        cost
    }

    /// How many records a field is asked for, where its arguments say.
    fn page(&self, field: &Field) -> Option<Size> {
        let sized = ["first", "last", "ids"];
        let arguments = &field.definition.arguments;
        if !arguments.iter().any(|it| sized.contains(&it.name.as_str())) {
            return None;
        }
        let given = sized
            .iter()
            .filter_map(|name| field.specified_argument_by_name(name));
        let mut size = Size {
            otherwise: PAGE.0,
            ..Size::default()
        };
        for value in given {
            if let Value::Variable(name) = &**value {
                let mut definitions = self.operation.variables.iter();
                let definition = definitions.find(|it| it.name == *name);
                let default = definition.and_then(|it| it.default_value.as_ref());
                let default = default.and_then(|it| written(it));
                size.variables.push((Name::new(name.as_str()), default));
            } else {
                size.fixed = size.fixed.max(written(value));
            }
        }
        Some(size)
    }
}

/// How many records a written value asks for; none for null.
fn written(value: &Value) -> Option<u64> {
    match value {
        Value::Int(size) => Some(page(size.try_to_i32().ok()?.into())),
        Value::List(items) => Some(items.len() as u64),
        Value::Null => None,
        _ => Some(1),
    }
}

impl Sizes {
    fn list(&self, field: &str) -> u64 {
        match field {
            "types" => self.types,
            "fields" => self.fields,
            "args" => self.args,
            "inputFields" => self.inputs,
            "enumValues" => self.values,
            _ => 2, // interfaces, possible types; there are few directives
        }
    }
}
