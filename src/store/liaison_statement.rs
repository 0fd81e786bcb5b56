//! Liaison statements: sending and replying.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, SecondsFormat, Utc};
use entity::activity::ActivityVerb;
use entity::addressee::Purpose;
use entity::committee::{self, CommitteeStatus};
use entity::id::{CommitteeId, Id, LiaisonStatementId, TopicId};
use entity::liaison_statement::{ActiveModel, Entity, Model};
use entity::scalar::{Date, Url};
use entity::word::enum_name;
use entity::{addressee, attachment, sender, statement_topic, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use crate::domain::liaison_statement as rules;
use crate::domain::rejection::Code;
use crate::domain::text::{self, fold};
use crate::domain::validation_errors::ValidationErrors;
use crate::error::Result;
use crate::store::activity::{ActivityEntry, ChangeSet};
use crate::store::committee::labels;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::resolve;
use crate::store::transaction::WriteTransaction;

/// A new liaison statement from committees of the viewer's party. It cannot be changed later.
#[derive(Clone, Debug, InputObject)]
pub struct LiaisonStatementSendInput {
    /// When it was sent, if it is entered later than it was sent. It must not be in the future or before the statement that it replies to. Default: now.
    pub sent_at: Option<entity::scalar::DateTime>,
    /// The subject of the statement; at most 500 characters.
    pub title: String,
    /// The ids of the committees that send it, 1 to 50: ACTIVE committees of the viewer's own party, see `Viewer.committees`.
    pub from_ids: Vec<ID>,
    /// The committees to send it to, 1 to 100, each with what is expected of it.
    pub addressees: Vec<AddresseeInput>,
    /// The text of the statement; at most 20,000 characters. Default: none, for example if an attachment has the text.
    pub body: Option<String>,
    /// Whom to contact, preferably the address of a role and not of a person; at most 500 characters. Default: none.
    pub contact: Option<String>,
    /// The id of the statement that this one replies to. At least one committee of `fromIds` must be an addressee of that statement. All committees of `fromIds` that are addressees of it then count as having replied. Default: none, it is not a reply.
    pub in_reply_to_id: Option<ID>,
    /// The ids of the topics that it is about, at most 100. Default: none.
    pub topic_ids: Option<Vec<ID>>,
    /// The documents that it refers to, at most 50. Default: none.
    pub attachments: Option<Vec<AttachmentInput>>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// A committee to send the statement to.
#[derive(Clone, Debug, InputObject)]
pub struct AddresseeInput {
    /// The id of the committee. Each can be given once.
    pub committee_id: ID,
    /// What is expected of the committee.
    pub purpose: Purpose,
    /// The date by which it should reply; only with the purpose ACTION.
    pub reply_by: Option<Date>,
}

/// A document that the statement refers to.
#[derive(Clone, Debug, InputObject)]
pub struct AttachmentInput {
    /// The name of the document; at most 500 characters.
    pub name: String,
    /// The URL where it can be read.
    pub url: Url,
}

impl CreateInput for LiaisonStatementSendInput {
    const MUTATION: &'static str = "liaisonStatementSend";
    type Id = LiaisonStatementId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<LiaisonStatementId> {
        make(writing, self).await
    }
}

async fn make(
    writing: &mut WriteTransaction,
    input: LiaisonStatementSendInput,
) -> Result<LiaisonStatementId> {
    let mut problems = ValidationErrors::default();
    let from = senders(writing, &mut problems, &input.from_ids).await?;
    let title = problems.text("title", &input.title, text::MAX_NAME_LENGTH);
    let body = problems.optional_text("body", input.body.as_deref(), text::MAX_BODY_LENGTH);
    let contact =
        problems.optional_text("contact", input.contact.as_deref(), text::MAX_NAME_LENGTH);
    let to = addressees(writing, &mut problems, &input.addressees).await?;
    let original = original(writing, &mut problems, input.in_reply_to_id.as_ref(), &from).await?;
    let sent_at = input.sent_at.map_or_else(|| writing.now(), |time| time.0);
    let after = original.as_ref().map(|statement| statement.sent_at);
    problems.check("sentAt", rules::sent_at_fits(sent_at, after, writing.now()));
    let topics = input.topic_ids.unwrap_or_default();
    let topics = resolve::resolve_ids::<topic::Entity, TopicId>(
        writing.db(),
        &mut problems,
        "topicIds",
        &topics,
        rules::MAX_TOPICS,
        |row| row.id,
    )
    .await?;
    let attachments = attachments(&mut problems, input.attachments.unwrap_or_default());
    let side = problems.found(from.iter().find_map(|committee| committee.side))?;

    let id: LiaisonStatementId = writing.new_id();
    let number = writing.next_number("liaison_statement").await?;
    let mut changes = ChangeSet::default();
    changes.added("title", title.clone());
    if sent_at != writing.now() {
        changes.added(
            "sentAt",
            sent_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        );
    }
    changes.added("from", labels(writing.db(), &from).await?.join(", "));
    changes.added("addressees", describe_addressees(writing.db(), &to).await?);
    changes.added(
        "inReplyTo",
        original.as_ref().map(|original| code(original.number)),
    );
    let codes: Vec<String> = topics
        .iter()
        .map(|topic| crate::store::topic::code(topic.number))
        .collect();
    changes.added("topics", (!codes.is_empty()).then(|| codes.join(", ")));
    let sides: Vec<_> = from
        .iter()
        .chain(to.iter().map(|addressee| &addressee.committee))
        .map(|committee| committee.side)
        .collect();
    let row = ActiveModel {
        id: Set(id),
        number: Set(number),
        folded: Set(folded(number, &title, body.as_deref())),
        title: Set(title),
        body: Set(body),
        contact: Set(contact),
        in_reply_to_id: Set(original.as_ref().map(|original| original.id)),
        sent_by: Set(writing.party()),
        side: Set(side),
        sent_at: Set(sent_at),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    insert_parts(writing.db(), id, &from, to, &topics, attachments).await?;
    let mut entries = vec![ActivityEntry::new(ActivityVerb::Sent, id, changes).of_sides(&sides)];
    if let Some(original) = original {
        let replied = settle(writing, original.id, &from, sent_at).await?;
        let mut changes = ChangeSet::default();
        changes.added("replies", code(number));
        let replied = labels(writing.db(), &replied).await?.join(", ");
        changes.added(
            "repliedBy",
            Some(replied).filter(|labels| !labels.is_empty()),
        );
        entries
            .push(ActivityEntry::new(ActivityVerb::Replied, original.id, changes).of_sides(&sides));
    }
    writing.log_all(entries).await?;
    Ok(id)
}

/// Resolves the committees that send a statement.
async fn senders(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: &[ID],
) -> Result<Vec<committee::Model>> {
    const FIELD: &str = "fromIds";
    problems.check(FIELD, rules::validate_senders(given.len()));
    let db = writing.db();
    let found = resolve::resolve_ids::<committee::Entity, CommitteeId>(
        db,
        problems,
        FIELD,
        given,
        rules::MAX_SENDERS,
        |row| row.id,
    )
    .await?;
    for committee in &found {
        let fits = rules::validate_sender(writing.party(), committee.party, committee.status);
        let id = committee.id.to_global_id();
        let index = given.iter().position(|given| **given == id);
        if let (Err(message), Some(index)) = (fits, index) {
            problems.add_at(Code::Invalid, FIELD, index, message);
        }
    }
    Ok(found)
}

/// A committee to send the statement to.
struct Addressed {
    committee: committee::Model,
    purpose: Purpose,
    reply_by: Option<chrono::NaiveDate>,
}

async fn addressees(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: &[AddresseeInput],
) -> Result<Vec<Addressed>, DbErr> {
    const FIELD: &str = "addressees";
    problems.check(FIELD, rules::validate_addressees(given.len()));
    let ids: Vec<ID> = given
        .iter()
        .map(|addressee| addressee.committee_id.clone())
        .collect();
    let mut wrong = ValidationErrors::default();
    let found = resolve::resolve_ids::<committee::Entity, CommitteeId>(
        writing.db(),
        &mut wrong,
        FIELD,
        &ids,
        rules::MAX_ADDRESSEES,
        |row| row.id,
    )
    .await?;
    problems.add_all(wrong, "committeeId");
    for (index, addressee) in given.iter().enumerate() {
        if ids[..index].contains(&addressee.committee_id) {
            let twice = "This committee is an addressee already: name it once.";
            problems.add_in(Code::Invalid, FIELD, index, "committeeId", twice);
        }
        if let Err(message) =
            rules::validate_reply_by(addressee.purpose, addressee.reply_by.map(|date| date.0))
        {
            problems.add_in(Code::Invalid, FIELD, index, "replyBy", message);
        }
    }
    // If the lengths differ, errors have been added and nothing is sent.
    let addressees = found
        .into_iter()
        .zip(given)
        .map(|(committee, addressee)| Addressed {
            committee,
            purpose: addressee.purpose,
            reply_by: addressee.reply_by.map(|date| date.0),
        });
    Ok(addressees.collect())
}

/// Resolves the statement that is replied to.
async fn original(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: Option<&ID>,
    from: &[committee::Model],
) -> Result<Option<Model>> {
    let db = writing.db();
    let found =
        resolve::named::<Entity, LiaisonStatementId>(db, problems, "inReplyToId", given).await?;
    let Some(original) = found else {
        return Ok(None);
    };
    let addressed = addressee::Entity::find()
        .filter(addressee::Column::StatementId.eq(original.id))
        .all(db)
        .await?;
    let addressed: Vec<CommitteeId> = addressed
        .into_iter()
        .map(|addressee| addressee.committee_id)
        .collect();
    let own = committee::Entity::find()
        .filter(committee::Column::Id.is_in(addressed.iter().copied()))
        .filter(committee::Column::Party.eq(writing.party()))
        .all(db)
        .await?;
    let active = |committee: &committee::Model| committee.status == CommitteeStatus::Active;
    let decision = rules::reply(&rules::StatementFacts {
        own_addressed: !own.is_empty(),
        own_active: own.iter().any(active),
    });
    if decision.is_ok() && !from.is_empty() {
        let replier = from
            .iter()
            .any(|committee| addressed.contains(&committee.id));
        problems.check("fromIds", rules::validate_replier(replier));
    }
    problems.decide(decision)?;
    Ok(Some(original))
}

fn attachments(
    problems: &mut ValidationErrors,
    given: Vec<AttachmentInput>,
) -> Vec<(String, String)> {
    const FIELD: &str = "attachments";
    if rules::MAX_ATTACHMENTS < given.len() {
        let message = format!("Must be {} at most.", rules::MAX_ATTACHMENTS);
        problems.add(Code::Invalid, FIELD, message);
        return Vec::new();
    }
    let mut read = Vec::with_capacity(given.len());
    for (index, attachment) in given.into_iter().enumerate() {
        match text::normalize_text(&attachment.name, text::MAX_NAME_LENGTH) {
            Ok(Some(name)) => read.push((name, attachment.url.0)),
            Ok(None) => problems.add_in(Code::Invalid, FIELD, index, "name", "Must not be blank."),
            Err(message) => problems.add_in(Code::Invalid, FIELD, index, "name", message),
        }
    }
    read
}

async fn insert_parts(
    db: &impl ConnectionTrait,
    statement: LiaisonStatementId,
    from: &[committee::Model],
    to: Vec<Addressed>,
    topics: &[topic::Model],
    attachments: Vec<(String, String)>,
) -> Result<(), DbErr> {
    let rows = (1..)
        .zip(from)
        .map(|(ordinal, committee)| sender::ActiveModel {
            statement_id: Set(statement),
            committee_id: Set(committee.id),
            ordinal: Set(ordinal),
        });
    sender::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    let rows = (1..)
        .zip(to)
        .map(|(ordinal, addressee)| addressee::ActiveModel {
            statement_id: Set(statement),
            committee_id: Set(addressee.committee.id),
            ordinal: Set(ordinal),
            purpose: Set(addressee.purpose),
            reply_by: Set(addressee.reply_by),
            replied_at: Set(None),
        });
    addressee::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    if !topics.is_empty() {
        let rows = topics.iter().map(|topic| statement_topic::ActiveModel {
            statement_id: Set(statement),
            topic_id: Set(topic.id),
        });
        statement_topic::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    if !attachments.is_empty() {
        let rows = (1..).zip(attachments);
        let rows = rows.map(|(ordinal, (name, url))| attachment::ActiveModel {
            statement_id: Set(statement),
            ordinal: Set(ordinal),
            name: Set(name),
            url: Set(url),
        });
        attachment::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// Records that these committees have replied at this time, unless they had before; returns those that had not.
async fn settle(
    writing: &WriteTransaction,
    original: LiaisonStatementId,
    from: &[committee::Model],
    replied_at: DateTime<Utc>,
) -> Result<Vec<committee::Model>, DbErr> {
    let replied_since = addressee::Column::RepliedAt
        .is_null()
        .or(addressee::Column::RepliedAt.gt(replied_at));
    let settled = addressee::Entity::update_many()
        .col_expr(addressee::Column::RepliedAt, Expr::val(replied_at))
        .filter(addressee::Column::StatementId.eq(original))
        .filter(addressee::Column::CommitteeId.is_in(from.iter().map(|committee| committee.id)))
        .filter(replied_since)
        .exec_with_returning(writing.db())
        .await?;
    let replied =
        |committee: &&committee::Model| settled.iter().any(|row| row.committee_id == committee.id);
    Ok(from.iter().filter(replied).cloned().collect())
}

/// Formats addressees for the log: `POC PSI (2013-2016): ACTION by 2026-07-01, …`.
async fn describe_addressees(db: &impl ConnectionTrait, to: &[Addressed]) -> Result<String, DbErr> {
    let committees: Vec<committee::Model> = to
        .iter()
        .map(|addressee| addressee.committee.clone())
        .collect();
    let labels = labels(db, &committees).await?;
    let addressees = labels.into_iter().zip(to).map(|(label, addressee)| {
        let by = addressee
            .reply_by
            .map_or_else(String::new, |day| format!(" by {day}"));
        format!("{label}: {}{by}", enum_name(addressee.purpose))
    });
    Ok(addressees.collect::<Vec<_>>().join(", "))
}

/// A statement's code, as the API has it: `LS-7`.
#[must_use]
pub fn code(number: i32) -> String {
    format!("LS-{number}")
}

fn folded(number: i32, title: &str, body: Option<&str>) -> String {
    let body = body.unwrap_or_default();
    fold(&format!("{}\n{title}\n{body}", code(number)))
}
