//! The history of the register, which is also its feed of changes.

use std::sync::LazyLock;

use async_graphql::{ID, InputObject, InputType, OutputType};
use entity::activity::{ActivityVerb, Column, Entity, SubjectType};
use entity::id::{ActivityId, Id, TopicId};
use entity::party::{Party, Side};
use entity::scalar::DateTime;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Condition;
use sea_orm::{ConnectionTrait, DbErr};

use super::list::{self, Filter};
use super::node::{NOT_SEARCHED, node, node_table, subject};
use crate::error::{Error, Result};
use crate::events::filter::EventFilter;
use crate::events::log;
use crate::graphql::enum_names;
use crate::graphql::metadata_fields::id;
use crate::planner::ExecutionContext;
use crate::planner::cursor::CursorPosition;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, Connection, CursorKey, Field, FieldSource, ListLength, ListQuery, ObjectType,
    Order, column, computed, distinct, field,
};
use crate::store::activity::LogPosition;

/// All activities.
pub static ACTIVITIES: Connection = Connection {
    filter: Some(<Option<ActivityFilter> as InputType>::create_type_info),
    criteria: |args, env| {
        let filter: Option<ActivityFilter> = args.get("filter")?;
        Ok(ListQuery {
            condition: filter.unwrap_or_default().condition(env)?,
            ..list::all(order())
        })
    },
    ..OF_A_RECORD
};

/// The activities of a record.
pub static HISTORY: Connection = OF_A_RECORD;

const OF_A_RECORD: Connection = Connection {
    object: object_type,
    type_name: "ActivityConnection",
    edge: "ActivityEdge",
    filter: None,
    order: None,
    counts: None,
    lasting: true,
    criteria: |_, env| {
        Ok(ListQuery {
            condition: EventFilter::all(env.party).condition(),
            ..list::all(order())
        })
    },
};

fn order() -> Order {
    Order {
        key: Column::Position.into(),
        kind: CursorKey::Long,
        unique: true,
        descending: false,
    }
}

/// Conditions for a list of activities. An activity must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct ActivityFilter {
    /// Only activities of the record with this id, which can be of any type.
    subject: Option<ID>,
    /// Only activities of records of one of these types. An empty list matches nothing.
    subject_type: Option<Vec<SubjectType>>,
    /// Only activities with one of these verbs. An empty list matches nothing.
    verb: Option<Vec<ActivityVerb>>,
    /// Only activities of one of these parties. An empty list matches nothing.
    party: Option<Vec<Party>>,
    /// Only activities whose `sides` contain at least one of these. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only activities of the topic with this id, of its action items, and of notes on them.
    topic: Option<ID>,
}

impl Filter for ActivityFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        Ok(self.event_filter(env.party)?.condition())
    }
}

impl ActivityFilter {
    /// Returns the event filter for this viewer.
    ///
    /// # Errors
    /// Returns an error if an id is malformed or belongs to another type.
    pub fn event_filter(&self, viewer: Option<Party>) -> Result<EventFilter> {
        let subject = self.subject.as_ref().map(node).transpose()?;
        Ok(EventFilter {
            subject: subject.map(|(_, key)| key),
            subject_type: self.subject_type.clone().map(distinct),
            verb: self.verb.clone().map(distinct),
            party: self.party.clone().map(distinct),
            side: self.side.clone().map(distinct),
            topic: list::optional_id::<TopicId>("topic", self.topic.as_ref())?,
            viewer,
        })
    }
}

/// Returns the cursor of an activity with this id and position.
pub fn cursor(key: Uuid, position: i64) -> String {
    HISTORY
        .scope(&order())
        .encode(&CursorPosition::numbered(key, position))
}

/// Returns the position in the log that a cursor of an activity names.
///
/// # Errors
/// Returns an error if it is no such cursor, or if another activity, or none, has that position by now.
pub async fn position(db: &impl ConnectionTrait, cursor: &str) -> Result<LogPosition> {
    let position = HISTORY.scope(&order()).decode(cursor)?;
    let at = LogPosition {
        position: position.number().ok_or(Error::InvalidCursor)?,
        id: position.id(),
    };
    if log::holds(db, at).await? {
        Ok(at)
    } else {
        Err(Error::HistoryReplaced)
    }
}

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Activity",
        description: "An entry of the history: one change of one record. Entries are only added, never edited or removed. Exception: restoring an older backup removes the entries after it, whose cursors then cause the error INVALID_CURSOR. All entries form one list, in the order in which the changes were stored; `cursor` is the position in it.",
        cacheable: true,
        table: Some(node_table::<ActivityId>(
            Entity,
            |env| EventFilter::all(env.party).condition(),
            NOT_SEARCHED,
        )),
        fields: describe(),
    });
    &OBJECT
}

fn describe() -> Vec<Field> {
    vec![
        id(ActivityId::PREFIX),
        computed::<String>(
            "cursor",
            "The position of this entry in the history. Pass it as `after` to any list of activities, to the subscription or to a webhook, with any filter, to get the entries after this one.",
            vec![
                ColumnExpr::column(Column::Id),
                ColumnExpr::column(Column::Position),
            ],
            |cells, _, json| {
                json.raw_string(&cursor(cells.get(0)?, cells.get(1)?));
                Ok(())
            },
        ),
        column::<DateTime>(
            "at",
            "When the change was made.",
            Column::At,
            Scalar::DateTime,
        ),
        column::<Party>(
            "party",
            "The party that made the change.",
            Column::Party,
            Scalar::Enum,
        ),
        computed::<Option<String>>(
            "actor",
            "The person or system that made the change: the subject (`sub`) of its token. Null unless the viewer acts for the party that made the change.",
            vec![
                ColumnExpr::column(Column::Actor),
                ColumnExpr::column(Column::Party),
            ],
            |cells, env, json| {
                if env.party == Some(cells.get(1)?) {
                    json.text(cells.get(0)?);
                } else {
                    json.null();
                }
                Ok(())
            },
        ),
        subject(
            "The record that was changed, in its current state; a deleted webhook in its last state.",
        ),
        computed::<SubjectType>(
            "subjectType",
            "The type of `subject`, to filter by.",
            vec![ColumnExpr::column(Column::SubjectType)],
            |cells, _, json| {
                let name = cells.get::<&str>(0)?;
                let ty = SubjectType::of_type_name(name)
                    .ok_or_else(|| DbErr::Type(format!("no subject type is named {name}")))?;
                enum_names::one(json, ty);
                Ok(())
            },
        ),
        column::<ActivityVerb>("verb", "What was done.", Column::Verb, Scalar::Enum),
        field(
            "changes",
            "What changed. If a record was created, sent or requested: most of its initial values, with `before` null. The text of a note or liaison statement is never included. Empty if no value changed, for example if a topic was reaffirmed with the same review date.",
            FieldSource::Stored {
                cell: ColumnExpr::column(Column::Changes),
                object: change,
                list: Some(ListLength::Short),
            },
        ),
        computed::<Vec<Side>>(
            "sides",
            "The sides that the change concerns. Topics, action items, examinations, notes, mandates and records of partners concern both sides. An organization, committee or publication of one side concerns that side, but both sides if two publications were related. A liaison statement concerns the sides of its senders and addressees, where the TSB counts as ITU. A webhook concerns the side of its party, and none if that is the TSB.",
            vec![
                ColumnExpr::column(Column::Itu),
                ColumnExpr::column(Column::Upu),
            ],
            |cells, _, json| {
                let sides: [(Side, bool); 2] =
                    [(Side::Itu, cells.get(0)?), (Side::Upu, cells.get(1)?)];
                let sides = sides.into_iter();
                enum_names::list(json, sides.filter_map(|(side, is)| is.then_some(side)));
                Ok(())
            },
        ),
    ]
}

/// Returns the object type of changes.
fn change() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Change",
        description: "The change of one value, as text to show. Records are given by name or code instead of id.",
        cacheable: true,
        table: None,
        fields: vec![
            field(
                "field",
                "The name of the field in this API, for example `dueOn`. A translation is named like `translations.title.FR`. Some entries are not fields of the record, for example `message` of a reminder.",
                FieldSource::Key(<String as OutputType>::create_type_info),
            ),
            field(
                "before",
                "The value before the change as text: an enum value as in this API, a date as `2026-02-01`, a record by its code or name, such as `T-12`; null if there was no value.",
                FieldSource::Key(<Option<String> as OutputType>::create_type_info),
            ),
            field(
                "after",
                "The value after the change as text, written like `before`; null if there is no value.",
                FieldSource::Key(<Option<String> as OutputType>::create_type_info),
            ),
        ],
    });
    &OBJECT
}
