//! The clients: they write, subscribe to the history, and record the events that they receive.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::client::{Address, ask};

/// Between two writes of one writer.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client waits for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Between the recovery from one fault and the next.
pub const REST: Duration = Duration::from_secs(5);
/// A service that has not recovered by then has failed.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);
/// Attempts after the end before a note counts as never acknowledged: time also passes while this program is stopped.
const LAST_ATTEMPTS: usize = 20;

const NOTE_ADD: &str = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id body } userErrors { message } } }";

/// The state shared by the clients.
#[derive(Default)]
pub struct Ledger {
    /// The ids of the notes that were acknowledged, by their bodies.
    pub acknowledged: HashMap<String, String>,
    /// Notes whose requests failed without telling whether they were stored.
    pub unknown: Vec<String>,
    /// Responses that are wrong whatever happens.
    pub wrong: Vec<String>,
    pub attempts: usize,
    pub last: Option<Instant>,
}

/// The clients of one service, wherever it listens at the moment.
pub struct Clients<'a> {
    pub port: &'a AtomicU16,
    pub token: Option<String>,
    pub ledger: &'a Mutex<Ledger>,
    pub end: Instant,
}

impl Clients<'_> {
    /// One request; `None` if there was no response.
    async fn ask(&self, query: &str, variables: &Value) -> Option<Value> {
        let address = Address {
            port: self.port.load(Ordering::Relaxed),
            path: "/graphql".to_owned(),
            token: self.token.clone(),
        };
        let body = json!({ "query": query, "variables": variables }).to_string();
        let asked = timeout(RESPONSE_TIMEOUT, ask(&address, &body)).await;
        asked.ok()?.ok()
    }

    /// The data of a query, tried again until there are no errors.
    async fn data(&self, query: &str, variables: &Value) -> Result<Value> {
        let begin = Instant::now();
        loop {
            let response = self.ask(query, variables).await.unwrap_or_default();
            if response["errors"].is_null() && response["data"].is_object() {
                return Ok(response["data"].clone());
            }
            if begin.elapsed() > RECOVERY_TIMEOUT {
                return Err(format!("the query is not answered: {response}"));
            }
            sleep(PAUSE).await;
        }
    }

    /// The id of a topic to write notes on, which is made first.
    pub async fn topic(&self) -> Result<String> {
        let query = "{ organizations(first: 1, filter: { side: ITU }) { nodes { id } } }";
        let found = self.data(query, &json!({})).await?;
        let mut organization = found["organizations"]["nodes"][0]["id"].clone();
        if organization.is_null() {
            let input =
                json!({ "acronym": "ITU-S", "name": "Soak", "kind": "SECTOR", "side": "ITU" });
            let query = "mutation($input: OrganizationCreateInput!) { organizationCreate(input: $input) { organization { id } userErrors { message } } }";
            let made = self.data(query, &json!({ "input": input })).await?;
            organization = made["organizationCreate"]["organization"]["id"].clone();
        }
        // Notes stand on any record; a publication needs no agreement of another side.
        let input = json!({ "number": "S.1", "title": "Soak", "kind": "RECOMMENDATION", "organizationId": organization });
        let query = "mutation($input: PublicationAddInput!) { publicationAdd(input: $input) { publication { id } userErrors { message } } }";
        let made = self.data(query, &json!({ "input": input })).await?;
        let id = made["publicationAdd"]["publication"]["id"].as_str();
        id.map(str::to_owned)
            .ok_or_else(|| format!("no publication was made: {made}"))
    }

    /// Adds notes: even writers with a key, again until they are acknowledged; odd ones once.
    pub async fn write(&self, subject: &str, writer: usize) {
        let repeats = writer.is_multiple_of(2);
        for number in 0.. {
            if Instant::now() >= self.end {
                return;
            }
            let body = format!("Note {number} of writer {writer}.");
            let mut input = json!({ "subjectId": subject, "body": body });
            if repeats {
                input["idempotencyKey"] = json!(format!("{writer}-{number}"));
            }
            let mut late = 0;
            while !self.add(&body, &input).await {
                sleep(PAUSE).await;
                if !repeats {
                    lock(self.ledger).unknown.push(body);
                    break;
                }
                late += usize::from(Instant::now() >= self.end);
                if late > LAST_ATTEMPTS && self.end.elapsed() > RECOVERY_TIMEOUT {
                    lock(self.ledger)
                        .wrong
                        .push(format!("never acknowledged: {body}"));
                    return;
                }
            }
            if number % 10 == 0 {
                self.refused(subject).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether the note was acknowledged.
    async fn add(&self, body: &str, input: &Value) -> bool {
        let response = self.ask(NOTE_ADD, &json!({ "input": input })).await;
        let mut ledger = lock(self.ledger);
        ledger.attempts += 1;
        let Some(response) = response else {
            return false;
        };
        let payload = &response["data"]["noteAdd"];
        if let Some(id) = payload["note"]["id"].as_str() {
            if payload["note"]["body"] != body {
                ledger.wrong.push(format!("another note: {response}"));
            }
            ledger.acknowledged.insert(body.to_owned(), id.to_owned());
            ledger.last = Some(Instant::now());
            return true;
        }
        if response["errors"].is_null() {
            ledger
                .wrong
                .push(format!("neither a note nor an error: {response}"));
        }
        false
    }

    /// A blank note is refused, whatever happened before.
    async fn refused(&self, subject: &str) {
        let input = json!({ "subjectId": subject, "body": "  " });
        let Some(response) = self.ask(NOTE_ADD, &json!({ "input": input })).await else {
            return;
        };
        let payload = &response["data"]["noteAdd"];
        let has_user_error = payload["userErrors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty());
        if response["errors"].is_null() && !(has_user_error && payload["note"].is_null()) {
            let wrong = format!("a blank note: {response}");
            lock(self.ledger).wrong.push(wrong);
        }
    }

    /// Returns the ids of the activities of the history, from now until the writers have ended and some time more.
    pub async fn follow(&self, is_written: &AtomicBool) -> Vec<String> {
        let query = "query($after: String) { activities(first: 100, after: $after) { nodes { id cursor } } }";
        let newest = "{ activities(last: 1) { nodes { cursor } } }";
        let Ok(data) = self.data(newest, &json!({})).await else {
            return Vec::new();
        };
        let mut after = data["activities"]["nodes"][0]["cursor"].clone();
        let mut ids = Vec::new();
        loop {
            // The last writes can take longer than a pause: a connection may have broken under them.
            let ended = is_written.load(Ordering::Relaxed) && self.end.elapsed() > REST;
            let response = self.ask(query, &json!({ "after": after })).await;
            let response = response.unwrap_or_default();
            let nodes = response["data"]["activities"]["nodes"].as_array();
            for node in nodes.into_iter().flatten() {
                after = node["cursor"].clone();
                ids.extend(node["id"].as_str().map(str::to_owned));
            }
            if nodes.is_some_and(Vec::is_empty) {
                if ended {
                    return ids;
                }
                sleep(PAUSE).await;
            }
        }
    }

    /// The bodies and ids of all notes.
    pub async fn notes(&self) -> Result<Vec<(String, String)>> {
        let query = "query($after: String) { publication(by: { number: \"S.1\" }) { notes(first: 100, after: $after) { nodes { body id } pageInfo { hasNextPage endCursor } } } }";
        let mut notes = Vec::new();
        let mut after = Value::Null;
        loop {
            let data = self.data(query, &json!({ "after": after })).await?;
            let page = &data["publication"]["notes"];
            for node in page["nodes"].as_array().into_iter().flatten() {
                let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
                notes.push((text("body"), text("id")));
            }
            if page["pageInfo"]["hasNextPage"] != true {
                return Ok(notes);
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// The ids of all activities.
    pub async fn activities_after(&self, after: Option<&str>) -> Result<Vec<String>> {
        let query = "query($after: String) { activities(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }";
        let mut ids = Vec::new();
        let mut after = json!(after);
        loop {
            let data = self.data(query, &json!({ "after": after })).await?;
            let page = &data["activities"];
            let nodes = page["nodes"].as_array().into_iter().flatten();
            ids.extend(nodes.filter_map(|node| node["id"].as_str().map(str::to_owned)));
            if page["pageInfo"]["hasNextPage"] != true {
                return Ok(ids);
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
}

pub fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
