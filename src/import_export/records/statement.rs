//! Import of liaison statements, identified by sending committees and title. A sent statement never changes.

use std::collections::BTreeSet;

use async_graphql::{ID, MaybeUndefined};
use entity::addressee::{self, Purpose};
use entity::liaison_statement::{Column, Entity, Model};
use entity::scalar::{Date, DateTime, Url};
use entity::{attachment, sender, statement_topic};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::rejection::Code;
use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, is_list_unchanged, is_unchanged};
use crate::import_export::names::Names;
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::idempotency::Idempotency;
use crate::store::liaison_statement::{
    self, AddresseeInput, AttachmentInput, LiaisonStatementSendInput,
};

pub const ADDRESSEES: &str = "addressees";
const ATTACHMENTS: &str = "attachments";

/// The content of a statement in a line.
struct CurrentStatement {
    sent_at: MaybeUndefined<DateTime>,
    addressees: MaybeUndefined<Vec<AddresseeInput>>,
    body: MaybeUndefined<String>,
    contact: MaybeUndefined<String>,
    in_reply_to: MaybeUndefined<ID>,
    topics: MaybeUndefined<Vec<ID>>,
    attachments: MaybeUndefined<Vec<AttachmentInput>>,
}

impl Importer {
    /// Sends a statement; `None` if the record has errors.
    pub(super) async fn statement(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let title = fields.key("title", text::MAX_NAME_LENGTH);
        let from = fields.references("from", &self.names.committees);
        let from = fields.required("from", from);
        let current = CurrentStatement {
            sent_at: fields.value("sentAt"),
            addressees: addressees(fields, &self.names),
            body: fields.text("body", text::MAX_BODY_LENGTH),
            contact: fields.text("contact", text::MAX_NAME_LENGTH),
            in_reply_to: fields.named("inReplyTo", &self.names.statements),
            topics: fields.references("topics", &self.names.topics),
            attachments: attachments(fields),
        };
        fields.reject_unknown("LiaisonStatement");

        if let (Some(title), Some(from)) = (&title, &from)
            && let Some(sent) = self.sent(title, from).await?
        {
            self.current_statement(fields, &sent, &current).await?;
            return Ok(Some(ImportOutcome::Unchanged).filter(|_| fields.is_valid()));
        }
        let input = LiaisonStatementSendInput {
            sent_at: current.sent_at.take(),
            title: title.unwrap_or_else(|| "?".to_owned()),
            from_ids: from.unwrap_or_default(),
            addressees: current.addressees.take().unwrap_or_default(),
            body: current.body.take(),
            contact: current.contact.take(),
            in_reply_to_id: current.in_reply_to.take(),
            topic_ids: current.topics.take(),
            attachments: current.attachments.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|_| ImportOutcome::Created))
    }

    /// Returns the last statement with this title from exactly these committees.
    async fn sent(&self, title: &str, from: &[ID]) -> Result<Option<Model>, ImportError> {
        let titled = Entity::find()
            .filter(Column::SentBy.eq(self.writing.party()))
            .filter(Column::Title.eq(title))
            .order_by_desc(Column::Number)
            .all(self.writing.db())
            .await?;
        let senders = sender::Entity::find()
            .filter(sender::Column::StatementId.is_in(titled.iter().map(|statement| statement.id)))
            .all(self.writing.db())
            .await?;
        let from: BTreeSet<&ID> = from.iter().collect();
        let is_from = |statement: &Model| {
            let senders = senders
                .iter()
                .filter(|sender| sender.statement_id == statement.id);
            let senders: BTreeSet<ID> = senders.map(|sender| public(sender.committee_id)).collect();
            senders.iter().collect::<BTreeSet<&ID>>() == from
        };
        Ok(titled.into_iter().find(is_from))
    }

    /// Adds an error for each field of a line that differs from the sent statement.
    async fn current_statement(
        &self,
        fields: &mut RecordFields,
        sent: &Model,
        current: &CurrentStatement,
    ) -> Result<(), ImportError> {
        let db = self.writing.db();
        let to = addressee::Entity::find()
            .filter(addressee::Column::StatementId.eq(sent.id))
            .order_by_asc(addressee::Column::Ordinal)
            .all(db)
            .await?;
        let topics = statement_topic::Entity::find()
            .filter(statement_topic::Column::StatementId.eq(sent.id))
            .all(db)
            .await?;
        let attached = attachment::Entity::find()
            .filter(attachment::Column::StatementId.eq(sent.id))
            .order_by_asc(attachment::Column::Ordinal)
            .all(db)
            .await?;
        let is_requested = |(addressee, given): (&addressee::Model, &AddresseeInput)| {
            let day = given.reply_by.map(|date| date.0);
            (
                public(addressee.committee_id),
                addressee.purpose,
                addressee.reply_by,
            ) == (given.committee_id.clone(), given.purpose, day)
        };
        let is_attached = |(attachment, given): (&attachment::Model, &AttachmentInput)| {
            (&attachment.name, &attachment.url) == (&given.name, &given.url.0)
        };
        let requested = all(&current.addressees, &to, is_requested);
        let reply = sent.in_reply_to_id.map(public);
        let topics = topics.iter().map(|link| public(link.topic_id));
        let attached = all(&current.attachments, &attached, is_attached);
        for (field, same) in [
            (
                "sentAt",
                is_unchanged(&current.sent_at, Some(&DateTime(sent.sent_at))),
            ),
            (ADDRESSEES, requested),
            ("body", is_unchanged(&current.body, sent.body.as_ref())),
            (
                "contact",
                is_unchanged(&current.contact, sent.contact.as_ref()),
            ),
            (
                "inReplyTo",
                is_unchanged(&current.in_reply_to, reply.as_ref()),
            ),
            ("topics", is_list_unchanged(&current.topics, topics)),
            (ATTACHMENTS, attached),
        ] {
            if !same && !fields.has_error(field) {
                let number = liaison_statement::code(sent.number);
                let message = format!(
                    "Differs from {number}, which has this title and these senders. What was sent never changes: a new statement has another title."
                );
                fields.add_error(Code::Invalid, field, message);
            }
        }
        Ok(())
    }
}

/// Returns whether a line gives no list, or exactly the existing elements in their order.
fn all<G, T>(given: &MaybeUndefined<Vec<G>>, there: &[T], same: impl Fn((&T, &G)) -> bool) -> bool {
    match given {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => there.is_empty(),
        MaybeUndefined::Value(given) => {
            given.len() == there.len() && there.iter().zip(given).all(same)
        }
    }
}

/// Parses addressees in the form of the history: `POC C5 (2013-2016): ACTION by 2026-07-01`.
fn addressees(fields: &mut RecordFields, names: &Names) -> MaybeUndefined<Vec<AddresseeInput>> {
    let given = fields.text_list(ADDRESSEES, text::MAX_NAME_LENGTH);
    given.map_value(|texts| fields.list_of(&texts, |fields, text| addressee(fields, names, text)))
}

fn addressee(fields: &mut RecordFields, names: &Names, given: &str) -> Option<AddresseeInput> {
    let Some((committee, requested)) = given.rsplit_once(':') else {
        let message = format!(
            "`{given}` does not say what for: it is written `POC C5 (2013-2016): INFORMATION` or, with a day, `…: ACTION by 2026-07-01`."
        );
        fields.add_error(Code::Invalid, ADDRESSEES, message);
        return None;
    };
    let committee = fields.find(ADDRESSEES, &names.committees, committee);
    let (purpose, day) = match requested.split_once(" by ") {
        Some((purpose, day)) => (purpose, Some(day)),
        None => (requested, None),
    };
    let purpose = fields.one_of::<Purpose>(ADDRESSEES, purpose.trim().into());
    let reply_by = day.and_then(|date| fields.parse::<Date>(ADDRESSEES, date.trim().into()).take());
    Some(AddresseeInput {
        committee_id: committee?,
        purpose: purpose.take()?,
        reply_by,
    })
}

/// Parses attachments: `Draft Recommendation https://itu.int/draft.pdf`, a name and a URL.
fn attachments(fields: &mut RecordFields) -> MaybeUndefined<Vec<AttachmentInput>> {
    let given = fields.text_list(ATTACHMENTS, text::MAX_TEXT_LENGTH);
    given.map_value(|texts| fields.list_of(&texts, attachment))
}

fn attachment(fields: &mut RecordFields, given: &str) -> Option<AttachmentInput> {
    let (name, url) = given
        .rsplit_once(char::is_whitespace)
        .unwrap_or(("", given));
    let url = fields.parse::<Url>(ATTACHMENTS, url.into()).take()?;
    let name = name.trim().to_owned();
    Some(AttachmentInput { name, url })
}
