//! The joint examination of publications.

use std::sync::LazyLock;

use async_graphql::Context;
use entity::examination::{Column, Entity};
use entity::finding::{self, Impact};
use entity::id::{ExaminationId, Id};
use entity::note;
use entity::party::{Party, Side};
use entity::scalar::{Date, DateTime};
use sea_orm::sea_query::IntoTableRef;

use super::payload::{Payload, Thing};
use super::request::Request;
use super::stamps::id;
use super::{committee as committees, note as notes, publication as publications};
use crate::error::Result;
use crate::read::json::Scalar;
use crate::read::shape::{
    Cell, Link, Object, Table, col, column, computed, many, one, one_or_null, page,
};
use crate::rules::examination::overdue;
use crate::store::examination::{
    self as store, ExaminationRecordFindingInput, ExaminationRequestInput,
};

/// The type.
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Examination",
        description: "The joint examination of what a new or changed text means for the two sides. Each records what it found; once both have, it is closed.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(ExaminationId::PREFIX),
        }),
        fields: vec![
            id(ExaminationId::PREFIX),
            one(
                "publication",
                "The text that is examined.",
                publications::object,
                Column::PublicationId,
            ),
            column::<Party>(
                "requestedBy",
                "Who asked for it.",
                Column::RequestedBy,
                Scalar::Word,
            ),
            column::<Option<String>>(
                "reason",
                "Why it was asked for; null where no reason was given.",
                Column::Reason,
                Scalar::Text,
            ),
            column::<Option<Date>>(
                "dueOn",
                "The day by which both sides are to have found; null where no day is set.",
                Column::DueOn,
                Scalar::Date,
            ),
            computed::<bool>(
                "overdue",
                "Whether it was due before today (UTC) and a side has not found yet.",
                vec![Cell::column(Column::Complete), Cell::column(Column::DueOn)],
                |cells, env, json| {
                    json.bool(overdue(cells.get(0)?, cells.find(1)?, env.today()));
                    Ok(())
                },
            ),
            many(
                "findings",
                "What the sides have found so far, two at most: ITU first, then UPU.",
                finding,
                Link::column(finding::Column::ExaminationId),
                vec![col(finding::Column::Side)],
            ),
            column::<bool>(
                "complete",
                "Whether both sides have found. It is closed then, and the findings stay as they are.",
                Column::Complete,
                Scalar::Bool,
            ),
            page(
                "notes",
                "The notes on it, oldest first.",
                &notes::NOTES,
                Link::column(note::Column::SubjectId),
            ),
            column::<DateTime>(
                "createdAt",
                "When it was asked for.",
                Column::CreatedAt,
                Scalar::Time,
            ),
        ],
    });
    &OBJECT
}

/// The type of findings.
fn finding() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Finding",
        description: "What one side found. Only that side writes it, and may rewrite it until the other has found too.",
        table: Some(Table {
            name: finding::Entity.into_table_ref(),
            prefix: None,
        }),
        fields: vec![
            column::<Side>("side", "Who found it.", finding::Column::Side, Scalar::Word),
            column::<Impact>(
                "impact",
                "What the text means for this side.",
                finding::Column::Impact,
                Scalar::Word,
            ),
            column::<String>(
                "statement",
                "What was found.",
                finding::Column::Statement,
                Scalar::Text,
            ),
            one_or_null(
                "committee",
                "The committee that found it; null where the side speaks as a whole.",
                committees::object,
                finding::Column::CommitteeId,
            ),
            column::<DateTime>(
                "foundAt",
                "When it was recorded, or last rewritten.",
                finding::Column::FoundAt,
                Scalar::Time,
            ),
        ],
    });
    &OBJECT
}

/// Examinations, in payloads.
pub struct Examination;

impl Thing for Examination {
    const PAYLOAD: &'static str = "ExaminationPayload";
    const FIELD: &'static str = "examination";

    fn object() -> &'static Object {
        object()
    }
}

/// What can be done to examinations.
#[derive(Default)]
pub struct ExaminationMutation;

#[async_graphql::Object]
impl ExaminationMutation {
    /// Asks both sides to examine what a publication means for them. One examination of it is under way at a time.
    async fn examination_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The examination.")] input: ExaminationRequestInput,
    ) -> Option<Result<Payload<Examination>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::request(db, viewer, *now, input).await))
    }

    /// Records what one's own side found, or rewrites it while the other side has not found yet. The second side's finding closes the examination.
    async fn examination_record_finding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The finding.")] input: ExaminationRecordFindingInput,
    ) -> Option<Result<Payload<Examination>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(
            store::record_finding(db, viewer, *now, input).await,
        ))
    }
}
