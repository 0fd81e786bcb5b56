//! PostgreSQL with an owner role and a server role, set up as documented.

use std::fs;

use liaison::store::privileges::TABLES;
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;
use url::Url;

use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::Server;
use crate::support::raw_http;
use crate::webhooks::endpoints::create;

/// A record to import, and the command that imports it.
const ORGANIZATION: &str = "{\"type\":\"Organization\",\"acronym\":\"ITU-D\",\"name\":\"Development\",\"kind\":\"SECTOR\",\"side\":\"ITU\"}\n";
const IMPORT: [&str; 4] = ["import", "records.jsonl", "--party", "ITU"];

/// The documented statements, with other names of database and roles.
fn manual(block: usize, database: &str) -> String {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md"));
    let manual = manual.unwrap();
    let (_, section) = manual.split_once("## Two roles on PostgreSQL").unwrap();
    let block = section.split("```sql").nth(block).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block
        .replace(
            "create database liaison owner",
            "alter database liaison owner to",
        )
        .replace("database liaison", &format!("database {database}"))
        .replace("liaison_owner", &format!("{database}_owner"))
        .replace("liaison_server", &format!("{database}_server"))
}

/// A database with the two roles of the manual.
struct Roles {
    _database: TestDatabase,
    name: String,
    owner_url: String,
    server_url: String,
    superuser: DatabaseConnection,
}

impl Roles {
    async fn create() -> Self {
        let database = TestDatabase::empty(Backend::Postgres).await;
        let url = Url::parse(&database.url).unwrap();
        let name = url.path().trim_start_matches('/').to_owned();
        let as_role = |role: &str, password: &str| {
            let mut url = url.clone();
            url.set_username(&format!("{name}_{role}")).unwrap();
            url.set_password(Some(password)).unwrap();
            String::from(url)
        };
        let superuser = sea_orm::Database::connect(url.as_str()).await.unwrap();
        for statement in manual(1, &name).split_inclusive(';') {
            superuser.execute_unprepared(statement).await.unwrap();
        }
        Self {
            owner_url: as_role("owner", "a secret"),
            server_url: as_role("server", "another secret"),
            _database: database,
            name,
            superuser,
        }
    }

    /// Grants what the manual says, as the owner.
    async fn grant(&self) {
        let owner = sea_orm::Database::connect(&self.owner_url).await.unwrap();
        let grants = manual(2, &self.name);
        owner.execute_unprepared(&grants).await.unwrap();
        owner.close().await.unwrap();
    }

    async fn remove(self) {
        let name = self.name;
        let remove = format!(
            "reassign owned by {name}_owner to current_user; drop owned by {name}_owner;
             drop owned by {name}_server;
             drop role {name}_owner, {name}_server"
        );
        self.superuser.execute_unprepared(&remove).await.unwrap();
        self.superuser.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_role_that_lacks_a_privilege_is_refused_and_not_ready() {
    let roles = Roles::create().await;
    let (workspace, server_url) = (Workspace::new(), &roles.server_url);
    let migrate = ["migrate", "--database-url", &roles.owner_url];
    workspace.done(&migrate);
    roles.grant().await;
    let names = "select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace";
    let names = Statement::from_string(DbBackend::Postgres, names);
    let names = roles.superuser.query_one_raw(names).await.unwrap();
    let names: String = names.unwrap().try_get_by_index(0).unwrap();
    assert_eq!(names, TABLES);
    // A table that this program does not know is none of its own.
    let newer = "create table newer (number int)";
    roles.superuser.execute_unprepared(newer).await.unwrap();
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    let place = ["--listen", "127.0.0.1:0", "--database-url", server_url];
    let read_only = [&["serve", "--read-only"][..], &place].concat();
    let serve = ["serve", "--token-key", "key", "--token-algorithms", "HS256"];
    let serve = [&serve[..], &place].concat();
    let change = async |what: &str| {
        let statement = format!("{what} {}_server", roles.name);
        roles
            .superuser
            .execute_unprepared(&statement)
            .await
            .unwrap();
    };
    for (privileges, table, named) in [
        ("select", "translation", "select on translation"),
        ("insert", "activity", "insert on activity"),
        ("update", "topic", "update on topic"),
        ("delete", "translation", "delete on translation"),
    ] {
        change(&format!("revoke {privileges} on {table} from")).await;
        let line = workspace.refusal(&serve);
        let expected = format!("--database-url: permission denied: {named}: grant the role");
        assert!(line.starts_with(&expected), "{line}");
        if privileges == "select" {
            assert_eq!(workspace.refusal(&read_only), line);
        }
        change(&format!("grant {privileges} on {table} to")).await;
    }
    let mut service = workspace.start(&serve);
    let address = service.address();
    change("revoke insert, update on topic from").await;
    // A replica that reads needs no other privilege than to select.
    let mut reader = workspace.start(&read_only);
    reader.address();
    let readyz = raw_http::get(&address, "/readyz");
    assert_eq!(readyz.status, 503);
    let expected = "the role of the service lacks a privilege on a table";
    assert_eq!(readyz.json()["checks"]["databaseWrite"], expected);
    assert_eq!(readyz.json()["checks"]["databaseRead"], "ok");
    change("grant insert, update on topic to").await;
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);

    service.stop();
    reader.stop();
    // Tables that are made anew have the privileges of the defaults.
    let down = ["--down", "m20261124_000001_bodies"];
    workspace.done(&[&migrate[..], &down].concat());
    workspace.done(&migrate);
    let line = workspace.refusal(&serve);
    assert!(line.contains("delete on"), "{line}");
    assert!(!line.contains("select on"), "{line}");
    let drop = "drop table newer";
    roles.superuser.execute_unprepared(drop).await.unwrap();
    roles.grant().await;
    workspace.start(&serve).address();
    roles.remove().await;
}

#[tokio::test]
async fn the_two_documented_roles_serve_and_cannot_change_the_history() {
    let roles = Roles::create().await;
    let (name, owner_url) = (&roles.name, &roles.owner_url);
    let (server_url, superuser) = (&roles.server_url, &roles.superuser);
    let workspace = Workspace::new();
    workspace.done(&["migrate", "--database-url", owner_url]);
    let ungranted = workspace.refusal(&["serve", "--read-only", "--database-url", server_url]);
    assert!(ungranted.contains("permission denied"), "{ungranted}");
    assert!(ungranted.contains("docs/operations.md"), "{ungranted}");
    roles.grant().await;

    let revoke = format!("revoke temporary on database {name} from {name}_server");
    superuser.execute_unprepared(&revoke).await.unwrap();
    workspace.write("records.jsonl", ORGANIZATION);
    let trial = [&IMPORT[..], &["--dry-run", "--database-url", server_url]].concat();
    let trial = workspace.refusal(&trial);
    assert!(trial.contains("the privilege TEMPORARY"), "{trial}");
    let grant = format!("grant temporary on database {name} to {name}_server");
    superuser.execute_unprepared(&grant).await.unwrap();
    runs_without_ddl(&workspace, server_url);
    let mut database = TestDatabase::empty(Backend::Sqlite).await;
    database.url.clone_from(server_url);
    let server = Server::start_on(database, |_| {}).await;
    let anonymous = server.anonymous();
    let ready = anonymous.send(reqwest::Method::GET, "/readyz", &[], "");
    assert_eq!(ready.await.status, StatusCode::OK);
    // Writes to all tables that rows can be deleted from.
    let (itu, topic) = (server.itu(), server.topic("T-3").await);
    let committee = server.committee("ITU-T", "SG2").await;
    let read = "query($topic: ID!, $committee: ID!) { topic(by: { id: $topic }) { version } committee(by: { id: $committee }) { version } }";
    let ids = json!({ "topic": topic, "committee": committee });
    let read = itu.data(read, ids).await;
    let link = json!({ "id": topic, "committeeId": committee, "role": "CONTRIBUTING" });
    let unlink = json!({ "id": topic, "committeeId": committee });
    let note = json!({ "subjectId": topic, "body": "Served.", "idempotencyKey": "served" });
    let cleared = json!({ "id": topic, "version": read["topic"]["version"], "provisionIds": [], "publicationIds": [] });
    let reformed =
        json!({ "id": committee, "version": read["committee"]["version"], "predecessorIds": [] });
    for (mutation, input) in [
        ("topicUpdate", cleared),
        ("topicLinkCommittee", link),
        ("topicUnlinkCommittee", unlink),
        ("committeeUpdate", reformed),
        ("noteAdd", note),
    ] {
        assert_eq!(itu.verdict(mutation, input).await, "OK", "{mutation}");
    }
    let webhook = create(&itu, json!({ "url": "https://example.org/hook" })).await;
    let delete = "mutation($input: WebhookDeleteInput!) { webhookDelete(input: $input) { userErrors { code } } }";
    let input = json!({ "id": webhook["webhook"]["id"], "version": 1 });
    let deleted = itu.data(delete, json!({ "input": input })).await;
    assert_eq!(deleted["webhookDelete"]["userErrors"], json!([]));

    for attempt in [
        "update activity set actor = 'someone else'",
        "delete from activity",
        "truncate activity",
        "delete from note",
        "alter table activity disable trigger all",
        "drop trigger activity_next_position on activity",
        "create table more (n int)",
        "delete from seaql_migrations",
    ] {
        let error = server.db.orm_write.execute_unprepared(attempt).await;
        let error = error.expect_err(attempt).to_string();
        let refused = error.contains("permission denied") || error.contains("must be owner");
        assert!(refused, "{attempt}: {error}");
    }
    server.db.close().await.unwrap();

    // What it may not migrate, it refuses to serve.
    let older = "m20261124_000010_newest_topics";
    workspace.done(&["migrate", "--down", older, "--database-url", owner_url]);
    for command in [&["seed"][..], &["migrate"]] {
        let line = workspace.refusal(&[command, &["--database-url", server_url]].concat());
        assert!(line.contains(older), "{line}");
        let reason = "this role may not change them (set by the flag)";
        assert!(line.ends_with(reason), "{line}");
    }
    roles.remove().await;
}

/// `seed`, `import` and `serve`, as a role that may change rows alone.
fn runs_without_ddl(workspace: &Workspace, url: &str) {
    workspace.done(&["seed", "--database-url", url]);
    workspace.write("records.jsonl", ORGANIZATION);
    let import = [&IMPORT[..], &["--database-url", url]].concat();
    workspace.done(&[&import[..], &["--dry-run"]].concat());
    workspace.done(&import);
    // More than 500 records are tried on a copy first.
    let many: String = (0..501)
        .map(|number| ORGANIZATION.replace("ITU-D", &format!("ITU-D {number}")))
        .collect();
    workspace.write("records.jsonl", &many);
    workspace.done(&import);
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    let serve = ["serve", "--token-key", "key", "--token-algorithms", "HS256"];
    let place = ["--listen", "127.0.0.1:0", "--database-url", url];
    for mode in [&[][..], &["--no-migrate"], &["--read-only"]] {
        let mut service = workspace.start(&[&serve[..], mode, &place].concat());
        service.address();
        let ended = service.stop();
        assert!(ended.status.success(), "{ended:?}");
        assert!(!ended.err.contains("NOTICE"), "{ended:?}");
        assert!(!ended.err.contains("already exists"), "{ended:?}");
    }
}
