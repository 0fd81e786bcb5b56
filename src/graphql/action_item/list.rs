//! Lists of action items, and the lookup of one.

use std::sync::LazyLock;

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::action_item::{ActionItemStatus, Column, Ordering, Priority};
use entity::id::{ActionItemId, CommitteeId, TopicId};
use entity::party::{Party, Side};
use entity::scalar::{Date, DateTime};
use entity::word::{all, enum_name};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden};

use super::super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::{DESCRIPTION, TITLE, object_type};
use crate::domain::action_item::OPEN;
use crate::error::Result;
use crate::graphql::translated_text::shown_text_matches;
use crate::planner::arguments::Args;
use crate::planner::counts::{Counts, status_count};
use crate::planner::schema::{Connection, CursorKey, ObjectType, Order, among, col};
use crate::planner::{ExecutionContext, RecordQuery};

/// All action items.
pub static ACTION_ITEMS: Connection = Connection {
    object: object_type,
    type_name: "ActionItemConnection",
    edge: "ActionItemEdge",
    filter: Some(<Option<ActionItemFilter>>::create_type_info),
    order: Some(<Option<ActionItemOrder>>::create_type_info),
    counts: Some(Counts {
        object: || {
            static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
                let description = "The number of action items in one status.";
                status_count::<ActionItemStatus>("ActionItemStatusCount", description)
            });
            &OBJECT
        },
        column: || Column::Status.into_iden(),
        values: || all::<ActionItemStatus>().map(enum_name).collect(),
    }),
    lasting: false,
    criteria: parse_list_args::<ActionItemFilter, ActionItemOrder>,
};

/// Conditions for a list of action items. An action item must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct ActionItemFilter {
    /// Only action items with one of these statuses. An empty list matches nothing.
    status: Option<Vec<ActionItemStatus>>,
    /// True: only open action items (REQUESTED, OPEN, IN_PROGRESS or POSTPONED). False: only those with another status.
    open: Option<bool>,
    /// True: only open action items whose due date is before today (UTC). False: only all others.
    overdue: Option<bool>,
    /// Only action items with exactly one of these keys, at most 100. Different parties can use the same key: add `requestedBy` for one party. An empty list matches nothing.
    external_key: Option<Vec<String>>,
    /// Only action items that are owned by one of these parties. Committees of the TSB count as TSB here, not as ITU. An empty list matches nothing.
    owned_by: Option<Vec<Party>>,
    /// Only action items that were requested by one of these parties. An empty list matches nothing.
    requested_by: Option<Vec<Party>>,
    /// Only action items whose committee is of one of these sides. Committees of the TSB count as ITU here, unlike in `ownedBy`. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only action items that the committee with this id owns.
    committee: Option<ID>,
    /// Only action items whose `counterpart` is the committee with this id.
    counterpart: Option<ID>,
    /// Only action items of the topic with this id.
    topic: Option<ID>,
    /// Only action items with one of these priorities. An empty list matches nothing.
    priority: Option<Vec<Priority>>,
    /// Only records with a due date on this day or later.
    due_from: Option<Date>,
    /// Only records with a due date on this day or earlier.
    due_to: Option<Date>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Only action items that contain this text in code, title or description, as returned in the languages of `@inContext`. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
    /// True: only sample data. False: no sample data.
    illustrative: Option<bool>,
}

impl Filter for ActionItemFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let committee = list::optional_id::<CommitteeId>("committee", self.committee.as_ref())?;
        let counterpart =
            list::optional_id::<CommitteeId>("counterpart", self.counterpart.as_ref())?;
        let topic = list::optional_id::<TopicId>("topic", self.topic.as_ref())?;
        let keys = list::optional_texts("externalKey", self.external_key.as_ref())?;
        let open = || col(Column::Status).is_in(OPEN);
        let either = |expression: Expr, expected| {
            if expected {
                expression
            } else {
                expression.not()
            }
        };
        // This column is never null, so `not` also matches items without a date.
        let overdue = || open().and(col(Ordering::DueAsc).lt(env.today()));
        Ok(ConditionBuilder::new()
            .with(list::is_in(Column::Status, self.status.as_ref()))
            .with(self.open.map(|expected| either(open(), expected)))
            .with(self.overdue.map(|expected| either(overdue(), expected)))
            .with(keys.map(|keys| among(Column::ExternalKey, keys)))
            .with(list::is_in(Column::OwnedBy, self.owned_by.as_ref()))
            .with(list::is_in(Column::RequestedBy, self.requested_by.as_ref()))
            .with(list::is_in(Column::Side, self.side.as_ref()))
            .with(committee.map(|committee| col(Column::CommitteeId).eq(committee)))
            .with(counterpart.map(|counterpart| col(Column::CounterpartId).eq(counterpart)))
            .with(topic.map(|topic| col(Column::TopicId).eq(topic)))
            .with(list::is_in(Column::Priority, self.priority.as_ref()))
            .with(self.due_from.map(|date| col(Column::DueOn).gte(date.0)))
            .with(self.due_to.map(|date| col(Column::DueOn).lte(date.0)))
            .with(
                self.updated_since
                    .map(|moment| col(Column::UpdatedAt).gte(moment.0)),
            )
            .with(shown_text_matches(
                self.text.as_ref(),
                &[&TITLE, &DESCRIPTION],
                env,
            )?)
            .with(
                self.illustrative
                    .map(|illustrative| col(Column::Illustrative).eq(illustrative)),
            )
            .into_condition())
    }

    fn reads_texts(&self) -> bool {
        self.text.is_some()
    }
}

/// The order of a list of action items.
#[derive(Debug, Default, InputObject)]
pub struct ActionItemOrder {
    /// The field to sort by.
    field: ActionItemOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that action items can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum ActionItemOrderField {
    /// By the number in the code: A-2 before A-12. This is the default.
    #[default]
    Code,
    /// By title, as returned in the languages of `@inContext`; without `@inContext` by the original title. The order is alphabetical within each script: Latin, Cyrillic, Arabic, then Chinese. The script of the first language of `@inContext` comes first: Cyrillic with `@inContext(languages: [RU])`.
    Title,
    /// By status, in the order of the enum: REQUESTED first.
    Status,
    /// By `dueOn`. Records without a due date come last in both directions.
    DueOn,
    /// By priority: LOW, NORMAL, HIGH.
    Priority,
    /// By `createdAt`.
    CreatedAt,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for ActionItemOrder {
    fn order(&self, env: &ExecutionContext<'_>) -> Order {
        let descending = self.direction == Direction::Desc;
        let due = if descending {
            Ordering::DueDesc
        } else {
            Ordering::DueAsc
        };
        let (key, kind) = match self.field {
            ActionItemOrderField::Code => (Column::Number.into(), CursorKey::Int),
            ActionItemOrderField::Title => (TITLE.sort_key(env), CursorKey::Text),
            ActionItemOrderField::Status => (Ordering::StatusRank.into(), CursorKey::Int),
            ActionItemOrderField::DueOn => {
                (due.into(), CursorKey::OpenDate(Column::DueOn.into_iden()))
            }
            ActionItemOrderField::Priority => (Ordering::PriorityRank.into(), CursorKey::Int),
            ActionItemOrderField::CreatedAt => (Column::CreatedAt.into(), CursorKey::Time),
            ActionItemOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
            kind,
            unique: self.field == ActionItemOrderField::Code,
            descending,
        }
    }
}

/// How to identify an action item: give exactly one of these fields.
#[derive(OneofObject)]
pub enum ActionItemBy {
    /// Its global id.
    Id(ID),
    /// Its code. Example: `A-12`.
    Code(String),
    /// Its key in the system of the party that requested it.
    ExternalKey(ExternalKey),
}

/// The key that a party's own system has for an action item. Unique for each party.
#[derive(InputObject)]
pub struct ExternalKey {
    /// The party that requested the item and assigned the key.
    requested_by: Party,
    /// The exact key. Example: `JIRA-4711`.
    key: String,
}

/// Finds an action item by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    Ok(match args.get("by")? {
        ActionItemBy::Id(id) => col(Column::Id).eq(list::key::<ActionItemId>("id", &id)?),
        ActionItemBy::Code(code) => match list::parse_code("A-", &code) {
            Some(number) => col(Column::Number).eq(number),
            None => Expr::val(false),
        },
        ActionItemBy::ExternalKey(ExternalKey { requested_by, key }) => {
            let key = list::reject_nul("key", &key)?;
            let given = col(Column::ExternalKey).eq(key);
            col(Column::RequestedBy).eq(requested_by).and(given)
        }
    }
    .into())
}
