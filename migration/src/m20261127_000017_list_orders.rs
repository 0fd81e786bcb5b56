//! Lists are sorted by title and status, editions of a publication by year and month, and examinations as other lists.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{DbBackend, QueryResult};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::column::{indexes, raw, sort_key};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The columns that hold what the service computes, as `(table, column)`.
const KEYS: [(&str, &str); 3] = [
    ("action_item", "title_key"),
    ("publication", "title_key"),
    ("publication", "series"),
];

/// The columns that the database computes, as `(table, column, from)`: the place of the status in its enum, with no
/// status after or before all others.
const RANKS: [(&str, &str, &str); 4] = [
    ("topic", "status_rank", TOPIC),
    ("action_item", "status_rank", ACTION_ITEM),
    ("publication", "status_asc", PUBLICATION_ASC),
    ("publication", "status_desc", PUBLICATION_DESC),
];

// PostgreSQL computes no column from another computed one.
const TOPIC: &str = "case \
    when 'DECLINED' in (itu_position, upu_position) then 5 \
    when 'PENDING' in (itu_position, upu_position) then 1 \
    when itu_position = 'AGREED' and upu_position = 'AGREED' then 2 \
    when itu_position = 'RELEASED' and upu_position = 'RELEASED' then 4 \
    else 3 end";
const ACTION_ITEM: &str = "case status when 'REQUESTED' then 1 when 'OPEN' then 2 when 'IN_PROGRESS' then 3 \
    when 'POSTPONED' then 4 when 'DONE' then 5 when 'CONFIRMED' then 6 when 'DECLINED' then 7 else 8 end";
const PUBLICATION_ASC: &str = "case status when 'DRAFT' then 1 when 'PREPUBLISHED' then 2 when 'IN_FORCE' then 3 \
    when 'SUPERSEDED' then 4 when 'WITHDRAWN' then 5 else 6 end";
const PUBLICATION_DESC: &str = "case status when 'DRAFT' then 1 when 'PREPUBLISHED' then 2 when 'IN_FORCE' then 3 \
    when 'SUPERSEDED' then 4 when 'WITHDRAWN' then 5 else 0 end";

const INDEXES: [(&str, &[&str]); 13] = [
    ("topic", &["status_rank", "id"]),
    ("action_item", &["title_key", "id"]),
    ("action_item", &["status_rank", "id"]),
    ("publication", &["title_key", "id"]),
    ("publication", &["status_asc", "id"]),
    ("publication", &["status_desc", "id"]),
    ("publication", &["series", "number_key", "id"]),
    ("publication", &["committee_id", "number_key", "id"]),
    ("liaison_statement", &["sent_at", "id"]),
    ("examination", &["created_at", "id"]),
    ("examination", &["updated_at", "id"]),
    ("examination", &["due_asc", "id"]),
    ("examination", &["due_desc", "id"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in KEYS {
            add(manager, table, sort_key(manager, column).default("").take()).await?;
        }
        for (table, column, from) in RANKS {
            add(
                manager,
                table,
                computed(manager, ColumnDef::new(column).integer(), from),
            )
            .await?;
        }
        for (column, without) in [("due_asc", "infinity"), ("due_desc", "-infinity")] {
            let without = match manager.get_database_backend() {
                DbBackend::Postgres => format!("'{without}'::date"),
                _ => format!("'{without}'"),
            };
            let from = format!("coalesce(due_on, {without})");
            add(
                manager,
                "examination",
                computed(manager, ColumnDef::new(column).date(), from),
            )
            .await?;
        }
        let mut updated_at = ColumnDef::new("updated_at");
        // Each row gets its own below, and each new one from the service.
        updated_at
            .timestamp_with_time_zone()
            .not_null()
            .default("1970-01-01 00:00:00+00:00");
        add(manager, "examination", updated_at).await?;

        let db = manager.get_connection();
        db.execute_unprepared(
            "update examination set updated_at = coalesce(
                (select max(found_at) from finding where examination_id = examination.id), created_at)",
        )
        .await?;
        action_items(db).await?;
        publications(db).await?;
        for (table, columns) in INDEXES {
            indexes(manager, table, &[], &[columns]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in INDEXES {
            let mut index = Index::drop();
            index
                .name(format!("{table}_{}_idx", columns.join("_")))
                .table(table);
            manager.drop_index(index).await?;
        }
        for column in ["updated_at", "due_desc", "due_asc"] {
            drop(manager, "examination", column).await?;
        }
        for (table, column, _) in RANKS.iter().rev() {
            drop(manager, table, column).await?;
        }
        for (table, column) in KEYS.iter().rev() {
            drop(manager, table, column).await?;
        }
        // The old order of numbers.
        let db = manager.get_connection();
        for (id, number) in texts(db, "publication", "number").await? {
            let values = [("number_key", natural_key(&number))];
            update(db, "publication", id, values.into()).await?;
        }
        Ok(())
    }
}

async fn add(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: ColumnDef,
) -> Result<(), DbErr> {
    manager
        .alter_table(Table::alter().table(table).add_column(column).take())
        .await
}

async fn drop(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    manager
        .alter_table(Table::alter().table(table).drop_column(column).take())
        .await
}

/// A column that the database computes. `SQLite` adds no stored one to a table that is there; an index holds it there.
fn computed(
    manager: &SchemaManager<'_>,
    column: &mut ColumnDef,
    from: impl Into<String>,
) -> ColumnDef {
    let stored = manager.get_database_backend() == DbBackend::Postgres;
    column.generated(raw(from), stored).take()
}

async fn action_items(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    for (id, title) in texts(db, "action_item", "title").await? {
        update(
            db,
            "action_item",
            id,
            vec![("title_key", natural_key(&title))],
        )
        .await?;
    }
    Ok(())
}

async fn publications(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    for (id, title) in texts(db, "publication", "title").await? {
        update(
            db,
            "publication",
            id,
            vec![("title_key", natural_key(&title))],
        )
        .await?;
    }
    for (id, number) in texts(db, "publication", "number").await? {
        let values = vec![
            ("number_key", number_key(&number)),
            ("series", series(&number)),
        ];
        update(db, "publication", id, values).await?;
    }
    Ok(())
}

/// A column of all rows, each with its key.
async fn texts(
    db: &SchemaManagerConnection<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<Vec<(Uuid, String)>, DbErr> {
    let query = Query::select().columns(["id", column]).from(table).take();
    let rows = db.query_all(&query).await?;
    let row = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.iter().map(row).collect()
}

async fn update(
    db: &SchemaManagerConnection<'_>,
    table: &'static str,
    id: Uuid,
    values: Vec<(&'static str, String)>,
) -> Result<(), DbErr> {
    let mut update = Query::update();
    update.table(table).and_where(Expr::col("id").eq(id));
    for (column, value) in values {
        update.value(column, value);
    }
    db.execute(&update).await?;
    Ok(())
}

// The service's functions as they were when this migration was written.

fn number_key(number: &str) -> String {
    let number = identity(number);
    let (mut sorted, mut rest) = (String::new(), number.as_str());
    while let Some((before, parenthesis)) = rest.split_once('(') {
        sorted.push_str(before);
        rest = if let Some((Some(month), year, after)) = edition(parenthesis) {
            let text = sorted.trim_end().len();
            sorted.truncate(text);
            sorted.extend([" (", year, ") ", month]);
            after
        } else {
            sorted.push('(');
            parenthesis
        };
    }
    sorted.push_str(rest);
    natural_key(&sorted)
}

fn series(number: &str) -> String {
    let number = identity(number);
    match number.rsplit_once('(') {
        Some((text, parenthesis))
            if matches!(edition(parenthesis), Some((.., ""))) && !text.trim_end().is_empty() =>
        {
            text.trim_end().to_owned()
        }
        _ => number,
    }
}

/// The month, if there is one, and the year of an edition, of which a parenthesis was opened, and what follows it.
fn edition(parenthesis: &str) -> Option<(Option<&str>, &str, &str)> {
    let (date, after) = parenthesis.split_once(')')?;
    let (month, year) = match date.split_once('/') {
        Some((month, year)) => (Some(month), year),
        None => (None, date),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |part: &str| (1..=2).contains(&part.len()) && digits(part);
    (year.len() == 4 && digits(year) && month.is_none_or(is_month)).then_some((month, year, after))
}

fn identity(number: &str) -> String {
    let words: Vec<&str> = number.split_whitespace().collect();
    let lower = words.join(" ");
    lower.chars().flat_map(char::to_lowercase).nfc().collect()
}

pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let plain = text
        .nfkd()
        .filter(|character| !is_combining_mark(*character));
    for letter in plain.flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            letter => folded.push(letter),
        }
    }
    folded
}

pub(crate) fn natural_key(text: &str) -> String {
    let mut key = String::new();
    let mut digits = String::new();
    for letter in fold(text).chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            push_number(&mut key, &mut digits);
            key.push(letter);
        }
    }
    push_number(&mut key, &mut digits);
    key.chars().take(200).collect()
}

fn push_number(key: &mut String, digits: &mut String) {
    if !digits.is_empty() {
        key.extend(std::iter::repeat_n(
            '0',
            10_usize.saturating_sub(digits.len()),
        ));
        key.push_str(digits);
        digits.clear();
    }
}
