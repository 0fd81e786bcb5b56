//! The interface `Node`.

use async_graphql::ID;
use entity::id::{ActivityId, Id, WebhookId, push_base32, split};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Condition;

use super::{
    action_item, activity, committee, examination, mandate, note, organization, publication,
    statement, topic, webhook,
};
use crate::error::{Error, Result};
use crate::feed::wanted::Wanted;
use crate::read::Env;
use crate::read::shape::{Field, Object, Source, field};

/// Maximum number of ids per request, the same as the maximum page size.
const MANY: usize = 100;

/// Returns the types that implement `Node`.
pub fn nodes() -> Vec<&'static Object> {
    vec![
        organization::object(),
        committee::object(),
        mandate::object(),
        mandate::provision(),
        topic::object(),
        action_item::object(),
        publication::object(),
        examination::object(),
        statement::object(),
        note::object(),
        activity::object(),
        webhook::object(),
    ]
}

/// Returns the public id of a record.
pub fn public(ty: &str, key: Uuid) -> String {
    let object = nodes().into_iter().find(|object| object.name == ty);
    let prefix = object
        .and_then(|object| object.table().prefix)
        .unwrap_or_default();
    let mut id = format!("{prefix}_");
    push_base32(&mut id, key);
    id
}

/// Returns the condition for the records of a type that the viewer may see: of webhooks and activities about them the
/// own party's, of other types all.
pub fn seen(object: &Object, env: &Env<'_>) -> Condition {
    match object.name {
        WebhookId::TYPE => webhook::seen(env.party),
        ActivityId::TYPE => Wanted::all(env.party).condition(),
        _ => Condition::all(),
    }
}

/// Returns the field with the subject of a note or activity.
pub fn subject(description: &'static str) -> Field {
    let source = Source::Node {
        objects: nodes,
        ty: "subject_type".into(),
        key: "subject_id".into(),
    };
    field("subject", description, source)
}

/// Parses an id into its type and key.
///
/// # Errors
/// Returns a bad-input error if it is invalid.
pub fn node(id: &ID) -> Result<(&'static Object, Uuid)> {
    let found = split(id).and_then(|(prefix, key)| {
        let object = nodes()
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
pub fn many(ids: &[ID]) -> Result<Vec<(&'static Object, Uuid)>> {
    if ids.len() > MANY {
        return Err(Error::BadInput(format!(
            "`ids` has {} ids; ask for {MANY} at most at a time.",
            ids.len()
        )));
    }
    ids.iter().map(node).collect()
}
