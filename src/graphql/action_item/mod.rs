//! Action items.

use std::sync::LazyLock;

use entity::action_item::{ActionItemStatus, Column, Entity, Priority};
use entity::id::{ActionItemId, Id};
use entity::party::Party;
use entity::permission::Permission;
use entity::scalar::{Date, DateTime};
use entity::{activity, note};
use sea_orm::sea_query::{DynIden, Expr, ExprTrait, IntoIden, IntoTableRef, SelectStatement};

use super::stamps::{id, stamps, translated};
use super::{
    activity as activities, committee as committees, note as notes, topic as topics, words,
};
use crate::read::cells::Cells;
use crate::read::json::Scalar;
use crate::read::shape::{
    Cell, Link, Object, Table, column, computed, count, one, one_or_null, page,
};
use crate::rules::action_item::{Facts, OPEN, next_statuses, overdue, permissions};

mod list;
mod mutations;

pub use list::{ACTION_ITEMS, ActionItemBy, find};
pub use mutations::ActionItemMutation;

/// The type.
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(describe);
    &OBJECT
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of fields, read from top to bottom"
)]
fn describe() -> Object {
    let mut fields = vec![
        id(ActionItemId::PREFIX),
        column::<i32>(
            "number",
            "What people call it. Given by the register, never reused.",
            Column::Number,
            Scalar::Int,
        ),
        translated::<String>(
            "title",
            "What is to be done, in a few words.",
            Column::Title,
        ),
        translated::<Option<String>>(
            "description",
            "What is to be done, at length; null where the title says it all.",
            Column::Description,
        ),
        column::<ActionItemStatus>(
            "status",
            "How far it has come.",
            Column::Status,
            Scalar::Word,
        ),
        computed::<Vec<ActionItemStatus>>(
            "nextStatuses",
            "What the viewer may move it to now; empty for those who only read.",
            facts(),
            |cells, env, json| {
                words::list(json, next_statuses(env.party, &known(cells)?));
                Ok(())
            },
        ),
        column::<Priority>(
            "priority",
            "How much it presses.",
            Column::Priority,
            Scalar::Word,
        ),
        column::<Option<Date>>(
            "dueOn",
            "The day by which it should be done; null where none is set.",
            Column::DueOn,
            Scalar::Date,
        ),
        computed::<bool>(
            "overdue",
            "Whether it is still open and was due before today, by the day in UTC.",
            vec![Cell::column(Column::Status), Cell::column(Column::DueOn)],
            |cells, env, json| {
                json.bool(overdue(cells.get(0)?, cells.find(1)?, env.today()));
                Ok(())
            },
        ),
        one(
            "topic",
            "The topic that it serves.",
            topics::object,
            Column::TopicId,
        ),
        one(
            "committee",
            "Its owner: a body, not a person. The TSB and the International Bureau are bodies, too.",
            committees::object,
            Column::CommitteeId,
        ),
        column::<Party>(
            "ownedBy",
            "Who acts for its owner: the owner's side, or TSB for the TSB's own secretariat.",
            Column::OwnedBy,
            Scalar::Word,
        ),
        one_or_null(
            "counterpart",
            "The body that asked for it or works with the owner; null where there is none.",
            committees::object,
            Column::CounterpartId,
        ),
        column::<Party>(
            "requestedBy",
            "Who asked for it.",
            Column::RequestedBy,
            Scalar::Word,
        ),
        column::<Option<String>>(
            "outcome",
            "What came of it, told when it was reported done; null until then.",
            Column::Outcome,
            Scalar::Text,
        ),
        column::<Option<DateTime>>(
            "completedAt",
            "When its owner reported it done; null until then, and again when it is sent back.",
            Column::CompletedAt,
            Scalar::Time,
        ),
        column::<i32>(
            "reminders",
            "How often the TSB has reminded its owner.",
            Column::Reminders,
            Scalar::Int,
        ),
        column::<Option<String>>(
            "externalKey",
            "The key that the asking party's own system has for it; null where none was given.",
            Column::ExternalKey,
            Scalar::Text,
        ),
        page(
            "notes",
            "The notes on it, oldest first.",
            &notes::NOTES,
            Link::column(note::Column::SubjectId),
        ),
        page(
            "activities",
            "Its own history, oldest first.",
            &activities::HISTORY,
            Link::column(activity::Column::SubjectId),
        ),
        column::<bool>(
            "illustrative",
            "True for sample data that shows how the register works, and is no fact of the collaboration.",
            Column::Illustrative,
            Scalar::Bool,
        ),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do to it now; empty for those who only read.",
            facts(),
            |cells, env, json| {
                words::list(json, permissions(env.party, &known(cells)?));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    Object {
        name: "ActionItem",
        description: "A task on a topic, owned by a committee. Its owner's party moves it on; another party confirms that it is done.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(ActionItemId::PREFIX),
        }),
        fields,
    }
}

fn facts() -> Vec<Cell> {
    vec![
        Cell::column(Column::Status),
        Cell::column(Column::OwnedBy),
        Cell::column(Column::RequestedBy),
    ]
}

fn known(cells: &Cells<'_>) -> Result<Facts, sea_orm::DbErr> {
    Ok(Facts {
        status: cells.get(0)?,
        owned_by: cells.get(1)?,
        requested_by: cells.get(2)?,
    })
}

/// How many open action items name the row in `column`.
pub fn open_count(column: Column, row: &DynIden) -> Expr {
    count(
        SelectStatement::new()
            .from_as(Entity, "s")
            .and_where(Expr::col(("s", column)).equals((row.clone(), "id".into_iden())))
            .and_where(Expr::col(("s", Column::Status)).is_in(OPEN))
            .take(),
    )
}
