//! The names that files have for records, with the ids of those in the register.

use std::collections::HashMap;

use entity::id::{CommitteeId, LiaisonStatementId, OrganizationId, ProvisionId, TopicId};
use entity::{committee, liaison_statement, organization, provision, topic};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};

use crate::store;

/// What is referred to by name. These tables are small; publications and action items are looked up when they are named.
pub struct Names {
    /// By acronym.
    pub organizations: HashMap<String, OrganizationId>,
    /// By organization, code and period, as the history has it: `ITU-T SG17 (2013-2016)`.
    pub committees: HashMap<String, CommitteeId>,
    /// By mandate, section and letter: `RES-11-DUBAI-2012 RECOGNIZING a`.
    pub provisions: HashMap<String, ProvisionId>,
    /// By code: `T-12`.
    pub topics: HashMap<String, TopicId>,
    /// By number: `LS-7`.
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
                .map(|it| (it.acronym, it.id))
                .collect(),
            committees: labels
                .into_iter()
                .zip(committees.iter().map(|it| it.id))
                .collect(),
            provisions: clauses
                .into_iter()
                .zip(provisions.iter().map(|it| it.id))
                .collect(),
            topics: topics
                .into_iter()
                .map(|(id, number)| (store::topic::code(number), id))
                .collect(),
            statements: statements
                .into_iter()
                .map(|(id, number)| (store::statement::code(number), id))
                .collect(),
        })
    }
}
