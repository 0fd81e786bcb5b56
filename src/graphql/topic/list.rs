//! Lists of topics, and the lookup of one.

use std::sync::LazyLock;

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use chrono::{NaiveTime, Utc};
use entity::id::{CommitteeId, ProvisionId, TopicId};
use entity::party::{Party, Side};
use entity::scalar::{Date, DateTime};
use entity::topic::{Column, Ordering, Position, TopicStatus};
use entity::word::{all, enum_name};
use entity::{activity, topic_committee, topic_provision};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden, SelectStatement};

use super::super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::{SUMMARY, TITLE, object_type};
use crate::domain::topic;
use crate::error::Result;
use crate::graphql::translated_text::shown_text_matches;
use crate::planner::arguments::Args;
use crate::planner::counts::{Counts, status_count};
use crate::planner::schema::{Connection, CursorKey, ObjectType, Order, ROW, col};
use crate::planner::{ExecutionContext, RecordQuery};

/// All topics.
pub static TOPICS: Connection = Connection {
    object: object_type,
    type_name: "TopicConnection",
    edge: "TopicEdge",
    filter: Some(<Option<TopicFilter>>::create_type_info),
    order: Some(<Option<TopicOrder>>::create_type_info),
    counts: Some(Counts {
        object: || {
            static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
                let description = "The number of topics in one status.";
                status_count::<TopicStatus>("TopicStatusCount", description)
            });
            &OBJECT
        },
        column: || Column::Status.into_iden(),
        values: || all::<TopicStatus>().map(enum_name).collect(),
    }),
    lasting: false,
    criteria: parse_list_args::<TopicFilter, TopicOrder>,
};

/// Conditions for a list of topics. A topic must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct TopicFilter {
    /// Only topics with one of these statuses. An empty list matches nothing.
    status: Option<Vec<TopicStatus>>,
    /// Only topics that were proposed by one of these parties. An empty list matches nothing.
    proposed_by: Option<Vec<Party>>,
    /// Only topics to which the committee with this id is linked, in any role.
    committee: Option<ID>,
    /// Only topics that implement the provision with this id.
    provision: Option<ID>,
    /// True: only ACTIVE topics whose review date is before today (UTC). False: only all others.
    needs_review: Option<bool>,
    /// Only topics that wait for one of these sides to agree or decline: the topic is PROPOSED and the position of that side is PENDING. An empty list matches nothing.
    awaiting: Option<Vec<Side>>,
    /// Only topics without an activity of ITU or UPU since the start of this day (UTC): no change of the topic or its action items, and no note on them. Activities of the TSB do not count. The status of the topic makes no difference.
    silent_since: Option<Date>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Only topics that contain this text in code, title or summary, as returned in the languages of `@inContext`. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
    /// True: only sample data. False: no sample data.
    illustrative: Option<bool>,
}

impl Filter for TopicFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let committee = list::optional_id::<CommitteeId>("committee", self.committee.as_ref())?;
        let committee = committee.map(|committee| {
            list::exists_link(
                topic_committee::Entity,
                topic_committee::Column::TopicId,
                Expr::col(topic_committee::Column::CommitteeId).eq(committee),
            )
        });
        let provision = list::optional_id::<ProvisionId>("provision", self.provision.as_ref())?;
        let provision = provision.map(|provision| {
            list::exists_link(
                topic_provision::Entity,
                topic_provision::Column::TopicId,
                Expr::col(topic_provision::Column::ProvisionId).eq(provision),
            )
        });
        let review = self.needs_review.map(|expected| {
            let stale = col(Column::Status)
                .eq(TopicStatus::Active)
                // This column is never null, so `not` also matches topics without a date.
                .and(col(Ordering::ReviewAsc).lt(env.today()));
            if expected { stale } else { stale.not() }
        });
        Ok(ConditionBuilder::new()
            .with(list::is_in(Column::Status, self.status.as_ref()))
            .with(list::is_in(Column::ProposedBy, self.proposed_by.as_ref()))
            .with(committee)
            .with(provision)
            .with(review)
            .with(self.awaiting.as_deref().map(is_awaiting_any))
            .with(self.silent_since.map(silent_since))
            .with(
                self.updated_since
                    .map(|moment| col(Column::UpdatedAt).gte(moment.0)),
            )
            .with(shown_text_matches(
                self.text.as_ref(),
                &[&TITLE, &SUMMARY],
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

/// Whether one of the sides has yet to agree or decline: the positions for which the rule says so. Only proposals are
/// among them; that they have this status lets the database use its index.
fn is_awaiting_any(sides: &[Side]) -> Expr {
    let pairs = all::<Position>().flat_map(|itu| all::<Position>().map(move |upu| (itu, upu)));
    let awaited = pairs.filter(|(itu, upu)| {
        let awaited = topic::awaiting(*itu, *upu);
        awaited.iter().any(|side| sides.contains(side))
    });
    let awaited = awaited.map(|(itu, upu)| {
        let of_itu = col(Column::ItuPosition).eq(itu);
        of_itu.and(col(Column::UpuPosition).eq(upu))
    });
    let awaited = awaited.reduce(ExprTrait::or);
    awaited.map_or(Expr::val(false), |awaited| {
        col(Column::Status).eq(TopicStatus::Proposed).and(awaited)
    })
}

/// Whether neither side has done anything on a topic since this day.
fn silent_since(day: Date) -> Expr {
    silent(day.0.and_time(NaiveTime::MIN).and_utc(), None)
}

/// Returns whether neither side has done anything on a topic from `begin` on, and before `end` if that is given.
pub fn silent(begin: chrono::DateTime<Utc>, end: Option<chrono::DateTime<Utc>>) -> Expr {
    let done = |column: activity::Column| Expr::col(("s", column));
    let end = end.map(|end| done(activity::Column::At).lt(end));
    let mut activities = SelectStatement::new()
        .expr(Expr::val(1))
        .from_as(activity::Entity, "s")
        .and_where(done(activity::Column::TopicId).equals((ROW, Column::Id)))
        .and_where(done(activity::Column::Party).is_in([Party::Itu, Party::Upu]))
        .and_where(done(activity::Column::At).gte(begin))
        .take();
    Expr::exists(activities.and_where_option(end).take()).not()
}

/// The order of a list of topics.
#[derive(Debug, Default, InputObject)]
pub struct TopicOrder {
    /// The field to sort by.
    field: TopicOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that topics can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum TopicOrderField {
    /// By the number in the code: T-2 before T-12. This is the default.
    #[default]
    Code,
    /// By title, as returned in the languages of `@inContext`; without `@inContext` by the original title. The order is alphabetical within each script: Latin, Cyrillic, Arabic, then Chinese. The script of the first language of `@inContext` comes first: Cyrillic with `@inContext(languages: [RU])`.
    Title,
    /// By status, in the order of the enum: PROPOSED first.
    Status,
    /// By `reviewOn`. Topics without a review date come last in both directions.
    ReviewOn,
    /// By `createdAt`.
    CreatedAt,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for TopicOrder {
    fn order(&self, env: &ExecutionContext<'_>) -> Order {
        let descending = self.direction == Direction::Desc;
        let review = if descending {
            Ordering::ReviewDesc
        } else {
            Ordering::ReviewAsc
        };
        let (key, kind) = match self.field {
            TopicOrderField::Code => (Column::Number.into(), CursorKey::Int),
            TopicOrderField::Title => (TITLE.sort_key(env), CursorKey::Text),
            TopicOrderField::Status => (Ordering::StatusRank.into(), CursorKey::Int),
            TopicOrderField::ReviewOn => (
                review.into(),
                CursorKey::OpenDate(Column::ReviewOn.into_iden()),
            ),
            TopicOrderField::CreatedAt => (Column::CreatedAt.into(), CursorKey::Time),
            TopicOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
            kind,
            unique: self.field == TopicOrderField::Code,
            descending,
        }
    }
}

/// How to identify a topic: give exactly one of these fields.
#[derive(OneofObject)]
pub enum TopicBy {
    /// Its global id.
    Id(ID),
    /// Its code. Example: `T-12`.
    Code(String),
}

/// Finds a topic by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    Ok(match args.get("by")? {
        TopicBy::Id(id) => col(Column::Id).eq(list::key::<TopicId>("id", &id)?),
        TopicBy::Code(code) => match list::parse_code("T-", &code) {
            Some(number) => col(Column::Number).eq(number),
            None => Expr::val(false),
        },
    }
    .into())
}
