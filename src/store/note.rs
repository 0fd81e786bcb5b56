//! Adding and retracting notes.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::{
    ActionItemId, ExaminationId, Id, LiaisonStatementId, NoteId, PublicationId, TopicId, split,
};
use entity::note::{ActiveModel, Entity};
use entity::{action_item, examination, liaison_statement, publication, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, EntityTrait, IntoActiveModel};

use super::activity::{ActivityEntry, ChangeSet};
use super::topic::code;
use crate::domain::note as rules;
use crate::domain::rejection::Code;
use crate::domain::text;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A new note. Everybody can read it.
#[derive(Clone, Debug, InputObject)]
pub struct NoteAddInput {
    /// The id of the record to add it to: a topic, an action item, a publication, an examination or a liaison statement.
    pub subject_id: ID,
    /// The text of the note; at most 20,000 characters.
    pub body: String,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// Identifies the note to retract, which must be one of the viewer's own party.
#[derive(Clone, Debug, InputObject)]
pub struct NoteRetractInput {
    /// The id of the note.
    pub id: ID,
}

/// The subject of a note.
struct Subject {
    ty: &'static str,
    key: Uuid,
    /// Its display name.
    label: String,
    /// The topic whose history shows the note.
    topic: Option<TopicId>,
}

impl CreateInput for NoteAddInput {
    const MUTATION: &'static str = "noteAdd";
    type Id = NoteId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<NoteId> {
        make(writing, self).await
    }
}

async fn make(writing: &mut WriteTransaction, input: NoteAddInput) -> Result<NoteId> {
    let mut problems = ValidationErrors::default();
    let subject = subject(writing, &mut problems, &input.subject_id).await?;
    let body = problems.text("body", &input.body, text::MAX_BODY_LENGTH);
    let subject = problems.found(subject)?;

    let id: NoteId = writing.new_id();
    let row = ActiveModel {
        id: Set(id),
        subject_type: Set(subject.ty.to_owned()),
        subject_id: Set(subject.key),
        topic_id: Set(subject.topic),
        body: Set(body),
        party: Set(writing.party()),
        retracted: Set(false),
        created_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    // The log is append-only: a body in it could not be retracted.
    let mut changes = ChangeSet::default();
    changes.added("subject", subject.label);
    let entry = ActivityEntry::new(ActivityVerb::Noted, id, changes);
    writing.log(entry.of_topic(subject.topic)).await?;
    Ok(id)
}

pub async fn retract(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: NoteRetractInput,
) -> Result<NoteId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let note = resolve::load_target::<Entity, NoteId>(writing.db(), "id", &input.id).await?;
    rules::retract(writing.party(), note.party, note.retracted)?;

    let (id, topic) = (note.id, note.topic_id);
    let mut changes = ChangeSet::default();
    let [was, is] = [false, true].map(|value| value.to_string());
    changes.add("retracted", Some(was), Some(is));
    let row = ActiveModel {
        body: Set(String::new()),
        retracted: Set(true),
        ..note.into_active_model()
    };
    Entity::update(row).exec(writing.db()).await?;
    let entry = ActivityEntry::new(ActivityVerb::NoteRetracted, id, changes);
    writing.log(entry.of_topic(topic)).await?;
    writing.commit().await?;
    Ok(id)
}

/// Resolves an id of one of several types.
async fn subject(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: &ID,
) -> Result<Option<Subject>, DbErr> {
    const FIELD: &str = "subjectId";
    let ty = match rules::subject(split(given).map(|id| id.0)) {
        Ok(ty) => ty,
        Err(message) => {
            problems.add(Code::NotFound, FIELD, message);
            return Ok(None);
        }
    };
    let db = writing.db();
    let id = Some(given);
    let found = match ty {
        TopicId::TYPE => {
            let found = resolve::named::<topic::Entity, TopicId>(db, problems, FIELD, id).await?;
            found.map(|topic| (topic.id.into(), code(topic.number), Some(topic.id)))
        }
        ActionItemId::TYPE => {
            let found =
                resolve::named::<action_item::Entity, ActionItemId>(db, problems, FIELD, id)
                    .await?;
            found.map(|item| {
                let label = format!("action item {}", item.number);
                (item.id.into(), label, Some(item.topic_id))
            })
        }
        PublicationId::TYPE => {
            let found =
                resolve::named::<publication::Entity, PublicationId>(db, problems, FIELD, id)
                    .await?;
            found.map(|publication| (publication.id.into(), publication.number, None))
        }
        ExaminationId::TYPE => {
            let found =
                resolve::named::<examination::Entity, ExaminationId>(db, problems, FIELD, id)
                    .await?;
            match found {
                Some(examination) => {
                    let publication = publication::Entity::find_by_id(examination.publication_id);
                    let number = publication
                        .one(db)
                        .await?
                        .map(|publication| publication.number);
                    let label = format!("examination of {}", number.unwrap_or_default());
                    Some((examination.id.into(), label, None))
                }
                None => None,
            }
        }
        _ => {
            let found = resolve::named::<liaison_statement::Entity, LiaisonStatementId>(
                db, problems, FIELD, id,
            )
            .await?;
            found.map(|statement| {
                (
                    statement.id.into(),
                    super::liaison_statement::code(statement.number),
                    None,
                )
            })
        }
    };
    Ok(found.map(|(key, label, topic)| Subject {
        ty,
        key,
        label,
        topic,
    }))
}
