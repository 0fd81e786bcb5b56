//! Publications: their entry and their texts.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::id::{CommitteeId, OrganizationId, PublicationId, TopicId};
use entity::party::Language;
use entity::publication::{ActiveModel, Entity, Model, PublicationKind, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::word::word;
use entity::{committee, organization, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::{DbErr, EntityTrait, IntoActiveModel};

use super::activity::{Changes, Entry};
use super::committee::{label, label_of};
use super::creation::{Creating, Idempotency};
use super::topic::{code, facts, publications};
use super::writing::Writing;
use super::{Database, creation, input};
use crate::error::Result;
use crate::rules::problems::Problems;
use crate::rules::publication as rules;
use crate::rules::refusal::{Code, Refusal};
use crate::rules::text::{self, fold, natural_key};
use crate::rules::version::checked;
use crate::rules::viewer::Viewer;

mod relate;
mod supersedes;

pub use relate::{PublicationRelateInput, relate};

/// A text in one edition: of one's own side; the TSB enters those of ITU and of partners.
#[derive(Clone, Debug, InputObject)]
pub struct PublicationAddInput {
    /// What names this edition, as no other: `ITU-T X.1341 (09/2015)`, `UPU S52`. At most 100 characters; it never changes.
    pub number: String,
    /// Its title in `language`, at most 500 characters.
    pub title: String,
    /// What kind of text it is.
    pub kind: PublicationKind,
    /// The organization that publishes it, and with that the side that it belongs to.
    pub organization_id: ID,
    /// How far it has come. Left out: not known.
    pub status: Option<PublicationStatus>,
    /// The committee responsible for it, of the same side. Left out: not known.
    pub committee_id: Option<ID>,
    /// The day of its approval. Left out: not known.
    pub approved_on: Option<Date>,
    /// Where it can be read.
    pub url: Option<Url>,
    /// The edition whose place it takes, of the same side.
    pub supersedes_id: Option<ID>,
    /// The topics that it matters to, 100 at most, each one that the viewer may update now.
    pub topic_ids: Option<Vec<ID>>,
    /// The language that its title is given in; EN unless told.
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// What to change of a publication. A field left out stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct PublicationUpdateInput {
    /// The publication to change.
    pub id: ID,
    /// Its version when it was read: where it has another by now, nothing is changed.
    pub version: i32,
    /// Its title, at most 500 characters; cannot be null.
    pub title: MaybeUndefined<String>,
    /// How far it has come; null: not known.
    pub status: MaybeUndefined<PublicationStatus>,
    /// The committee responsible for it, of the same side; null: not known.
    pub committee_id: MaybeUndefined<ID>,
    /// The day of its approval; null: not known.
    pub approved_on: MaybeUndefined<Date>,
    /// Where it can be read; null: nowhere.
    pub url: MaybeUndefined<Url>,
    /// The edition whose place it takes, of the same side; null: none.
    pub supersedes_id: MaybeUndefined<ID>,
}

pub async fn add(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: PublicationAddInput,
) -> Result<PublicationId> {
    creation::create(db, viewer, now, input).await
}

impl Creating for PublicationAddInput {
    const MUTATION: &'static str = "publicationAdd";
    type Id = PublicationId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut Writing) -> Result<PublicationId> {
        make(writing, self).await
    }
}

async fn make(writing: &mut Writing, input: PublicationAddInput) -> Result<PublicationId> {
    let organization = input::subject::<organization::Entity, OrganizationId>(
        writing.db(),
        "organizationId",
        &input.organization_id,
    )
    .await?;
    let side = organization.side;
    rules::write(writing.party(), side)?;

    let mut problems = Problems::default();
    let number = problems.text("number", &input.number, text::KEY);
    let title = problems.text("title", &input.title, text::NAME);
    let committee = input.committee_id.as_ref();
    let committee = responsible(writing, &mut problems, committee, side).await?;
    let superseded = input.supersedes_id.as_ref();
    let superseded = supersedes::named(writing.db(), &mut problems, superseded, side).await?;
    let topics = input.topic_ids.unwrap_or_default();
    let topics = topics_for(writing, &mut problems, &topics).await?;
    problems.none()?;

    let id: PublicationId = writing.new_id();
    let [approved_on, url] = [
        input.approved_on.map(|it| it.0.to_string()),
        input.url.map(|it| it.0),
    ];
    let mut changes = Changes::default();
    changes.given("number", number.clone());
    changes.given("title", title.clone());
    changes.given("kind", word(input.kind));
    changes.given("organization", organization.acronym);
    changes.given("status", input.status.map(word));
    if let Some(committee) = &committee {
        changes.given("committee", label(writing.db(), committee).await?);
    }
    changes.given("approvedOn", approved_on);
    changes.given("url", url.clone());
    changes.given(
        "supersedes",
        superseded.as_ref().map(|it| it.number.clone()),
    );
    let in_use = format!("There is a publication with the number {number} already.");
    let row = ActiveModel {
        id: Set(id),
        number_key: Set(natural_key(&number)),
        folded: Set(folded(&number, &title)),
        number: Set(number.clone()),
        title: Set(title),
        kind: Set(input.kind),
        status: Set(input.status),
        organization_id: Set(organization.id),
        committee_id: Set(committee.map(|it| it.id)),
        side: Set(side),
        approved_on: Set(input.approved_on.map(|it| it.0)),
        url: Set(url),
        supersedes_id: Set(superseded.map(|it| it.id)),
        original_language: Set(input.language.unwrap_or(Language::En)),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await
        .map_err(|error| input::taken(error, "number", in_use))?;
    let entry = Entry::new(ActivityVerb::Created, id, changes).of_side(side);
    writing.log(entry).await?;
    publications::attach(writing, &topics, id, &number).await?;
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: PublicationUpdateInput,
) -> Result<PublicationId> {
    let mut writing = Writing::begin(db, viewer.actor()?, now).await?;
    let before = input::subject::<Entity, PublicationId>(writing.db(), "id", &input.id).await?;
    let decision = rules::write(writing.party(), before.side);
    checked(decision, before.version, input.version)?;

    let mut problems = Problems::default();
    let mut after = before.clone();
    after.title = input::kept_text(
        &mut problems,
        "title",
        input.title,
        text::NAME,
        &before.title,
    );
    after.status = input::cleared(input.status, before.status);
    after.approved_on =
        input::cleared(input.approved_on, before.approved_on.map(Date)).map(|it| it.0);
    after.url = input::cleared(input.url, before.url.clone().map(Url)).map(|it| it.0);
    let side = before.side;
    after.committee_id = match &input.committee_id {
        MaybeUndefined::Undefined => before.committee_id,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(id) => {
            let committee = responsible(&writing, &mut problems, Some(id), side).await?;
            committee.map(|it| it.id)
        }
    };
    after.supersedes_id = match &input.supersedes_id {
        MaybeUndefined::Undefined => before.supersedes_id,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(id) => {
            let named = supersedes::named(writing.db(), &mut problems, Some(id), side).await?;
            supersedes::ends(writing.db(), &mut problems, named.as_ref(), before.id).await?;
            named.map(|it| it.id)
        }
    };
    problems.none()?;

    let changes = changed(&writing, &before, &after).await?;
    if changes.is_empty() {
        return Ok(before.id);
    }
    let id = after.id;
    save(&mut writing, after, changes).await?;
    writing.commit().await?;
    Ok(id)
}

/// What changed of a publication's own fields.
async fn changed(writing: &Writing, before: &Model, after: &Model) -> Result<Changes, DbErr> {
    let mut changes = Changes::default();
    let day = |it: Option<NaiveDate>| it.map(|it| it.to_string());
    changes.add(
        "title",
        Some(before.title.clone()),
        Some(after.title.clone()),
    );
    let [was, is] = [before.status, after.status].map(|it| it.map(word));
    changes.add("status", was, is);
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

/// Writes a changed publication as its next version, with its activity.
async fn save(writing: &mut Writing, after: Model, changes: Changes) -> Result<(), DbErr> {
    let (id, side) = (after.id, after.side);
    let row = ActiveModel {
        folded: Set(folded(&after.number, &after.title)),
        title: Set(after.title.clone()),
        status: Set(after.status),
        committee_id: Set(after.committee_id),
        approved_on: Set(after.approved_on),
        url: Set(after.url.clone()),
        supersedes_id: Set(after.supersedes_id),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model()
    };
    Entity::update(row).exec(writing.db()).await?;
    let entry = Entry::new(ActivityVerb::Updated, id, changes);
    writing.log(entry.of_side(side)).await
}

/// The committee responsible for a publication of this side.
async fn responsible(
    writing: &Writing,
    problems: &mut Problems,
    given: Option<&ID>,
    side: Option<entity::party::Side>,
) -> Result<Option<committee::Model>, DbErr> {
    let field = "committeeId";
    let found =
        input::named::<committee::Entity, CommitteeId>(writing.db(), problems, field, given)
            .await?;
    if let Some(committee) = &found {
        problems.check(field, rules::committee_fits(side, committee.side));
    }
    Ok(found)
}

/// The topics that a new publication is added to: an update of each, by whoever may.
async fn topics_for(
    writing: &Writing,
    problems: &mut Problems,
    given: &[ID],
) -> Result<Vec<topic::Model>, DbErr> {
    const MAX: usize = 100;
    let field = "topicIds";
    let db = writing.db();
    let topics =
        input::listed::<topic::Entity, TopicId>(db, problems, field, given, MAX, |row| row.id)
            .await?;
    for topic in &topics {
        let message = match crate::rules::topic::update(writing.party(), &facts(topic, 0)) {
            Ok(()) => continue,
            Err(Refusal::Unauthenticated(message) | Refusal::Forbidden(message)) => message,
            Err(Refusal::Problems(found)) => {
                found.into_iter().map(|it| it.message).collect::<String>()
            }
        };
        let message = format!("{}: {message}", code(topic.number));
        problems.add(Code::Invalid, field, message);
    }
    Ok(topics)
}

fn folded(number: &str, title: &str) -> String {
    fold(&format!("{number}\n{title}"))
}
