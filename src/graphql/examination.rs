//! Joint examinations of publications, and their findings.

use std::sync::LazyLock;

use async_graphql::Context;
use entity::examination::{Column, Entity};
use entity::finding::{self, Impact};
use entity::id::{ExaminationId, Id};
use entity::party::{Party, Side};
use entity::permission::Permission;
use entity::scalar::{Date, DateTime};
use entity::{activity, note};
use sea_orm::sea_query::IntoTableRef;

use super::payload::{MutationPayload, Payload};
use super::request::OperationContext;
use crate::domain::examination::{awaiting, overdue, permissions};
use crate::error::Result;
use crate::graphql::metadata_fields::id;
use crate::graphql::node::{NOT_SEARCHED, node_table, visible_to_all};
use crate::graphql::{
    activity as activities, committee as committees, enum_names, note as notes,
    publication as publications,
};
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, ListLength, ObjectType, Relation, Table, col, column, computed, many, one,
    one_or_null, page,
};
use crate::store::examination::{
    self as store, ExaminationRecordFindingInput, ExaminationRequestInput,
};
use crate::store::idempotency::create;

mod list;

use self::list::has_found;
pub use list::{EXAMINATIONS, of_topic};

/// The type.
#[expect(clippy::too_many_lines, reason = "a flat list of fields")]
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Examination",
        description: "The joint examination of one edition of a publication: what it means for the two sides. Each side records a finding. When both sides have recorded one, the examination is complete.",
        cacheable: true,
        table: Some(node_table::<ExaminationId>(
            Entity,
            visible_to_all,
            NOT_SEARCHED,
        )),
        fields: vec![
            id(ExaminationId::PREFIX),
            one(
                "publication",
                "The publication that both sides examine jointly.",
                publications::object_type,
                Column::PublicationId,
            ),
            column::<Party>(
                "requestedBy",
                "The party that requested it.",
                Column::RequestedBy,
                Scalar::Enum,
            ),
            column::<Option<String>>(
                "reason",
                "Why it was requested; null if no reason was given.",
                Column::Reason,
                Scalar::String,
            ),
            column::<Option<Date>>(
                "dueOn",
                "The date by which both sides should have recorded a finding; null if none is set.",
                Column::DueOn,
                Scalar::Date,
            ),
            computed::<bool>(
                "overdue",
                "Whether its due date is before today (UTC) and it is not complete.",
                vec![
                    ColumnExpr::column(Column::Complete),
                    ColumnExpr::column(Column::DueOn),
                ],
                |cells, env, json| {
                    json.bool(overdue(cells.get(0)?, cells.find(1)?, env.today()));
                    Ok(())
                },
            ),
            many(
                "findings",
                "The findings that were recorded, at most one of each side: ITU first, then UPU.",
                finding,
                ListLength::Fixed(2),
                Relation::column(finding::Column::ExaminationId),
                vec![col(finding::Column::Side)],
            ),
            computed::<Vec<Side>>(
                "awaiting",
                "The sides that have not recorded a finding: ITU first, then UPU. Empty once the examination is complete.",
                vec![
                    ColumnExpr::Expression("found_itu", |row, _| has_found(row.clone(), Side::Itu)),
                    ColumnExpr::Expression("found_upu", |row, _| has_found(row.clone(), Side::Upu)),
                ],
                |cells, _, json| {
                    enum_names::list(json, awaiting(cells.get(0)?, cells.get(1)?));
                    Ok(())
                },
            ),
            column::<bool>(
                "complete",
                "Whether both sides have recorded a finding. If so, the findings can no longer be changed.",
                Column::Complete,
                Scalar::Bool,
            ),
            page(
                "notes",
                "The notes on this record, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` NOTED and `subjectType` NOTE.",
                &notes::NOTES,
                Relation::column(note::Column::SubjectId),
            ),
            page(
                "activities",
                "The history of the examination, oldest first. Activities of its notes are not included.",
                &activities::HISTORY,
                Relation::column(activity::Column::SubjectId),
            ),
            computed::<Vec<Permission>>(
                "viewerPermissions",
                "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
                vec![ColumnExpr::column(Column::Complete)],
                |cells, env, json| {
                    enum_names::list(json, permissions(env.party, cells.get(0)?));
                    Ok(())
                },
            ),
            column::<DateTime>(
                "createdAt",
                "When it was requested.",
                Column::CreatedAt,
                Scalar::DateTime,
            ),
            column::<DateTime>(
                "updatedAt",
                "When it was requested, or when a side last recorded or rewrote its finding.",
                Column::UpdatedAt,
                Scalar::DateTime,
            ),
        ],
    });
    &OBJECT
}

/// Returns the object type of findings.
fn finding() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Finding",
        description: "The finding of one side. Only that side can record it, and can rewrite it until the other side has recorded its own finding.",
        cacheable: true,
        table: Some(Table {
            name: finding::Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            column::<Side>(
                "side",
                "The side whose finding it is.",
                finding::Column::Side,
                Scalar::Enum,
            ),
            column::<Impact>(
                "impact",
                "What the publication means for this side.",
                finding::Column::Impact,
                Scalar::Enum,
            ),
            column::<String>(
                "statement",
                "The finding in words.",
                finding::Column::Statement,
                Scalar::String,
            ),
            one_or_null(
                "committee",
                "The committee that made the finding; null if it is a finding of the side as a whole.",
                committees::object_type,
                finding::Column::CommitteeId,
            ),
            column::<DateTime>(
                "foundAt",
                "When it was recorded, or last rewritten.",
                finding::Column::FoundAt,
                Scalar::DateTime,
            ),
        ],
    });
    &OBJECT
}

/// The payload of examination mutations.
pub struct Examination;

impl MutationPayload for Examination {
    const FIELD: &'static str = "examination";

    fn object_type() -> Option<&'static ObjectType> {
        Some(object_type())
    }
}

/// What can be done to examinations.
#[derive(Default)]
pub struct ExaminationMutation;

#[async_graphql::Object]
impl ExaminationMutation {
    /// Requests that both sides examine what a publication means for them. A publication can have only one examination that is not complete.
    async fn examination_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request.")] input: ExaminationRequestInput,
    ) -> Option<Result<Payload<Examination, ExaminationRequestInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Records the finding of the viewer's own side, or rewrites it. When both sides have recorded a finding, the examination is complete, and a further call is refused with the user error NOT_ALLOWED_NOW. The TSB records no finding: its call is the error FORBIDDEN.
    async fn examination_record_finding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The finding.")] input: ExaminationRecordFindingInput,
    ) -> Option<Result<Payload<Examination, ExaminationRecordFindingInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(
            store::record_finding(db, viewer, *now, input).await,
        ))
    }
}
