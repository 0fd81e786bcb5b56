//! Mandates and their provisions, which only the TSB writes.

use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::id::{MandateId, ProvisionId};
use entity::mandate;
use entity::party::Party;
use entity::provision::{self, ProvisionSection};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use serde_json::json;

use super::activity::{Changes, Entry};
use super::writing::Writing;
use super::{Database, input};
use crate::error::Result;
use crate::rules::problems::Problems;
use crate::rules::refusal::Refusal;
use crate::rules::text;
use crate::rules::viewer::Viewer;

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
    if actor.party != Party::Tsb {
        return Err(
            Refusal::forbidden("The TSB keeps the mandate; the sides work under it.").into(),
        );
    }
    let mut writing = Writing::begin(db, actor, now).await?;

    let mut problems = Problems::default();
    let code = problems.identifier("code", &new.code, text::CODE);
    let title = problems.text("title", &new.title, text::NAME);
    let edition = problems.text("edition", &new.edition, text::NAME);
    let id: MandateId = writing.new_id();
    let mut provisions = Vec::with_capacity(new.provisions.len());
    for (ordinal, provision) in (1..).zip(&new.provisions) {
        let letter = provision.letter.as_deref();
        provisions.push(provision::ActiveModel {
            id: Set(writing.new_id::<ProvisionId>()),
            mandate_id: Set(id),
            ordinal: Set(ordinal),
            section: Set(provision.section),
            letter: Set(problems.optional_text("letter", letter, text::CODE)),
            summary: Set(problems.text("summary", &provision.summary, text::LONG)),
        });
    }
    problems.none()?;

    let mut changes = Changes::default();
    changes.given("code", code.clone());
    changes.given("title", title.clone());
    changes.given("edition", edition.clone());
    changes.given("adoptedOn", new.adopted_on.map(|date| date.to_string()));
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
        .map_err(|error| input::taken(error, "code", in_use))?;
    if !provisions.is_empty() {
        provision::Entity::insert_many(provisions)
            .exec_without_returning(writing.db())
            .await?;
    }
    let entry = Entry::new(ActivityVerb::Created, id, changes);
    writing.log(entry).await?;
    writing.commit().await?;
    Ok(id)
}
