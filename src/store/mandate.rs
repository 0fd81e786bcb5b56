//! Mandates and their provisions, which only the TSB writes.

use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::id::{MandateId, ProvisionId};
use entity::mandate;
use entity::provision::{self, ProvisionSection};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use serde_json::json;

use super::activity::{ActivityEntry, ChangeSet};
use crate::domain::mandate as rules;
use crate::domain::text;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A new mandate with its provisions in order.
#[derive(Clone, Debug)]
pub struct NewMandate {
    pub code: String,
    pub title: String,
    pub edition: String,
    pub adopted_on: Option<NaiveDate>,
    /// The earlier editions, oldest first.
    pub history: Vec<String>,
    pub provisions: Vec<NewProvision>,
}

/// A provision, summarized in the register's own words.
#[derive(Clone, Debug)]
pub struct NewProvision {
    pub section: ProvisionSection,
    pub letter: Option<String>,
    pub summary: String,
}

pub async fn create(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    new: NewMandate,
) -> Result<MandateId> {
    let actor = viewer.actor()?;
    rules::create(actor.party)?;
    let mut writing = WriteTransaction::begin(db, actor, now).await?;

    let mut problems = ValidationErrors::default();
    let code = problems.identifier("code", &new.code, text::MAX_CODE_LENGTH);
    let title = problems.text("title", &new.title, text::MAX_NAME_LENGTH);
    let edition = problems.text("edition", &new.edition, text::MAX_NAME_LENGTH);
    let id: MandateId = writing.new_id();
    let mut provisions = Vec::with_capacity(new.provisions.len());
    for (ordinal, provision) in (1..).zip(&new.provisions) {
        let letter = provision.letter.as_deref();
        provisions.push(provision::ActiveModel {
            id: Set(writing.new_id::<ProvisionId>()),
            mandate_id: Set(id),
            ordinal: Set(ordinal),
            section: Set(provision.section),
            letter: Set(problems.optional_text("letter", letter, text::MAX_CODE_LENGTH)),
            summary: Set(problems.text("summary", &provision.summary, text::MAX_TEXT_LENGTH)),
        });
    }
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    changes.added("code", code.clone());
    changes.added("title", title.clone());
    changes.added("edition", edition.clone());
    changes.added("adoptedOn", new.adopted_on.map(|date| date.to_string()));
    let in_use = format!("There is a mandate with the code {code} already.");
    let row = mandate::ActiveModel {
        id: Set(id),
        code: Set(code),
        title: Set(title),
        edition: Set(edition),
        adopted_on: Set(new.adopted_on),
        history: Set(json!(new.history)),
    };
    mandate::Entity::insert(row)
        .exec_without_returning(writing.db())
        .await
        .map_err(|error| resolve::unique_violation(error, "code", in_use))?;
    if !provisions.is_empty() {
        provision::Entity::insert_many(provisions)
            .exec_without_returning(writing.db())
            .await?;
    }
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes);
    writing.log(entry).await?;
    writing.commit().await?;
    Ok(id)
}
