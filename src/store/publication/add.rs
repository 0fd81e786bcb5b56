//! Adding publications, one or many at once.

use std::collections::{HashMap, HashSet};

use async_graphql::{ID, InputObject};
use entity::activity::ActivityVerb;
use entity::id::{CommitteeId, OrganizationId, PublicationId, TopicId};
use entity::party::{Language, Party};
use entity::publication::{ActiveModel, Column, Entity, Model, PublicationKind, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::word::enum_name;
use entity::{committee, organization, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryTrait};

use super::folded;
use crate::domain::collation::collation_key;
use crate::domain::publication as rules;
use crate::domain::rejection::{Code, Rejection};
use crate::domain::text::{self, number_identity, number_key, series};
use crate::domain::validation_errors::ValidationErrors;
use crate::error::Result;
use crate::store::activity::{ActivityEntry, ChangeSet};
use crate::store::committee::labels;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::resolve::Resolved;
use crate::store::topic::{code, facts, publications};
use crate::store::transaction::WriteTransaction;

/// Maximum number of topics of a new publication.
const TOPICS: usize = 100;

/// A new edition of a text. ITU and UPU add their own; the TSB adds those of ITU and of partners.
#[derive(Clone, Debug, InputObject)]
pub struct PublicationAddInput {
    /// Its number, followed by its edition, if it has one, as `(MM/YYYY)` or `(YYYY)`: `Publication.editions` groups publications by this. It must be unique; case and repeated spaces make no difference. At most 100 characters. It can never be changed. Examples: `ITU-T X.1341 (09/2015)`, `UPU S52` (without an edition).
    pub number: String,
    /// Its title in `language`; at most 500 characters.
    pub title: String,
    /// What kind of text it is.
    pub kind: PublicationKind,
    /// The id of the organization that publishes it, which also determines its side.
    pub organization_id: ID,
    /// Its status. Default: null, not known.
    pub status: Option<PublicationStatus>,
    /// What the publisher itself calls its status, at most 100 characters. Example: `2` for UPU standards. Default: null, not known.
    pub publisher_status: Option<String>,
    /// The id of the committee that is responsible for it, of the same side. Default: null, not known.
    pub committee_id: Option<ID>,
    /// When it was approved. Default: null, not known.
    pub approved_on: Option<Date>,
    /// The URL where it can be read. Default: null, not known.
    pub url: Option<Url>,
    /// The id of the edition that it replaces, of the same side. Default: none.
    pub supersedes_id: Option<ID>,
    /// The ids of the topics to link it to, at most 100. The viewer needs the permission UPDATE for each. Default: none.
    pub topic_ids: Option<Vec<ID>>,
    /// The language of `title`.
    #[graphql(
        default_with = "Some(Language::En)",
        process_with = "crate::store::resolve::english_if_null"
    )]
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

impl CreateInput for PublicationAddInput {
    const MUTATION: &'static str = "publicationAdd";
    type Id = PublicationId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<PublicationId> {
        let mut added = add_all(writing, vec![self]).await?;
        added.pop().expect("add_all returns one result per input")
    }
}

/// Adds publications independently: a refused one writes nothing, the others are added. The number of statements does
/// not depend on the number of publications. Ignores the idempotency keys of the inputs.
///
/// # Errors
/// Returns an error if the database fails. Refusals are in the results, which have the order of the inputs.
pub async fn add_all(
    writing: &mut WriteTransaction,
    inputs: Vec<PublicationAddInput>,
) -> Result<Vec<Result<PublicationId>>, DbErr> {
    let known = Known::of(writing.db(), &inputs).await?;
    let mut added: Vec<Result<New>> = inputs
        .into_iter()
        .map(|input| known.check(writing, input))
        .collect();
    let rows = added.iter().flatten().map(|new| new.row.clone());
    let entered = insert(writing.db(), rows.collect()).await?;
    let mut entries = Vec::with_capacity(added.len());
    let mut links = Vec::new();
    for result in &mut added {
        let Ok(new) = result else { continue };
        if entered.contains(&new.id) {
            let changes = std::mem::take(&mut new.changes);
            let entry = ActivityEntry::new(ActivityVerb::Created, new.id, changes);
            entries.push(entry.of_side(new.side));
            links.extend(
                new.topics
                    .iter()
                    .map(|topic| (*topic, new.id, new.number.clone())),
            );
        } else {
            let number = &new.number;
            let in_use = format!("There is a publication with the number {number} already.");
            *result = Err(Rejection::one(Code::Taken, "number", in_use).into());
        }
    }
    writing.log_all(entries).await?;
    publications::attach(writing, &links).await?;
    Ok(added
        .into_iter()
        .map(|result| result.map(|new| new.id))
        .collect())
}

/// A validated publication.
struct New {
    id: PublicationId,
    number: String,
    side: Option<entity::party::Side>,
    row: ActiveModel,
    changes: ChangeSet,
    topics: Vec<TopicId>,
}

/// The records that the inputs refer to.
struct Known {
    organizations: Resolved<organization::Model>,
    committees: Resolved<committee::Model>,
    labels: HashMap<CommitteeId, String>,
    superseded: Resolved<Model>,
    topics: Resolved<topic::Model>,
}

impl Known {
    async fn of(db: &impl ConnectionTrait, inputs: &[PublicationAddInput]) -> Result<Self, DbErr> {
        let organizations = inputs.iter().map(|input| &input.organization_id).collect();
        let organizations = Resolved::of::<organization::Entity, OrganizationId>(
            db,
            organizations,
            |organization| organization.id,
        )
        .await?;
        let committees = inputs
            .iter()
            .filter_map(|input| input.committee_id.as_ref());
        let committees =
            Resolved::of::<committee::Entity, CommitteeId>(db, committees.collect(), |committee| {
                committee.id
            })
            .await?;
        let all: Vec<committee::Model> = committees.all().cloned().collect();
        let labels = labels(db, &all).await?;
        let superseded = inputs
            .iter()
            .filter_map(|input| input.supersedes_id.as_ref());
        let superseded =
            Resolved::of::<Entity, PublicationId>(db, superseded.collect(), |publication| {
                publication.id
            })
            .await?;
        let topics = inputs.iter().filter_map(|input| input.topic_ids.as_ref());
        let topics = topics.filter(|ids| ids.len() <= TOPICS).flatten();
        let topics =
            Resolved::of::<topic::Entity, TopicId>(db, topics.collect(), |topic| topic.id).await?;
        Ok(Self {
            organizations,
            labels: all
                .iter()
                .map(|committee| committee.id)
                .zip(labels)
                .collect(),
            committees,
            superseded,
            topics,
        })
    }

    /// Validates an input.
    fn check(&self, writing: &WriteTransaction, input: PublicationAddInput) -> Result<New> {
        let organization = self
            .organizations
            .subject::<OrganizationId>("organizationId", &input.organization_id)?;
        let side = organization.side;
        rules::write(writing.party(), side)?;

        let mut problems = ValidationErrors::default();
        let number = problems.identifier("number", &input.number, text::MAX_KEY_LENGTH);
        let title = problems.text("title", &input.title, text::MAX_NAME_LENGTH);
        let publisher_status = input.publisher_status.as_deref();
        let publisher_status =
            problems.optional_text("publisherStatus", publisher_status, text::MAX_KEY_LENGTH);
        let committee = input.committee_id.as_ref();
        let committee =
            self.committees
                .named::<CommitteeId>(&mut problems, "committeeId", committee);
        if let Some(committee) = committee {
            let fits = rules::validate_committee(side, committee.side);
            problems.check("committeeId", fits);
        }
        let superseded = input.supersedes_id.as_ref();
        let superseded =
            self.superseded
                .named::<PublicationId>(&mut problems, "supersedesId", superseded);
        if let Some(superseded) = superseded {
            let fits = rules::validate_supersedes(side, superseded.side);
            problems.check("supersedesId", fits);
        }
        let topics = input.topic_ids.unwrap_or_default();
        let topics = self.topics_for(&mut problems, writing.party(), &topics);
        problems.into_result()?;

        let id = writing.new_id();
        let approved_on = input.approved_on.map(|date| date.0);
        let url = input.url.map(|url| url.0);
        let mut changes = ChangeSet::default();
        changes.added("number", number.clone());
        changes.added("title", title.clone());
        changes.added("kind", enum_name(input.kind));
        changes.added("organization", organization.acronym.clone());
        changes.added("status", input.status.map(enum_name));
        changes.added("publisherStatus", publisher_status.clone());
        changes.added(
            "committee",
            committee
                .and_then(|committee| self.labels.get(&committee.id))
                .cloned(),
        );
        changes.added("approvedOn", approved_on.map(|date| date.to_string()));
        changes.added("url", url.clone());
        changes.added(
            "supersedes",
            superseded.map(|publication| publication.number.clone()),
        );
        let language = input.language.unwrap_or(Language::En);
        let row = ActiveModel {
            id: Set(id),
            number: Set(number.clone()),
            number_key: Set(number_key(&number)),
            series: Set(series(&number)),
            title_key: Set(collation_key(&title, language)),
            number_identity: Set(number_identity(&number)),
            folded: Set(folded(&number, &title)),
            title: Set(title),
            kind: Set(input.kind),
            status: Set(input.status),
            publisher_status: Set(publisher_status),
            organization_id: Set(organization.id),
            committee_id: Set(committee.map(|committee| committee.id)),
            side: Set(side),
            approved_on: Set(approved_on),
            url: Set(url),
            supersedes_id: Set(superseded.map(|publication| publication.id)),
            original_language: Set(language),
            version: Set(1),
            created_at: Set(writing.now()),
            updated_at: Set(writing.now()),
        };
        Ok(New {
            id,
            number,
            side,
            row,
            changes,
            topics,
        })
    }

    /// Resolves the topics of a new publication. Adding it updates each topic, which the party must be allowed to do.
    fn topics_for(
        &self,
        problems: &mut ValidationErrors,
        party: Party,
        given: &[ID],
    ) -> Vec<TopicId> {
        const FIELD: &str = "topicIds";
        let topics = self
            .topics
            .listed::<TopicId>(problems, FIELD, given, TOPICS);
        for topic in &topics {
            let message = match crate::domain::topic::update(party, &facts(topic, 0)) {
                Ok(()) => continue,
                Err(
                    Rejection::Unauthenticated(message)
                    | Rejection::Forbidden(message)
                    | Rejection::Stale { message, .. },
                ) => message,
                Err(Rejection::Problems(found)) => found
                    .into_iter()
                    .map(|error| error.message)
                    .collect::<String>(),
            };
            let message = format!("{}: {message}", code(topic.number));
            problems.add(Code::Invalid, FIELD, message);
        }
        topics.iter().map(|topic| topic.id).collect()
    }
}

/// Inserts the publications whose number is not taken and returns their ids.
async fn insert(
    db: &impl ConnectionTrait,
    rows: Vec<ActiveModel>,
) -> Result<HashSet<PublicationId>, DbErr> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let mut free = OnConflict::column(Column::NumberIdentity);
    let insert = Entity::insert_many(rows)
        .on_conflict(free.do_nothing().to_owned())
        .into_query()
        .returning_col(Column::Id)
        .take();
    let inserted = db.query_all(&insert).await?;
    inserted.iter().map(|row| row.try_get_by_index(0)).collect()
}
