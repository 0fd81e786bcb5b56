//! The kinds of column that the tables are made of, each with the check that guards it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A text of at most `max` characters, never empty.
pub fn words(name: &'static str, max: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column
        .text()
        .check(raw(format!("length(\"{name}\") between 1 and {max}")));
    column
}

/// One of the words of an enum.
pub fn one_of(name: &'static str, values: &[&str]) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    let values = values.join("', '");
    column
        .text()
        .check(raw(format!("\"{name}\" in ('{values}')")));
    column
}

/// A text that lists are ordered by.
pub fn sort_key(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.text().not_null();
    by_bytes(manager, column)
}

/// The same column, compared byte by byte on both databases, whatever the language of `PostgreSQL`'s.
pub fn by_bytes(manager: &SchemaManager<'_>, mut column: ColumnDef) -> ColumnDef {
    if manager.get_database_backend() == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// A column that the database computes from others of its row, for ordering and filtering.
pub fn generated(column: &mut ColumnDef, from: impl Into<String>) -> ColumnDef {
    column.generated(raw(from), true).take()
}

/// A date to order by, with no date at the end of time. `SQLite` holds dates as text; there, too, these
/// words stand after and before every date.
pub fn first_to_last(manager: &SchemaManager<'_>, name: &'static str, of: &str) -> ColumnDef {
    open_ended(manager, name, of, "infinity")
}

/// The same, with no date at the beginning of time.
pub fn last_to_first(manager: &SchemaManager<'_>, name: &'static str, of: &str) -> ColumnDef {
    open_ended(manager, name, of, "-infinity")
}

/// A date to order by that has no null, so that one range over one index is a page.
fn open_ended(
    manager: &SchemaManager<'_>,
    name: &'static str,
    of: &str,
    without: &str,
) -> ColumnDef {
    let without = match manager.get_database_backend() {
        DbBackend::Postgres => format!("'{without}'::date"),
        _ => format!("'{without}'"),
    };
    generated(
        ColumnDef::new(name).date(),
        format!("coalesce({of}, {without})"),
    )
}

/// Who edits at once finds out by `version`; `updated_at` is what mirrors ask by.
pub fn stamps() -> [ColumnDef; 4] {
    [
        one_of(
            "original_language",
            &["AR", "ZH", "EN", "FR", "RU", "ES", "DE", "PT"],
        )
        .not_null()
        .take(),
        ColumnDef::new("version")
            .integer()
            .not_null()
            .check(raw("\"version\" >= 1"))
            .take(),
        ColumnDef::new("created_at")
            .timestamp_with_time_zone()
            .not_null()
            .take(),
        ColumnDef::new("updated_at")
            .timestamp_with_time_zone()
            .not_null()
            .take(),
    ]
}

/// The primary key of most tables.
pub fn key() -> ColumnDef {
    id("id").primary_key().take()
}

/// A reference, or a key that is one.
pub fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

/// `SeaQuery` has no words for `length`, `in` over constants and `case` within a table's definition.
pub fn raw(sql: impl Into<String>) -> Expr {
    Expr::cust(sql.into())
}

/// A foreign key from `table.column` to the `id` of `to`.
pub fn reference(
    table: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{column}_fkey"))
        .from(table, column)
        .to(to, "id")
        .take()
}

/// Creates one index for each list of columns; `unique` ones first.
pub async fn indexes(
    manager: &SchemaManager<'_>,
    table: &'static str,
    unique: &[&[&'static str]],
    plain: &[&[&'static str]],
) -> Result<(), DbErr> {
    let unique = unique.iter().map(|columns| (true, columns));
    let plain = plain.iter().map(|columns| (false, columns));
    for (unique, columns) in unique.chain(plain) {
        let mut index = Index::create();
        index
            .name(format!("{table}_{}_idx", columns.join("_")))
            .table(table);
        for column in *columns {
            index.col(*column);
        }
        if unique {
            index.unique();
        }
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Drops tables; later ones may refer to earlier ones.
pub async fn drop_tables(
    manager: &SchemaManager<'_>,
    tables: &[&'static str],
) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager
            .drop_table(Table::drop().table(*table).take())
            .await?;
    }
    Ok(())
}
