//! The tables: up, down and up again; and what the database itself refuses.

use entity::topic::{Position, TopicStatus};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};

use crate::harness::Server;

on_both_databases! {
    migrations_run_up_down_and_up_again
    the_database_itself_refuses_bad_rows
    the_status_of_a_topic_follows_from_its_positions
}

async fn migrations_run_up_down_and_up_again(server: &Server) {
    let db = &server.db.write;
    let before = tables(server).await;
    assert!(before.len() > 10, "{before:?}");
    Migrator::down(db, None).await.unwrap();
    assert_eq!(tables(server).await, ["seaql_migrations"]);
    Migrator::up(db, None).await.unwrap();
    assert_eq!(tables(server).await, before);
}

/// The names of all tables and their columns.
async fn tables(server: &Server) -> Vec<String> {
    let db = &server.db.write;
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "select table_name::text from information_schema.tables where table_schema = 'public' order by 1"
        }
        _ => {
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by 1"
        }
    };
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

async fn the_database_itself_refuses_bad_rows(server: &Server) {
    let a_lead = "insert into topic_committee (topic_id, committee_id, role, party)
        select l.topic_id, c.id, 'LEAD', l.party from topic_committee l, committee c
        where l.role = 'LEAD' and c.id <> l.committee_id limit 1";
    let refused = [
        ("a blank acronym", "update organization set acronym = ''"),
        (
            "two of one acronym",
            "update organization set acronym = 'ITU'",
        ),
        (
            "an acronym too long",
            "update organization set acronym = 'ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC' where acronym = 'ITU'",
        ),
        ("an unknown kind", "update organization set kind = 'CLUB'"),
        (
            "a partner with a side",
            "update organization set side = 'ITU' where kind = 'PARTNER'",
        ),
        (
            "a parent that is not there",
            "update organization set parent_id = (select id from topic limit 1)",
        ),
        (
            "an end before the start",
            "update committee set starts_on = '2026-01-02', ends_on = '2026-01-01'",
        ),
        (
            "an unknown position",
            "update topic set itu_position = 'PERHAPS'",
        ),
        ("two leads of a party", a_lead),
        (
            "a lead of the TSB",
            "update topic_committee set role = 'LEAD' where party = 'TSB'",
        ),
        (
            "done without a time",
            "update action_item set status = 'DONE', completed_at = null",
        ),
        ("two of one number", "update action_item set number = 1"),
        (
            "an activity out of nowhere",
            "update activity set position = 1",
        ),
    ];
    for (what, sql) in refused {
        let done = server.db.write.execute_unprepared(sql).await;
        assert!(done.is_err(), "{what} was let in");
    }
}

async fn the_status_of_a_topic_follows_from_its_positions(server: &Server) {
    use Position::{Agreed, Declined, Pending, Released};
    use TopicStatus as Status;
    let expected = |itu, upu| match (itu, upu) {
        (Declined, _) | (_, Declined) => Status::Declined,
        (Pending, _) | (_, Pending) => Status::Proposed,
        (Agreed, Agreed) => Status::Active,
        (Released, Released) => Status::Retired,
        _ => Status::Closing,
    };
    let db = &server.db.write;
    for itu in entity::word::all::<Position>() {
        for upu in entity::word::all::<Position>() {
            entity::topic::Entity::update_many()
                .col_expr(
                    entity::topic::Column::ItuPosition,
                    sea_orm::sea_query::Expr::val(itu),
                )
                .col_expr(
                    entity::topic::Column::UpuPosition,
                    sea_orm::sea_query::Expr::val(upu),
                )
                .filter(entity::topic::COLUMN.number.eq(1))
                .exec(db)
                .await
                .unwrap();
            let topic = entity::topic::Entity::find()
                .filter(entity::topic::COLUMN.number.eq(1))
                .one(db)
                .await
                .unwrap();
            assert_eq!(topic.unwrap().status, expected(itu, upu), "{itu:?} {upu:?}");
        }
    }
}
