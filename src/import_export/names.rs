//! The names by which files refer to records, with the ids of existing records.

use std::collections::HashMap;

use entity::id::{CommitteeId, LiaisonStatementId, OrganizationId, ProvisionId, TopicId};
use entity::{committee, liaison_statement, organization, provision, topic};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};

use crate::store;

/// Existing records by name. These tables are small; publications and action items are looked up when referred to.
pub struct Names {
    /// Keys are acronyms.
    pub organizations: HashMap<String, OrganizationId>,
    /// Keys are organization, code and period as in the history: `ITU-T SG17 (2013-2016)`.
    pub committees: HashMap<String, CommitteeId>,
    /// Keys are mandate, section and letter: `RES-11-DUBAI-2012 RECOGNIZING a`.
    pub provisions: HashMap<String, ProvisionId>,
    /// Keys are codes: `T-12`.
    pub topics: HashMap<String, TopicId>,
    /// Keys are numbers: `LS-7`.
    pub statements: HashMap<String, LiaisonStatementId>,
}

impl Names {
    pub async fn of(db: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let organizations = organization::Entity::find().all(db).await?;
        let committees = committee::Entity::find().all(db).await?;
        let labels = store::committee::labels(db, &committees).await?;
        let provisions = provision::Entity::find().all(db).await?;
        let clauses = store::topic::provision_names(db, &provisions).await?;
        let topics: Vec<(TopicId, i32)> = topic::Entity::find()
            .select_only()
            .columns([topic::Column::Id, topic::Column::Number])
            .into_tuple()
            .all(db)
            .await?;
        let statements: Vec<(LiaisonStatementId, i32)> = liaison_statement::Entity::find()
            .select_only()
            .columns([
                liaison_statement::Column::Id,
                liaison_statement::Column::Number,
            ])
            .into_tuple()
            .all(db)
            .await?;
        Ok(Self {
            organizations: organizations
                .into_iter()
                .map(|organization| (organization.acronym, organization.id))
                .collect(),
            committees: labels
                .into_iter()
                .zip(committees.iter().map(|committee| committee.id))
                .collect(),
            provisions: clauses
                .into_iter()
                .zip(provisions.iter().map(|provision| provision.id))
                .collect(),
            topics: topics
                .into_iter()
                .map(|(id, number)| (store::topic::code(number), id))
                .collect(),
            statements: statements
                .into_iter()
                .map(|(id, number)| (store::liaison_statement::code(number), id))
                .collect(),
        })
    }
}
