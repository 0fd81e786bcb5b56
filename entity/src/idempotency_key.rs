//! An idempotency key that a client sent with a create mutation, with the record that the mutation created.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
pub struct Model {
    /// The party that sent the key: keys are unique per party.
    #[sea_orm(primary_key, auto_increment = false)]
    pub party: Party,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of the mutation and its input, in hexadecimal.
    pub hash: String,
    /// GraphQL type name of the created record.
    pub subject_type: String,
    pub subject_id: Uuid,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
