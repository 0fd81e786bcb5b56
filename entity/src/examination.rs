//! The joint examination of a publication.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{ExaminationId, PublicationId};
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "examination")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExaminationId,
    pub publication_id: PublicationId,
    pub requested_by: Party,
    pub reason: Option<String>,
    pub due_on: Option<Date>,
    /// Whether both sides have recorded their finding, which closes the examination.
    pub complete: bool,
    pub created_at: DateTimeUtc,
    /// When it was requested, or a side last recorded its finding.
    pub updated_at: DateTimeUtc,
}

/// Columns that the database generates for lists to be ordered by; no row reads them.
#[derive(Clone, Copy, Debug, DeriveIden)]
pub enum Ordering {
    /// `due_on`, none as the end of time.
    DueAsc,
    /// `due_on`, none as the beginning of time.
    DueDesc,
}

impl ActiveModelBehavior for ActiveModel {}
