//! The delivery of one activity to one webhook.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{ActivityId, WebhookId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub webhook_id: WebhookId,
    pub activity_id: ActivityId,
    /// Position of the activity in the log.
    pub position: i64,
    pub attempts: i32,
    pub delivered: bool,
    /// HTTP status code of the last response; `None` if there was no response.
    pub status: Option<i32>,
    /// The start of the last response body, or the reason why there was no response.
    pub response: Option<String>,
    pub last_attempt_at: DateTimeUtc,
    pub next_attempt_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
