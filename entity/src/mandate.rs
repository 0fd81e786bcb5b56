//! A Resolution, by edition, that the collaboration is based on.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::MandateId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mandate")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MandateId,
    pub code: String,
    pub title: String,
    pub edition: String,
    pub adopted_on: Option<Date>,
    /// The earlier editions: a JSON array of strings, oldest first.
    pub history: Json,
}

impl ActiveModelBehavior for ActiveModel {}
