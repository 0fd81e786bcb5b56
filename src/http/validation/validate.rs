//! Validation by the specification: apollo-compiler's, and what it omits.

use std::collections::{HashMap, HashSet};

use apollo_compiler::ast::{Definition, DirectiveList, Document, Type, Value};
use apollo_compiler::diagnostic::{Diagnostic, ToCliReport};
use apollo_compiler::executable::{Selection, SelectionSet, VariableDefinition};
use apollo_compiler::parser::SourceMap;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::{DiagnosticData, Valid};
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};
use async_graphql::{PathSegment, Pos};

use crate::graphql::scalar_problem;
use crate::http::error::DocumentError;
use crate::http::suggestion::closest;
use crate::http::validation::selection_sets::selection_sets;
use crate::http::validation::variables::exactly_one;
use crate::http::validation::{convert, input_path, position};

/// Maximum number of errors that are reported at once.
const MAX_REPORTED: usize = 20;

/// How an operation uses its variables.
#[derive(Default)]
pub struct VariableUses {
    /// First use of each variable: the path of argument and input fields, and the position in the document.
    pub inputs: HashMap<Name, (Vec<PathSegment>, Option<Pos>)>,
    /// Nullable variables in places that do not take null, since they have a default value: the path and the position.
    pub not_null: Vec<(Name, Vec<PathSegment>, Option<Pos>)>,
}

/// Validates a document and returns how each of its operations uses its variables. `suggests` allows error messages to
/// suggest names of the schema.
pub fn validate(
    schema: &Valid<Schema>,
    document: &Document,
    suggests: bool,
) -> Result<(Valid<ExecutableDocument>, Vec<VariableUses>), Vec<DocumentError>> {
    let valid = document.to_executable_validate(schema).or_else(|found| {
        let mut errors: Vec<_> = found
            .errors
            .iter()
            .filter(|diagnostic| !is_misleading(diagnostic, document, &found.partial))
            .collect();
        if errors.is_empty() {
            // The partial document is complete: every dropped part has an error of its own.
            return Ok(Valid::assume_valid(found.partial));
        }
        // Unused variables and fragments may be consequences of other errors, so they come last.
        errors.sort_by_key(|diagnostic| {
            let name = diagnostic.error.unstable_error_name();
            matches!(name, Some("UnusedVariable" | "UnusedFragment"))
        });
        let messages = errors.iter().take(MAX_REPORTED).map(|diagnostic| {
            let pos = position::of(diagnostic.error.location(), diagnostic.sources);
            let path = diagnostic.error.location();
            let path = path.and_then(|span| input_path::of(document, span));
            let mut problem = match path {
                Some(path) => DocumentError::of_value(path, &diagnostic.error.to_string(), pos),
                None => DocumentError::new(message(diagnostic), pos),
            };
            if suggests && let Some(similar) = similar_name(schema, diagnostic) {
                problem.message = format!("{} Did you mean `{similar}`?", problem.message);
            }
            problem
        });
        Err(messages.collect::<Vec<_>>())
    })?;
    let (problems, uses) = values(schema, &valid);
    if problems.is_empty() {
        Ok((valid, uses))
    } else {
        Err(problems)
    }
}

/// Returns the source text of a diagnostic.
fn source<'a>(diagnostic: &Diagnostic<'a, DiagnosticData>) -> Option<&'a str> {
    let span = diagnostic.error.location()?;
    let source = diagnostic.sources.get(&span.file_id())?.source_text();
    source.get(span.offset()..span.end_offset())
}

/// Returns whether a diagnostic is a false positive: the library reports parts that it drops as invalid as missing,
/// too, and counts a subscription field that is selected twice as two fields.
fn is_misleading(
    diagnostic: &Diagnostic<'_, DiagnosticData>,
    document: &Document,
    partial: &ExecutableDocument,
) -> bool {
    match diagnostic.error.unstable_error_name() {
        Some("MissingSubselection") => source(diagnostic).is_some_and(|text| text.ends_with('}')),
        Some("UndefinedFragment") => {
            let message = diagnostic.error.to_string();
            let name = message.split('`').nth(1);
            let mut definitions = document.definitions.iter();
            definitions.any(|definition| match definition {
                Definition::FragmentDefinition(definition) => name == Some(&*definition.name),
                _ => false,
            })
        }
        Some("SubscriptionUsesMultipleFields") => partial
            .operations
            .iter()
            .filter(|operation| operation.is_subscription())
            .all(|operation| {
                let keys = operation
                    .root_fields(partial)
                    .map(|field| field.response_key());
                keys.collect::<HashSet<_>>().len() == 1
            }),
        _ => false,
    }
}

/// Formats a diagnostic. The library's message does not name the field whose selection is missing or superfluous.
fn message(diagnostic: &Diagnostic<'_, DiagnosticData>) -> String {
    let field = source(diagnostic).and_then(|text| {
        text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .next()
    });
    match (diagnostic.error.unstable_error_name(), field) {
        (Some("MissingSubselection"), Some(field)) => {
            format!("The field `{field}` needs a selection of fields: `{field} {{ … }}`.")
        }
        (Some("SubselectionOnScalarType" | "SubselectionOnEnumType"), Some(field)) => {
            format!("The field `{field}` has no fields to select: leave out its `{{ … }}`.")
        }
        (Some("ConflictingFieldType" | "ConflictingFieldName" | "ConflictingFieldArgument"), _) => {
            format!(
                "{} Give one of them an alias of its own: `another: field`.",
                sentence(&diagnostic.error.to_string())
            )
        }
        _ => sentence(&diagnostic.error.to_string()),
    }
}

/// Returns the name of the schema that is most similar to an unknown name.
fn similar_name<'a>(
    schema: &'a Schema,
    diagnostic: &Diagnostic<'_, DiagnosticData>,
) -> Option<&'a str> {
    let text = diagnostic.error.to_string();
    // The library provides the names only within its messages, in backticks.
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (wrong, known): (&str, Vec<&str>) =
        match (diagnostic.error.unstable_error_name()?, &quoted[..]) {
            ("UndefinedField", [ty, field]) => {
                let fields = match schema.types.get(*ty)? {
                    ExtendedType::Object(object) => &object.fields,
                    ExtendedType::Interface(interface) => &interface.fields,
                    _ => return None,
                };
                (*field, fields.keys().map(Name::as_str).collect())
            }
            ("UndefinedInputValue", [field, input]) => {
                let fields = &schema.get_input_object(input)?.fields;
                (*field, fields.keys().map(Name::as_str).collect())
            }
            ("UndefinedEnumValue", [value, list]) => {
                let values = &schema.get_enum(list)?.values;
                (*value, values.keys().map(Name::as_str).collect())
            }
            ("UndefinedArgument", [argument, coordinate]) => {
                let (ty, field) = coordinate.split_once('.')?;
                let field = field.split('(').next()?;
                let definition = schema.type_field(ty, field).ok()?;
                let arguments = definition.arguments.iter();
                (
                    *argument,
                    arguments.map(|argument| argument.name.as_str()).collect(),
                )
            }
            (
                "UndefinedDefinition"
                | "UndefinedTypeInNamedFragmentTypeCondition"
                | "UndefinedTypeInInlineFragmentTypeCondition",
                [ty, ..],
            ) => (*ty, schema.types.keys().map(Name::as_str).collect()),
            _ => return None,
        };
    closest(wrong, known)
}

/// Formats a message of the library as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// Returns an error for the first introspection field.
pub fn introspection(document: &ExecutableDocument) -> Option<DocumentError> {
    let mut fields = document
        .operations
        .iter()
        .flat_map(|operation| operation.root_fields(document));
    let field = fields.find(|field| field.name == "__schema" || field.name == "__type")?;
    let message = format!(
        "Introspection is switched off here: `{}` is not answered.",
        field.name
    );
    let pos = position::of(field.location(), &document.sources);
    Some(DocumentError::new(message, pos))
}

/// Validates what the library does not: duplicate input fields, `@oneOf`, variables within values, custom scalars.
fn values(
    schema: &Schema,
    document: &ExecutableDocument,
) -> (Vec<DocumentError>, Vec<VariableUses>) {
    let mut problems = Vec::new();
    let mut uses = Vec::new();
    for operation in document.operations.iter() {
        let mut check = ValueValidator {
            schema,
            sources: &document.sources,
            variables: &operation.variables,
            problems: &mut problems,
            uses: VariableUses::default(),
            path: Vec::new(),
        };
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                let name = PathSegment::Field(variable.name.to_string());
                check.inside(name, &variable.ty, false, default);
            }
        }
        check.directives(&operation.directives);
        for set in selection_sets(document, operation) {
            check.arguments(set);
            check.conditions(set);
        }
        uses.push(check.uses);
    }
    (problems, uses)
}

struct ValueValidator<'a> {
    schema: &'a Schema,
    sources: &'a SourceMap,
    variables: &'a [Node<VariableDefinition>],
    problems: &'a mut Vec<DocumentError>,
    uses: VariableUses,
    /// Path of the current value.
    path: Vec<PathSegment>,
}

impl ValueValidator<'_> {
    fn arguments(&mut self, set: &SelectionSet) {
        for field in set.selections.iter().filter_map(Selection::as_field) {
            for argument in &field.arguments {
                let definition = field.definition.argument_by_name(&argument.name);
                if let Some(definition) = definition {
                    let fills = definition.default_value.is_some();
                    let name = PathSegment::Field(argument.name.to_string());
                    self.inside(name, &definition.ty, fills, &argument.value);
                }
            }
        }
    }

    /// Validates the arguments of an operation's directives.
    fn directives(&mut self, directives: &DirectiveList) {
        let schema = self.schema;
        for directive in directives {
            let Some(definition) = schema.directive_definitions.get(&directive.name) else {
                continue;
            };
            for argument in &directive.arguments {
                if let Some(of) = definition.argument_by_name(&argument.name) {
                    let name = PathSegment::Field(argument.name.to_string());
                    self.inside(name, &of.ty, of.default_value.is_some(), &argument.value);
                }
            }
        }
    }

    fn conditions(&mut self, set: &SelectionSet) {
        let directives = set
            .selections
            .iter()
            .flat_map(|selection| selection.directives().iter());
        for directive in
            directives.filter(|directive| directive.name == "skip" || directive.name == "include")
        {
            let Some(condition) = directive.specified_argument_by_name("if") else {
                continue;
            };
            let Some(name) = condition.as_variable() else {
                continue;
            };
            let mut variables = self.variables.iter();
            let variable = variables.find(|variable| variable.name == *name);
            if variable.is_some_and(|variable| !variable.ty.is_non_null()) {
                let pos = position::of(condition.location(), self.sources);
                let path = vec![PathSegment::Field("if".to_owned())];
                self.uses.not_null.push((name.clone(), path, pos));
            }
        }
    }

    fn problem(&mut self, what: &str, value: &Node<Value>) {
        if self.problems.len() < MAX_REPORTED {
            let pos = position::of(value.location(), self.sources);
            let problem = DocumentError::of_value(self.path.clone(), what, pos);
            self.problems.push(problem);
        }
    }

    /// Validates a value one level deeper.
    fn inside(&mut self, step: PathSegment, ty: &Type, fills: bool, value: &Node<Value>) {
        self.path.push(step);
        self.value(ty, fills, value);
        self.path.pop();
    }

    /// Validates a value. `fills` says that the location has a default value.
    fn value(&mut self, ty: &Type, fills: bool, value: &Node<Value>) {
        match &**value {
            Value::Variable(name) => {
                let variables = self.variables;
                if let Some(variable) = variables.iter().find(|variable| variable.name == *name) {
                    self.variable(ty, fills, variable, value);
                    if ty.is_non_null() && !variable.ty.is_non_null() {
                        let pos = position::of(value.location(), self.sources);
                        let place = (name.clone(), self.path.clone(), pos);
                        self.uses.not_null.push(place);
                    }
                    if !self.uses.inputs.contains_key(name) {
                        let pos = position::of(value.location(), self.sources);
                        let input = (self.path.clone(), pos);
                        self.uses.inputs.insert(name.clone(), input);
                    }
                }
            }
            Value::List(items) if ty.is_list() => {
                for (index, item) in items.iter().enumerate() {
                    self.inside(PathSegment::Index(index), ty.item_type(), false, item);
                }
            }
            Value::Object(fields) => {
                for (index, (name, value)) in fields.iter().enumerate() {
                    if fields[..index].iter().any(|field| field.0 == *name) {
                        self.problem(&format!("the field `{name}` is given twice"), value);
                    }
                }
                let Some(input) = self.schema.get_input_object(ty.inner_named_type()) else {
                    return;
                };
                if input.directives.has("oneOf") && !self.is_oneof(fields) {
                    self.problem(&exactly_one(input), value);
                }
                for (name, value) in fields {
                    if let Some(field) = input.fields.get(name) {
                        let step = PathSegment::Field(name.to_string());
                        self.inside(step, &field.ty, field.default_value.is_some(), value);
                    }
                }
            }
            // Input coercion: a single value is allowed for a list.
            plain => {
                let constant = convert::value(plain).into_const().unwrap_or_default();
                if !value.is_null()
                    && let Some(problem) = scalar_problem(ty.inner_named_type(), constant)
                {
                    self.problem(&problem, value);
                }
            }
        }
    }

    /// Returns whether these are valid fields of a `@oneOf` input: exactly one, never null.
    fn is_oneof(&self, fields: &[(Name, Node<Value>)]) -> bool {
        let [(_, value)] = fields else {
            return false;
        };
        let Some(name) = value.as_variable() else {
            return !value.is_null();
        };
        let definition = self
            .variables
            .iter()
            .find(|variable| variable.name == *name);
        definition.is_some_and(|variable| variable.ty.is_non_null())
    }

    /// Validates that a variable is allowed at its location (`All Variable Usages Are Allowed` of the specification).
    fn variable(
        &mut self,
        ty: &Type,
        fills: bool,
        variable: &VariableDefinition,
        value: &Node<Value>,
    ) {
        let default = variable.default_value.as_ref();
        let never_missing = fills || default.is_some_and(|default| !default.is_null());
        let location = if ty.is_non_null() && !variable.ty.is_non_null() && never_missing {
            ty.clone().nullable()
        } else {
            ty.clone()
        };
        if !variable.ty.is_assignable_to(&location) {
            let what = format!(
                "the variable `${}` is of type `{}`, but `{ty}` is expected",
                variable.name, variable.ty
            );
            self.problem(&what, value);
        }
    }
}
