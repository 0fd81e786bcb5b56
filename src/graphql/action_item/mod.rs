//! Action items.

use std::sync::LazyLock;

use async_graphql::OutputType;
use entity::action_item::{ActionItemStatus, Column, Entity, Priority};
use entity::id::{ActionItemId, Id};
use entity::party::{Language, Party};
use entity::permission::{NoteRequirement, Permission};
use entity::scalar::{Date, DateTime};
use entity::translation::TranslatableField;
use entity::{activity, note};
use sea_orm::sea_query::{DynIden, Expr, ExprTrait, IntoIden, SelectStatement};
use serde_json::json;

use crate::domain::action_item::{ActionItemFacts, OPEN, next_moves, overdue, permissions};
use crate::graphql::metadata_fields::{id, stamps};
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::translated_text::{TranslatedText, language_of, translated};
use crate::graphql::translation::translations;
use crate::graphql::{
    activity as activities, committee as committees, enum_names, note as notes, topic as topics,
};
use crate::planner::json::Scalar;
use crate::planner::row_values::RowValues;
use crate::planner::schema::{
    ColumnExpr, FieldSource, ObjectType, Relation, column, computed, count, field, one,
    one_or_null, page,
};

mod list;
mod mutations;

pub use list::{ACTION_ITEMS, ActionItemBy, find};
pub use mutations::ActionItemMutation;

/// Its title.
static TITLE: TranslatedText = TranslatedText {
    field: TranslatableField::Title,
    column: "title",
    part: 1,
    nullable: false,
};

/// Its description.
static DESCRIPTION: TranslatedText = TranslatedText {
    field: TranslatableField::Description,
    column: "description",
    part: 2,
    nullable: true,
};

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(describe);
    &OBJECT
}

#[expect(clippy::too_many_lines, reason = "a flat list of fields")]
fn describe() -> ObjectType {
    let mut fields = vec![
        id(ActionItemId::PREFIX),
        computed::<String>(
            "code",
            "The code that people use for it, assigned by the register in the order of creation and never reused. Example: `A-12`.",
            vec![ColumnExpr::column(Column::Number)],
            |cells, _, json| {
                json.numbered("A-", cells.get(0)?);
                Ok(())
            },
        ),
        translated::<String>("title", "What has to be done, in a few words.", &TITLE),
        language_of::<Language>(
            "titleLanguage",
            "The language in which `title` is returned. Pass the same `language` argument as for `title`.",
            &TITLE,
        ),
        translated::<Option<String>>(
            "description",
            "What has to be done, in detail; null if no details were given.",
            &DESCRIPTION,
        ),
        language_of::<Option<Language>>(
            "descriptionLanguage",
            "The language in which `description` is returned; null if `description` is null. Pass the same `language` argument as for `description`.",
            &DESCRIPTION,
        ),
        column::<ActionItemStatus>(
            "status",
            "The current status.",
            Column::Status,
            Scalar::Enum,
        ),
        field(
            "nextMoves",
            "The moves that the viewer may make now with `actionItemMove`, in the order of the enum `ActionItemStatus`. Empty for viewers who may only read.",
            FieldSource::Derived {
                needs: facts(),
                derive: |cells, env| {
                    let moves = next_moves(env.party, &known(cells)?);
                    let options = moves.into_iter().map(|next| {
                        json!({
                            "to": enum_names::word(next.to),
                            "permission": enum_names::word(next.permission),
                            "note": enum_names::word(next.note),
                        })
                    });
                    Ok(options.collect())
                },
                object: move_option,
            },
        ),
        column::<Option<String>>(
            "statusReason",
            "The reason that was given with its last move. Null unless that move postponed, declined, withdrew or reopened it.",
            Column::StatusReason,
            Scalar::String,
        ),
        column::<Priority>(
            "priority",
            "How urgent it is.",
            Column::Priority,
            Scalar::Enum,
        ),
        column::<Option<Date>>(
            "dueOn",
            "The due date; null if none is set.",
            Column::DueOn,
            Scalar::Date,
        ),
        computed::<bool>(
            "overdue",
            "Whether it is open (REQUESTED, OPEN, IN_PROGRESS or POSTPONED) and its due date is before today (UTC).",
            vec![
                ColumnExpr::column(Column::Status),
                ColumnExpr::column(Column::DueOn),
            ],
            |cells, env, json| {
                json.bool(overdue(cells.get(0)?, cells.find(1)?, env.today()));
                Ok(())
            },
        ),
        one(
            "topic",
            "The topic that it belongs to.",
            topics::object_type,
            Column::TopicId,
        ),
        one(
            "committee",
            "The committee that owns it and has to do the work. A secretariat, such as the TSB or the International Bureau, can own it, too; a person cannot.",
            committees::object_type,
            Column::CommitteeId,
        ),
        column::<Party>(
            "ownedBy",
            "The party that acts for the owner: the side of its committee, or TSB if it is a committee of the TSB.",
            Column::OwnedBy,
            Scalar::Enum,
        ),
        one_or_null(
            "counterpart",
            "A second committee that takes part: it requested the action item, or works on it together with the owner. This gives it no permissions. Null if no such committee was named.",
            committees::object_type,
            Column::CounterpartId,
        ),
        column::<Party>(
            "requestedBy",
            "The party that requested it.",
            Column::RequestedBy,
            Scalar::Enum,
        ),
        column::<Option<String>>(
            "outcome",
            "The result, given when it was reported as DONE; null before that, and again after it is reopened.",
            Column::Outcome,
            Scalar::String,
        ),
        column::<Option<DateTime>>(
            "completedAt",
            "When it was reported as DONE; null before that, and again after it is reopened.",
            Column::CompletedAt,
            Scalar::DateTime,
        ),
        column::<i32>(
            "reminders",
            "How many times the TSB has reminded the owner.",
            Column::Reminders,
            Scalar::Int,
        ),
        column::<Option<String>>(
            "externalKey",
            "The key of this action item in the system of the party that requested it; null if none was given. Unique within that party. Example: `JIRA-4711`.",
            Column::ExternalKey,
            Scalar::String,
        ),
        page(
            "notes",
            "The notes on this record, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` NOTED and `subjectType` NOTE.",
            &notes::NOTES,
            Relation::column(note::Column::SubjectId),
        ),
        page(
            "activities",
            "The history of this record, oldest first. Activities of its notes are not included.",
            &activities::HISTORY,
            Relation::column(activity::Column::SubjectId),
        ),
        column::<bool>(
            "illustrative",
            "True if this is sample data that shows how the register works, not a fact about the collaboration.",
            Column::Illustrative,
            Scalar::Bool,
        ),
        translations(),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            facts(),
            |cells, env, json| {
                enum_names::list(json, permissions(env.party, &known(cells)?));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    ObjectType {
        name: "ActionItem",
        description: "A task that belongs to a topic and is owned by a committee. The party of the owner works on it and reports it as DONE; then another party confirms that.",
        cacheable: true,
        table: Some(node_table::<ActionItemId>(Entity, visible_to_all, SEARCHED)),
        fields,
    }
}

/// The type of moves.
fn move_option() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "ActionItemMoveOption",
        description: "A move that the viewer may make with an action item now.",
        cacheable: true,
        table: None,
        fields: vec![
            field(
                "to",
                "The status to send as `to` of `actionItemMove`.",
                FieldSource::Key(<ActionItemStatus as OutputType>::create_type_info),
            ),
            field(
                "permission",
                "What the move is called, as in `viewerPermissions`: a label for a button.",
                FieldSource::Key(<Permission as OutputType>::create_type_info),
            ),
            field(
                "note",
                "Whether the move requires a `note`, and what the note must contain.",
                FieldSource::Key(<NoteRequirement as OutputType>::create_type_info),
            ),
        ],
    });
    &OBJECT
}

fn facts() -> Vec<ColumnExpr> {
    vec![
        ColumnExpr::column(Column::Status),
        ColumnExpr::column(Column::OwnedBy),
        ColumnExpr::column(Column::RequestedBy),
    ]
}

fn known(cells: &RowValues<'_>) -> Result<ActionItemFacts, sea_orm::DbErr> {
    Ok(ActionItemFacts {
        status: cells.get(0)?,
        owned_by: cells.get(1)?,
        requested_by: cells.get(2)?,
    })
}

/// Returns the number of open action items whose `column` refers to the row.
pub fn open_count(column: Column, row: &DynIden) -> Expr {
    count(
        SelectStatement::new()
            .from_as(Entity, "s")
            .and_where(Expr::col(("s", column)).equals((row.clone(), "id".into_iden())))
            .and_where(Expr::col(("s", Column::Status)).is_in(OPEN))
            .take(),
    )
}
