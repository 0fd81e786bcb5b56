//! Translations of the texts of records: setting them, taking them back, and marking them as outdated.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::{
    ActionItemId, CommitteeId, Id, OrganizationId, PublicationId, TopicId, split, type_of,
};
use entity::party::{Language, Side};
use entity::translation::{ActiveModel, Column, Entity, Model, TranslatableField, TranslationKind};
use entity::word::{all, enum_name};
use entity::{action_item, committee, organization, publication, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::activity::{ActivityEntry, ChangeSet};
use crate::domain::collation::collation_key;
use crate::domain::rejection::{Code, Rejection};
use crate::domain::text::fold;
use crate::domain::translation::{self as rules, TranslatedRecord};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A translation of one text of a record into one language. It replaces an existing translation of this text into this language.
#[derive(Clone, Debug, InputObject)]
pub struct TranslationSetInput {
    /// The id of the record whose text it is: an organization, a committee, a topic, an action item or a publication.
    pub subject_id: ID,
    /// The `version` of the record that the translation was made from. If the record has another version by now, nothing is changed and `userErrors` has the error STALE: compare the texts, and send the translation with the new version.
    pub version: i32,
    /// The field that is translated.
    pub field: TranslatableField,
    /// The language of the translation. It must not be the record's `originalLanguage`.
    pub language: Language,
    /// The translation. It can have as many characters as the original field allows. Null removes the translation. If it is left out, an existing translation keeps its text, for example to change only its `kind`.
    pub text: MaybeUndefined<String>,
    /// How much it can be relied on. Required for a new translation. If it is left out or null, an existing translation keeps its kind.
    pub kind: Option<TranslationKind>,
}

/// A record whose text is translated.
struct Subject {
    id: SubjectId,
    record: TranslatedRecord,
    version: i32,
    original_language: Language,
    /// The original texts.
    name: Option<String>,
    body: Option<String>,
}

#[derive(Clone, Copy)]
enum SubjectId {
    Organization(OrganizationId, Option<Side>),
    Committee(CommitteeId, Option<Side>),
    Topic(TopicId),
    ActionItem(ActionItemId, TopicId),
    Publication(PublicationId, Option<Side>),
}

impl SubjectId {
    fn key(self) -> Uuid {
        match self {
            Self::Organization(id, _) => id.into(),
            Self::Committee(id, _) => id.into(),
            Self::Topic(id) => id.into(),
            Self::ActionItem(id, _) => id.into(),
            Self::Publication(id, _) => id.into(),
        }
    }

    const fn type_name(self) -> &'static str {
        match self {
            Self::Organization(..) => OrganizationId::TYPE,
            Self::Committee(..) => CommitteeId::TYPE,
            Self::Topic(_) => TopicId::TYPE,
            Self::ActionItem(..) => ActionItemId::TYPE,
            Self::Publication(..) => PublicationId::TYPE,
        }
    }

    fn entry(self, changes: ChangeSet) -> ActivityEntry {
        let verb = ActivityVerb::Translated;
        match self {
            Self::Organization(id, side) => ActivityEntry::new(verb, id, changes).of_side(side),
            Self::Committee(id, side) => ActivityEntry::new(verb, id, changes).of_side(side),
            Self::Topic(id) => ActivityEntry::new(verb, id, changes).of_topic(id),
            Self::ActionItem(id, topic) => ActivityEntry::new(verb, id, changes).of_topic(topic),
            Self::Publication(id, side) => ActivityEntry::new(verb, id, changes).of_side(side),
        }
    }
}

impl Subject {
    fn original(&self, field: TranslatableField) -> Option<&str> {
        let text = match field {
            TranslatableField::Name | TranslatableField::Title => &self.name,
            TranslatableField::Mandate
            | TranslatableField::Summary
            | TranslatableField::Description => &self.body,
        };
        text.as_deref()
    }
}

/// The record whose translation was set: its GraphQL type name and its key.
pub type TranslatedSubject = (&'static str, Uuid);

pub async fn set(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TranslationSetInput,
) -> Result<TranslatedSubject> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let subject = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(subject)
}

/// Returns the version of a record whose texts can be translated.
pub async fn subject_version(writing: &WriteTransaction, given: &ID) -> Result<i32> {
    Ok(subject(writing, given).await?.version)
}

/// Sets a translation or takes it back as part of a write.
pub async fn change(
    writing: &mut WriteTransaction,
    input: TranslationSetInput,
) -> Result<TranslatedSubject> {
    let subject = subject(writing, &input.subject_id).await?;
    let record = &subject.record;
    let decision = rules::translate(writing.party(), record);
    let (ty, key) = (subject.id.type_name(), subject.id.key());
    check_version(decision, key, subject.version, input.version)?;

    let (field, language) = (input.field, input.language);
    let before = Entity::find_by_id((key, field, language))
        .one(writing.db())
        .await?;
    let mut problems = ValidationErrors::default();
    problems.check(
        "language",
        rules::validate_language(language, subject.original_language),
    );
    let original = subject.original(field);
    let takes_back = input.text == MaybeUndefined::Null;
    problems.check(
        "field",
        rules::validate_field(record, field, original.or(takes_back.then_some(""))),
    );
    if takes_back {
        problems.into_result()?;
        if let Some(before) = before {
            take_back(writing, subject.id, before).await?;
        }
        return Ok((ty, key));
    }

    let current = before.as_ref().map(|before| before.text.clone());
    let text = match input.text.take() {
        Some(text) => problems.text("text", &text, rules::max_length(field)),
        None => current.clone().unwrap_or_else(|| {
            problems.add(Code::Invalid, "text", "A new translation needs its text.");
            String::new()
        }),
    };
    let replaced = before.as_ref().map(|before| before.kind);
    let kind = input.kind.or(replaced);
    problems.check("kind", rules::validate_kind(kind));
    let kind = problems.found(kind)?;

    let outdated = before.as_ref().map(|before| before.outdated.to_string());
    let path = path(field, language);
    let mut changes = ChangeSet::default();
    changes.add(path.clone(), current, Some(text.clone()));
    changes.add(
        format!("{path}.kind"),
        replaced.map(enum_name),
        Some(enum_name(kind)),
    );
    if outdated.is_some() {
        changes.add(
            format!("{path}.outdated"),
            outdated,
            Some(false.to_string()),
        );
    }
    if changes.is_empty() {
        return Ok((ty, key));
    }
    let row = ActiveModel {
        subject_type: Set(ty.to_owned()),
        subject_id: Set(key),
        field: Set(field),
        language: Set(language),
        text_key: Set(collation_key(&text, language)),
        folded: Set(fold(&text)),
        text: Set(text),
        kind: Set(kind),
        outdated: Set(false),
        subject_version: Set(subject.version),
        party: Set(writing.party()),
        created_at: Set(before.map_or(writing.now(), |before| before.created_at)),
        updated_at: Set(writing.now()),
    };
    let replace = OnConflict::columns([Column::SubjectId, Column::Field, Column::Language])
        .update_columns([
            Column::Text,
            Column::TextKey,
            Column::Folded,
            Column::Kind,
            Column::Outdated,
            Column::SubjectVersion,
            Column::Party,
            Column::UpdatedAt,
        ])
        .to_owned();
    Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(writing.db())
        .await?;
    writing.log(subject.id.entry(changes)).await?;
    Ok((ty, key))
}

async fn take_back(
    writing: &mut WriteTransaction,
    subject: SubjectId,
    translation: Model,
) -> Result<(), DbErr> {
    let (field, language) = (translation.field, translation.language);
    let mut changes = ChangeSet::default();
    changes.add(path(field, language), Some(translation.text), None);
    Entity::delete_by_id((translation.subject_id, field, language))
        .exec(writing.db())
        .await?;
    writing.log(subject.entry(changes)).await
}

/// Returns what the log calls a translation: `translations.title.FR`.
fn path(field: TranslatableField, language: Language) -> String {
    format!("translations.{}.{}", field_name(field), enum_name(language))
}

/// Marks the translations of the texts that were changed as outdated, and adds that to the changes of their record.
pub(super) async fn mark_outdated(
    writing: &WriteTransaction,
    subject: impl Id,
    changes: &mut ChangeSet,
) -> Result<(), DbErr> {
    let changed: Vec<TranslatableField> = all::<TranslatableField>()
        .filter(|field| changes.contains(field_name(*field)))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let mut marked = Entity::update_many()
        .col_expr(Column::Outdated, Expr::val(true))
        .filter(Column::SubjectId.eq(subject.into()))
        .filter(Column::Field.is_in(changed))
        .filter(Column::Outdated.eq(false))
        .exec_with_returning(writing.db())
        .await?;
    marked.sort_unstable_by_key(|translation| (translation.field, translation.language));
    for translation in marked {
        let path = path(translation.field, translation.language);
        let [was, is] = [false, true].map(|value| Some(value.to_string()));
        changes.add(format!("{path}.outdated"), was, is);
    }
    Ok(())
}

/// Returns the name of a field as the API and the log have it.
const fn field_name(field: TranslatableField) -> &'static str {
    match field {
        TranslatableField::Name => "name",
        TranslatableField::Mandate => "mandate",
        TranslatableField::Title => "title",
        TranslatableField::Summary => "summary",
        TranslatableField::Description => "description",
    }
}

/// Loads the record whose text is translated. Returns a not-found error if there is none, or if it has no such texts.
async fn subject(writing: &WriteTransaction, given: &ID) -> Result<Subject> {
    const FIELD: &str = "subjectId";
    let db = writing.db();
    Ok(match split(given).and_then(|(prefix, _)| type_of(prefix)) {
        Some(OrganizationId::TYPE) => {
            let organization =
                resolve::load_target::<organization::Entity, OrganizationId>(db, FIELD, given)
                    .await?;
            let side = organization.side;
            Subject {
                id: SubjectId::Organization(organization.id, side),
                record: TranslatedRecord::Organization { side },
                version: organization.version,
                original_language: organization.original_language,
                name: Some(organization.name),
                body: None,
            }
        }
        Some(CommitteeId::TYPE) => {
            let committee =
                resolve::load_target::<committee::Entity, CommitteeId>(db, FIELD, given).await?;
            let side = committee.side;
            Subject {
                id: SubjectId::Committee(committee.id, side),
                record: TranslatedRecord::Committee {
                    side,
                    party: committee.party,
                },
                version: committee.version,
                original_language: committee.original_language,
                name: Some(committee.name),
                body: committee.mandate,
            }
        }
        Some(TopicId::TYPE) => {
            let topic = resolve::load_target::<topic::Entity, TopicId>(db, FIELD, given).await?;
            Subject {
                id: SubjectId::Topic(topic.id),
                record: TranslatedRecord::Topic,
                version: topic.version,
                original_language: topic.original_language,
                name: Some(topic.title),
                body: Some(topic.summary),
            }
        }
        Some(ActionItemId::TYPE) => {
            let item =
                resolve::load_target::<action_item::Entity, ActionItemId>(db, FIELD, given).await?;
            Subject {
                id: SubjectId::ActionItem(item.id, item.topic_id),
                record: TranslatedRecord::ActionItem {
                    owned_by: item.owned_by,
                },
                version: item.version,
                original_language: item.original_language,
                name: Some(item.title),
                body: item.description,
            }
        }
        Some(PublicationId::TYPE) => {
            let publication =
                resolve::load_target::<publication::Entity, PublicationId>(db, FIELD, given)
                    .await?;
            let side = publication.side;
            Subject {
                id: SubjectId::Publication(publication.id, side),
                record: TranslatedRecord::Publication { side },
                version: publication.version,
                original_language: publication.original_language,
                name: Some(publication.title),
                body: None,
            }
        }
        found => {
            let found = match found {
                Some(ty) => format!("This is the id of a record of type {ty}."),
                None => "This is not an id of the register.".to_owned(),
            };
            let message = format!(
                "{found} Texts of organizations, committees, topics, action items and publications can be translated."
            );
            return Err(Rejection::one(Code::NotFound, FIELD, message).into());
        }
    })
}
