//! Lists of action items, and how one is found.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::action_item::{ActionItemStatus, Column, Ordering, Priority};
use entity::id::{ActionItemId, CommitteeId, TopicId};
use entity::party::{Party, Side};
use entity::scalar::{Date, DateTime};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden};

use super::super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::object;
use crate::error::Result;
use crate::read::args::Args;
use crate::read::shape::{Key, List, Order, col};
use crate::read::{Env, Find};
use crate::rules::action_item::{OPEN, is_open};

/// All action items.
pub static ACTION_ITEMS: List = List {
    object,
    connection: "ActionItemConnection",
    edge: "ActionItemEdge",
    filter: Some(<Option<ActionItemFilter>>::create_type_info),
    order: Some(<Option<ActionItemOrder>>::create_type_info),
    lasting: false,
    criteria: criteria::<ActionItemFilter, ActionItemOrder>,
};

/// Which action items. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct ActionItemFilter {
    /// In one of these states; an empty list leaves nothing.
    status: Option<Vec<ActionItemStatus>>,
    /// True: REQUESTED, OPEN, IN_PROGRESS or POSTPONED. False: all others.
    open: Option<bool>,
    /// True: open, and due before today (UTC). False: all others.
    overdue: Option<bool>,
    /// Owned by a committee of one of these sides; an empty list leaves nothing.
    side: Option<Vec<Side>>,
    /// Owned by the committee with this id.
    committee: Option<ID>,
    /// With the committee of this id as counterpart.
    counterpart: Option<ID>,
    /// On the topic with this id.
    topic: Option<ID>,
    /// Of one of these priorities; an empty list leaves nothing.
    priority: Option<Vec<Priority>>,
    /// Due on this day or later.
    due_from: Option<Date>,
    /// Due on this day or earlier.
    due_to: Option<Date>,
    /// Changed at this moment or later.
    updated_since: Option<DateTime>,
    /// With this text anywhere in number, title or description, whatever its case and accents; 500 characters at most. Blank text narrows nothing.
    text: Option<String>,
    /// True: sample data alone. False: none of it.
    illustrative: Option<bool>,
}

impl ActionItemFilter {
    /// Finds what no item can be.
    fn consistent(&self) -> Result<()> {
        if self.open == Some(false) && self.overdue == Some(true) {
            return Err(list::contradiction(
                "`open: false` leaves out what `overdue: true` asks for",
            ));
        }
        if let (Some(from), Some(to)) = (self.due_from, self.due_to)
            && from > to
        {
            return Err(list::contradiction("`dueFrom` is after `dueTo`"));
        }
        let statuses = self.status.as_deref().unwrap_or_default();
        let none =
            |open: bool| !statuses.is_empty() && statuses.iter().all(|it| is_open(*it) != open);
        if self.open == Some(true) && none(true) || self.open == Some(false) && none(false) {
            return Err(list::contradiction(
                "none of `status` is what `open` asks for",
            ));
        }
        if self.overdue == Some(true) && none(true) {
            return Err(list::contradiction(
                "only open items are overdue, and none of `status` is open",
            ));
        }
        Ok(())
    }
}

impl Filter for ActionItemFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        self.consistent()?;
        let committee = list::some_key::<CommitteeId>("committee", self.committee.as_ref())?;
        let counterpart = list::some_key::<CommitteeId>("counterpart", self.counterpart.as_ref())?;
        let topic = list::some_key::<TopicId>("topic", self.topic.as_ref())?;
        let open = || col(Column::Status).is_in(OPEN);
        let either = |expression: Expr, wanted| {
            if wanted { expression } else { expression.not() }
        };
        // Null stands at the end of time here, so that `not` needs no third answer.
        let overdue = || open().and(col(Ordering::DueAsc).lt(env.today()));
        Ok(Narrowing::new()
            .with(list::among(Column::Status, self.status.as_ref()))
            .with(self.open.map(|wanted| either(open(), wanted)))
            .with(self.overdue.map(|wanted| either(overdue(), wanted)))
            .with(list::among(Column::Side, self.side.as_ref()))
            .with(committee.map(|it| col(Column::CommitteeId).eq(it)))
            .with(counterpart.map(|it| col(Column::CounterpartId).eq(it)))
            .with(topic.map(|it| col(Column::TopicId).eq(it)))
            .with(list::among(Column::Priority, self.priority.as_ref()))
            .with(self.due_from.map(|it| col(Column::DueOn).gte(it.0)))
            .with(self.due_to.map(|it| col(Column::DueOn).lte(it.0)))
            .with(
                self.updated_since
                    .map(|it| col(Column::UpdatedAt).gte(it.0)),
            )
            .with(list::containing(self.text.as_ref(), env)?)
            .with(self.illustrative.map(|it| col(Column::Illustrative).eq(it)))
            .done())
    }
}

/// In which order action items stand.
#[derive(Debug, Default, InputObject)]
pub struct ActionItemOrder {
    /// What they are ordered by.
    field: ActionItemOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

/// What action items can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum ActionItemOrderField {
    /// By number. The order where none is given.
    #[default]
    Number,
    /// By due date; those without one last, both ways.
    DueOn,
    /// By priority, LOW first.
    Priority,
    /// By the time of entry.
    CreatedAt,
    /// By the time of the last change.
    UpdatedAt,
}

impl Sorting for ActionItemOrder {
    fn order(&self) -> Order {
        let descending = self.direction == Direction::Desc;
        let due = if descending {
            Ordering::DueDesc
        } else {
            Ordering::DueAsc
        };
        let (key, kind) = match self.field {
            ActionItemOrderField::Number => (Column::Number.into_iden(), Key::Int),
            ActionItemOrderField::DueOn => {
                (due.into_iden(), Key::OpenDate(Column::DueOn.into_iden()))
            }
            ActionItemOrderField::Priority => (Ordering::PriorityRank.into_iden(), Key::Int),
            ActionItemOrderField::CreatedAt => (Column::CreatedAt.into_iden(), Key::Time),
            ActionItemOrderField::UpdatedAt => (Column::UpdatedAt.into_iden(), Key::Time),
        };
        Order {
            key,
            kind,
            unique: self.field == ActionItemOrderField::Number,
            descending,
        }
    }
}

/// What names one action item: exactly one of these.
#[derive(OneofObject)]
pub enum ActionItemBy {
    /// Its id.
    Id(ID),
    /// Its number.
    Number(i32),
    /// The key that it has in the system of the party that asked for it.
    ExternalKey(ExternalKey),
}

/// What a party's own system calls an action item. It names one at most.
#[derive(InputObject)]
pub struct ExternalKey {
    /// The party that asked for the item, and gave it the key.
    requested_by: Party,
    /// The key, written exactly so.
    key: String,
}

/// Finds one.
///
/// # Errors
/// Bad input where the id names something else.
pub fn find(args: &Args<'_>) -> Result<Find> {
    Ok(match args.get("by")? {
        ActionItemBy::Id(id) => col(Column::Id).eq(list::key::<ActionItemId>("id", &id)?),
        ActionItemBy::Number(number) => col(Column::Number).eq(number),
        ActionItemBy::ExternalKey(ExternalKey { requested_by, key }) => {
            let key = list::plain("key", &key)?;
            let given = col(Column::ExternalKey).eq(key);
            col(Column::RequestedBy).eq(requested_by).and(given)
        }
    }
    .into())
}
