//! A key that a client gave a request, so that sending it again does nothing twice.

use sea_orm::entity::prelude::*;

use crate::party::Party;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
pub struct Model {
    /// Each party has keys of its own.
    #[sea_orm(primary_key, auto_increment = false)]
    pub party: Party,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of the mutation and its input, in hexadecimal.
    pub hash: String,
    /// The API's name of the type that was made.
    pub subject_type: String,
    pub subject_id: Uuid,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
