//! What every mutation answers: the changed record, read by the same path as any query, and what was wrong.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, Enum, Name, OutputType, Positioned, ServerResult, SimpleObject, Value,
};
use entity::id::Id;
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;

use super::node::seen;
use super::request::Request;
use crate::error::{Error, Result, is_overloaded, is_too_long};
use crate::read::document::{Document, Merged};
use crate::read::plan::Planner;
use crate::read::shape::Object;
use crate::read::{At, registry};
use crate::rules::refusal::{Code, Problem, Refusal};

/// A type that mutations change.
pub trait Thing: Send + Sync {
    /// The name of its payload, and of the record's field in it.
    const PAYLOAD: &'static str;
    const FIELD: &'static str;
    /// What the payload holds besides.
    const EXTRA: Option<Extra> = None;

    fn object() -> &'static Object;
}

/// A text, or null, in a payload.
pub struct Extra {
    pub name: &'static str,
    pub description: &'static str,
}

/// The answer of a mutation that changes a `T`.
pub struct Payload<T> {
    /// None where nothing was changed.
    changed: Option<Uuid>,
    extra: Option<String>,
    user_errors: Vec<UserError>,
    of: PhantomData<fn() -> T>,
}

/// One thing that is wrong with an input. Show `message` to the user, next to `field`; branch on `code`.
#[derive(SimpleObject)]
pub struct UserError {
    /// What kind of problem it is.
    code: UserErrorCode,
    /// The path of the field within `input`, such as `["provisionIds", "2"]`; null where it is about the record as a whole.
    field: Option<Vec<String>>,
    /// What is wrong and what would be right, in a sentence or two for the user.
    message: String,
}

/// What kind of problem an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Code")]
enum UserErrorCode {
    /// The value of a field: blank, too long, a date before another, not an address.
    Invalid,
    /// An id that names nothing, or a thing of another type.
    NotFound,
    /// A value that must be unique is in use.
    Taken,
    /// `version` is not the record's: someone has changed it since. Read it again.
    Stale,
    /// The state of the record does not allow it; the message says which state would.
    NotAllowedNow,
    /// The `idempotencyKey` was used with another input: give each request a key of its own.
    KeyReused,
}

impl<T> Payload<T> {
    /// The answer to what the store did. What the user can mend stands in the payload, all else is an error of the field.
    ///
    /// # Errors
    /// Where the viewer may not act at all, or the database failed.
    pub fn of(done: Result<impl Id>) -> Result<Self> {
        let (changed, user_errors) = changed(done)?;
        Ok(Self {
            changed: changed.map(Into::into),
            extra: None,
            user_errors,
            of: PhantomData,
        })
    }

    /// With the text that this payload holds besides.
    #[must_use]
    pub fn with(self, extra: Option<String>) -> Self {
        Self { extra, ..self }
    }
}

/// What was changed, or what was wrong with the input; all else is an error.
///
/// # Errors
/// Where the viewer may not act at all, or the database failed.
pub fn changed<I>(done: Result<I>) -> Result<(Option<I>, Vec<UserError>)> {
    match done {
        Ok(id) => Ok((Some(id), Vec::new())),
        Err(Error::Refused(Refusal::Problems(problems))) => {
            Ok((None, problems.into_iter().map(UserError::from).collect()))
        }
        Err(error) => Err(error),
    }
}

impl From<Problem> for UserError {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.into(),
            field: Some(problem.field).filter(|it| !it.is_empty()),
            message: problem.message,
        }
    }
}

impl<T: Thing> OutputType for Payload<T> {
    fn type_name() -> Cow<'static, str> {
        T::PAYLOAD.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let thing = registry::object(registry, T::object());
        let errors = Vec::<UserError>::create_type_info(registry);
        let text = Option::<String>::create_type_info(registry);
        let mut fields = vec![
            registry::meta_field(
                registry,
                T::FIELD,
                "The record as it is now; null where nothing was changed.",
                &[],
                thing.to_owned(),
            ),
            registry::meta_field(
                registry,
                "userErrors",
                "All that was wrong with the input, at once; empty where it was carried out.",
                &[],
                errors,
            ),
        ];
        fields.extend(
            T::EXTRA.map(|it| registry::meta_field(registry, it.name, it.description, &[], text)),
        );
        registry::object_type(
            registry,
            T::PAYLOAD,
            "The answer to a change: the record, or why it was left as it was.",
            fields,
        );
        Self::qualified_type_name()
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let document = Document::of(ctx);
        let mut answer = IndexMap::new();
        for selected in document.collect(&[&ctx.item.node], &|it| it == T::PAYLOAD) {
            let value = match selected.name() {
                name if name == T::FIELD => self.record(ctx, document, &selected).await?,
                "userErrors" => self.user_errors(ctx, &selected).await?,
                name if T::EXTRA.is_some_and(|it| it.name == name) => {
                    self.extra.clone().map_or(Value::Null, Value::from)
                }
                _ => Value::from(T::PAYLOAD),
            };
            answer.insert(Name::new(selected.key), value);
        }
        Ok(Value::Object(answer))
    }
}

impl<T: Thing> Payload<T> {
    async fn record<'a>(
        &self,
        ctx: &ContextSelectionSet<'a>,
        document: Document<'a>,
        selected: &Merged<'a>,
    ) -> ServerResult<Value> {
        let Some(key) = self.changed else {
            return Ok(Value::Null);
        };
        let ctx = ctx.with_field(selected.field());
        let env = Request::of(&ctx).env();
        let planner = Planner {
            document,
            env: &env,
        };
        let node = (T::object(), key);
        let read = planner
            .nodes(&At::of(&ctx), &[node], &selected.sets(), true, seen)
            .await;
        // The change is made: what cannot be read of it now is null with an error, not a failed mutation.
        Ok(match read {
            Ok(answer) if answer.is_null() => {
                let missing = DbErr::RecordNotFound(format!("{} {key}, just written", T::FIELD));
                let error = Error::from(missing).server_error(Some(selected.field().pos));
                ctx.add_error(ctx.set_error_path(error));
                Value::Null
            }
            Ok(answer) => answer.into_value(&ctx),
            Err(mut error) => {
                if is_too_long(&error) || is_overloaded(&error) {
                    error.message.push_str(" The change itself is made.");
                }
                ctx.add_error(error);
                Value::Null
            }
        })
    }

    async fn user_errors<'a>(
        &self,
        ctx: &ContextSelectionSet<'a>,
        selected: &Merged<'a>,
    ) -> ServerResult<Value> {
        let field = selected.field();
        let items = selected.sets().into_iter().flat_map(|it| it.items.clone());
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
