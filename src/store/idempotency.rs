//! Creating records, with idempotency keys: a repeated request creates nothing twice.

use async_graphql::{InputObject, InputType};
use chrono::{DateTime, Utc};
use entity::id::Id;
use entity::idempotency_key::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, SelectStatement};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::idempotency::{self as rules, FIELD, KEY_VALIDITY, UsedKey};
use crate::domain::rejection::Rejection;
use crate::domain::text::hex;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::{Error, Result};
use crate::store::Database;
use crate::store::transaction::WriteTransaction;

/// Maximum number of expired keys deleted per write: more than one, so that they do not accumulate.
const PURGE_BATCH: u64 = 20;

/// What every creating input has beside its own fields.
#[derive(Clone, Debug, Default, InputObject)]
pub struct Idempotency {
    /// A key that the client chooses for this request, for example a UUID; at most 255 characters. If the same key and input are sent again, for example after a lost response, nothing is created twice: the payload has the record that was created the first time. The same key with a different input is the user error KEY_REUSED. Each party has its own keys, which expire after 7 days. Default: none.
    pub idempotency_key: Option<String>,
}

/// An input that creates a record.
pub trait CreateInput: InputType {
    /// Name of the mutation.
    const MUTATION: &'static str;
    type Id: Id + Send;

    fn idempotency(&self) -> &Idempotency;

    /// Checks the rules and creates the record.
    fn make(self, writing: &mut WriteTransaction) -> impl Future<Output = Result<Self::Id>> + Send;
}

/// Creates the record of an input, or returns the one that the same request has created before.
pub async fn create<I: CreateInput>(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: I,
) -> Result<I::Id> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let Some(key) = input.idempotency().idempotency_key.clone() else {
        let id = input.make(&mut writing).await?;
        writing.commit().await?;
        return Ok(id);
    };
    let mut problems = ValidationErrors::default();
    problems.check(FIELD, rules::fits(&key));
    if let Err(Rejection::Problems(mut wrong)) = problems.into_result() {
        // Reports all errors at once. The write is rolled back.
        if let Err(Error::Refused(refusal)) = input.make(&mut writing).await {
            match refusal {
                Rejection::Problems(more) => wrong.extend(more),
                other => return Err(other.into()),
            }
        }
        return Err(Rejection::Problems(wrong).into());
    }
    let hash = hash(&input);
    // Writers are serialized, so the second of two concurrent requests finds the key of the first.
    if let Some(made) = find_previous(&writing, &key, &hash).await? {
        return Ok(made);
    }
    let id = input.make(&mut writing).await?;
    remember(&writing, key, hash, id).await?;
    writing.commit().await?;
    Ok(id)
}

/// Returns the record that this request has created before.
async fn find_previous<I: Id>(
    writing: &WriteTransaction,
    key: &str,
    hash: &str,
) -> Result<Option<I>> {
    let found = Entity::find_by_id((writing.party(), key.to_owned()))
        .one(writing.db())
        .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let used = UsedKey {
        hash: found.hash,
        at: found.created_at,
    };
    let repeats = rules::repeats(&used, hash, writing.now())?;
    Ok(repeats.then(|| found.subject_id.into()))
}

/// Stores the key with the created record, and deletes some expired keys.
async fn remember<I: Id>(
    writing: &WriteTransaction,
    key: String,
    hash: String,
    id: I,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        party: Set(writing.party()),
        key: Set(key),
        hash: Set(hash),
        subject_type: Set(I::TYPE.to_owned()),
        subject_id: Set(id.into()),
        created_at: Set(writing.now()),
    };
    // An existing row with this key has expired: a valid one would have been found.
    let renewed = OnConflict::columns([Column::Party, Column::Key])
        .update_columns([
            Column::Hash,
            Column::SubjectType,
            Column::SubjectId,
            Column::CreatedAt,
        ])
        .to_owned();
    Entity::insert(row)
        .on_conflict(renewed)
        .exec_without_returning(writing.db())
        .await?;
    let expired = SelectStatement::new()
        .columns([Column::Party, Column::Key])
        .from(Entity)
        .and_where(Column::CreatedAt.lt(writing.now() - KEY_VALIDITY))
        .order_by(Column::CreatedAt, sea_orm::Order::Asc)
        .limit(PURGE_BATCH)
        .take();
    let key = Expr::tuple([Expr::col(Column::Party), Expr::col(Column::Key)]);
    Entity::delete_many()
        .filter(key.in_subquery(expired))
        .exec(writing.db())
        .await?;
    Ok(())
}

/// Returns a hash of mutation and input. Omitted fields and nulls are equal, and the order of fields does not matter.
fn hash<I: CreateInput>(input: &I) -> String {
    let mut input = input.to_value().into_json().unwrap_or_default();
    without_nulls(&mut input);
    let text = format!("{} {input}", I::MUTATION);
    hex(&Sha256::digest(text))
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !matches!(field, Value::Null));
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
