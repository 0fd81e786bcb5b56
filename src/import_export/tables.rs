//! The tables of an export: one line per row, one field per column.

use chrono::{DateTime, NaiveDate, SecondsFormat};
use entity::id::{
    ActionItemId, ActivityId, CommitteeId, ExaminationId, Id, LiaisonStatementId, MandateId,
    NoteId, OrganizationId, ProvisionId, PublicationId, TopicId, WebhookId, prefix_of, push_base32,
    split,
};
use entity::party::Language;
use entity::{
    action_item, activity, addressee, attachment, committee, committee_predecessor, counter,
    examination, finding, idempotency_key, liaison_statement, mandate, note, organization,
    overlap_dismissal, provision, publication, publication_relation, sender, statement_topic,
    topic, topic_committee, topic_provision, topic_publication, translation,
};
use futures_util::future::BoxFuture;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{ColumnType, Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, IdenStatic,
    Iterable, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};
use serde_json::{Map, Value as Json, json};

use crate::domain::collation::collation_key;
use crate::domain::text::{fold, number_identity, number_key, series};
use crate::import_export::BATCH;
use crate::store::{
    action_item as action_items, committee as committees, organization as organizations,
    publication as publications, topic as topics,
};

/// The field of a line that names its table.
pub const TABLE: &str = "table";

/// Columns computed by the database, as `table.column`.
const COMPUTED: [&str; 1] = ["topic.status"];

/// The fields of a line.
pub type Row = Map<String, Json>;

/// Type-erased functions of a table.
type Read = fn(&DatabaseTransaction, Option<Vec<Value>>) -> Answer<'_, Page>;
type Write = fn(&DatabaseTransaction, Vec<Row>) -> Answer<'_, ()>;
type Answer<'a, T> = BoxFuture<'a, Result<T, DbErr>>;

/// A table of an export.
pub struct Table {
    pub name: &'static str,
    /// Reads the rows after a key, in the order of their keys.
    pub read: Read,
    /// Inserts rows. Invalid values are reported as type errors.
    pub write: Write,
}

/// A page of rows.
pub struct Page {
    /// The rows as lines without line breaks.
    pub lines: Vec<String>,
    /// The key of the last row; `None` if there are no further rows.
    pub next: Option<Vec<Value>>,
}

macro_rules! table {
    ($entity:ident by $($column:ident),+) => {
        Table {
            name: stringify!($entity),
            read: |db, after| {
                let key = &[$($entity::Column::$column),+];
                Box::pin(read::<$entity::Entity>(db, stringify!($entity), key, after))
            },
            write: |db, rows| {
                let key = [$($entity::Column::$column),+];
                Box::pin(write::<$entity::Entity>(db, stringify!($entity), key.into(), rows))
            },
        }
    };
}

/// All tables except webhooks and deliveries. A row refers only to rows of its own table and of earlier tables.
pub static TABLES: [Table; 25] = [
    table!(organization by Id),
    table!(committee by Id),
    table!(committee_predecessor by CommitteeId, PredecessorId),
    table!(mandate by Id),
    table!(provision by Id),
    table!(topic by Id),
    table!(topic_committee by TopicId, CommitteeId),
    table!(topic_provision by TopicId, ProvisionId),
    table!(action_item by Id),
    table!(publication by Id),
    table!(publication_relation by PublicationId, RelatedId),
    table!(topic_publication by TopicId, PublicationId),
    table!(examination by Id),
    table!(finding by ExaminationId, Side),
    table!(liaison_statement by Id),
    table!(sender by StatementId, CommitteeId),
    table!(addressee by StatementId, CommitteeId),
    table!(attachment by StatementId, Ordinal),
    table!(statement_topic by StatementId, TopicId),
    table!(note by Id),
    table!(translation by SubjectId, Field, Language),
    table!(overlap_dismissal by ItuId, UpuId),
    table!(activity by Position),
    table!(counter by Name),
    table!(idempotency_key by Party, Key),
];

async fn read<E: EntityTrait>(
    db: &DatabaseTransaction,
    table: &str,
    key: &[E::Column],
    after: Option<Vec<Value>>,
) -> Result<Page, DbErr> {
    let mut query = E::find().limit(BATCH as u64);
    // Webhooks are settings of one deployment and hold secrets, so neither they nor their log entries are exported.
    let subject = E::Column::iter().find(|column| column.as_str() == "subject_type");
    if let Some(subject) = subject {
        query = query.filter(subject.ne(WebhookId::TYPE));
    }
    for column in key {
        query = query.order_by_asc(*column);
    }
    if let Some(after) = after {
        let columns = Expr::tuple(key.iter().map(|column| Expr::col(*column)));
        query = query.filter(columns.gt(Expr::tuple(after.into_iter().map(Expr::val))));
    }
    let rows = query.all(db).await?;
    let full = rows.len() == BATCH;
    let last = rows.last().filter(|_| full);
    Ok(Page {
        next: last.map(|row| key.iter().map(|column| row.get(*column)).collect()),
        lines: rows
            .iter()
            .map(|row| line::<E>(table, row))
            .collect::<Result<_, _>>()?,
    })
}

/// Formats a row as a line, with its columns in the order of the table.
fn line<E: EntityTrait>(table: &str, row: &E::Model) -> Result<String, DbErr> {
    let mut line = format!("{{{}:{}", json!(TABLE), json!(table));
    let mut of_subject = None;
    for column in columns::<E>(table) {
        let name = column.as_str();
        let value = match (row.get(column), prefix(table, name).or(of_subject)) {
            (Value::Uuid(Some(key)), Some(prefix)) => {
                let mut id = format!("{prefix}_");
                push_base32(&mut id, key);
                id.into()
            }
            (value, _) => written(value)?,
        };
        if name.ends_with("_type") {
            // The next column has the id of a record of this type.
            of_subject = value.as_str().and_then(prefix_of);
        } else {
            of_subject = None;
        }
        line.extend([",", &json!(name).to_string(), ":", &value.to_string()]);
    }
    line.push('}');
    Ok(line)
}

/// Returns the id prefix of a column whose ids belong to one type. These are exported as public ids.
fn prefix(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        ("organization", "id" | "parent_id") | (_, "organization_id") => OrganizationId::PREFIX,
        ("committee", "id" | "parent_id")
        | (_, "committee_id" | "counterpart_id" | "predecessor_id") => CommitteeId::PREFIX,
        ("mandate", "id") | (_, "mandate_id") => MandateId::PREFIX,
        ("provision", "id") | (_, "provision_id") => ProvisionId::PREFIX,
        ("topic", "id") | (_, "topic_id") => TopicId::PREFIX,
        ("action_item", "id") => ActionItemId::PREFIX,
        ("publication", "id") | (_, "publication_id" | "related_id" | "supersedes_id") => {
            PublicationId::PREFIX
        }
        ("examination", "id") | (_, "examination_id") => ExaminationId::PREFIX,
        ("liaison_statement", "id") | (_, "statement_id" | "in_reply_to_id") => {
            LiaisonStatementId::PREFIX
        }
        ("note", "id") => NoteId::PREFIX,
        ("activity", "id") => ActivityId::PREFIX,
        _ => return None,
    })
}

async fn write<E: EntityTrait>(
    db: &DatabaseTransaction,
    table: &str,
    key: Vec<E::Column>,
    rows: Vec<Row>,
) -> Result<(), DbErr> {
    let rows: Vec<E::ActiveModel> = rows
        .into_iter()
        .map(|row| model::<E>(table, row))
        .collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = E::insert_many(rows);
    if table == "counter" {
        // The migrations have already inserted the counters.
        let mut again = OnConflict::columns(key);
        insert = insert.on_conflict(again.update_column(counter::Column::Value).to_owned());
    }
    insert.exec_without_returning(db).await?;
    Ok(())
}

/// Converts a row that must have exactly the columns of the table; those that may be null may be missing.
fn model<E: EntityTrait>(table: &str, mut row: Row) -> Result<E::ActiveModel, DbErr> {
    let mut model = <E::ActiveModel as ActiveModelTrait>::default();
    add_missing(table, &mut row);
    for column in columns::<E>(table) {
        let name = column.as_str();
        let def = column.def();
        // Exports made before a column existed lack it.
        let value = row
            .remove(name)
            .or_else(|| def.is_null().then_some(Json::Null))
            .ok_or_else(|| DbErr::Type(format!("`{name}` is missing")))?;
        let value = read_back(def.get_column_type(), value)
            .ok_or_else(|| DbErr::Type(format!("`{name}` is not what the column holds")))?;
        model.try_set(column, value)?;
    }
    match row.keys().find(|name| *name != TABLE) {
        Some(name) => Err(DbErr::Type(format!("there is no column `{name}`"))),
        None => Ok(model),
    }
}

/// Adds the columns without null that exports made before these existed lack, and computes those that depend on the version
/// of the program.
fn add_missing(table: &str, row: &mut Row) {
    let text = |name: &str| row.get(name).and_then(Json::as_str).map(str::to_owned);
    let [number, created_at] = ["number", "created_at"].map(text);
    let mut missing = Vec::new();
    if let ("publication", Some(number)) = (table, number) {
        missing.push(("number_identity", number_identity(&number)));
        if !row.contains_key("series") {
            row.insert("number_key".to_owned(), number_key(&number).into());
        }
        missing.push(("series", series(&number)));
    }
    if table == "examination" {
        missing.extend(created_at.map(|created_at| ("updated_at", created_at)));
    }
    for (column, value) in missing {
        row.entry(column).or_insert_with(|| value.into());
    }
    for (column, value) in computed(table, row) {
        row.insert(column.to_owned(), value.into());
    }
}

/// Returns the sort key and the search text of a row with texts that can be translated.
fn computed(table: &str, row: &Row) -> Vec<(&'static str, String)> {
    let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default();
    let number = row.get("number").and_then(Json::as_i64).unwrap_or_default();
    let number = i32::try_from(number).unwrap_or_default();
    let key = |name: &str, language: &str| {
        let language = Language::try_from_value(&text(language).to_owned());
        collation_key(text(name), language.unwrap_or(Language::En))
    };
    let (title, original) = (text("title"), "original_language");
    let (column, key, folded) = match table {
        "organization" => {
            let folded = organizations::folded(text("acronym"), text("name"));
            ("name_key", key("name", original), folded)
        }
        "committee" => {
            let (code, period) = (text("code"), text("period"));
            let folded = committees::folded(code, period, text("name"), Some(text("mandate")));
            ("name_key", key("name", original), folded)
        }
        "topic" => {
            let folded = topics::folded(number, title, text("summary"));
            ("title_key", key("title", original), folded)
        }
        "action_item" => {
            let folded = action_items::folded(number, title, Some(text("description")));
            ("title_key", key("title", original), folded)
        }
        "publication" => {
            let folded = publications::folded(text("number"), title);
            ("title_key", key("title", original), folded)
        }
        "translation" => ("text_key", key("text", "language"), fold(text("text"))),
        _ => return Vec::new(),
    };
    vec![(column, key), ("folded", folded)]
}

fn columns<E: EntityTrait>(table: &str) -> impl Iterator<Item = E::Column> {
    let computed = move |column: &E::Column| {
        let name = column.as_str();
        COMPUTED
            .iter()
            .any(|computed| computed.split_once('.') == Some((table, name)))
    };
    E::Column::iter().filter(move |column| !computed(column))
}

/// Converts a database value for the export.
fn written(value: Value) -> Result<Json, DbErr> {
    Ok(match value {
        Value::Bool(Some(value)) => value.into(),
        Value::Int(Some(value)) => value.into(),
        Value::BigInt(Some(value)) => value.into(),
        Value::String(Some(value)) => value.into(),
        Value::Uuid(Some(value)) => value.to_string().into(),
        Value::Json(Some(value)) => *value,
        Value::ChronoDate(Some(value)) => value.to_string().into(),
        Value::ChronoDateTimeUtc(Some(value)) => {
            value.to_rfc3339_opts(SecondsFormat::Micros, true).into()
        }
        nothing if nothing == nothing.as_null() => Json::Null,
        other => return Err(DbErr::Type(format!("an export has no form for {other:?}"))),
    })
}

/// Converts a value of an export for the database; `None` if it does not fit the column's type.
fn read_back(column: &ColumnType, value: Json) -> Option<Value> {
    let nothing = value == Json::Null;
    let text = || value.as_str();
    let some = |value: Option<Value>, null: Value| if nothing { Some(null) } else { value };
    match column {
        ColumnType::Boolean => some(value.as_bool().map(Value::from), Value::Bool(None)),
        ColumnType::Integer => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            some(number.map(Value::from), Value::Int(None))
        }
        ColumnType::BigInteger => some(value.as_i64().map(Value::from), Value::BigInt(None)),
        ColumnType::String(_) | ColumnType::Text => {
            some(text().map(Value::from), Value::String(None))
        }
        ColumnType::Uuid => {
            let id = text().and_then(|id| match split(id) {
                Some((_, key)) => Some(key),
                None => Uuid::parse_str(id).ok(),
            });
            some(id.map(Value::from), Value::Uuid(None))
        }
        ColumnType::Date => {
            let day = text().and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
            some(day.map(Value::from), Value::ChronoDate(None))
        }
        ColumnType::TimestampWithTimeZone => {
            let moment = text().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            let moment = moment.map(|moment| moment.to_utc());
            some(moment.map(Value::from), Value::ChronoDateTimeUtc(None))
        }
        ColumnType::Json | ColumnType::JsonBinary => Some(value.into()),
        _ => None,
    }
}
