//! The history of the register, which is also its feed.

use std::sync::LazyLock;

use async_graphql::{ID, InputObject, InputType, OutputType};
use entity::activity::{ActivityVerb, Column, Entity};
use entity::id::{ActivityId, Id, TopicId};
use entity::party::{Party, Side};
use entity::scalar::DateTime;
use sea_orm::ConnectionTrait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, IntoIden, IntoTableRef};

use super::list::{self, Filter};
use super::node::{node, nodes, subject};
use super::stamps::id;
use super::words;
use crate::error::{Error, Result};
use crate::feed::log;
use crate::feed::wanted::Wanted;
use crate::read::Env;
use crate::read::cursor::Position;
use crate::read::json::Scalar;
use crate::read::shape::{
    Cell, Criteria, Field, Key, List, Object, Order, Source, Table, column, computed, distinct,
    field,
};

/// The history of everything.
pub static ACTIVITIES: List = List {
    filter: Some(<Option<ActivityFilter> as InputType>::create_type_info),
    criteria: |args, env| {
        let filter: Option<ActivityFilter> = args.get("filter")?;
        Ok(Criteria {
            condition: filter.unwrap_or_default().condition(env)?,
            ..list::all(order())
        })
    },
    ..OF_A_RECORD
};

/// The history of one record.
pub static HISTORY: List = OF_A_RECORD;

const OF_A_RECORD: List = List {
    object,
    connection: "ActivityConnection",
    edge: "ActivityEdge",
    filter: None,
    order: None,
    lasting: true,
    criteria: |_, env| {
        Ok(Criteria {
            condition: Wanted::all(env.party).condition(),
            ..list::all(order())
        })
    },
};

fn order() -> Order {
    Order {
        key: Column::Position.into_iden(),
        kind: Key::Long,
        unique: true,
        descending: false,
    }
}

/// Which activities. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct ActivityFilter {
    /// About the record with this id, of whatever type.
    subject: Option<ID>,
    /// About records of one of these types, such as `Topic`; an empty list leaves nothing.
    subject_type: Option<Vec<String>>,
    /// Of one of these kinds; an empty list leaves nothing.
    verb: Option<Vec<ActivityVerb>>,
    /// Done by one of these; an empty list leaves nothing.
    party: Option<Vec<Party>>,
    /// Concerning one of these sides; an empty list leaves nothing.
    side: Option<Vec<Side>>,
    /// Belonging to the topic with this id: about it, its action items, or notes on these.
    topic: Option<ID>,
}

impl Filter for ActivityFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        Ok(self.wanted(env.party)?.condition())
    }
}

impl ActivityFilter {
    /// What it leaves of what this viewer may know of.
    ///
    /// # Errors
    /// Bad input where it names what there is not: a type, or an id of another.
    pub fn wanted(&self, viewer: Option<Party>) -> Result<Wanted> {
        let subject = self.subject.as_ref().map(node).transpose()?;
        if let Some(types) = &self.subject_type {
            let names: Vec<&str> = nodes().iter().map(|it| it.name).collect();
            if let Some(strange) = types.iter().find(|it| !names.contains(&it.as_str())) {
                return Err(Error::BadInput(format!(
                    "`subjectType`: there is no type {strange:?}; there are {}.",
                    names.join(", ")
                )));
            }
        }
        Ok(Wanted {
            subject: subject.map(|(_, key)| key),
            subject_type: self.subject_type.clone().map(distinct),
            verb: self.verb.clone().map(distinct),
            party: self.party.clone().map(distinct),
            side: self.side.clone().map(distinct),
            topic: list::some_key::<TopicId>("topic", self.topic.as_ref())?,
            viewer,
        })
    }
}

/// The cursor of an activity with this key and place in the log.
pub fn cursor(key: Uuid, position: i64) -> String {
    HISTORY
        .scope(&order())
        .write(&Position::numbered(key, position))
}

/// Returns the position in the log that a cursor of an activity names, without a look into the log.
///
/// # Errors
/// Returns an error if it is no such cursor.
pub fn unchecked_position(cursor: &str) -> Result<i64> {
    let position = HISTORY.scope(&order()).read(cursor)?;
    position.number().ok_or(Error::InvalidCursor)
}

/// Returns the position in the log that a cursor of an activity names.
///
/// # Errors
/// Returns an error if it is no such cursor, or if another activity, or none, has that position by now.
pub async fn position(db: &impl ConnectionTrait, cursor: &str) -> Result<i64> {
    let position = HISTORY.scope(&order()).read(cursor)?;
    let number = position.number().ok_or(Error::InvalidCursor)?;
    if log::is_at(db, position.id(), number).await? {
        Ok(number)
    } else {
        Err(Error::HistoryReplaced)
    }
}

/// The type.
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Activity",
        description: "One change to one record. Activities are only ever added, each in the transaction of its change, in one order for the whole register.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(ActivityId::PREFIX),
        }),
        fields: describe(),
    });
    &OBJECT
}

fn describe() -> Vec<Field> {
    vec![
        id(ActivityId::PREFIX),
        computed::<String>(
            "cursor",
            "Its place in the history. As `after` of any list of activities, whatever its filter, it gives what came later: nothing is left out, nothing comes twice.",
            vec![Cell::column(Column::Id), Cell::column(Column::Position)],
            |cells, _, json| {
                json.word(&cursor(cells.get(0)?, cells.get(1)?));
                Ok(())
            },
        ),
        column::<DateTime>("at", "When it was done.", Column::At, Scalar::Time),
        column::<Party>("party", "Who did it.", Column::Party, Scalar::Word),
        subject("The record that was changed, as it is now."),
        column::<String>(
            "subjectType",
            "The type of that record, such as `Topic`.",
            Column::SubjectType,
            Scalar::Text,
        ),
        column::<ActivityVerb>("verb", "What was done.", Column::Verb, Scalar::Word),
        field(
            "changes",
            "What it changed, field by field; empty where there is no more to say.",
            Source::Stored {
                cell: Cell::column(Column::Changes),
                object: change,
            },
        ),
        computed::<Vec<Side>>(
            "sides",
            "The sides that it concerns.",
            vec![Cell::column(Column::Itu), Cell::column(Column::Upu)],
            |cells, _, json| {
                let sides: [(Side, bool); 2] =
                    [(Side::Itu, cells.get(0)?), (Side::Upu, cells.get(1)?)];
                let sides = sides.into_iter();
                words::list(json, sides.filter_map(|(side, is)| is.then_some(side)));
                Ok(())
            },
        ),
    ]
}

/// The type of changes.
fn change() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Change",
        description: "What became of one field, in words for people: names, codes and dates rather than ids.",
        table: None,
        fields: vec![
            field(
                "field",
                "The field, as the API names it.",
                Source::Key(<String as OutputType>::create_type_info),
            ),
            field(
                "before",
                "What it was; null where it was nothing.",
                Source::Key(<Option<String> as OutputType>::create_type_info),
            ),
            field(
                "after",
                "What it became; null where it is nothing now.",
                Source::Key(<Option<String> as OutputType>::create_type_info),
            ),
        ],
    });
    &OBJECT
}
