//! The interface `Node`.

use async_graphql::ID;
use entity::id::{ActivityId, Id, WebhookId, push_base32, split};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Condition;

use crate::error::{Error, Result};
use crate::events::filter::EventFilter;
use crate::graphql::{
    action_item, activity, committee, examination, liaison_statement, mandate, note, organization,
    publication, topic, webhook,
};
use crate::planner::ExecutionContext;
use crate::planner::schema::{Field, FieldSource, ObjectType, field};

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

/// Returns the public id of a record.
pub fn global_id(ty: &str, key: Uuid) -> String {
    let object = node_types().into_iter().find(|object| object.name == ty);
    let prefix = object
        .and_then(|object| object.table().prefix)
        .unwrap_or_default();
    let mut id = format!("{prefix}_");
    push_base32(&mut id, key);
    id
}

/// Returns the condition for the records of a type that the viewer may see: of webhooks and activities about them the
/// own party's, of other types all.
pub fn visible(object: &ObjectType, env: &ExecutionContext<'_>) -> Condition {
    match object.name {
        WebhookId::TYPE => webhook::seen(env.party),
        ActivityId::TYPE => EventFilter::all(env.party).condition(),
        _ => Condition::all(),
    }
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
            .find(|object| object.table().prefix == Some(prefix))?;
        Some((object, key))
    });
    found.ok_or_else(|| {
        Error::BadInput(
            "This is not an id of the register: ids look like `topic_01h455vb4pex5vsknk084sn02q`."
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
