//! The cost of an operation: an upper estimate of the number of values in its response.
//!
//! Each field is one value, each record of a list one more and all that is selected of it. A page counts
//! as many records as it requests, a list without a size `SHORT_LIST` or its maximum length, a mutation `MUTATION_COST`
//! more. Fields that read more rows than they return add their measured price.

use apollo_compiler::ast::{OperationType, Value};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use async_graphql::{Name, Value as Given, Variables};

use crate::graphql::{ListLength, MAX_LIST_LENGTH, PAGE, list_length};
use crate::http::validation::prices::price;

/// Records of a list without a size, on average.
const SHORT_LIST: u64 = 10;
/// Cost of a mutation in addition to its response.
const MUTATION_COST: u64 = 10;

/// A cost formula: a constant part, and parts that are multiplied by list lengths.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    once: u64,
    lists: Vec<(Size, Cost)>,
    /// Once for each selection, also within a list: one statement reads for all records of the list.
    prices: Vec<Price>,
}

/// The price of a field, or of a filter: that of its dearest condition.
#[derive(Clone, Debug)]
enum Price {
    Fixed(u64),
    /// The conditions with their prices, and the variable of each that is given by one.
    Written(Vec<(u64, Option<Name>)>),
    /// The variable that holds the filter, and its type.
    Variable(Name, String),
}

impl Price {
    fn of_filter(value: &Value, ty: &str) -> Self {
        let conditions = match value {
            Value::Variable(name) => {
                return Self::Variable(Name::new(name.as_str()), ty.to_owned());
            }
            Value::Object(conditions) => conditions.as_slice(),
            _ => &[],
        };
        let is_blank = |value: &Value| value.as_str().is_some_and(is_blank);
        let given = conditions
            .iter()
            .filter(|(_, value)| !value.is_null() && !is_blank(value));
        let prices = given.map(|(condition, value)| {
            let variable = value.as_variable().map(|name| Name::new(name.as_str()));
            (price(ty, condition).unwrap_or(0), variable)
        });
        Self::Written(prices.collect())
    }

    fn with(&self, variables: &Variables) -> u64 {
        let is_given = |value: &Given| match value {
            Given::Null => false,
            Given::String(text) => !is_blank(text),
            _ => true,
        };
        let dearest = match self {
            Self::Fixed(price) => Some(*price),
            Self::Written(conditions) => conditions
                .iter()
                .filter(|(_, variable)| {
                    let variable = variable.as_ref();
                    variable.is_none_or(|name| variables.get(name).is_some_and(is_given))
                })
                .map(|(price, _)| *price)
                .max(),
            Self::Variable(name, ty) => match variables.get(name) {
                Some(Given::Object(conditions)) => conditions
                    .iter()
                    .filter(|(_, value)| is_given(value))
                    .filter_map(|(condition, _)| price(ty, condition))
                    .max(),
                _ => None,
            },
        };
        dearest.unwrap_or(0)
    }
}

/// Whether a text is no condition of a filter.
fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The length of a list: the largest value of its size arguments.
#[derive(Clone, Debug, Default)]
struct Size {
    fixed: Option<u64>,
    /// Variables that hold a size or a list of ids, with the sizes of their defaults.
    variables: Vec<(Name, Option<u64>)>,
    /// Length without any size argument.
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
    /// Evaluates the cost with coerced variables.
    pub fn with(&self, variables: &Variables) -> u64 {
        let lists = self
            .lists
            .iter()
            .map(|(size, each)| size.with(variables).saturating_mul(each.with(variables)));
        let price = self.price(variables);
        let values = lists.fold(self.once, u64::saturating_add);
        values.saturating_add(price)
    }

    /// Returns the part of the cost that is for reading whole tables.
    pub fn price(&self, variables: &Variables) -> u64 {
        let prices = self.prices.iter().map(|price| price.with(variables));
        prices.fold(0, u64::saturating_add)
    }

    fn add(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.lists.extend(other.lists);
        self.prices.extend(other.prices);
    }
}

/// Returns the number of records that a value requests: a page size, or the length of a list of ids. `None` for null.
fn size_of(value: &Given) -> Option<u64> {
    match value {
        Given::Number(number) => Some(page(number.as_i64()?)),
        Given::List(items) => Some(items.len() as u64),
        Given::Null => None,
        _ => Some(1), // input coercion: a single value is a list of one
    }
}

/// Returns a page size clamped to the valid range. Invalid sizes are rejected later and cost nothing worth counting.
fn page(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0).min(PAGE.1)
}

/// The lengths of introspection lists in this schema.
pub struct Sizes {
    types: u64,
    /// Average over all types, rounded up: below `__schema.types`, which reads the list of each type once.
    average: ListSizes,
    /// Maximum: everywhere else.
    longest: ListSizes,
}

struct ListSizes {
    fields: u64,
    args: u64,
    inputs: u64,
    values: u64,
    interfaces: u64,
    possible: u64,
}

impl ListSizes {
    /// Combines the lengths of each type's lists with `combine`.
    fn of(schema: &Schema, combine: impl Fn(Vec<u64>) -> u64) -> Self {
        let implementers = schema.implementers_map();
        let (mut fields, mut args, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut values, mut interfaces, mut possible) = (Vec::new(), Vec::new(), Vec::new());
        for (name, ty) in &schema.types {
            let of_type = match ty {
                ExtendedType::Object(object) => Some(&object.fields),
                ExtendedType::Interface(interface) => Some(&interface.fields),
                _ => None,
            };
            args.extend(
                of_type
                    .into_iter()
                    .flat_map(|fields| fields.values().map(|field| field.arguments.len() as u64)),
            );
            fields.push(of_type.map_or(0, |fields| fields.len() as u64));
            interfaces.push(match ty {
                ExtendedType::Object(object) => object.implements_interfaces.len() as u64,
                ExtendedType::Interface(interface) => interface.implements_interfaces.len() as u64,
                _ => 0,
            });
            possible.push(match ty {
                ExtendedType::Union(union) => union.members.len() as u64,
                _ => implementers
                    .get(name)
                    .map_or(0, |implementers| implementers.objects.len() as u64),
            });
            inputs.push(match ty {
                ExtendedType::InputObject(input) => input.fields.len() as u64,
                _ => 0,
            });
            values.push(match ty {
                ExtendedType::Enum(list) => list.values.len() as u64,
                _ => 0,
            });
        }
        Self {
            fields: combine(fields),
            args: combine(args),
            inputs: combine(inputs),
            values: combine(values),
            interfaces: combine(interfaces),
            possible: combine(possible),
        }
    }
}

impl Sizes {
    pub fn of(schema: &Schema) -> Self {
        let average = |lengths: Vec<u64>| {
            let count = lengths.len().max(1) as u64;
            lengths.into_iter().sum::<u64>().div_ceil(count)
        };
        Self {
            types: schema.types.len() as u64,
            average: ListSizes::of(schema, average),
            longest: ListSizes::of(schema, |lengths| lengths.into_iter().max().unwrap_or(0)),
        }
    }

    /// Returns the cost of an operation. The document must be valid and within the limits.
    pub fn cost(&self, document: &ExecutableDocument, operation: &Operation) -> Cost {
        let count = ComplexityVisitor {
            sizes: self,
            document,
            operation,
        };
        let mut cost = count.set(&operation.selection_set, SelectionContext::default());
        if operation.operation_type == OperationType::Mutation {
            let changes = operation.root_fields(document).count() as u64;
            cost.once = cost
                .once
                .saturating_add(MUTATION_COST.saturating_mul(changes));
        }
        cost
    }
}

struct ComplexityVisitor<'a> {
    sizes: &'a Sizes,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
}

/// The context of a selection.
#[derive(Clone, Copy, Default)]
struct SelectionContext<'a> {
    /// The size of the page that this is selected of.
    page: Option<&'a Size>,
    /// Whether it is selected of each type once.
    of_types: bool,
    /// Whether it is selected of each record of a list.
    in_list: bool,
}

impl ComplexityVisitor<'_> {
    fn set(&self, set: &SelectionSet, context: SelectionContext<'_>) -> Cost {
        let mut cost = Cost::default();
        for selection in &set.selections {
            cost.add(match selection {
                Selection::Field(field) => self.field(field, set, context),
                Selection::InlineFragment(fragment) => self.set(&fragment.selection_set, context),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    fragment.map_or_else(Cost::default, |fragment| {
                        self.set(&fragment.selection_set, context)
                    })
                }
            });
        }
        cost
    }

    fn field(&self, field: &Field, parent: &SelectionSet, context: SelectionContext<'_>) -> Cost {
        let mut cost = Cost {
            once: 1,
            ..Cost::default()
        };
        if parent.ty.ends_with("Connection")
            && let Some(price) = price("Connection", &field.name)
        {
            cost.prices.push(Price::Fixed(price));
        }
        if field.selection_set.is_empty() {
            return cost;
        }
        if parent.ty == "Query" {
            cost.prices
                .extend(price(&parent.ty, &field.name).map(Price::Fixed));
        }
        // The filter of a subscription is applied to events in memory.
        if parent.ty != "Subscription" {
            cost.prices.extend(filter_price(field));
        }
        let own = self.page(field);
        let is_list = field.ty().is_list();
        let of_types = parent.ty.starts_with("__")
            && (field.name == "types" || (context.of_types && field.name == "fields"));
        let within = SelectionContext {
            page: own.as_ref(),
            of_types,
            in_list: context.in_list || is_list,
        };
        let mut inner = self.set(&field.selection_set, within);
        if !is_list {
            cost.add(inner);
            return cost;
        }
        let size = context.page.cloned().or(own).unwrap_or_else(|| Size {
            otherwise: self.length(field, parent, context),
            ..Size::default()
        });
        inner.once = inner.once.saturating_add(1);
        cost.prices.append(&mut inner.prices);
        cost.lists.push((size, inner));
        cost
    }

    /// The records of a list without a size.
    fn length(&self, field: &Field, parent: &SelectionSet, context: SelectionContext<'_>) -> u64 {
        if parent.ty.starts_with("__") {
            return self.sizes.list(&field.name, context.of_types);
        }
        match list_length(&parent.ty, &field.name) {
            ListLength::Fixed(length) => length,
            // Within another list it counts as others.
            ListLength::Long if !context.in_list => MAX_LIST_LENGTH,
            ListLength::Long | ListLength::Short => SHORT_LIST,
        }
    }

    /// The number of records that the arguments of a field request, if they do.
    fn page(&self, field: &Field) -> Option<Size> {
        let sized = ["first", "last", "ids"];
        let arguments = &field.definition.arguments;
        if !arguments
            .iter()
            .any(|argument| sized.contains(&argument.name.as_str()))
        {
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
                let definition = definitions.find(|variable| variable.name == *name);
                let default = definition.and_then(|variable| variable.default_value.as_ref());
                let default = default.and_then(|value| written(value));
                size.variables.push((Name::new(name.as_str()), default));
            } else {
                size.fixed = size.fixed.max(written(value));
            }
        }
        Some(size)
    }
}

/// The price of what a field's filter makes the database read.
fn filter_price(field: &Field) -> Option<Price> {
    let value = field.specified_argument_by_name("filter")?;
    let definition = field.definition.argument_by_name("filter")?;
    let ty = definition.ty.inner_named_type();
    Some(Price::of_filter(value, ty))
}

/// Returns the page size in a literal; `None` for null.
fn written(value: &Value) -> Option<u64> {
    match value {
        Value::Int(size) => Some(page(size.try_to_i32().ok()?.into())),
        Value::List(items) => Some(items.len() as u64),
        Value::Null => None,
        _ => Some(1),
    }
}

impl Sizes {
    /// Returns the assumed length of an introspection list; `of_types` is true below `__schema.types`.
    fn list(&self, field: &str, of_types: bool) -> u64 {
        let sizes = if of_types {
            &self.average
        } else {
            &self.longest
        };
        match field {
            "types" => self.types,
            "fields" => sizes.fields,
            "args" => sizes.args,
            "inputFields" => sizes.inputs,
            "enumValues" => sizes.values,
            "interfaces" => sizes.interfaces,
            "possibleTypes" => sizes.possible,
            _ => SHORT_LIST, // directives and their locations
        }
    }
}
