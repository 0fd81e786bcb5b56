//! Where the feed is delivered to, for one party.

use sea_orm::entity::prelude::*;

use crate::id::{ActivityId, WebhookId};
use crate::party::Party;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookId,
    pub party: Party,
    pub url: String,
    /// The filter as its party gave it, a JSON text; none: everything.
    pub filter: Option<String>,
    pub enabled: bool,
    /// Its party sees it no more; the log still names it.
    pub deleted: bool,
    /// What messages are signed with: `whsec_` and base64.
    pub secret: String,
    /// The secret before that, which signs too until `former_until`.
    pub former_secret: Option<String>,
    pub former_until: Option<DateTimeUtc>,
    /// The place in the log up to which all that is wanted was delivered.
    pub position: i64,
    /// The activity at that position, which shows whether the history is still the same; none if it is not known.
    pub activity_id: Option<ActivityId>,
    /// Since when each attempt has failed; none where the last did not.
    pub failing_since: Option<DateTimeUtc>,
    /// Attempts at the next activity so far.
    pub attempts: i32,
    pub next_attempt_at: Option<DateTimeUtc>,
    /// Which process delivers, and until when no other may.
    pub lease: Option<Uuid>,
    pub leased_until: Option<DateTimeUtc>,
    /// When the one attempt to send the ping was made; `None` before that.
    pub pinged_at: Option<DateTimeUtc>,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
