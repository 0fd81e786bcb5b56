//! One activity on its way to one webhook.

use sea_orm::entity::prelude::*;

use crate::id::{ActivityId, WebhookId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub webhook_id: WebhookId,
    pub activity_id: ActivityId,
    /// The activity's place in the log.
    pub position: i64,
    pub attempts: i32,
    pub delivered: bool,
    /// The status of the last answer; none where there was no answer.
    pub status: Option<i32>,
    /// The start of the last answer, or why there was none.
    pub response: Option<String>,
    pub last_attempt_at: DateTimeUtc,
    pub next_attempt_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
