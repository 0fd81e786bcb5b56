//! A clause of a mandate, summarized in the register's own words.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{MandateId, ProvisionId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provision")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProvisionId,
    pub mandate_id: MandateId,
    /// Position in the mandate, from 1.
    pub ordinal: i32,
    pub section: ProvisionSection,
    pub letter: Option<String>,
    pub summary: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// The parts of a Resolution, named by the word that opens them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum ProvisionSection {
    /// The part of the preamble that begins with *considering* and gives the reasons.
    Considering,
    /// The part of the preamble that begins with *recognizing* and names what is acknowledged.
    Recognizing,
    /// The part of a Resolution's preamble that begins with *recalling* and names earlier decisions.
    Recalling,
    /// The part of the preamble that begins with *observing* and names what was noticed.
    Observing,
    /// The part that begins with *resolves* and contains the decisions.
    Resolves,
    /// The part that begins with *instructs* and gives tasks to officials, such as the Director of the TSB.
    Instructs,
}
