//! A formal letter from committees of one party to committees.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::LiaisonStatementId;
use crate::party::{Party, Side};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "liaison_statement")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LiaisonStatementId,
    /// The number in its code: 7 of LS-7.
    pub number: i32,
    pub title: String,
    pub body: Option<String>,
    pub contact: Option<String>,
    pub in_reply_to_id: Option<LiaisonStatementId>,
    pub sent_by: Party,
    /// Side of the senders.
    pub side: Side,
    pub sent_at: DateTimeUtc,
    /// Search text for `text` filters: the statement's texts without case and accents.
    pub folded: String,
}

impl ActiveModelBehavior for ActiveModel {}
