//! Dismissing overlaps: pairs of texts that are different.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::{Id, PublicationId, TopicId, split, type_of};
use entity::overlap_dismissal::{ActiveModel, Entity};
use entity::party::Side;
use entity::{publication, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, EntityTrait};

use crate::domain::overlap as rules;
use crate::domain::text::MAX_TEXT_LENGTH;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::{ActivityEntry, ChangeSet};
use crate::store::topic::code;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A pair of texts with similar words but different subjects. It is then no longer listed in `overlaps`, for either side. The two can still be related later.
#[derive(Clone, Debug, InputObject)]
pub struct OverlapDismissInput {
    /// The id of the ITU text: of a publication of ITU, or of a topic that ITU proposed.
    pub itu_id: ID,
    /// The id of the UPU text: of a publication of the UPU, or of a topic that the UPU proposed.
    pub upu_id: ID,
    /// Why they are different; at most 8,000 characters.
    pub reason: String,
}

/// A text of a pair.
#[derive(Clone, Debug)]
enum PairText {
    Publication(PublicationId, Option<Side>, String),
    Topic(TopicId, Option<Side>, String),
}

/// The type and the key of a text.
pub type TextRef = (&'static str, Uuid);

impl PairText {
    fn of(&self) -> TextRef {
        match self {
            Self::Publication(id, ..) => (PublicationId::TYPE, (*id).into()),
            Self::Topic(id, ..) => (TopicId::TYPE, (*id).into()),
        }
    }

    fn side(&self) -> Option<Side> {
        match self {
            Self::Publication(_, side, _) | Self::Topic(_, side, _) => *side,
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Publication(.., label) | Self::Topic(.., label) => label.clone(),
        }
    }

    fn entry(&self, other: &Self, reason: &str) -> ActivityEntry {
        let mut changes = ChangeSet::default();
        changes.added("overlap", other.label());
        changes.added("reason", reason.to_owned());
        let verb = ActivityVerb::OverlapDismissed;
        match self {
            Self::Publication(id, ..) => ActivityEntry::new(verb, *id, changes),
            Self::Topic(id, ..) => ActivityEntry::new(verb, *id, changes).of_topic(*id),
        }
    }
}

/// Dismisses a pair. If it was dismissed before, nothing changes.
pub async fn dismiss(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: OverlapDismissInput,
) -> Result<(TextRef, TextRef)> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    rules::dismiss(writing.party())?;
    let mut problems = ValidationErrors::default();
    let itu = text(&writing, &mut problems, "ituId", &input.itu_id).await?;
    let upu = text(&writing, &mut problems, "upuId", &input.upu_id).await?;
    for (field, text, side) in [("ituId", &itu, Side::Itu), ("upuId", &upu, Side::Upu)] {
        if let Some(text) = text {
            problems.check(field, rules::validate_side(text.side(), side));
        }
    }
    let reason = problems.text("reason", &input.reason, MAX_TEXT_LENGTH);
    let (itu, upu) = problems.found(itu.zip(upu))?;

    let (itu_ref, upu_ref) = (itu.of(), upu.of());
    let known = Entity::find_by_id((itu_ref.1, upu_ref.1));
    if known.one(writing.db()).await?.is_some() {
        return Ok((itu_ref, upu_ref));
    }
    let row = ActiveModel {
        itu_type: Set(itu_ref.0.to_owned()),
        itu_id: Set(itu_ref.1),
        upu_type: Set(upu_ref.0.to_owned()),
        upu_id: Set(upu_ref.1),
        reason: Set(reason.clone()),
        party: Set(writing.party()),
        created_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    let entries = vec![itu.entry(&upu, &reason), upu.entry(&itu, &reason)];
    writing.log_all(entries).await?;
    writing.commit().await?;
    Ok((itu_ref, upu_ref))
}

async fn text(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    field: &str,
    given: &ID,
) -> Result<Option<PairText>, DbErr> {
    let (db, id) = (writing.db(), Some(given));
    if split(given).and_then(|(prefix, _)| type_of(prefix)) == Some(TopicId::TYPE) {
        let topic = resolve::named::<topic::Entity, TopicId>(db, problems, field, id).await?;
        return Ok(topic
            .map(|topic| PairText::Topic(topic.id, topic.proposed_by.side(), code(topic.number))));
    }
    let found =
        resolve::named::<publication::Entity, PublicationId>(db, problems, field, id).await?;
    Ok(found.map(|found| PairText::Publication(found.id, found.side, found.number)))
}
