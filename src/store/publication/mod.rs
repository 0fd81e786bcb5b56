//! Publications: updating them.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::committee;
use entity::id::{CommitteeId, PublicationId};
use entity::publication::{ActiveModel, Entity, Model, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::word::enum_name;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, IntoActiveModel};

use super::activity::{ActivityEntry, ChangeSet};
use super::committee::label_of;
use crate::domain::collation::collation_key;
use crate::domain::publication as rules;
use crate::domain::text::{self, search_text};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve, translation};

mod add;
mod relate;
mod supersedes;

pub use add::{PublicationAddInput, add_all};
pub use relate::{PublicationRelateInput, relate};

/// Changes to a publication. A field that is left out keeps its value.
#[derive(Clone, Debug, Default, PartialEq, InputObject)]
pub struct PublicationUpdateInput {
    /// The id of the publication.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// Its title; at most 500 characters, in the record's `originalLanguage`. Cannot be null.
    pub title: MaybeUndefined<String>,
    /// Its status. Null: not known.
    pub status: MaybeUndefined<PublicationStatus>,
    /// What the publisher itself calls its status, at most 100 characters; null: not known.
    pub publisher_status: MaybeUndefined<String>,
    /// The id of the committee that is responsible for it, of the same side. Null: not known.
    pub committee_id: MaybeUndefined<ID>,
    /// When it was approved. Null: not known.
    pub approved_on: MaybeUndefined<Date>,
    /// The URL where it can be read. Null removes it.
    pub url: MaybeUndefined<Url>,
    /// The id of the edition that it replaces, of the same side. Null: none.
    pub supersedes_id: MaybeUndefined<ID>,
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: PublicationUpdateInput,
) -> Result<PublicationId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Updates a publication as part of a write.
pub async fn change(
    writing: &mut WriteTransaction,
    input: PublicationUpdateInput,
) -> Result<PublicationId> {
    let before =
        resolve::load_target::<Entity, PublicationId>(writing.db(), "id", &input.id).await?;
    let decision = rules::write(writing.party(), before.side);
    check_version(decision, before.id, before.version, input.version)?;

    let mut problems = ValidationErrors::default();
    let mut after = before.clone();
    after.title = resolve::required_text_or_current(
        &mut problems,
        "title",
        input.title,
        text::MAX_NAME_LENGTH,
        &before.title,
    );
    after.status = resolve::optional_or_current(input.status, before.status);
    after.publisher_status = resolve::optional_text_or_current(
        &mut problems,
        "publisherStatus",
        &input.publisher_status,
        text::MAX_KEY_LENGTH,
        before.publisher_status.as_deref(),
    );
    after.approved_on =
        resolve::optional_or_current(input.approved_on, before.approved_on.map(Date))
            .map(|date| date.0);
    after.url =
        resolve::optional_or_current(input.url, before.url.clone().map(Url)).map(|url| url.0);
    let side = before.side;
    after.committee_id = match &input.committee_id {
        MaybeUndefined::Undefined => before.committee_id,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(id) => {
            let committee = responsible(writing, &mut problems, Some(id), side).await?;
            committee.map(|committee| committee.id)
        }
    };
    after.supersedes_id = match &input.supersedes_id {
        MaybeUndefined::Undefined => before.supersedes_id,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(id) => {
            let named = supersedes::named(writing.db(), &mut problems, Some(id), side).await?;
            supersedes::ends(writing.db(), &mut problems, named.as_ref(), before.id).await?;
            named.map(|publication| publication.id)
        }
    };
    problems.into_result()?;

    let changes = changed(writing, &before, &after).await?;
    if changes.is_empty() {
        return Ok(before.id);
    }
    let id = after.id;
    save(writing, after, changes).await?;
    Ok(id)
}

/// Returns the changes of a publication's own fields.
async fn changed(
    writing: &WriteTransaction,
    before: &Model,
    after: &Model,
) -> Result<ChangeSet, DbErr> {
    let mut changes = ChangeSet::default();
    let day = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    changes.add(
        "title",
        Some(before.title.clone()),
        Some(after.title.clone()),
    );
    let [was, is] = [before.status, after.status].map(|status| status.map(enum_name));
    changes.add("status", was, is);
    changes.add(
        "publisherStatus",
        before.publisher_status.clone(),
        after.publisher_status.clone(),
    );
    if before.committee_id != after.committee_id {
        let was = label_of(writing.db(), before.committee_id).await?;
        let is = label_of(writing.db(), after.committee_id).await?;
        changes.add("committee", was, is);
    }
    changes.add(
        "approvedOn",
        day(before.approved_on),
        day(after.approved_on),
    );
    changes.add("url", before.url.clone(), after.url.clone());
    if before.supersedes_id != after.supersedes_id {
        let was = supersedes::number(writing.db(), before.supersedes_id).await?;
        let is = supersedes::number(writing.db(), after.supersedes_id).await?;
        changes.add("supersedes", was, is);
    }
    Ok(changes)
}

/// Stores the next version of a publication with its log entry.
async fn save(
    writing: &mut WriteTransaction,
    after: Model,
    mut changes: ChangeSet,
) -> Result<(), DbErr> {
    let (id, side) = (after.id, after.side);
    let row = ActiveModel {
        folded: Set(folded(&after.number, &after.title)),
        title_key: Set(collation_key(&after.title, after.original_language)),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model().reset_all()
    };
    Entity::update(row).exec(writing.db()).await?;
    translation::mark_outdated(writing, id, &mut changes).await?;
    let entry = ActivityEntry::new(ActivityVerb::Updated, id, changes);
    writing.log(entry.of_side(side)).await
}

/// Resolves the committee responsible for a publication of this side.
async fn responsible(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: Option<&ID>,
    side: Option<entity::party::Side>,
) -> Result<Option<committee::Model>, DbErr> {
    let field = "committeeId";
    let found =
        resolve::named::<committee::Entity, CommitteeId>(writing.db(), problems, field, given)
            .await?;
    if let Some(committee) = &found {
        problems.check(field, rules::validate_committee(side, committee.side));
    }
    Ok(found)
}

/// Returns the search text of a publication.
#[must_use]
pub fn folded(number: &str, title: &str) -> String {
    search_text(&[number, title])
}
