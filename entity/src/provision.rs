//! A clause of a mandate, summarized in the register's own words.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::id::{MandateId, ProvisionId};

#[sea_orm::model]
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
    /// *considering*: the reasons.
    Considering,
    /// *recognizing*: what is acknowledged.
    Recognizing,
    /// *recalling*: earlier decisions.
    Recalling,
    /// *observing*: what was noticed.
    Observing,
    /// *resolves*: the decisions.
    Resolves,
    /// *instructs*: tasks for officials, such as the Director of the TSB.
    Instructs,
}
