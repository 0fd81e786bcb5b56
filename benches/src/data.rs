//! Generates a register of realistic size, identical in every run.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use liaison::store::Database;
use sea_orm::sqlx::{self, AssertSqlSafe, PgPool, SqlitePool};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Result;

/// Number of records of each type.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub topics: u64,
    pub action_items: u64,
}

impl Size {
    /// Scale 1 is 20,000 topics with 40,000 links and 200,000 action items.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a scale is a small positive number"
    )]
    pub fn of(scale: f64) -> Self {
        Self {
            topics: (20_000.0 * scale) as u64,
            action_items: (200_000.0 * scale) as u64,
        }
    }
}

const ORGANIZATIONS: u64 = 12;
const COMMITTEES: u64 = 240;
/// Rows per statement.
const CHUNK: usize = 1000;

/// Creates the tables in a database and fills them.
pub async fn fill(url: &str, size: Size) -> Result<()> {
    let db = Database::connect(url, 1).await.map_err(wrong)?;
    db.migrate().await.map_err(wrong)?;
    let indexes = take_indexes(&db.orm_write).await.map_err(wrong)?;
    let direct = sea_orm::Database::connect(url).await.map_err(wrong)?;
    for (table, rows) in tables(size) {
        if url.starts_with("sqlite:") {
            insert_sqlite(direct.get_sqlite_connection_pool(), table, rows).await?;
        } else {
            insert_postgres(direct.get_postgres_connection_pool(), table, rows).await?;
        }
    }
    let counted = format!(
        "update counter set value = case name when 'topic' then {} when 'action_item' then {} else 0 end",
        size.topics, size.action_items
    );
    let vacuum = match db.orm_write.get_database_backend() {
        DbBackend::Postgres => "vacuum analyze",
        _ => "analyze",
    };
    for last in indexes
        .iter()
        .map(String::as_str)
        .chain([&*counted, vacuum])
    {
        db.orm_write.execute_unprepared(last).await.map_err(wrong)?;
    }
    db.close().await.map_err(wrong)
}

/// Drops the indexes that do not belong to constraints and returns the statements that recreate them. Building an index
/// afterwards takes a fraction of the time of inserting rows into it in random order.
async fn take_indexes(db: &impl ConnectionTrait) -> std::result::Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let known = match backend {
        DbBackend::Postgres => {
            "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
            where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
            and indexrelid not in (select conindid from pg_constraint)"
        }
        _ => "select name, sql from sqlite_master where type = 'index' and sql is not null",
    };
    let mut definitions = Vec::new();
    for index in db
        .query_all_raw(Statement::from_string(backend, known))
        .await?
    {
        let name: String = index.try_get_by_index(0)?;
        definitions.push(index.try_get_by_index(1)?);
        db.execute_unprepared(&format!("drop index {name}")).await?;
    }
    Ok(definitions)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that `map_err` requires"
)]
fn wrong(error: DbErr) -> String {
    error.to_string()
}

type Rows = Box<dyn Iterator<Item = Value>>;

fn tables(size: Size) -> [(&'static str, Rows); 5] {
    [
        (
            "organization",
            Box::new((0..ORGANIZATIONS).map(organization)),
        ),
        ("committee", Box::new((0..COMMITTEES).map(committee))),
        ("topic", Box::new((0..size.topics).map(topic))),
        (
            "topic_committee",
            Box::new((0..size.topics).flat_map(links)),
        ),
        (
            "action_item",
            Box::new((0..size.action_items).map(move |number| action_item(number, size))),
        ),
    ]
}

/// Inserts rows from one JSON parameter, which both databases can expand.
async fn insert_sqlite(pool: &SqlitePool, table: &str, rows: Rows) -> Result<()> {
    let mut rows = rows.peekable();
    while let Some(first) = rows.peek() {
        let columns = columns(first);
        let values = columns.iter().map(|column| {
            if column.ends_with("id") {
                format!("unhex(value ->> '{column}')")
            } else {
                format!("value ->> '{column}'")
            }
        });
        let sql = format!(
            "insert into {table} ({}) select {} from json_each(?)",
            columns.join(", "),
            values.collect::<Vec<_>>().join(", ")
        );
        let chunk: Value = rows.by_ref().take(CHUNK).collect();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(chunk.to_string());
        query
            .execute(pool)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn insert_postgres(pool: &PgPool, table: &str, rows: Rows) -> Result<()> {
    let mut rows = rows.peekable();
    while let Some(first) = rows.peek() {
        let columns = columns(first).join(", ");
        let sql = format!(
            "insert into {table} ({columns}) select {columns} from json_populate_recordset(null::{table}, $1::json)"
        );
        let chunk: Value = rows.by_ref().take(CHUNK).collect();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(chunk.to_string());
        query
            .execute(pool)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn columns(row: &Value) -> Vec<String> {
    row.as_object()
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
        .collect()
}

/// The random values of a record, identical in every run.
struct Rng(u64);

impl Rng {
    fn of(kind: u64, number: u64) -> Self {
        Self(kind << 56 | number)
    }

    /// Splitmix64.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Returns one of `choices`, with its weight in percent.
    fn choose<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut left = self.below(100);
        for (weight, choice) in choices {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *choice,
            }
        }
        choices[0].1
    }

    fn text(&mut self, words: u64) -> String {
        let mut text = String::new();
        for index in 0..words {
            let word = WORDS[usize::try_from(self.below(WORDS.len() as u64)).unwrap_or(0)];
            if index == 0 {
                text.push_str(&word[..1].to_uppercase());
                text.push_str(&word[1..]);
            } else {
                text.push(' ');
                text.push_str(word);
            }
        }
        text
    }
}

const WORDS: [&str; 48] = [
    "postal",
    "digital",
    "identity",
    "address",
    "parcel",
    "tracking",
    "secure",
    "electronic",
    "network",
    "operator",
    "standard",
    "security",
    "quality",
    "service",
    "exchange",
    "message",
    "customs",
    "data",
    "model",
    "interconnection",
    "numbering",
    "framework",
    "payment",
    "mobile",
    "financial",
    "inclusion",
    "trust",
    "certificate",
    "delivery",
    "of",
    "for",
    "and",
    "between",
    "the",
    "in",
    "with",
    "under",
    "study",
    "group",
    "rural",
    "broadband",
    "access",
    "cyber",
    "resilience",
    "emergency",
    "telecommunication",
    "guideline",
    "requirement",
];

/// Returns a key that increases with the number, like the service's keys with time.
fn key(kind: u64, number: u64) -> String {
    let milliseconds = 1_600_000_000_000 + number * 1000 + kind;
    let random = Rng::of(kind, number).roll().to_be_bytes();
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&random);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes)
        .into_uuid()
        .simple()
        .to_string()
}

const ORGANIZATION: u64 = 1;
const COMMITTEE: u64 = 2;
const TOPIC: u64 = 3;
const ACTION_ITEM: u64 = 4;

/// Returns the key of an action item.
pub fn action_item_key(number: u64) -> Uuid {
    Uuid::parse_str(&key(ACTION_ITEM, number)).unwrap_or_default()
}

/// Returns the key of a topic.
pub fn topic_key(number: u64) -> Uuid {
    Uuid::parse_str(&key(TOPIC, number)).unwrap_or_default()
}

fn day(number: u64) -> NaiveDate {
    NaiveDate::default() + Days::new(17_000 + number) // from 2016 on
}

fn moment(number: u64) -> String {
    let start = DateTime::<Utc>::from_timestamp(1_600_000_000, 0).unwrap_or_default();
    let seconds = TimeDelta::seconds(i64::try_from(number).unwrap_or(0));
    (start + seconds).to_rfc3339()
}

/// Adds the common last fields of a record.
fn stamped(mut row: Value, rng: &mut Rng, created: u64) -> Value {
    row["original_language"] = rng.choose(&[(80, "EN"), (20, "FR")]).into();
    row["version"] = 1.into();
    row["created_at"] = moment(created).into();
    row["updated_at"] = moment(created + rng.below(10_000_000)).into();
    row
}

/// Alternates between ITU, UPU and partners.
fn side(organization: u64) -> Option<&'static str> {
    [Some("ITU"), Some("UPU"), None][usize::try_from(organization % 3).unwrap_or(0)]
}

fn organization(number: u64) -> Value {
    let mut rng = Rng::of(ORGANIZATION, number);
    let acronym = format!("ORG{number:02}");
    let name = rng.text(5);
    let side = side(number);
    let row = json!({
        "id": key(ORGANIZATION, number),
        "acronym": acronym, "acronym_key": acronym.to_lowercase(),
        "name": name, "name_key": name.to_lowercase(),
        "kind": if side.is_some() { "SECTOR" } else { "PARTNER" }, "side": side,
        "website": "https://www.example.org/standards", "parent_id": null,
        "folded": format!("{acronym} {name}").to_lowercase(),
    });
    stamped(row, &mut rng, number)
}

fn committee(number: u64) -> Value {
    let mut rng = Rng::of(COMMITTEE, number);
    let organization = number % ORGANIZATIONS;
    let code = format!("SG{number:03}");
    let name = rng.text(8);
    let side = side(organization);
    let row = json!({
        "id": key(COMMITTEE, number), "organization_id": key(ORGANIZATION, organization),
        "code": code, "code_key": code.to_lowercase(), "period": "2025-2028",
        "name": name, "name_key": name.to_lowercase(), "mandate": rng.text(60),
        "kind": "STUDY_GROUP", "status": "ACTIVE", "side": side, "party": side,
        "starts_on": day(3000), "ends_on": day(4400), "parent_id": null,
        "folded": format!("{code} {name}").to_lowercase(),
    });
    stamped(row, &mut rng, number)
}

/// Returns a committee of ITU or UPU.
fn of_side(rng: &mut Rng, side: u64) -> u64 {
    rng.below(COMMITTEES / 3) * 3 + side
}

fn topic(number: u64) -> Value {
    let mut rng = Rng::of(TOPIC, number);
    let (itu, upu) = rng.choose(&[
        (60, ("AGREED", "AGREED")),
        (15, ("AGREED", "PENDING")),
        (10, ("AGREED", "RELEASED")),
        (10, ("RELEASED", "RELEASED")),
        (5, ("AGREED", "DECLINED")),
    ]);
    let reason = |position| matches!(position, "DECLINED" | "RELEASED");
    let title = rng.text(9);
    let summary = rng.text(60);
    let created = number * 1000;
    let taken = |position| (position != "PENDING").then(|| moment(created));
    let folded = format!("t-{} {title} {summary}", number + 1).to_lowercase();
    let row = json!({
        "id": key(TOPIC, number), "number": number + 1,
        "title": title, "title_key": title.to_lowercase(), "summary": summary, "proposed_by": "ITU",
        "itu_position": itu, "itu_reason": reason(itu).then(|| rng.text(20)), "itu_taken_at": taken(itu),
        "upu_position": upu, "upu_reason": reason(upu).then(|| rng.text(20)), "upu_taken_at": taken(upu),
        "review_on": (rng.below(5) > 0).then(|| day(rng.below(5000))),
        "illustrative": true, "folded": folded,
    });
    stamped(row, &mut rng, created)
}

/// Returns the links of a topic: one lead per side.
fn links(topic: u64) -> impl Iterator<Item = Value> {
    let mut rng = Rng::of(TOPIC + 8, topic);
    [("ITU", 0), ("UPU", 1)].into_iter().map(move |(party, side)| {
        json!({
            "topic_id": key(TOPIC, topic), "committee_id": key(COMMITTEE, of_side(&mut rng, side)),
            "role": "LEAD", "party": party,
        })
    })
}

/// Number of action items reserved for writers: the first ones belong to ITU and are IN_PROGRESS.
pub const MOVED: u64 = 200;

fn action_item(number: u64, size: Size) -> Value {
    let mut rng = Rng::of(ACTION_ITEM, number);
    let mut side = rng.below(2);
    let mut status = rng.choose(&[
        (15, "OPEN"),
        (10, "IN_PROGRESS"),
        (5, "POSTPONED"),
        (5, "REQUESTED"),
        (30, "DONE"),
        (25, "CONFIRMED"),
        (5, "DECLINED"),
        (5, "WITHDRAWN"),
    ]);
    if number < MOVED {
        (side, status) = (0, "IN_PROGRESS");
    }
    let party = ["ITU", "UPU"][usize::from(side == 1)];
    let done = matches!(status, "DONE" | "CONFIRMED");
    let title = rng.text(8);
    let description = (rng.below(10) < 7).then(|| rng.text(40));
    let folded = format!(
        "a-{} {title} {}",
        number + 1,
        description.as_deref().unwrap_or_default()
    );
    let created = number * 100;
    let row = json!({
        "id": key(ACTION_ITEM, number), "number": number + 1,
        "topic_id": key(TOPIC, rng.below(size.topics)),
        "committee_id": key(COMMITTEE, of_side(&mut rng, side)),
        "counterpart_id": key(COMMITTEE, of_side(&mut rng, 1 - side)),
        "title": title, "description": description, "status": status,
        "priority": rng.choose(&[(20, "LOW"), (60, "NORMAL"), (20, "HIGH")]),
        "due_on": (rng.below(10) > 0).then(|| day(rng.below(5000))),
        "side": party, "owned_by": party, "requested_by": party,
        "outcome": done.then(|| rng.text(20)), "completed_at": done.then(|| moment(created + 1_000_000)),
        "reminders": rng.below(3), "external_key": null, "illustrative": true, "folded": folded.to_lowercase(),
    });
    stamped(row, &mut rng, created)
}
