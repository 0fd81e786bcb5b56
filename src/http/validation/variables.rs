//! Coercion of variables to their declared types before execution.

use apollo_compiler::ast::Type;
use apollo_compiler::executable::VariableDefinition;
use apollo_compiler::schema::{EnumType, ExtendedType, InputObjectType};
use apollo_compiler::{Node, Schema};
use async_graphql::{Name, PathSegment, Pos, Value, Variables};
use serde_json::{Map, Number, Value as Json};

use crate::graphql::scalar_problem;
use crate::http::error::DocumentError;
use crate::http::validation::convert;
use crate::http::validation::validate::VariableUses;

/// Maximum number of errors that are reported at once.
const MAX_REPORTED: usize = 20;
/// Greatest JSON number that is exactly an integer (2^53 − 1).
const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Coerces the variables of an operation. All errors are reported together. `suggests` allows error messages to list the
/// fields of an input.
pub fn variables(
    schema: &Schema,
    definitions: &[Node<VariableDefinition>],
    uses: &VariableUses,
    suggests: bool,
    mut given: Map<String, Json>,
) -> Result<Variables, Vec<DocumentError>> {
    let mut read = Coercer {
        schema,
        suggests,
        variable: "",
        used: None,
        path: Vec::new(),
        problems: Vec::new(),
    };
    let mut variables = Variables::default();
    for definition in definitions {
        let name = definition.name.as_str();
        read.variable = name;
        read.used = uses.inputs.get(name);
        let value = match given.remove(name) {
            Some(value) => read.value(&definition.ty, value),
            None => match &definition.default_value {
                // Validated with the document.
                Some(default) => convert::value(default).into_const().unwrap_or_default(),
                None if definition.ty.is_non_null() => {
                    let what = format!(
                        "a value of type {} is missing: give it in the variable `${name}`",
                        definition.ty
                    );
                    read.problem(&what);
                    continue;
                }
                None => continue,
            },
        };
        variables.insert(Name::new(name), value);
    }
    let mut problems = read.problems;
    for (name, path, pos) in &uses.not_null {
        if matches!(variables.get(name.as_str()), Some(Value::Null)) {
            let what = format!("it cannot be null, and the variable `${name}` is");
            problems.push(DocumentError::of_value(path.clone(), &what, *pos));
        }
    }
    if problems.is_empty() {
        Ok(variables)
    } else {
        problems.truncate(MAX_REPORTED);
        Err(problems)
    }
}

/// Says what a `@oneOf` input takes.
pub fn exactly_one(input: &InputObjectType) -> String {
    let fields: Vec<&str> = input
        .fields
        .keys()
        .map(apollo_compiler::Name::as_str)
        .collect();
    format!(
        "{} takes exactly one of its fields, and not null: {}",
        input.name,
        fields.join(" or ")
    )
}

/// A segment of the path within a variable.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
}

struct Coercer<'a, 'v> {
    schema: &'a Schema,
    suggests: bool,
    variable: &'v str,
    /// First use of the variable: the path to it, and the position in the document. `None` for a condition.
    used: Option<&'v (Vec<PathSegment>, Option<Pos>)>,
    /// Path of the current value within the variable.
    path: Vec<Step<'a>>,
    problems: Vec<DocumentError>,
}

impl<'a> Coercer<'a, '_> {
    fn problem(&mut self, what: &str) -> Value {
        let (mut path, pos) = self.used.cloned().unwrap_or_else(|| {
            let variable = PathSegment::Field(format!("${}", self.variable));
            (vec![variable], None)
        });
        path.extend(self.path.iter().map(|step| match step {
            Step::Field(name) => PathSegment::Field((*name).to_owned()),
            Step::Index(index) => PathSegment::Index(*index),
        }));
        self.problems.push(DocumentError::of_value(path, what, pos));
        Value::Null
    }

    /// Coerces a value one level deeper.
    fn at(&mut self, step: Step<'a>, ty: &Type, value: Json) -> Value {
        self.path.push(step);
        let value = self.value(ty, value);
        self.path.pop();
        value
    }

    fn value(&mut self, ty: &Type, value: Json) -> Value {
        if self.problems.len() >= MAX_REPORTED {
            return Value::Null; // it is refused in any case
        }
        if value.is_null() {
            return if ty.is_non_null() {
                self.problem(&format!("it must not be null: its type is {ty}"))
            } else {
                Value::Null
            };
        }
        match (ty, value) {
            (Type::List(item) | Type::NonNullList(item), Json::Array(items)) => {
                let items = items.into_iter().enumerate();
                let items =
                    items.map(|(index, item_value)| self.at(Step::Index(index), item, item_value));
                Value::List(items.collect())
            }
            // Input coercion: a single value becomes a list of one.
            (Type::List(item) | Type::NonNullList(item), value) => {
                Value::List(vec![self.value(item, value)])
            }
            (Type::Named(name) | Type::NonNullNamed(name), value) => {
                let schema = self.schema;
                match schema.types.get(name) {
                    Some(ExtendedType::Enum(list)) => self.enum_value(list, &value),
                    Some(ExtendedType::InputObject(input)) => self.object(input, value),
                    _ => self.scalar(name, value),
                }
            }
        }
    }

    fn enum_value(&mut self, list: &EnumType, value: &Json) -> Value {
        if let Json::String(word) = value
            && list.values.contains_key(word.as_str())
        {
            return Value::Enum(Name::new(word));
        }
        let words: Vec<&str> = list.values.keys().map(|name| &**name).collect();
        self.problem(&format!(
            "it must be one of the values of {}: {}",
            list.name,
            words.join(", ")
        ))
    }

    fn object(&mut self, input: &'a InputObjectType, value: Json) -> Value {
        let Json::Object(mut given) = value else {
            return self.problem(&format!(
                "it must be an object with the fields of {}",
                input.name
            ));
        };
        if input.directives.has("oneOf") && (given.len() != 1 || given.values().any(Json::is_null))
        {
            return self.problem(&exactly_one(input));
        }
        let mut fields = Vec::with_capacity(given.len());
        for (name, field) in &input.fields {
            match given.remove(name.as_str()) {
                Some(value) => {
                    let value = self.at(Step::Field(name), &field.ty, value);
                    fields.push((Name::new(name.as_str()), value));
                }
                None if field.is_required() => {
                    self.problem(&format!("its field `{name}` is missing"));
                }
                // async-graphql applies defaults.
                None => {}
            }
        }
        if let Some(unknown) = given.keys().next() {
            // A long name is not a typo and need not be quoted completely.
            let unknown: String = unknown.chars().take(50).collect();
            let mut what = format!("{} has no field `{unknown}`", input.name);
            if self.suggests {
                let known: Vec<&str> = input
                    .fields
                    .keys()
                    .map(apollo_compiler::Name::as_str)
                    .collect();
                what = format!("{what}: it has {}", known.join(", "));
            }
            self.problem(&what);
        }
        Value::Object(fields.into_iter().collect())
    }

    fn scalar(&mut self, name: &str, value: Json) -> Value {
        match (name, value) {
            ("Int", Json::Number(number)) => match as_integer(&number).map(i32::try_from) {
                Some(Ok(number)) => Value::from(number),
                _ => self.problem("an Int is a whole number of at most 32 bits"),
            },
            ("Float", Json::Number(number)) => Value::Number(number),
            ("ID", Json::Number(number)) => match as_integer(&number) {
                Some(number) => Value::String(number.to_string()),
                None => self.problem("an ID is a text or a whole number"),
            },
            ("Boolean", Json::Bool(flag)) => Value::Boolean(flag),
            ("String" | "ID", Json::String(text)) => Value::String(text),
            ("Int" | "Float" | "Boolean" | "String" | "ID", _) => {
                let what = format!("it must be {} {name}", article(name));
                self.problem(&what)
            }
            (_, value) => {
                let value = Value::from_json(value).unwrap_or_default();
                match scalar_problem(name, value.clone()) {
                    Some(problem) => self.problem(&problem),
                    None => value,
                }
            }
        }
    }
}

fn article(name: &str) -> &'static str {
    if name.starts_with('I') { "an" } else { "a" }
}

/// Returns the integer that a number without a fractional part represents: 1.0 is 1.
fn as_integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let number = number.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it has no fraction and is exactly representable"
        )]
        (number.fract() == 0.0 && number.abs() <= MAX_INTEGER).then_some(number as i64)
    })
}
