//! Migrations: up, down and up again; and the constraints of the database.

use std::collections::BTreeSet;

use liaison::store::Database;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use serde_json::json;

use crate::support::databases::connect;
use crate::support::harness::Server;

on_both_empty_databases! {
    migrating_up_down_and_up_again_creates_the_same_schema
    each_migration_can_be_reverted_alone
}

on_both_databases! {
    a_topics_status_follows_from_its_two_positions
    database_constraints_reject_invalid_rows
    database_constraints_reject_invalid_updates
    existing_codes_filters_and_reasons_are_migrated
}

/// Returns the schema as the database reports it.
async fn described(db: &DatabaseConnection) -> BTreeSet<String> {
    let queries: &[&str] = match db.get_database_backend() {
        DbBackend::Postgres => &[
            "select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(generation_expression, '') || ' ' || coalesce(collation_name, '') from information_schema.columns where table_schema = 'public'",
            "select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace",
            "select indexdef from pg_indexes where schemaname = 'public'",
            "select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal",
            "select proname || ' ' || prosrc from pg_proc where pronamespace = 'public'::regnamespace",
        ],
        _ => &[
            "select type || ' ' || name || ' ' || coalesce(sql, '') from sqlite_master where name not like 'sqlite_%'",
        ],
    };
    let mut all = BTreeSet::new();
    for query in queries {
        let query = Statement::from_string(db.get_database_backend(), *query);
        for row in db.query_all_raw(query).await.unwrap() {
            all.insert(row.try_get_by_index::<String>(0).unwrap());
        }
    }
    all
}

async fn migrating_up_down_and_up_again_creates_the_same_schema(url: &str) {
    let db = Database::connect(url, 1).await.unwrap();
    db.migrate().await.unwrap();
    let direct = connect(url).await.unwrap();
    let first = described(&direct).await;
    assert!(first.len() > 50, "{first:#?}");
    Migrator::down(&direct, None).await.unwrap();
    let nothing = described(&direct).await;
    let left = nothing
        .iter()
        .filter(|nothing| !nothing.contains("seaql_migrations"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<&String>::new());
    db.migrate().await.unwrap();
    assert_eq!(described(&direct).await, first);
    // No migration is pending.
    db.migrate().await.unwrap();
    assert_eq!(described(&direct).await, first);
}

async fn each_migration_can_be_reverted_alone(url: &str) {
    let db = connect(url).await.unwrap();
    Migrator::up(&db, Some(0)).await.unwrap();
    let mut steps = vec![described(&db).await];
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    for migration in Migrator::migrations() {
        Migrator::up(&db, Some(1)).await.unwrap();
        let after = described(&db).await;
        // SQLite has no notifications.
        let nothing = sqlite && migration.name().ends_with("_notify");
        // It computes values of rows again, and changes no table.
        let nothing = nothing || migration.name().ends_with("_shown_texts");
        assert_eq!(
            Some(&after) == steps.last(),
            nothing,
            "{}",
            migration.name()
        );
        steps.push(after);
    }
    steps.pop();
    while let Some(before) = steps.pop() {
        Migrator::down(&db, Some(1)).await.unwrap();
        assert_eq!(described(&db).await, before);
    }
}

/// Runs a statement and returns its single cell.
async fn ask(db: &impl ConnectionTrait, sql: &str) -> String {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn a_topics_status_follows_from_its_two_positions(server: &Server) {
    // Rows: ITU's position. Columns: the UPU's.
    const POSITIONS: [&str; 4] = ["PENDING", "AGREED", "DECLINED", "RELEASED"];
    const STATUSES: [[&str; 4]; 4] = [
        ["PROPOSED", "PROPOSED", "DECLINED", "PROPOSED"],
        ["PROPOSED", "ACTIVE", "DECLINED", "CLOSING"],
        ["DECLINED", "DECLINED", "DECLINED", "DECLINED"],
        ["PROPOSED", "CLOSING", "DECLINED", "RETIRED"],
    ];
    let db = &server.db.orm_write;
    for (itu, statuses) in POSITIONS.iter().zip(STATUSES) {
        for (upu, expected) in POSITIONS.iter().zip(statuses) {
            let update = format!(
                "update topic set itu_position = '{itu}', upu_position = '{upu}' where number = 1"
            );
            db.execute_unprepared(&update).await.unwrap();
            let status = ask(db, "select status from topic where number = 1").await;
            assert_eq!(status, expected, "ITU {itu}, UPU {upu}");
        }
    }
    let set = "update topic set status = 'ACTIVE' where number = 1";
    assert!(db.execute_unprepared(set).await.is_err(), "it is never set");
}

/// Inserts a copy of a row of `table` with other values in some columns.
async fn copied(
    db: &impl ConnectionTrait,
    table: &str,
    values: &[(&str, &str)],
) -> Result<(), DbErr> {
    let columns = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "select string_agg(column_name, ',') from information_schema.columns where table_schema = 'public' and table_name = '{table}' and is_generated = 'NEVER'"
        ),
        // Generated columns are hidden here.
        _ => format!("select group_concat(name) from pragma_table_info('{table}')"),
    };
    let columns = ask(db, &columns).await;
    let copied: Vec<&str> = columns
        .split(',')
        .map(|column| {
            let value = values.iter().find(|(name, _)| *name == column);
            value.map_or(column, |(_, value)| value)
        })
        .collect();
    let known = values
        .iter()
        .all(|(name, _)| columns.split(',').any(|part| part == *name));
    assert!(known, "{table} {columns}");
    let insert = format!(
        "insert into {table} ({columns}) select {} from {table} limit 1",
        copied.join(",")
    );
    db.execute_unprepared(&insert).await.map(|_| ())
}

/// Returns SQL for a new key and for a key that no row has.
fn key_expressions(backend: DbBackend) -> (&'static str, &'static str) {
    match backend {
        DbBackend::Postgres => (
            "gen_random_uuid()",
            "'00000000-0000-4000-8000-000000000000'::uuid",
        ),
        _ => ("randomblob(16)", "zeroblob(16)"),
    }
}

async fn database_constraints_reject_invalid_rows(server: &Server) {
    let db = &server.db.orm_write;
    let (new, none) = key_expressions(db.get_database_backend());
    // The log accepts allocated positions only.
    let given = "update counter set value = 9999 where name = 'activity'";
    db.execute_unprepared(given).await.unwrap();
    let fresh: [(&str, &[(&str, &str)]); 8] = [
        ("organization", &[("id", new), ("acronym", "'NEW'")]),
        ("committee", &[("id", new), ("code", "'NEW'")]),
        ("mandate", &[("id", new), ("code", "'NEW'")]),
        ("provision", &[("id", new), ("ordinal", "9999")]),
        ("topic", &[("id", new), ("number", "9999")]),
        (
            "action_item",
            &[
                ("id", new),
                ("number", "9999"),
                ("external_key", "null"),
                ("status", "'OPEN'"),
                ("completed_at", "null"),
            ],
        ),
        ("activity", &[("id", new), ("position", "9999")]),
        ("counter", &[("name", "'new'")]),
    ];
    let long = |length: usize| format!("'{}'", "x".repeat(length));
    let (code, name, text) = (long(33), long(501), long(8001));
    let bad: &[(&str, &str, &str)] = &[
        ("organization", "acronym", "'ITU'"),
        ("organization", "acronym", "''"),
        ("organization", "acronym", &code),
        ("organization", "name", "''"),
        ("organization", "name", &name),
        ("organization", "name", "null"),
        ("organization", "kind", "'CLUB'"),
        ("organization", "side", "'TSB'"),
        ("organization", "parent_id", none),
        ("organization", "original_language", "'XX'"),
        ("organization", "version", "0"),
        ("committee", "organization_id", none),
        ("committee", "parent_id", none),
        ("committee", "code", &code),
        ("committee", "period", "''"),
        ("committee", "name", &name),
        ("committee", "mandate", &text),
        ("committee", "kind", "'BAND'"),
        ("committee", "status", "'ASLEEP'"),
        ("committee", "party", "'ISO'"),
        ("mandate", "code", "'RES-11-DUBAI-2012'"),
        ("mandate", "title", "''"),
        ("provision", "mandate_id", none),
        ("provision", "section", "'HOPING'"),
        ("provision", "summary", "''"),
        ("topic", "number", "1"),
        ("topic", "title", &name),
        ("topic", "summary", &text),
        ("topic", "itu_position", "'MAYBE'"),
        ("topic", "upu_position", "null"),
        ("topic", "proposed_by", "'ISO'"),
        ("topic", "version", "0"),
        ("action_item", "number", "1"),
        ("action_item", "topic_id", none),
        ("action_item", "committee_id", none),
        ("action_item", "counterpart_id", none),
        ("action_item", "title", "''"),
        ("action_item", "description", &text),
        ("action_item", "status", "'LOST'"),
        ("action_item", "status", "'DONE'"),
        ("action_item", "priority", "'URGENT'"),
        ("action_item", "owned_by", "null"),
        ("action_item", "side", "'TSB'"),
        ("activity", "position", "1"),
        ("activity", "verb", "'DELETED'"),
        ("activity", "party", "'ISO'"),
        ("activity", "topic_id", none),
        ("counter", "name", "'topic'"),
    ];
    for (table, fresh) in fresh {
        let undone = db.begin().await.unwrap();
        copied(&undone, table, fresh)
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        undone.rollback().await.unwrap();
        for (_, column, value) in bad.iter().filter(|case| case.0 == table) {
            let mut values: Vec<_> = fresh
                .iter()
                .copied()
                .filter(|row| row.0 != *column)
                .collect();
            values.push((column, value));
            let copy = copied(db, table, &values).await;
            assert!(copy.is_err(), "{table}.{column} = {value}");
        }
    }
    two_leads_of_one_party(db).await;
}

async fn two_leads_of_one_party(db: &impl ConnectionTrait) {
    let link = |role: &str| {
        format!(
            "insert into topic_committee (topic_id, committee_id, role, party) \
             select lead.topic_id, committee.id, '{role}', committee.party from topic_committee lead \
             join committee on committee.party = lead.party and committee.status = 'ACTIVE' \
             where lead.role = 'LEAD' and not exists (select 1 from topic_committee other \
             where other.topic_id = lead.topic_id and other.committee_id = committee.id) \
             order by lead.topic_id, committee.id limit 1"
        )
    };
    assert!(db.execute_unprepared(&link("LEAD")).await.is_err());
    assert!(db.execute_unprepared(&link("GUEST")).await.is_err());
    let done = db.execute_unprepared(&link("CONTRIBUTING")).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    let again = "insert into topic_committee select * from topic_committee limit 1";
    assert!(db.execute_unprepared(again).await.is_err());
    for (table, column) in [
        ("topic_committee", "topic_id"),
        ("topic_committee", "committee_id"),
        ("topic_provision", "provision_id"),
    ] {
        let orphan = match db.get_database_backend() {
            DbBackend::Postgres => "gen_random_uuid()",
            _ => "randomblob(16)",
        };
        let update = format!("update {table} set {column} = {orphan}");
        assert!(
            db.execute_unprepared(&update).await.is_err(),
            "{table}.{column}"
        );
    }
}

async fn database_constraints_reject_invalid_updates(server: &Server) {
    server.fill().await;
    let db = &server.db.orm_write;
    let none = match db.get_database_backend() {
        DbBackend::Postgres => "'00000000-0000-4000-8000-000000000000'::uuid",
        _ => "zeroblob(16)",
    };
    let long = |length: usize| format!("'{}'", "x".repeat(length));
    let (number, name, text, body) = (long(101), long(501), long(8001), long(20_001));
    for (table, column, value) in [
        ("publication", "number_identity", "'upu s52'"),
        ("publication", "number", &number),
        ("publication", "title", &name),
        ("publication", "kind", "'POEM'"),
        ("publication", "status", "'LOST'"),
        ("publication", "publisher_status", "''"),
        ("publication", "side", "'TSB'"),
        ("publication", "organization_id", none),
        ("publication", "committee_id", none),
        ("publication", "supersedes_id", "id"),
        ("publication", "url", "''"),
        ("publication", "version", "0"),
        ("publication_relation", "related_id", "publication_id"),
        ("publication_relation", "related_id", none),
        ("topic_publication", "publication_id", none),
        ("topic_publication", "topic_id", none),
        ("examination", "publication_id", none),
        ("examination", "requested_by", "'ISO'"),
        ("examination", "reason", &text),
        ("finding", "examination_id", none),
        ("finding", "side", "'TSB'"),
        ("finding", "impact", "'TERRIBLE'"),
        ("finding", "statement", "''"),
        ("finding", "statement", &text),
        ("finding", "committee_id", none),
        ("liaison_statement", "number", "1"),
        ("liaison_statement", "title", &name),
        ("liaison_statement", "body", &body),
        ("liaison_statement", "contact", "''"),
        ("liaison_statement", "in_reply_to_id", none),
        ("liaison_statement", "sent_by", "'ISO'"),
        ("liaison_statement", "side", "'TSB'"),
        ("sender", "statement_id", none),
        ("sender", "committee_id", none),
        ("addressee", "statement_id", none),
        ("addressee", "committee_id", none),
        ("addressee", "purpose", "'WONDER'"),
        ("addressee", "purpose", "'COMMENT'"),
        ("attachment", "statement_id", none),
        ("attachment", "name", "''"),
        ("attachment", "url", "''"),
        ("statement_topic", "statement_id", none),
        ("statement_topic", "topic_id", none),
        ("note", "topic_id", none),
        ("note", "body", "''"),
        ("note", "body", &body),
        ("note", "retracted", "true"),
        ("note", "party", "'ISO'"),
    ] {
        let update = format!("update {table} set {column} = {value}");
        let done = db.execute_unprepared(&update).await;
        assert!(done.is_err(), "{table}.{column} = {value}");
    }
    // A publication has at most one open examination.
    let again = "update examination set complete = false, publication_id = (select id from publication where number = 'UPU S52')";
    assert!(db.execute_unprepared(again).await.is_err());
}

async fn existing_codes_filters_and_reasons_are_migrated(server: &Server) {
    let upu = server.upu();
    let item = json!({ "topicId": server.topic("T-3").await, "committeeId": server.committee("POC", "C5").await, "title": "T" });
    let item = upu.change("actionItemCreate", item, "id code").await;
    let postponed =
        json!({ "id": item["id"], "version": 1, "to": "POSTPONED", "note": "Holidays." });
    upu.change("actionItemMove", postponed, "id").await;
    let filter = json!({ "subjectType": ["ACTION_ITEM", "TOPIC"], "verb": ["CREATED"] });
    let webhook = json!({ "url": "https://example.org/hook", "filter": filter });
    upu.change("webhookCreate", webhook, "id").await;
    let document = "query($code: String!) { actionItems(filter: { text: $code }) { nodes { code statusReason } }
        webhooks { filter { subjectType verb } } }";
    let variables = json!({ "code": item["code"] });
    let before = upu.data(document, variables.clone()).await;
    assert_eq!(
        before["actionItems"]["nodes"][0]["statusReason"],
        "Holidays."
    );

    let db = &connect(server.database_url()).await.unwrap();
    let all = Migrator::migrations();
    let later = all.iter().rev();
    let later = later.take_while(|migration| !migration.name().ends_with("_number_identity"));
    let later = u32::try_from(later.count()).unwrap();
    Migrator::down(db, Some(later)).await.unwrap();
    let old = "select count(*) from webhook where filter like '%\"ActionItem\"%'";
    let old = Statement::from_string(db.get_database_backend(), old);
    let old = db.query_one_raw(old).await.unwrap().unwrap();
    assert_eq!(old.try_get_by_index::<i64>(0).unwrap(), 1);
    Migrator::up(db, None).await.unwrap();
    assert_eq!(upu.data(document, variables).await, before);
}
