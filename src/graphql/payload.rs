//! The payloads of mutations: the changed record, read by the query planner, and the validation errors.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::LazyLock;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, SelectionSet};
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{
    ContextSelectionSet, Enum, InputType, Name, OutputType, Positioned, ServerResult, SimpleObject,
    Value,
};
use entity::id::Id;
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;

use super::enum_names::word;
use super::node::node_types;
use super::request::OperationContext;
use crate::domain::rejection::{Code, Rejection, ValidationError};
use crate::error::{Error, Result, is_overloaded, is_too_long};
use crate::planner::planning::Planner;
use crate::planner::schema::{FieldSource, ObjectRef, ObjectType, field};
use crate::planner::selection::{CollectedField, Selections};
use crate::planner::{FieldLocation, FieldResult, RecordQuery, register};

/// A type that has mutations.
pub trait MutationPayload: Send + Sync {
    /// The name of the record's field in a payload.
    const FIELD: &'static str;
    /// A further field of the payload.
    const EXTRA: Option<ExtraField> = None;
    /// A further list of the payload.
    const RELATED: Option<RelatedList> = None;
    /// Whether the mutation deletes the record.
    const DELETES: bool = false;

    /// The type of the record; `None` if it can be of any type that implements `Node`.
    fn object_type() -> Option<&'static ObjectType>;
}

/// A list of a payload with records that belong to the changed one.
pub struct RelatedList {
    pub name: &'static str,
    pub description: &'static str,
    pub object: ObjectRef,
    /// Finds them by the key of the changed record.
    pub find: fn(Uuid) -> RecordQuery,
}

/// A nullable field of a payload.
pub struct ExtraField {
    pub name: &'static str,
    pub description: &'static str,
    /// Registers its type and returns the name of the type.
    pub ty: fn(&mut Registry) -> String,
}

/// The response of a mutation with the input `I`, which changes a `T`. Its type is named after the input.
pub struct Payload<T, I> {
    /// The changed record, or for STALE its current state; `None` if there is none.
    record: Option<(&'static ObjectType, Uuid)>,
    extra: Option<String>,
    user_errors: Vec<UserError>,
    of: PhantomData<fn() -> (T, I)>,
}

/// One problem in the input. Show `message` to the user, next to the field. In the program, branch on `code`, not on `message`.
#[derive(SimpleObject)]
pub struct UserError {
    /// The kind of problem.
    code: UserErrorCode,
    /// The path of the field within `input`; null if the error is about the input as a whole. Example: `["provisionIds", "2"]`.
    field: Option<Vec<String>>,
    /// What is wrong and how to correct it: English text for the user.
    message: String,
}

/// The kinds of problems that an input can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Code")]
enum UserErrorCode {
    /// The value of a field is not valid: for example blank, too long, an end date before the start date, or a committee of another party.
    Invalid,
    /// There is no record with this id, or it is the id of another type.
    NotFound,
    /// A value that has to be unique is in use.
    Taken,
    /// The record has been changed since the given `version`. The payload has the record as it is now. Show the user what changed, and send the request again with the new `version`.
    Stale,
    /// The current state of the record, for example its status, does not allow the change. `message` says why.
    NotAllowedNow,
    /// The `idempotencyKey` was used before with a different input. Use a new key for each new record; repeat a key only to retry the same request.
    KeyReused,
}

impl<T, I> Payload<T, I> {
    /// Builds the payload. Errors of the input go to `userErrors`; all others are an error of the field.
    ///
    /// # Errors
    /// Returns an error if the viewer has no permission, or the database failed.
    pub fn of(result: Result<impl Id>) -> Result<Self>
    where
        T: MutationPayload,
    {
        Self::of_type(result.map(Into::into), T::object_type())
    }

    /// Like [`Payload::of`], for a record of this type.
    ///
    /// # Errors
    /// Returns an error like [`Payload::of`].
    pub fn of_type(result: Result<Uuid>, object: Option<&'static ObjectType>) -> Result<Self>
    where
        T: MutationPayload,
    {
        let (record, user_errors) = split_user_errors(result)?;
        let record = record.filter(|_| !T::DELETES || !user_errors.is_empty());
        Ok(Self {
            record: object.zip(record),
            extra: None,
            user_errors,
            of: PhantomData,
        })
    }

    /// Sets the further field of the payload.
    #[must_use]
    pub fn with(self, extra: Option<String>) -> Self {
        Self { extra, ..self }
    }
}

/// Splits what a payload shows: the record that was changed, and what was wrong with the input. The record is also there
/// if another client has changed it before.
///
/// # Errors
/// Returns an error if the viewer may not act at all, or if the database fails.
fn split_user_errors(result: Result<Uuid>) -> Result<(Option<Uuid>, Vec<UserError>)> {
    match result {
        Err(Error::Refused(Rejection::Stale { record, message })) => {
            let stale = ValidationError::new(Code::Stale, "version", message);
            Ok((Some(record), vec![stale.into()]))
        }
        result => split_rejections(result),
    }
}

/// Returns the result, or the errors of the input.
///
/// # Errors
/// Returns an error if the viewer has no permission, or the database failed.
pub fn split_rejections<T>(result: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(result) => Ok((Some(result), Vec::new())),
        Err(Error::Refused(Rejection::Problems(problems))) => {
            Ok((None, problems.into_iter().map(UserError::from).collect()))
        }
        Err(error) => Err(error),
    }
}

impl UserError {
    /// Returns the type as the query planner knows it.
    pub fn object_type() -> &'static ObjectType {
        static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
            let name = |name| {
                field(
                    name,
                    "",
                    FieldSource::Key(<String as OutputType>::create_type_info),
                )
            };
            ObjectType {
                name: "UserError",
                description: "",
                cacheable: true,
                table: None,
                fields: ["code", "field", "message"].map(name).into(),
            }
        });
        &OBJECT
    }

    pub fn json(&self) -> serde_json::Value {
        let Self {
            code,
            field,
            message,
        } = self;
        serde_json::json!({ "code": word(*code), "field": field, "message": message })
    }
}

impl From<ValidationError> for UserError {
    fn from(problem: ValidationError) -> Self {
        Self {
            code: problem.code.into(),
            field: Some(problem.field).filter(|field| !field.is_empty()),
            message: problem.message,
        }
    }
}

impl<T: MutationPayload, I: InputType> OutputType for Payload<T, I> {
    fn type_name() -> Cow<'static, str> {
        let input = I::type_name();
        let mutation = input.strip_suffix("Input").unwrap_or(&input);
        format!("{mutation}Payload").into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let record = match T::object_type() {
            Some(object) => register::object(registry, object).to_owned(),
            None => register::node(registry, &node_types()),
        };
        let input = I::create_type_info(registry);
        let has = |name| {
            matches!(
                registry.types.get(input.trim_end_matches('!')),
                Some(MetaType::InputObject { input_fields, .. }) if input_fields.contains_key(name)
            )
        };
        let description = if T::DELETES {
            "Null, except with the user error STALE: then it is the current record. Send its `version` with the next attempt."
        } else if has("version") {
            "The record after the request. Null if the request was refused; `userErrors` says why. Exception: with the user error STALE, it is the current record. Send its `version` with the next attempt."
        } else if has("idempotencyKey") {
            "The record that was created, or that an earlier request with the same `idempotencyKey` created. Null if the request was refused; `userErrors` says why."
        } else {
            "The record after the request. Null if the request was refused; `userErrors` says why."
        };
        let user_errors = if has("idempotencyKey") {
            "Why the request was refused: every problem found in the input, not only the first. Empty if the request succeeded."
        } else {
            "Why the request was refused: every problem found in the input, not only the first. Empty if the request succeeded; an update that changes nothing also succeeds."
        };
        let errors = Vec::<UserError>::create_type_info(registry);
        let mut fields = vec![
            register::meta_field(registry, T::FIELD, description, &[], record),
            register::meta_field(registry, "userErrors", user_errors, &[], errors),
        ];
        fields.extend(T::EXTRA.map(|extra| {
            let ty = (extra.ty)(registry);
            register::meta_field(registry, extra.name, extra.description, &[], ty)
        }));
        fields.extend(T::RELATED.map(|related| {
            let object = register::object(registry, (related.object)());
            let ty = format!("[{object}!]!");
            register::meta_field(registry, related.name, related.description, &[], ty)
        }));
        register::object_type(
            registry,
            &Self::type_name(),
            "The result of a mutation: the record, or `userErrors` if the request was refused.",
            fields,
        );
        Self::qualified_type_name()
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let document = Selections::of(ctx);
        let mut output = IndexMap::new();
        let name = Self::type_name();
        for selected in document.collect_fields(&[&ctx.item.node], &|condition| condition == name) {
            let value = match selected.name() {
                name if name == T::FIELD => self.record(ctx, document, &selected).await?,
                "userErrors" => self.user_errors(ctx, &selected).await?,
                name if T::RELATED.is_some_and(|related| related.name == name) => {
                    self.related(ctx, document, &selected).await?
                }
                name if T::EXTRA.is_some_and(|extra| extra.name == name) => {
                    self.extra.clone().map_or(Value::Null, Value::from)
                }
                _ => Value::from(name.as_ref()),
            };
            output.insert(Name::new(selected.key), value);
        }
        Ok(Value::Object(output))
    }
}

impl<T: MutationPayload, I: InputType> Payload<T, I> {
    async fn record<'a>(
        &self,
        ctx: &ContextSelectionSet<'a>,
        document: Selections<'a>,
        selected: &CollectedField<'a>,
    ) -> ServerResult<Value> {
        let Some(node) = self.record else {
            return Ok(Value::Null);
        };
        let ctx = ctx.with_field(selected.field());
        let env = OperationContext::of(&ctx).env();
        let planner = Planner {
            document,
            env: &env,
        };
        let read = planner
            .fetch_nodes(&FieldLocation::of(&ctx), &[node], &selected.sets(), true)
            .await;
        // The change is committed. A record that cannot be read is null with an error, because the mutation succeeded.
        Ok(match read {
            Ok(output) if output.is_null() => {
                let missing =
                    DbErr::RecordNotFound(format!("{} {}, just written", T::FIELD, node.1));
                let error = Error::from(missing).server_error(Some(selected.field().pos));
                ctx.add_error(ctx.set_error_path(error));
                Value::Null
            }
            Ok(output) => output.into_value(&ctx),
            Err(mut error) => {
                if is_too_long(&error) || is_overloaded(&error) {
                    error.message.push_str(" The change itself is made.");
                }
                ctx.add_error(error);
                Value::Null
            }
        })
    }

    async fn related<'a>(
        &self,
        ctx: &ContextSelectionSet<'a>,
        document: Selections<'a>,
        selected: &CollectedField<'a>,
    ) -> ServerResult<Value> {
        let (Some((_, key)), Some(related)) = (self.record, T::RELATED) else {
            return Ok(Value::List(Vec::new()));
        };
        let ctx = ctx.with_field(selected.field());
        let env = OperationContext::of(&ctx).env();
        let planner = Planner {
            document,
            env: &env,
        };
        let at = FieldLocation::of(&ctx);
        let object = (related.object)();
        let found: FieldResult = planner
            .all(&at, object, &selected.sets(), (related.find)(key))
            .await?;
        Ok(found.into_value(&ctx))
    }

    async fn user_errors<'a>(
        &self,
        ctx: &ContextSelectionSet<'a>,
        selected: &CollectedField<'a>,
    ) -> ServerResult<Value> {
        let field = selected.field();
        let items = selected
            .sets()
            .into_iter()
            .flat_map(|set| set.items.clone());
        let set = Positioned::new(
            SelectionSet {
                items: items.collect(),
            },
            field.pos,
        );
        let ctx = ctx.with_field(field);
        let ctx = ctx.with_selection_set(&set);
        self.user_errors.resolve(&ctx, field).await
    }
}
