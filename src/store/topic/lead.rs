//! The lead committee of a side.

use async_graphql::ID;
use entity::committee::{Entity, Model};
use entity::id::CommitteeId;
use entity::party::Side;
use sea_orm::{ConnectionTrait, DbErr};

use crate::domain::committee::can_lead_for;
use crate::domain::validation_errors::ValidationErrors;
use crate::store::resolve;

pub const FIELD: &str = "leadCommitteeId";

/// Resolves the lead committee of an input: an active one of `side`.
pub async fn named(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    given: Option<&ID>,
    side: Side,
) -> Result<Option<Model>, DbErr> {
    let lead = resolve::named::<Entity, CommitteeId>(db, problems, FIELD, given).await?;
    if let Some(lead) = &lead {
        problems.check(FIELD, can_lead_for(side, lead.party, lead.status));
    }
    Ok(lead)
}
