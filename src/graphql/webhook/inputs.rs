//! The inputs of webhook mutations.

use async_graphql::{ID, InputObject, InputType, MaybeUndefined, Value};
use entity::id::WebhookId;
use entity::scalar::Url;
use sea_orm::ConnectionTrait;

use crate::domain::rejection::{Code, Rejection};
use crate::domain::webhook::WebhookTargets;
use crate::error::{Error, HISTORY_REPLACED, Result};
use crate::graphql::activity::{ActivityFilter, position};
use crate::store::Database;
use crate::store::activity::LogPosition;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::webhook::{self as store, NewWebhook, WebhookChange};

/// Maximum length of a stored filter in bytes, as in the database.
const MAX_FILTER_BYTES: usize = 20_000;

/// A new webhook of the viewer's party. A party can have at most 20: one more is refused with the user error NOT_ALLOWED_NOW.
#[derive(Debug, InputObject)]
pub struct WebhookCreateInput {
    /// The URL to send deliveries to: `https://`, with a host that is public on the Internet.
    pub url: Url,
    /// Which activities to deliver. Default: all.
    pub filter: Option<ActivityFilter>,
    /// The cursor of an activity: all later activities are delivered. Default: only new activities.
    pub after: Option<String>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
    #[graphql(skip)]
    pub secret: String,
    #[graphql(skip)]
    pub targets: WebhookTargets,
}

/// Changes to a webhook. A field that is left out keeps its value. If a delivery is waiting for its next attempt, any change triggers it at once.
#[derive(Debug, InputObject)]
pub struct WebhookUpdateInput {
    /// The id of the webhook.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// The URL to send deliveries to. Cannot be null.
    pub url: MaybeUndefined<Url>,
    /// Which activities to deliver. Null: all.
    pub filter: MaybeUndefined<ActivityFilter>,
    /// Whether to send deliveries. Cannot be null. Activities that happen while it is false are delivered when it is true again.
    pub enabled: MaybeUndefined<bool>,
    /// True: make the next attempt now instead of at `nextAttemptAt` of the delivery. Only for an enabled webhook.
    pub retry_now: Option<bool>,
    /// True: send another ping to the URL, for example when the endpoint knows the secret. A ping is a signed event of type `liaison.ping` that does not belong to an activity and is not listed in `deliveries`. Each new webhook gets one automatically. Only for an enabled webhook.
    pub ping: Option<bool>,
    /// True: create a new secret, which the payload returns. For 24 hours deliveries are also signed with the old secret.
    pub rotate_secret: Option<bool>,
    /// The cursor of an activity. Delivery continues after it: all later activities are sent, including those that were already delivered.
    pub redeliver_after: Option<String>,
}

/// Identifies the webhook to delete.
#[derive(Debug, InputObject)]
pub struct WebhookDeleteInput {
    /// The id of the webhook.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
}

impl CreateInput for WebhookCreateInput {
    const MUTATION: &'static str = "webhookCreate";
    type Id = WebhookId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<WebhookId> {
        let new = NewWebhook {
            url: self.url.0,
            filter: self
                .filter
                .as_ref()
                .map(encode_filter)
                .transpose()?
                .flatten(),
            after: cursor_position(writing.db(), "after", self.after.as_ref()).await?,
            secret: self.secret,
            targets: self.targets,
        };
        store::make(writing, new).await
    }
}

impl WebhookUpdateInput {
    /// Converts the input for the store; `secret` replaces the current one if it is to be rotated.
    ///
    /// # Errors
    /// Returns an error if the filter or the cursor is invalid.
    pub async fn change(
        self,
        db: &Database,
        targets: WebhookTargets,
        secret: Option<String>,
    ) -> Result<WebhookChange> {
        let after = cursor_position(
            &db.orm_read,
            "redeliverAfter",
            self.redeliver_after.as_ref(),
        );
        let after = db.query(after).await?;
        let filter = match self.filter {
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Value(filter) => {
                encode_filter(&filter)?.map_or(MaybeUndefined::Null, MaybeUndefined::Value)
            }
        };
        Ok(WebhookChange {
            id: self.id,
            version: self.version,
            url: self.url.map_value(|url| url.0),
            filter,
            enabled: self.enabled,
            secret,
            retry_now: self.retry_now == Some(true),
            ping: self.ping == Some(true),
            redeliver_after: after,
            targets,
        })
    }
}

/// Returns the filter as JSON text for storage; `None` if it has no conditions.
fn encode_filter(filter: &ActivityFilter) -> Result<Option<String>> {
    let invalid = |message: String| Rejection::one(Code::Invalid, "filter", message);
    filter.event_filter(None).map_err(|error| match error {
        Error::BadInput(message) => invalid(message).into(),
        other => other,
    })?;
    let Value::Object(mut fields) = filter.to_value() else {
        return Ok(None);
    };
    fields.retain(|_, field| *field != Value::Null);
    let text = Value::Object(fields)
        .into_json()
        .unwrap_or_default()
        .to_string();
    if text.len() > MAX_FILTER_BYTES {
        let long = format!("Is too long: {MAX_FILTER_BYTES} bytes of JSON at most.");
        return Err(invalid(long).into());
    }
    Ok(Some(text).filter(|text| text != "{}"))
}

/// The position in the log that a cursor names.
async fn cursor_position(
    db: &impl ConnectionTrait,
    field: &str,
    cursor: Option<&String>,
) -> Result<Option<LogPosition>> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let invalid = |message: &str| Error::from(Rejection::one(Code::Invalid, field, message));
    match position(db, cursor).await {
        Ok(position) => Ok(Some(position)),
        Err(Error::InvalidCursor) => Err(invalid(
            "Is not the cursor of an activity: take one from `Activity.cursor`, or leave it out.",
        )),
        Err(Error::HistoryReplaced) => Err(invalid(HISTORY_REPLACED)),
        Err(error) => Err(error),
    }
}
