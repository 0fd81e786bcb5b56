//! Column definitions shared by the migrations, each with its check constraint.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Returns a text column of 1 to `max` characters.
pub fn words(name: &'static str, max: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column
        .text()
        .check(raw(format!("length(\"{name}\") between 1 and {max}")));
    column
}

/// Returns a text column restricted to the names of an enum.
pub fn one_of(name: &'static str, values: &[&str]) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    let values = values.join("', '");
    column
        .text()
        .check(raw(format!("\"{name}\" in ('{values}')")));
    column
}

/// Returns a text column that lists are sorted by.
pub fn sort_key(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.text().not_null();
    by_bytes(manager, column)
}

/// Makes a column compare byte by byte on both databases, whatever the collation of the PostgreSQL database.
pub fn by_bytes(manager: &SchemaManager<'_>, mut column: ColumnDef) -> ColumnDef {
    if manager.get_database_backend() == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// Makes a column one that the database computes from other columns of the row, for sorting and filtering.
pub fn generated(column: &mut ColumnDef, from: impl Into<String>) -> ColumnDef {
    column.generated(raw(from), true).take()
}

/// Returns a generated date column for sorting in which null counts as the latest date. SQLite stores dates as text;
/// the substitutes sort after and before every date there too.
pub fn first_to_last(manager: &SchemaManager<'_>, name: &'static str, of: &str) -> ColumnDef {
    open_ended(manager, name, of, "infinity")
}

/// Returns a generated date column for sorting in which null counts as the earliest date.
pub fn last_to_first(manager: &SchemaManager<'_>, name: &'static str, of: &str) -> ColumnDef {
    open_ended(manager, name, of, "-infinity")
}

/// Returns a date column without nulls, so that one range scan of an index reads a page.
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

/// Returns the version and the timestamps: `version` detects concurrent edits, clients synchronize by `updated_at`.
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

/// Returns the primary key column of most tables.
pub fn key() -> ColumnDef {
    id("id").primary_key().take()
}

/// Returns a UUID column for a foreign key or a primary key that is one.
pub fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

/// Returns an expression of raw SQL, because SeaQuery has no `length`, `in` over constants and `case` in a table
/// definition.
pub fn raw(sql: impl Into<String>) -> Expr {
    Expr::cust(sql.into())
}

/// Returns a foreign key from `table.column` to the `id` of `to`.
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

/// Creates an index for each list of columns, the unique ones first.
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

/// Drops tables in the given order: referring tables before the tables that they refer to.
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
