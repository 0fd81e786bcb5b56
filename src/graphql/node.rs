//! The records that have an id, of whatever type.

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

/// As many as a page holds.
const MANY: usize = 100;

/// The types that have an id, and so are a `Node`.
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

/// The id of a record as clients know it.
pub fn public(ty: &str, key: Uuid) -> String {
    let object = nodes().into_iter().find(|it| it.name == ty);
    let prefix = object.and_then(|it| it.table().prefix).unwrap_or_default();
    let mut id = format!("{prefix}_");
    push_base32(&mut id, key);
    id
}

/// Which records of a type the viewer sees: of webhooks and what was done to them its own party's, of all others all.
pub fn seen(object: &Object, env: &Env<'_>) -> Condition {
    match object.name {
        WebhookId::TYPE => webhook::seen(env.party),
        ActivityId::TYPE => Wanted::all(env.party).condition(),
        _ => Condition::all(),
    }
}

/// The field that leads to the record which a row of notes or of the log is about.
pub fn subject(description: &'static str) -> Field {
    let source = Source::Node {
        objects: nodes,
        ty: "subject_type".into(),
        key: "subject_id".into(),
    };
    field("subject", description, source)
}

/// What an id names.
///
/// # Errors
/// Bad input where it is none.
pub fn node(id: &ID) -> Result<(&'static Object, Uuid)> {
    let found = split(id).and_then(|(prefix, key)| {
        let object = nodes()
            .into_iter()
            .find(|it| it.table().prefix == Some(prefix))?;
        Some((object, key))
    });
    found.ok_or_else(|| {
        Error::BadInput(
            "This is not an id of the register: ids look like `topic_01h455vb4pex5vsknk084sn02q`."
                .to_owned(),
        )
    })
}

/// What each of these ids names.
///
/// # Errors
/// Bad input where there are too many, or one is none.
pub fn many(ids: &[ID]) -> Result<Vec<(&'static Object, Uuid)>> {
    if ids.len() > MANY {
        return Err(Error::BadInput(format!(
            "`ids` has {} ids; ask for {MANY} at most at a time.",
            ids.len()
        )));
    }
    ids.iter().map(node).collect()
}
