//! Liaison statements: sending them, and replying.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::addressee::Purpose;
use entity::committee::{self, CommitteeStatus};
use entity::id::{CommitteeId, LiaisonStatementId, TopicId};
use entity::liaison_statement::{ActiveModel, Entity, Model};
use entity::scalar::{Date, Url};
use entity::word::word;
use entity::{addressee, attachment, sender, statement_topic, topic};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::activity::{Changes, Entry};
use super::committee::labels;
use super::creation::{Creating, Idempotency};
use super::writing::Writing;
use super::{Database, creation, input};
use crate::error::Result;
use crate::rules::problems::Problems;
use crate::rules::refusal::Code;
use crate::rules::statement as rules;
use crate::rules::text::{self, fold};
use crate::rules::viewer::Viewer;

/// A formal statement from committees of one's own party. Once sent it is never changed.
#[derive(Clone, Debug, InputObject)]
pub struct LiaisonStatementSendInput {
    /// What it is about, at most 500 characters.
    pub title: String,
    /// The committees that send it: active ones of one's own party, from 1 to 50.
    pub from_ids: Vec<ID>,
    /// The committees that it goes to, each with what it is asked for, from 1 to 100.
    pub addressees: Vec<AddresseeInput>,
    /// What it says, at most 20,000 characters.
    pub body: Option<String>,
    /// Whom to turn to, best a role's address rather than a person's; at most 500 characters.
    pub contact: Option<String>,
    /// The statement that this is a reply to. One of its addressees must be among `fromIds`, and has replied by this.
    pub in_reply_to_id: Option<ID>,
    /// The topics that it is about, 100 at most.
    pub topic_ids: Option<Vec<ID>>,
    /// The documents that it refers to, 50 at most.
    pub attachments: Option<Vec<AttachmentInput>>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// A committee that a statement goes to.
#[derive(Clone, Debug, InputObject)]
pub struct AddresseeInput {
    /// The committee, named once.
    pub committee_id: ID,
    /// What it is asked for.
    pub purpose: Purpose,
    /// The day by which it is to reply; with ACTION alone.
    pub reply_by: Option<Date>,
}

/// A document that a statement refers to.
#[derive(Clone, Debug, InputObject)]
pub struct AttachmentInput {
    /// What it is called, at most 500 characters.
    pub name: String,
    /// Where it can be read.
    pub url: Url,
}

pub async fn send(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: LiaisonStatementSendInput,
) -> Result<LiaisonStatementId> {
    creation::create(db, viewer, now, input).await
}

impl Creating for LiaisonStatementSendInput {
    const MUTATION: &'static str = "liaisonStatementSend";
    type Id = LiaisonStatementId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut Writing) -> Result<LiaisonStatementId> {
        make(writing, self).await
    }
}

async fn make(
    writing: &mut Writing,
    input: LiaisonStatementSendInput,
) -> Result<LiaisonStatementId> {
    let mut problems = Problems::default();
    let from = senders(writing, &mut problems, &input.from_ids).await?;
    let title = problems.text("title", &input.title, text::NAME);
    let body = problems.optional_text("body", input.body.as_deref(), text::BODY);
    let contact = problems.optional_text("contact", input.contact.as_deref(), text::NAME);
    let to = addressees(writing, &mut problems, &input.addressees).await?;
    let original = original(writing, &mut problems, input.in_reply_to_id.as_ref(), &from).await?;
    let topics = input.topic_ids.unwrap_or_default();
    let topics = input::listed::<topic::Entity, TopicId>(
        writing.db(),
        &mut problems,
        "topicIds",
        &topics,
        rules::TOPICS,
        |row| row.id,
    )
    .await?;
    let attachments = attachments(&mut problems, input.attachments.unwrap_or_default());
    let side = problems.found(from.iter().find_map(|it| it.side))?;

    let id: LiaisonStatementId = writing.new_id();
    let number = writing.number("liaison_statement").await?;
    let mut changes = Changes::default();
    changes.given("title", title.clone());
    changes.given("from", labels(writing.db(), &from).await?.join(", "));
    changes.given("addressees", asked(writing.db(), &to).await?);
    changes.given("inReplyTo", original.as_ref().map(|it| code(it.number)));
    let codes: Vec<String> = topics
        .iter()
        .map(|it| super::topic::code(it.number))
        .collect();
    changes.given("topics", (!codes.is_empty()).then(|| codes.join(", ")));
    let sides: Vec<_> = from
        .iter()
        .chain(to.iter().map(|it| &it.committee))
        .map(|it| it.side)
        .collect();
    let row = ActiveModel {
        id: Set(id),
        number: Set(number),
        folded: Set(folded(number, &title, body.as_deref())),
        title: Set(title),
        body: Set(body),
        contact: Set(contact),
        in_reply_to_id: Set(original.as_ref().map(|it| it.id)),
        sent_by: Set(writing.party()),
        side: Set(side),
        sent_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    insert_parts(writing.db(), id, &from, to, &topics, attachments).await?;
    let mut entries = vec![Entry::new(ActivityVerb::Sent, id, changes).of_sides(&sides)];
    if let Some(original) = original {
        let replied = settle(writing, original.id, &from).await?;
        let mut changes = Changes::default();
        changes.given("replies", code(number));
        let replied = labels(writing.db(), &replied).await?.join(", ");
        changes.given("repliedBy", Some(replied).filter(|it| !it.is_empty()));
        entries.push(Entry::new(ActivityVerb::Replied, original.id, changes).of_sides(&sides));
    }
    writing.log_all(entries).await?;
    Ok(id)
}

/// The committees that a statement is sent from.
async fn senders(
    writing: &Writing,
    problems: &mut Problems,
    given: &[ID],
) -> Result<Vec<committee::Model>> {
    const FIELD: &str = "fromIds";
    if given.is_empty() {
        problems.add(
            Code::Invalid,
            FIELD,
            "Name at least one committee of yours.",
        );
    }
    let db = writing.db();
    let found = input::listed::<committee::Entity, CommitteeId>(
        db,
        problems,
        FIELD,
        given,
        rules::SENDERS,
        |row| row.id,
    )
    .await?;
    for committee in &found {
        rules::send_from(writing.party(), committee.party)?;
        problems.check(FIELD, rules::sender_fits(committee.status));
    }
    Ok(found)
}

/// A committee that a statement goes to.
struct Asked {
    committee: committee::Model,
    purpose: Purpose,
    reply_by: Option<chrono::NaiveDate>,
}

async fn addressees(
    writing: &Writing,
    problems: &mut Problems,
    given: &[AddresseeInput],
) -> Result<Vec<Asked>, DbErr> {
    const FIELD: &str = "addressees";
    if given.is_empty() {
        problems.add(
            Code::Invalid,
            FIELD,
            "Name at least one committee to send it to.",
        );
    }
    let ids: Vec<ID> = given.iter().map(|it| it.committee_id.clone()).collect();
    let mut wrong = Problems::default();
    let found = input::listed::<committee::Entity, CommitteeId>(
        writing.db(),
        &mut wrong,
        FIELD,
        &ids,
        rules::ADDRESSEES,
        |row| row.id,
    )
    .await?;
    problems.add_all(wrong, "committeeId");
    for (index, it) in given.iter().enumerate() {
        if ids[..index].contains(&it.committee_id) {
            let twice = "This committee is an addressee already: name it once.";
            problems.add_in(Code::Invalid, FIELD, index, "committeeId", twice);
        }
        if let Err(message) = rules::reply_by_fits(it.purpose, it.reply_by.map(|it| it.0)) {
            problems.add_in(Code::Invalid, FIELD, index, "replyBy", message);
        }
    }
    // Where these differ in number there is a problem, and nothing is sent.
    let asked = found.into_iter().zip(given).map(|(committee, it)| Asked {
        committee,
        purpose: it.purpose,
        reply_by: it.reply_by.map(|it| it.0),
    });
    Ok(asked.collect())
}

/// The statement that is replied to.
async fn original(
    writing: &Writing,
    problems: &mut Problems,
    given: Option<&ID>,
    from: &[committee::Model],
) -> Result<Option<Model>> {
    let db = writing.db();
    let found =
        input::named::<Entity, LiaisonStatementId>(db, problems, "inReplyToId", given).await?;
    let Some(original) = found else {
        return Ok(None);
    };
    let addressed = addressee::Entity::find()
        .filter(addressee::COLUMN.statement_id.eq(original.id))
        .all(db)
        .await?;
    let addressed: Vec<CommitteeId> = addressed.into_iter().map(|it| it.committee_id).collect();
    let own = committee::Entity::find()
        .filter(committee::COLUMN.id.is_in(addressed.iter().copied()))
        .filter(committee::COLUMN.party.eq(writing.party()))
        .all(db)
        .await?;
    let active = |it: &committee::Model| it.status == CommitteeStatus::Active;
    let decision = rules::reply(&rules::Facts {
        own_addressed: !own.is_empty(),
        own_active: own.iter().any(active),
    });
    if decision.is_ok() && !from.is_empty() {
        let replier = from.iter().any(|it| addressed.contains(&it.id));
        problems.check("fromIds", rules::replier_fits(replier));
    }
    problems.decide(decision)?;
    Ok(Some(original))
}

fn attachments(problems: &mut Problems, given: Vec<AttachmentInput>) -> Vec<(String, String)> {
    const FIELD: &str = "attachments";
    if rules::ATTACHMENTS < given.len() {
        let message = format!("Must be {} at most.", rules::ATTACHMENTS);
        problems.add(Code::Invalid, FIELD, message);
        return Vec::new();
    }
    let mut read = Vec::with_capacity(given.len());
    for (index, attachment) in given.into_iter().enumerate() {
        match text::stored(&attachment.name, text::NAME) {
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
    to: Vec<Asked>,
    topics: &[topic::Model],
    attachments: Vec<(String, String)>,
) -> Result<(), DbErr> {
    let rows = (1..).zip(from).map(|(ordinal, it)| sender::ActiveModel {
        statement_id: Set(statement),
        committee_id: Set(it.id),
        ordinal: Set(ordinal),
    });
    sender::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    let rows = (1..).zip(to).map(|(ordinal, it)| addressee::ActiveModel {
        statement_id: Set(statement),
        committee_id: Set(it.committee.id),
        ordinal: Set(ordinal),
        purpose: Set(it.purpose),
        reply_by: Set(it.reply_by),
        replied_at: Set(None),
    });
    addressee::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    if !topics.is_empty() {
        let rows = topics.iter().map(|it| statement_topic::ActiveModel {
            statement_id: Set(statement),
            topic_id: Set(it.id),
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

/// Notes which of these committees have replied by now; those that had before keep the time of their first reply.
async fn settle(
    writing: &Writing,
    original: LiaisonStatementId,
    from: &[committee::Model],
) -> Result<Vec<committee::Model>, DbErr> {
    let settled = addressee::Entity::update_many()
        .col_expr(addressee::Column::RepliedAt, Expr::val(writing.now()))
        .filter(addressee::COLUMN.statement_id.eq(original))
        .filter(
            addressee::COLUMN
                .committee_id
                .is_in(from.iter().map(|it| it.id)),
        )
        .filter(addressee::Column::RepliedAt.is_null())
        .exec_with_returning(writing.db())
        .await?;
    let replied = |it: &&committee::Model| settled.iter().any(|row| row.committee_id == it.id);
    Ok(from.iter().filter(replied).cloned().collect())
}

/// `POC PSI (2013-2016): ACTION by 2026-07-01, …`.
async fn asked(db: &impl ConnectionTrait, to: &[Asked]) -> Result<String, DbErr> {
    let committees: Vec<committee::Model> = to.iter().map(|it| it.committee.clone()).collect();
    let labels = labels(db, &committees).await?;
    let asked = labels.into_iter().zip(to).map(|(label, it)| {
        let by = it
            .reply_by
            .map_or_else(String::new, |day| format!(" by {day}"));
        format!("{label}: {}{by}", word(it.purpose))
    });
    Ok(asked.collect::<Vec<_>>().join(", "))
}

/// A statement's number, as the API has it: `LS-7`.
#[must_use]
pub fn code(number: i32) -> String {
    format!("LS-{number}")
}

fn folded(number: i32, title: &str, body: Option<&str>) -> String {
    let body = body.unwrap_or_default();
    fold(&format!("{}\n{title}\n{body}", code(number)))
}
