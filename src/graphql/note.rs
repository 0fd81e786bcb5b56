//! Notes.

use std::sync::LazyLock;

use async_graphql::Context;
use entity::id::{Id, NoteId};
use entity::note::{Column, Entity};
use entity::party::Party;
use entity::scalar::DateTime;

use super::list;
use super::node::{SEARCHED, node_table, subject, visible_to_all};
use super::payload::{MutationPayload, Payload};
use super::request::OperationContext;
use crate::error::Result;
use crate::graphql::metadata_fields::id;
use crate::planner::json::Scalar;
use crate::planner::schema::{Connection, CursorKey, ObjectType, Order, column};
use crate::store::idempotency::create;
use crate::store::note::{self as store, NoteAddInput, NoteRetractInput};

/// The notes on a record.
pub static NOTES: Connection = Connection {
    object: object_type,
    type_name: "NoteConnection",
    edge: "NoteEdge",
    filter: None,
    order: None,
    counts: None,
    lasting: false,
    criteria: |_, _| {
        Ok(list::all(Order {
            key: Column::CreatedAt.into(),
            kind: CursorKey::Time,
            unique: false,
            descending: false,
        }))
    },
};

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Note",
        description: "A note of a party on a record. Everybody can read it.",
        cacheable: true,
        table: Some(node_table::<NoteId>(Entity, visible_to_all, SEARCHED)),
        fields: vec![
            id(NoteId::PREFIX),
            subject("The record that it is about."),
            column::<String>(
                "body",
                "The text of the note; empty if it was retracted.",
                Column::Body,
                Scalar::String,
            ),
            column::<Party>(
                "party",
                "The party that added it.",
                Column::Party,
                Scalar::Enum,
            ),
            column::<bool>(
                "retracted",
                "Whether it was retracted. A retracted note stays in the list, without its text.",
                Column::Retracted,
                Scalar::Bool,
            ),
            column::<DateTime>(
                "createdAt",
                "When it was added.",
                Column::CreatedAt,
                Scalar::DateTime,
            ),
        ],
    });
    &OBJECT
}

/// The payload of note mutations.
pub struct Note;

impl MutationPayload for Note {
    const FIELD: &'static str = "note";

    fn object_type() -> Option<&'static ObjectType> {
        Some(object_type())
    }
}

/// What can be done to notes.
#[derive(Default)]
pub struct NoteMutation;

#[async_graphql::Object]
impl NoteMutation {
    /// Adds a note to a topic, an action item, a publication, an examination or a liaison statement, in any status.
    async fn note_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note.")] input: NoteAddInput,
    ) -> Option<Result<Payload<Note, NoteAddInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Retracts a note of the viewer's own party. Its text is removed permanently; the note itself stays.
    async fn note_retract(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifies the note to retract.")] input: NoteRetractInput,
    ) -> Option<Result<Payload<Note, NoteRetractInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::retract(db, viewer, *now, input).await))
    }
}
