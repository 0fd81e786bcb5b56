//! The committees linked to a topic.

use entity::committee;
use entity::id::TopicId;
use entity::party::Party;
use entity::topic_committee::{ActiveModel, Column, CommitteeRole, Entity, Model};
use entity::word::enum_name;
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use crate::domain::topic::{LinkedCommittee, MAX_COMMITTEES};
use crate::store::activity::ChangeSet;
use crate::store::committee::label;

/// The links of a topic, as read at the start of a write.
#[derive(Clone, Debug)]
pub struct Links {
    topic: TopicId,
    rows: Vec<Model>,
}

impl Links {
    /// Returns the empty links of a new topic.
    pub fn none(topic: TopicId) -> Self {
        Self {
            topic,
            rows: Vec::new(),
        }
    }

    pub async fn of(db: &impl ConnectionTrait, topic: TopicId) -> Result<Self, DbErr> {
        let rows = Entity::find()
            .filter(Column::TopicId.eq(topic))
            .all(db)
            .await?;
        Ok(Self { topic, rows })
    }

    /// Returns a committee's facts for the rules.
    pub fn linked(&self, committee: &committee::Model) -> LinkedCommittee {
        LinkedCommittee {
            party: committee.party,
            role: self.role(committee),
        }
    }

    pub fn role(&self, committee: &committee::Model) -> Option<CommitteeRole> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.committee_id == committee.id)
            .map(|row| row.role)
    }

    /// Returns the committee that leads the topic for `party`.
    pub async fn lead(
        &self,
        db: &impl ConnectionTrait,
        party: Option<Party>,
    ) -> Result<Option<committee::Model>, DbErr> {
        let leads = |row: &&Model| row.role == CommitteeRole::Lead && row.party == party;
        match self.rows.iter().find(leads) {
            Some(row) => {
                committee::Entity::find_by_id(row.committee_id)
                    .one(db)
                    .await
            }
            None => Ok(None),
        }
    }

    /// Checks that the topic can link another committee.
    pub fn check_capacity(&self, committee: &committee::Model) -> Result<(), String> {
        if self.role(committee).is_none() && MAX_COMMITTEES <= self.rows.len() {
            Err(format!(
                "The topic already has {MAX_COMMITTEES} committees, which is the maximum: unlink one first."
            ))
        } else {
            Ok(())
        }
    }

    /// Links a committee in this role, or changes its role. A new LEAD replaces its party's current one, which becomes
    /// CONTRIBUTING.
    pub async fn set(
        &self,
        db: &impl ConnectionTrait,
        committee: &committee::Model,
        role: CommitteeRole,
    ) -> Result<ChangeSet, DbErr> {
        let before = self.role(committee);
        let mut changes = ChangeSet::default();
        if before == Some(role) {
            return Ok(changes);
        }
        if role == CommitteeRole::Lead
            && let Some(lead) = self.lead(db, committee.party).await?
        {
            let less = CommitteeRole::Contributing;
            self.set_role_of(db, &lead, less).await?;
            let label = label(db, &lead).await?;
            changes.append(changed(&label, Some(CommitteeRole::Lead), Some(less)));
        }
        if before.is_some() {
            self.set_role_of(db, committee, role).await?;
        } else {
            let row = ActiveModel {
                topic_id: Set(self.topic),
                committee_id: Set(committee.id),
                role: Set(role),
                party: Set(committee.party),
            };
            Entity::insert(row).exec_without_returning(db).await?;
        }
        changes.append(changed(&label(db, committee).await?, before, Some(role)));
        Ok(changes)
    }

    /// Unlinks a committee.
    pub async fn remove(
        &self,
        db: &impl ConnectionTrait,
        committee: &committee::Model,
    ) -> Result<ChangeSet, DbErr> {
        Entity::delete_by_id((self.topic, committee.id))
            .exec(db)
            .await?;
        Ok(changed(
            &label(db, committee).await?,
            self.role(committee),
            None,
        ))
    }

    async fn set_role_of(
        &self,
        db: &impl ConnectionTrait,
        committee: &committee::Model,
        role: CommitteeRole,
    ) -> Result<(), DbErr> {
        let row = ActiveModel {
            topic_id: Unchanged(self.topic),
            committee_id: Unchanged(committee.id),
            role: Set(role),
            party: NotSet,
        };
        Entity::update(row).exec(db).await?;
        Ok(())
    }
}

/// Returns the change of a link, with values such as `ITU-T SG17 (2013-2016): LEAD`.
fn changed(label: &str, before: Option<CommitteeRole>, after: Option<CommitteeRole>) -> ChangeSet {
    let [before, after] =
        [before, after].map(|role| role.map(|role| format!("{label}: {}", enum_name(role))));
    let mut changes = ChangeSet::default();
    changes.add("committees", before, after);
    changes
}
