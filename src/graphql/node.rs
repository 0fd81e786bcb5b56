//! The interface `Node`.

use async_graphql::ID;
use entity::id::{self, Id, push_base32, split};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, IntoTableRef};

use crate::error::{Error, Result};
use crate::graphql::{
    action_item, activity, committee, examination, liaison_statement, mandate, note, organization,
    publication, topic, webhook,
};
use crate::planner::ExecutionContext;
use crate::planner::schema::{Field, FieldSource, NodeType, ObjectType, Table, field};

/// Maximum number of ids per request, the same as the maximum page size.
const MAX_IDS: usize = 100;

/// Returns the types that implement `Node`.
pub fn node_types() -> Vec<&'static ObjectType> {
    vec![
        organization::object_type(),
        committee::object_type(),
        mandate::object_type(),
        mandate::provision(),
        topic::object_type(),
        action_item::object_type(),
        publication::object_type(),
        examination::object_type(),
        liaison_statement::object_type(),
        note::object_type(),
        activity::object_type(),
        webhook::object_type(),
    ]
}

/// The abstract types of a type whose records a search finds.
pub const SEARCHED: &[&str] = &[id::NODE, id::SEARCH_RESULT];
/// The abstract types of other types with ids.
pub const NOT_SEARCHED: &[&str] = &[id::NODE];

/// Returns the table of a type whose records have ids of the type `I`.
pub fn node_table<I: Id>(
    entity: impl IntoTableRef,
    visible: fn(&ExecutionContext<'_>) -> Condition,
    abstract_types: &'static [&'static str],
) -> Table {
    Table {
        name: entity.into_table_ref(),
        node: Some(NodeType {
            prefix: I::PREFIX,
            visible,
            abstract_types,
        }),
    }
}

/// The condition for the records of a type that every viewer may see.
pub fn visible_to_all(_: &ExecutionContext<'_>) -> Condition {
    Condition::all()
}

/// Returns the public id of a record.
pub fn global_id(ty: &str, key: Uuid) -> String {
    let mut id = format!("{}_", id::prefix_of(ty).unwrap_or_default());
    push_base32(&mut id, key);
    id
}

/// Returns the field with the subject of a note or activity.
pub fn subject(description: &'static str) -> Field {
    let source = FieldSource::Node {
        objects: node_types,
        ty: "subject_type".into(),
        key: "subject_id".into(),
    };
    field("subject", description, source)
}

/// Parses an id into its type and key.
///
/// # Errors
/// Returns a bad-input error if it is invalid.
pub fn node(id: &ID) -> Result<(&'static ObjectType, Uuid)> {
    let found = split(id).and_then(|(prefix, key)| {
        let object = node_types()
            .into_iter()
            .find(|object| object.node().is_some_and(|node| node.prefix == prefix))?;
        Some((object, key))
    });
    found.ok_or_else(|| {
        Error::BadInput(
            "This is not an id of the register: ids look like `topic_01h455vb4pex5vsknk084sn02q`. A code such as T-1 is looked up with `by: { code: … }`."
                .to_owned(),
        )
    })
}

/// Parses several ids.
///
/// # Errors
/// Returns a bad-input error if there are too many, or one is invalid.
pub fn parse_ids(ids: &[ID]) -> Result<Vec<(&'static ObjectType, Uuid)>> {
    if ids.len() > MAX_IDS {
        return Err(Error::BadInput(format!(
            "`ids` has {} ids; ask for {MAX_IDS} at most at a time.",
            ids.len()
        )));
    }
    let nodes = ids.iter().enumerate();
    let nodes = nodes.map(|(index, id)| {
        node(id).map_err(|error| match error {
            Error::BadInput(message) => Error::BadInput(format!("`ids[{index}]`: {message}")),
            error => error,
        })
    });
    nodes.collect()
}
