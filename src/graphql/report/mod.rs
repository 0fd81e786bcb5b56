//! The type `Report`: a period of the collaboration by side.

use std::sync::LazyLock;

use async_graphql::OutputType;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use entity::party::Side;
use entity::scalar::Date;
use entity::topic::{self, TopicStatus};
use entity::word::{all, enum_name};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, SelectStatement, TableRef, UnionType};

use self::history::at_end;
use super::topic as topics;
use crate::error::{Error, Result};
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, Field, FieldSource, ListLength, ObjectType, ROW, Table, col, column, computed,
    count, field, found,
};
use crate::planner::{ExecutionContext, RecordQuery, RootArguments};

mod figures;
mod history;

/// Error message if there is no report, which cannot happen.
pub const MISSING: &str = "There is nothing to report.";

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Report",
        description: "The figures of a period. Days are in UTC; the first and the last day are part of the period. If `to` is in the future, figures at `to` are those of today.",
        cacheable: true,
        table: Some(Table {
            name: rows("part", ["report".to_owned()]),
            node: None,
        }),
        fields: vec![
            computed::<Date>(
                "from",
                "The first day of the period.",
                Vec::new(),
                |_, env, json| {
                    json.date(Period::of(env).from);
                    Ok(())
                },
            ),
            computed::<Date>(
                "to",
                "The last day of the period.",
                Vec::new(),
                |_, env, json| {
                    json.date(Period::of(env).to);
                    Ok(())
                },
            ),
            found(
                "topicsByStatus",
                "The number of topics in each status at the end of `to`. It lists all five statuses in the order of the enum.",
                topic_count,
                ListLength::Fixed(5),
                |_| everything(),
            ),
            found(
                "sides",
                "The figures of each side: ITU first, then UPU.",
                side_report,
                ListLength::Fixed(2),
                |_| everything(),
            ),
            found(
                "staleTopics",
                "The topics that needed a review at `to`: ACTIVE, with a review date before `to`. See `Topic.needsReview`, which is the same for today. Sorted by code. At most 100. The fields of the topics have their current values.",
                topics::object_type,
                ListLength::Long,
                |env| RecordQuery {
                    condition: stale(env),
                    order: vec![(col(topic::Column::Number), Order::Asc)],
                },
            ),
            found(
                "silentTopics",
                "The topics that were ACTIVE at `to` and that had no activity of ITU or UPU in the period: no change of the topic or its action items, and no note on them. Activities of the TSB do not count. Sorted by code. At most 100. The fields of the topics have their current values.",
                topics::object_type,
                ListLength::Long,
                |env| RecordQuery {
                    condition: silent(env),
                    order: vec![(col(topic::Column::Number), Order::Asc)],
                },
            ),
        ],
    });
    &OBJECT
}

/// Parses the period.
///
/// # Errors
/// Returns a bad-input error if it ends before it begins.
pub fn find(args: &Args<'_>) -> Result<(RootArguments, RecordQuery)> {
    let Date(from) = args.get("from")?;
    let Date(to) = args.get("to")?;
    if to < from {
        return Err(Error::BadInput(format!(
            "`from` ({from}) is after `to` ({to}): exchange them."
        )));
    }
    Ok((RootArguments::Days(from, to), everything()))
}

fn everything() -> RecordQuery {
    RecordQuery {
        condition: Condition::all(),
        order: vec![(col("ordinal"), Order::Asc)],
    }
}

/// The period of a report, as dates and as timestamps.
#[derive(Clone, Copy)]
struct Period {
    from: NaiveDate,
    to: NaiveDate,
    begin: DateTime<Utc>,
    /// The first moment after the period.
    end: DateTime<Utc>,
    /// The date for overdue checks: the last day of the period, or today if that is earlier.
    day: NaiveDate,
}

impl Period {
    fn of(env: &ExecutionContext<'_>) -> Self {
        let (from, to) = match env.about {
            RootArguments::Days(from, to) => (from, to),
            _ => (env.today(), env.today()),
        };
        let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        Self {
            from,
            to,
            begin: start(from),
            end: start(to.checked_add_days(Days::new(1)).unwrap_or(to)),
            day: Ord::min(to, env.today()),
        }
    }
}

/// Returns a constant table with one row per name.
fn rows<const N: usize>(name: &'static str, words: [String; N]) -> TableRef {
    let mut table: Option<SelectStatement> = None;
    for (ordinal, word) in (1..).zip(words) {
        let row = SelectStatement::new()
            .expr_as(Expr::val(word).cast_as("text"), name)
            .expr_as(Expr::val(ordinal), "ordinal")
            .take();
        match &mut table {
            Some(table) => {
                table.union(UnionType::All, row);
            }
            None => table = Some(row),
        }
    }
    TableRef::SubQuery(Box::new(table.unwrap_or_default()), "words".into())
}

/// Returns the condition for topics that were ACTIVE at the end of the period.
fn active(env: &ExecutionContext<'_>) -> Condition {
    let status = at_end(env, Period::of(env), ROW, "status", topic::Column::Status);
    Condition::all()
        .add(col(topic::Column::CreatedAt).lt(Period::of(env).end))
        .add(status.eq(enum_name(TopicStatus::Active)))
}

/// Returns the condition for topics that needed a review at the end of the period.
fn stale(env: &ExecutionContext<'_>) -> Condition {
    let period = Period::of(env);
    let review = at_end(env, period, ROW, "reviewOn", topic::Column::ReviewOn);
    active(env).add(review.lt(period.day.to_string()))
}

/// Returns the condition for topics on which neither side did anything in the period.
fn silent(env: &ExecutionContext<'_>) -> Condition {
    let Period { begin, end, .. } = Period::of(env);
    active(env).add(topics::silent(begin, Some(end)))
}

/// Returns the object type of topic counts.
fn topic_count() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let statuses = all::<TopicStatus>().map(enum_name).collect::<Vec<_>>();
        let statuses: [String; 5] = statuses.try_into().expect("a topic has five statuses");
        ObjectType {
            name: "TopicStatusCount",
            description: "How many topics have a status.",
            cacheable: true,
            table: Some(Table {
                name: rows("status", statuses),
                node: None,
            }),
            fields: vec![
                column::<TopicStatus>("status", "The status.", "status", Scalar::Enum),
                figure::<i32>(
                    "count",
                    "How many topics have this status.",
                    Scalar::BigInt,
                    ColumnExpr::Expression("count", |row, env| {
                        let period = Period::of(env);
                        let status = at_end(
                            env,
                            period,
                            history::RECORD,
                            "status",
                            topic::Column::Status,
                        );
                        count(
                            SelectStatement::new()
                                .from_as(topic::Entity, history::RECORD)
                                .and_where(history::of(topic::Column::CreatedAt).lt(period.end))
                                .and_where(status.eq(Expr::col((row.clone(), "status"))))
                                .take(),
                        )
                    }),
                ),
            ],
        }
    });
    &OBJECT
}

/// Returns the object type of a side's figures.
fn side_report() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let mut fields = vec![column::<Side>("side", "The side.", "side", Scalar::Enum)];
        fields.extend(figures::fields());
        ObjectType {
            name: "SideReport",
            description: "What one side did in the period, and what others requested from it. Action items and liaison statements of the TSB count for neither side.",
            cacheable: true,
            table: Some(Table {
                name: rows("side", [enum_name(Side::Itu), enum_name(Side::Upu)]),
                node: None,
            }),
            fields,
        }
    });
    &OBJECT
}

/// Returns a field whose value is computed by the database.
fn figure<T: OutputType>(
    name: &'static str,
    description: &'static str,
    scalar: Scalar,
    cell: ColumnExpr,
) -> Field {
    let source = FieldSource::Cell {
        cell,
        scalar,
        register: T::create_type_info,
    };
    field(name, description, source)
}
