//! A webhook of one party.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{ActivityId, WebhookId};
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookId,
    pub party: Party,
    pub url: String,
    /// The filter as the party gave it, as JSON text; `None` delivers every activity.
    pub filter: Option<String>,
    pub enabled: bool,
    /// Whether it was deleted. The row remains, because the log refers to it.
    pub deleted: bool,
    /// Signing secret: `whsec_` and base64.
    pub secret: String,
    /// The previous secret, which also signs until `former_until`.
    pub former_secret: Option<String>,
    pub former_until: Option<DateTimeUtc>,
    /// Log position up to which all matching activities were delivered.
    pub position: i64,
    /// The activity at that position, which shows whether the history is still the same; `None` if unknown.
    pub activity_id: Option<ActivityId>,
    /// Since when each attempt has failed; `None` if the last one succeeded.
    pub failing_since: Option<DateTimeUtc>,
    /// Attempts so far to deliver the next activity.
    pub attempts: i32,
    pub next_attempt_at: Option<DateTimeUtc>,
    /// Id of the process that delivers; `leased_until` is when the lease expires.
    pub lease: Option<Uuid>,
    pub leased_until: Option<DateTimeUtc>,
    /// When the one attempt to send the ping was made; `None` before that.
    pub pinged_at: Option<DateTimeUtc>,
    /// HTTP status code of the response to the ping; `None` if there was no response.
    pub ping_status: Option<i32>,
    /// The start of the response to the ping, or the reason why there was no response.
    pub ping_response: Option<String>,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
