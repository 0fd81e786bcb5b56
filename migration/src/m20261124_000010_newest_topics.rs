//! An index for the topics of one status, newest first.

use sea_orm_migration::prelude::*;

use crate::column::indexes;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        indexes(manager, "topic", &[], &[&["status", "updated_at", "id"]]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::drop();
        index.name("topic_status_updated_at_id_idx").table("topic");
        manager.drop_index(index).await
    }
}
