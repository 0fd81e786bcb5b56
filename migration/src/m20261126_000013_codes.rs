//! Action items are found by their codes and say why they have their status; filters of webhooks name types as the enum
//! does; publications have the status that their publisher gives them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::prelude::{Json, Uuid};

use crate::column::words;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Names of types as stored filters had them, and as the enum has them.
const TYPES: [(&str, &str); 10] = [
    ("Organization", "ORGANIZATION"),
    ("Committee", "COMMITTEE"),
    ("Mandate", "MANDATE"),
    ("Topic", "TOPIC"),
    ("ActionItem", "ACTION_ITEM"),
    ("Publication", "PUBLICATION"),
    ("Examination", "EXAMINATION"),
    ("LiaisonStatement", "LIAISON_STATEMENT"),
    ("Note", "NOTE"),
    ("Webhook", "WEBHOOK"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("update action_item set folded = 'a-' || folded")
            .await?;
        for (name, value) in TYPES {
            rename(db, name, value).await?;
        }
        for (table, mut column) in [
            ("action_item", words("status_reason", 8000)),
            ("publication", words("publisher_status", 100)),
        ] {
            let mut alter = Table::alter();
            alter.table(table).add_column(&mut column);
            manager.alter_table(alter).await?;
        }
        fill_reasons(db).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("update action_item set folded = substr(folded, 3)")
            .await?;
        for (name, value) in TYPES {
            rename(db, value, name).await?;
        }
        for (table, column) in [
            ("action_item", "status_reason"),
            ("publication", "publisher_status"),
        ] {
            let mut alter = Table::alter();
            alter.table(table).drop_column(column);
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

/// The other values of a filter are ids and words of other enums: none of them is one of these.
async fn rename(db: &SchemaManagerConnection<'_>, from: &str, to: &str) -> Result<(), DbErr> {
    let statement = format!(
        "update webhook set filter = replace(filter, '\"{from}\"', '\"{to}\"') where filter is not null"
    );
    db.execute_unprepared(&statement).await?;
    Ok(())
}

/// Fills in the reasons from the history: the last move of each item may have one.
async fn fill_reasons(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let mut moves = Query::select();
    moves
        .columns(["subject_id", "changes"])
        .from("activity")
        .and_where(Expr::col("verb").eq("STATUS_CHANGED"))
        .order_by("position", Order::Asc);
    for row in db.query_all(&moves).await? {
        let item: Uuid = row.try_get_by_index(0)?;
        let changes: Json = row.try_get_by_index(1)?;
        let mut update = Query::update();
        update
            .table("action_item")
            .value("status_reason", reason(&changes))
            .and_where(Expr::col("id").eq(item));
        db.execute(&update).await?;
    }
    Ok(())
}

/// The reason in the changes of a move. A note that was given without need is none.
fn reason(changes: &Json) -> Option<String> {
    let after = |field: &str| {
        let mut changes = changes.as_array()?.iter();
        changes.find(|change| change["field"] == field)?["after"].as_str()
    };
    let needed = match after("status")? {
        "POSTPONED" | "DECLINED" | "WITHDRAWN" => true,
        // Reopened: its outcome was taken back.
        "IN_PROGRESS" => changes
            .as_array()?
            .iter()
            .any(|change| change["field"] == "outcome"),
        _ => false,
    };
    // A database that comes back to this migration has the field's later name in its history.
    let reason = after("reason").or_else(|| after("statusReason"));
    reason.filter(|_| needed).map(str::to_owned)
}
