//! Lists of examinations.

use async_graphql::{Enum, ID, InputObject, InputType};
use entity::examination::{Column, Ordering};
use entity::finding;
use entity::id::PublicationId;
use entity::party::{Party, Side};
use entity::scalar::{Date, DateTime};
use entity::topic_publication;
use sea_orm::sea_query::{Condition, DynIden, Expr, ExprTrait, IntoIden, SelectStatement};

use super::super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::object_type;
use crate::error::Result;
use crate::planner::ExecutionContext;
use crate::planner::schema::{Connection, CursorKey, Order, ROW, col};

/// All examinations.
pub static EXAMINATIONS: Connection = Connection {
    object: object_type,
    type_name: "ExaminationConnection",
    edge: "ExaminationEdge",
    filter: Some(<Option<ExaminationFilter>>::create_type_info),
    order: Some(<Option<ExaminationOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: parse_list_args::<ExaminationFilter, ExaminationOrder>,
};

/// Whether an examination is of a publication that is linked to a topic.
pub fn of_topic(topic: Expr) -> Expr {
    let publications = SelectStatement::new()
        .column(topic_publication::Column::PublicationId)
        .from(topic_publication::Entity)
        .and_where(Expr::col(topic_publication::Column::TopicId).eq(topic))
        .take();
    col(Column::PublicationId).in_subquery(publications)
}

/// Conditions for a list of examinations. An examination must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct ExaminationFilter {
    /// Only examinations for which at least one of these sides has not recorded its finding. An empty list matches nothing.
    awaiting: Option<Vec<Side>>,
    /// True: only examinations for which both sides have recorded a finding. False: only all others.
    complete: Option<bool>,
    /// True: only examinations that are not complete and whose due date is before today (UTC). False: only all others.
    overdue: Option<bool>,
    /// Only examinations of the publication with this id.
    publication: Option<ID>,
    /// Only examinations that were requested by one of these parties. An empty list matches nothing.
    requested_by: Option<Vec<Party>>,
    /// Only records with a due date on this day or later.
    due_from: Option<Date>,
    /// Only records with a due date on this day or earlier.
    due_to: Option<Date>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
}

impl Filter for ExaminationFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let publication =
            list::optional_id::<PublicationId>("publication", self.publication.as_ref())?;
        let overdue = self.overdue.map(|expected| {
            // The generated column has no null, so that `not` is the opposite.
            let overdue = col(Column::Complete)
                .not()
                .and(col(Ordering::DueAsc).lt(env.today()));
            if expected { overdue } else { overdue.not() }
        });
        Ok(ConditionBuilder::new()
            .with(self.awaiting.as_deref().map(is_awaiting_any))
            .with(
                self.complete
                    .map(|complete| col(Column::Complete).eq(complete)),
            )
            .with(overdue)
            .with(publication.map(|id| col(Column::PublicationId).eq(id)))
            .with(list::is_in(Column::RequestedBy, self.requested_by.as_ref()))
            .with(self.due_from.map(|date| col(Column::DueOn).gte(date.0)))
            .with(self.due_to.map(|date| col(Column::DueOn).lte(date.0)))
            .with(
                self.updated_since
                    .map(|time| col(Column::UpdatedAt).gte(time.0)),
            )
            .into_condition())
    }
}

/// Whether at least one of the sides has not recorded a finding.
fn is_awaiting_any(sides: &[Side]) -> Expr {
    let missing = [Side::Itu, Side::Upu].into_iter();
    let missing = missing.filter(|side| sides.contains(side));
    let missing = missing.map(|side| has_found(ROW.into_iden(), side).not());
    missing.reduce(ExprTrait::or).unwrap_or(Expr::val(false))
}

/// Whether a side has recorded a finding on the examination of a row.
pub fn has_found(row: DynIden, side: Side) -> Expr {
    Expr::exists(
        SelectStatement::new()
            .expr(Expr::val(1))
            .from_as(finding::Entity, "s")
            .and_where(Expr::col(("s", finding::Column::ExaminationId)).equals((row, Column::Id)))
            .and_where(Expr::col(("s", finding::Column::Side)).eq(side))
            .take(),
    )
}

/// The order of a list of examinations.
#[derive(Debug, Default, InputObject)]
pub struct ExaminationOrder {
    /// The field to sort by.
    field: ExaminationOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that examinations can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum ExaminationOrderField {
    /// By `createdAt`, the time of the request. This is the default.
    #[default]
    CreatedAt,
    /// By `dueOn`. Records without a due date come last in both directions.
    DueOn,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for ExaminationOrder {
    fn order(&self, _: &ExecutionContext<'_>) -> Order {
        let descending = self.direction == Direction::Desc;
        let due = if descending {
            Ordering::DueDesc
        } else {
            Ordering::DueAsc
        };
        let (key, kind) = match self.field {
            ExaminationOrderField::CreatedAt => (Column::CreatedAt.into(), CursorKey::Time),
            ExaminationOrderField::DueOn => {
                (due.into(), CursorKey::OpenDate(Column::DueOn.into_iden()))
            }
            ExaminationOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
            kind,
            unique: false,
            descending,
        }
    }
}
