//! Notes.

use std::sync::LazyLock;

use async_graphql::Context;
use entity::id::{Id, NoteId};
use entity::note::{Column, Entity};
use entity::party::Party;
use entity::scalar::DateTime;
use sea_orm::sea_query::{IntoIden, IntoTableRef};

use super::list;
use super::node::subject;
use super::payload::{Payload, Thing};
use super::request::Request;
use super::stamps::id;
use crate::error::Result;
use crate::read::json::Scalar;
use crate::read::shape::{Key, List, Object, Order, Table, column};
use crate::store::note::{self as store, NoteAddInput, NoteRetractInput};

/// The notes on a record.
pub static NOTES: List = List {
    object,
    connection: "NoteConnection",
    edge: "NoteEdge",
    filter: None,
    order: None,
    lasting: false,
    criteria: |_, _| {
        Ok(list::all(Order {
            key: Column::CreatedAt.into_iden(),
            kind: Key::Time,
            unique: false,
            descending: false,
        }))
    },
};

/// The type.
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Note",
        description: "What a party noted on a record, for anyone to read.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(NoteId::PREFIX),
        }),
        fields: vec![
            id(NoteId::PREFIX),
            subject("The record that it is about."),
            column::<String>(
                "body",
                "What it says; empty once it was taken back.",
                Column::Body,
                Scalar::Text,
            ),
            column::<Party>("party", "Who added it.", Column::Party, Scalar::Word),
            column::<bool>(
                "retracted",
                "Whether it was taken back. It keeps its place, without its body.",
                Column::Retracted,
                Scalar::Bool,
            ),
            column::<DateTime>(
                "createdAt",
                "When it was added.",
                Column::CreatedAt,
                Scalar::Time,
            ),
        ],
    });
    &OBJECT
}

/// Notes, in payloads.
pub struct Note;

impl Thing for Note {
    const PAYLOAD: &'static str = "NotePayload";
    const FIELD: &'static str = "note";

    fn object() -> &'static Object {
        object()
    }
}

/// What can be done to notes.
#[derive(Default)]
pub struct NoteMutation;

#[async_graphql::Object]
impl NoteMutation {
    /// Adds a note to a topic, an action item, a publication, an examination or a liaison statement, in any state.
    async fn note_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note.")] input: NoteAddInput,
    ) -> Option<Result<Payload<Note>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::add(db, viewer, *now, input).await))
    }

    /// Takes back a note of one's own party: it keeps its place and loses its body, for good.
    async fn note_retract(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which note.")] input: NoteRetractInput,
    ) -> Option<Result<Payload<Note>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::retract(db, viewer, *now, input).await))
    }
}
