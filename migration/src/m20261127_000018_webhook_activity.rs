//! A webhook remembers which activity it has come to, so that it does not go on in a history that was replaced.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("activity_id").uuid().take();
        let alter = Table::alter().table("webhook").add_column(column).take();
        manager.alter_table(alter).await?;
        let position = Expr::col(("activity", "position")).equals(("webhook", "position"));
        let activity = Query::select()
            .column(("activity", "id"))
            .from("activity")
            .and_where(position)
            .take();
        let update = Query::update()
            .table("webhook")
            .value(
                "activity_id",
                Expr::SubQuery(None, Box::new(activity.into())),
            )
            .take();
        manager.execute(update).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table("webhook")
            .drop_column("activity_id")
            .take();
        manager.alter_table(alter).await
    }
}
