//! The baseline: one hand-written statement per workload that builds the whole response in the database, with the same
//! drivers and connections as the service.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::NaiveDate;
use rusqlite::{Connection, Params};
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::sqlx::{self, PgPool, Postgres, Row, SqlitePool};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::Result;

enum Store {
    Postgres {
        read: Idle<PoolConnection<Postgres>>,
        /// Where those come from.
        opens: PgPool,
        write: PgPool,
    },
    Sqlite {
        read: Idle<Connection>,
        write: SqlitePool,
    },
}

/// Idle connections. A regular pool would ping the server after each statement.
struct Idle<T> {
    idle: Mutex<Vec<T>>,
    permits: Semaphore,
}

impl<T> Idle<T> {
    fn new(idle: Vec<T>, permits: u32) -> Self {
        let (idle, permits) = (Mutex::new(idle), Semaphore::new(permits as usize));
        Self { idle, permits }
    }

    fn take(&self) -> Option<T> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn give(&self, connection: T) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
    }
}

/// Serves until the process is killed.
pub async fn serve(url: &str, port: u16, connections: u32) -> Result<()> {
    let wrong = |error: sqlx::Error| error.to_string();
    let store = if url.starts_with("sqlite:") {
        let options: SqliteConnectOptions = url.parse().map_err(wrong)?;
        let options = options.foreign_keys(true).pragma("synchronous", "NORMAL");
        let read = (0..connections).map(|_| Connection::open(options.get_filename()));
        let read: std::result::Result<_, _> = read.collect();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false);
        Store::Sqlite {
            read: Idle::new(read.map_err(|error| error.to_string())?, connections),
            write: pool.connect_with(options).await.map_err(wrong)?,
        }
    } else {
        let pool = async || {
            let options = PgPoolOptions::new()
                .max_connections(connections)
                .test_before_acquire(false);
            options.connect(url).await.map_err(wrong)
        };
        Store::Postgres {
            read: Idle::new(Vec::new(), connections),
            opens: pool().await?,
            write: pool().await?,
        }
    };
    let router = Router::new()
        .route("/{workload}", post(handle))
        .route("/fixed/{bytes}", post(fixed))
        .with_state(Arc::new(store));
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| error.to_string())?;
    axum::serve(listener, router)
        .await
        .map_err(|error| error.to_string())
}

/// Responds with a fixed number of bytes, whatever the request.
async fn fixed(Path(bytes): Path<usize>, _: Bytes) -> impl IntoResponse {
    /// The start of a response, followed by more bytes than any response has.
    static FILLER: LazyLock<Vec<u8>> =
        LazyLock::new(|| [&br#"{"data":""#[..], &[b'0'; 100_000]].concat());
    let body = Bytes::from_static(&FILLER[..bytes.min(FILLER.len())]);
    ([(header::CONTENT_TYPE, "application/json")], body)
}

async fn handle(
    State(store): State<Arc<Store>>,
    Path(workload): Path<String>,
    body: Bytes,
) -> Response {
    let Ok(variables) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let moves = workload == "Q5";
    let result = match &*store {
        Store::Postgres { write, .. } if moves => shown(move_on_postgres(write, &variables).await),
        Store::Postgres { read, opens, .. } => {
            shown(on_postgres(read, opens, &workload, &variables).await)
        }
        Store::Sqlite { write, .. } if moves => shown(move_on_sqlite(write, &variables).await),
        Store::Sqlite { read, .. } => shown(on_sqlite(read, &workload, &variables)),
    };
    match result {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

fn shown(result: std::result::Result<String, impl ToString>) -> Result<String> {
    result.map_err(|error| error.to_string())
}

fn text<'a>(variables: &'a Value, name: &str) -> &'a str {
    variables[name].as_str().unwrap_or_default()
}

fn key(variables: &Value, name: &str) -> Uuid {
    text(variables, name).parse().unwrap_or_default()
}

fn day(variables: &Value, name: &str) -> NaiveDate {
    text(variables, name).parse().unwrap_or_default()
}

fn version(variables: &Value) -> i32 {
    let version = variables["version"].as_i64().unwrap_or_default();
    i32::try_from(version).unwrap_or_default()
}

async fn on_postgres(
    read: &Idle<PoolConnection<Postgres>>,
    opens: &PgPool,
    workload: &str,
    variables: &Value,
) -> std::result::Result<String, sqlx::Error> {
    let query = match workload {
        "Q1" => sqlx::query_scalar(
            "select json_build_object('data', json_build_object('topic', json_build_object(
                'id', id, 'code', 'T-' || number, 'title', title, 'summary', summary, 'status', status, 'updatedAt', updated_at)))::text
            from topic where id = $1",
        )
        .bind(key(variables, "id")),
        "Q2" => sqlx::query_scalar(
            "with p as (select id, number, title, status, updated_at from topic where status = $1 order by updated_at desc, id desc limit 51)
            select json_build_object('data', json_build_object('topics', json_build_object(
                'nodes', (select json_agg(json_build_object('id', id, 'code', 'T-' || number, 'title', title, 'status', status, 'updatedAt', updated_at)) from (select * from p limit 50) x),
                'pageInfo', json_build_object('hasNextPage', (select count(*) > 50 from p), 'endCursor', (select updated_at || '_' || id from p offset 49 limit 1)))))::text",
        )
        .bind(text(variables, "status")),
        "Q3" => sqlx::query_scalar(
            "select json_build_object('data', json_build_object('topics', json_build_object('nodes', json_agg(json_build_object(
                'id', t.id, 'code', 'T-' || t.number, 'title', t.title, 'status', t.status,
                'committees', coalesce(l.all_of, '[]'), 'actionItems', json_build_object('nodes', coalesce(a.all_of, '[]')))))))::text
            from (select id, number, title, status from topic order by updated_at desc, id desc limit 20) t
            left join lateral (
                select json_agg(json_build_object('role', l.role, 'committee', json_build_object('code', c.code, 'name', c.name, 'organization', json_build_object('acronym', o.acronym)))
                    order by case l.role when 'LEAD' then 1 when 'CONTRIBUTING' then 2 else 3 end, c.code_key, c.id) all_of
                from topic_committee l join committee c on c.id = l.committee_id join organization o on o.id = c.organization_id where l.topic_id = t.id) l on true
            left join lateral (
                select json_agg(json_build_object('code', 'A-' || a.number, 'title', a.title, 'status', a.status, 'dueOn', a.due_on, 'committee', json_build_object('code', c.code)) order by a.due_asc, a.id) all_of
                from (select id, number, title, status, due_on, due_asc, committee_id from action_item where topic_id = t.id order by due_asc, id limit 5) a
                join committee c on c.id = a.committee_id) a on true",
        ),
        "Q4" => sqlx::query_scalar(
            "with p as (select id, number, title, status, due_on from action_item where (due_asc, id) > ($1, $2) order by due_asc, id limit 51)
            select json_build_object('data', json_build_object('actionItems', json_build_object(
                'nodes', (select json_agg(json_build_object('id', id, 'code', 'A-' || number, 'title', title, 'status', status, 'dueOn', due_on)) from (select * from p limit 50) x),
                'pageInfo', json_build_object('hasNextPage', (select count(*) > 50 from p), 'endCursor', (select coalesce(due_on::text, '') || '_' || id from p offset 49 limit 1)))))::text",
        )
        .bind(day(variables, "day"))
        .bind(key(variables, "id")),
        _ => sqlx::query_scalar(
            "select json_build_object('data', json_build_object('actionItems', json_build_object(
                'totalCount', (select count(*) from action_item where status = $1),
                'nodes', (select json_agg(json_build_object('id', id, 'code', 'A-' || number, 'title', title, 'status', status, 'dueOn', due_on))
                    from (select id, number, title, status, due_on from action_item where status = $1 order by due_asc, id limit 10) x))))::text",
        )
        .bind(text(variables, "status")),
    };
    let _permit = read.permits.acquire().await;
    let mut connection = match read.take() {
        Some(connection) => connection,
        None => opens.acquire().await?,
    };
    let response = query.fetch_one(&mut *connection).await;
    read.give(connection);
    response
}

const COUNT: &str = "update counter set value = value + 1 where name = 'activity' returning value";

async fn move_on_postgres(
    pool: &PgPool,
    variables: &Value,
) -> std::result::Result<String, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let position: i64 = sqlx::query_scalar(COUNT)
        .fetch_one(&mut *transaction)
        .await?;
    let moved = sqlx::query(
        "update action_item set status = $1, version = version + 1, updated_at = now() where id = $2 and version = $3
        returning topic_id, json_build_object('data', json_build_object('actionItemMove', json_build_object('actionItem', json_build_object('code', 'A-' || number, 'status', status), 'userErrors', '[]'::json)))::text",
    )
    .bind(text(variables, "to"))
    .bind(key(variables, "id"))
    .bind(version(variables))
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into activity (id, position, at, actor, party, verb, subject_type, subject_id, topic_id, itu, upu, changes)
        values ($1, $2, now(), 'somebody', 'ITU', 'STATUS_CHANGED', 'ActionItem', $3, $4, true, true, '[]')",
    )
    .bind(Uuid::now_v7())
    .bind(position)
    .bind(key(variables, "id"))
    .bind(moved.try_get::<Uuid, _>(0)?)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    moved.try_get(1)
}

fn on_sqlite(
    read: &Idle<Connection>,
    workload: &str,
    variables: &Value,
) -> rusqlite::Result<String> {
    let connection = read.take().ok_or(rusqlite::Error::InvalidQuery)?;
    let response = match workload {
        "Q1" => one(&connection,
            "select json_object('data', json_object('topic', json_object(
                'id', hex(id), 'code', 'T-' || number, 'title', title, 'summary', summary, 'status', status, 'updatedAt', updated_at)))
            from topic where id = ?", (&key(variables, "id").as_bytes()[..],)),
        "Q2" => one(&connection,
            "with p as materialized (select id, number, title, status, updated_at from topic where status = ? order by updated_at desc, id desc limit 51)
            select json_object('data', json_object('topics', json_object(
                'nodes', (select json_group_array(json_object('id', hex(id), 'code', 'T-' || number, 'title', title, 'status', status, 'updatedAt', updated_at)) from (select * from p limit 50)),
                'pageInfo', json_object('hasNextPage', json(iif((select count(*) from p) > 50, 'true', 'false')), 'endCursor', (select updated_at || '_' || hex(id) from p limit 1 offset 49)))))", (text(variables, "status"),)),
        "Q3" => one(&connection,
            "select json_object('data', json_object('topics', json_object('nodes', json_group_array(json_object(
                'id', hex(t.id), 'code', 'T-' || t.number, 'title', t.title, 'status', t.status,
                'committees', (select json_group_array(json_object('role', role, 'committee', json_object('code', code, 'name', name, 'organization', json_object('acronym', acronym))))
                    from (select l.role, c.code, c.name, o.acronym from topic_committee l join committee c on c.id = l.committee_id join organization o on o.id = c.organization_id
                        where l.topic_id = t.id order by case l.role when 'LEAD' then 1 when 'CONTRIBUTING' then 2 else 3 end, c.code_key, c.id)),
                'actionItems', json_object('nodes', (select json_group_array(json_object('code', 'A-' || number, 'title', title, 'status', status, 'dueOn', due_on, 'committee', json_object('code', code)))
                    from (select a.number, a.title, a.status, a.due_on, c.code from action_item a join committee c on c.id = a.committee_id where a.topic_id = t.id order by a.due_asc, a.id limit 5))))))))
            from (select id, number, title, status from topic order by updated_at desc, id desc limit 20) t", ()),
        "Q4" => one(&connection,
            "with p as materialized (select id, number, title, status, due_on from action_item where (due_asc, id) > (?, ?) order by due_asc, id limit 51)
            select json_object('data', json_object('actionItems', json_object(
                'nodes', (select json_group_array(json_object('id', hex(id), 'code', 'A-' || number, 'title', title, 'status', status, 'dueOn', due_on)) from (select * from p limit 50)),
                'pageInfo', json_object('hasNextPage', json(iif((select count(*) from p) > 50, 'true', 'false')), 'endCursor', (select coalesce(due_on, '') || '_' || hex(id) from p limit 1 offset 49)))))", (text(variables, "day"), &key(variables, "id").as_bytes()[..])),
        _ => one(&connection,
            "select json_object('data', json_object('actionItems', json_object(
                'totalCount', (select count(*) from action_item where status = ?1),
                'nodes', (select json_group_array(json_object('id', hex(id), 'code', 'A-' || number, 'title', title, 'status', status, 'dueOn', due_on))
                    from (select id, number, title, status, due_on from action_item where status = ?1 order by due_asc, id limit 10)))))", (text(variables, "status"),)),
    };
    read.give(connection);
    response
}

fn one(connection: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<String> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_one(values, |row| row.get(0))
}

async fn move_on_sqlite(
    pool: &SqlitePool,
    variables: &Value,
) -> std::result::Result<String, sqlx::Error> {
    let mut transaction = pool.begin_with("begin immediate").await?;
    let position: i64 = sqlx::query_scalar(COUNT)
        .fetch_one(&mut *transaction)
        .await?;
    let moved = sqlx::query(
        "update action_item set status = ?, version = version + 1, updated_at = strftime('%FT%T+00:00') where id = ? and version = ?
        returning topic_id, json_object('data', json_object('actionItemMove', json_object('actionItem', json_object('code', 'A-' || number, 'status', status), 'userErrors', json('[]'))))",
    )
    .bind(text(variables, "to"))
    .bind(key(variables, "id"))
    .bind(version(variables))
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into activity (id, position, at, actor, party, verb, subject_type, subject_id, topic_id, itu, upu, changes)
        values (?, ?, strftime('%FT%T+00:00'), 'somebody', 'ITU', 'STATUS_CHANGED', 'ActionItem', ?, ?, true, true, '[]')",
    )
    .bind(Uuid::now_v7())
    .bind(position)
    .bind(key(variables, "id"))
    .bind(moved.try_get::<Uuid, _>(0)?)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    moved.try_get(1)
}
