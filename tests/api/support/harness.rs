//! The test harness: a service with its own database per test, and clients to talk to it as.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use entity::party::Role;
use liaison::config::DOCUMENT_CACHE;
use liaison::events::Feed;
use liaison::graphql::request::Clock;
use liaison::http::auth::Verifier;
use liaison::http::auth::claims::{TokenPolicy, sign};
use liaison::http::auth::keys::{Algorithm, Keys, SigningKey};
use liaison::http::limits::Limits;
use liaison::http::server::shutdown::Shutdown;
use liaison::http::validation::Documents;
use liaison::http::{AppState, serve};
use liaison::seed::facts::Facts;
use liaison::store::Database;
use liaison::webhooks::{Deliveries, DeliverySettings, WebhookTargets};
use liaison::{graphql, seed};
use reqwest::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use crate::support::databases::Backend;
use crate::support::databases::TestDatabase;
use crate::support::statements::Statements;

pub const SECRET: &[u8] = b"a secret that only tests know, of 32 bytes and more";
const NAME: &str = "liaison tests";
/// The time when the seed data of the tests was loaded.
const LOADED: i64 = 1_781_524_800; // 2026-06-15T12:00:00Z

/// Declares two tests per story, one for each database.
#[macro_export]
macro_rules! on_both_databases {
    ($($story:ident)*) => {$(
        mod $story {
            use $crate::support::harness::{Backend, Server};

            #[tokio::test]
            async fn on_sqlite() {
                super::$story(&Server::start(Backend::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$story(&Server::start(Backend::Postgres).await).await;
            }
        }
    )*};
}

/// Declares two tests per story, one for each database. The story starts the service itself.
#[macro_export]
macro_rules! on_both_backends {
    ($($story:ident)*) => {$(
        mod $story {
            use $crate::support::harness::Backend;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$story(Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$story(Backend::Postgres).await;
            }
        }
    )*};
}

/// Declares two tests per story, one for each database, without tables and service.
#[macro_export]
macro_rules! on_both_empty_databases {
    ($($story:ident)*) => {$(
        mod $story {
            use $crate::support::databases::{Backend, TestDatabase};

            #[tokio::test]
            async fn on_sqlite() {
                super::$story(&TestDatabase::empty(Backend::Sqlite).await.url).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$story(&TestDatabase::empty(Backend::Postgres).await.url).await;
            }
        }
    )*};
}

/// A running service with the seed data.
pub struct Server {
    pub db: Database,
    pub address: String,
    pub statements: Statements,
    pub documents: Arc<Documents>,
    http: reqwest::Client,
    clock: Arc<AtomicI64>,
    /// Aborts the server on drop.
    stop: Mutex<Option<oneshot::Sender<()>>>,
    database: Arc<TestDatabase>,
}

/// A client with or without a token.
#[derive(Clone)]
pub struct Client<'a> {
    server: &'a Server,
    pub token: Option<String>,
    acting_as: Option<&'static str>,
}

/// An HTTP response.
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl TestResponse {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Server {
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    /// Starts a service with other settings.
    pub async fn start_with(backend: Backend, change: impl FnOnce(&mut AppState)) -> Self {
        Self::start_on(TestDatabase::create(backend, prepare).await, change).await
    }

    /// Starts a service on this database.
    pub async fn start_on(database: TestDatabase, change: impl FnOnce(&mut AppState)) -> Self {
        let clock = Arc::new(AtomicI64::new(LOADED + 3600));
        Self::on(Arc::new(database), clock, change).await
    }

    /// Starts another instance on the same database.
    pub async fn beside(&self, change: impl FnOnce(&mut AppState)) -> Self {
        Self::on(self.database.clone(), self.clock.clone(), change).await
    }

    async fn on(
        database: Arc<TestDatabase>,
        clock: Arc<AtomicI64>,
        change: impl FnOnce(&mut AppState),
    ) -> Self {
        let mut db = database.connect().await;
        // The reader of the feed polls the log at any time, which belongs to no request.
        let feed = Feed::start(&db);
        let statements = Statements::default();
        statements.watch(&mut db);
        let schema = graphql::schema(WebhookTargets::Any);
        let limits = Limits::default();
        let documents = Documents::new(&schema, &limits, DOCUMENT_CACHE, None).unwrap();
        let mut app = AppState {
            db: db.clone(),
            search: liaison::search::Search::new(&db),
            schema,
            documents: Arc::new(documents),
            response_cache: None,
            verifier: Arc::new(Verifier::new(rules(), Keys::secret(SECRET).unwrap()).unwrap()),
            clock: ticking(&clock),
            limits,
            feed,
            shutdown: Shutdown::default(),
            http: Arc::default(),
        };
        change(&mut app);
        let documents = app.documents.clone();
        // The service's HTTP client requires a process-wide provider; installed once for all tests.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, app, async move {
            let _ = stopped.await;
        }));
        Self {
            db,
            address,
            statements,
            documents,
            http: reqwest::Client::new(),
            clock,
            stop: Mutex::new(Some(stop)),
            database,
        }
    }

    /// Delivers to webhooks for as long as what it returns is held, by the clock of the service.
    pub fn deliver(&self, settings: impl Into<DeliverySettings>) -> Deliveries {
        let feed = Feed::start(&self.db);
        Deliveries::start(&self.db, &feed, settings.into(), ticking(&self.clock)).unwrap()
    }

    /// Requests shutdown.
    pub fn stop(&self) {
        self.stop.lock().unwrap().take();
    }

    /// Returns the database URL, for programs on the same database.
    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    /// Returns the time of the next request.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.clock.load(Ordering::Relaxed), 0).unwrap()
    }

    /// Advances the clock by some days.
    pub fn pass_days(&self, days: i64) {
        self.clock.fetch_add(days * 86_400, Ordering::Relaxed);
    }

    pub fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the time of the next request.
    pub fn set_clock(&self, moment: &str) {
        let moment: DateTime<Utc> = moment.parse().unwrap();
        self.clock.store(moment.timestamp(), Ordering::Relaxed);
    }

    pub fn anonymous(&self) -> Client<'_> {
        Client {
            server: self,
            token: None,
            acting_as: None,
        }
    }

    pub fn itu(&self) -> Client<'_> {
        self.editor(&[Role::ItuEditor])
    }

    pub fn upu(&self) -> Client<'_> {
        self.editor(&[Role::UpuEditor])
    }

    pub fn tsb(&self) -> Client<'_> {
        self.editor(&[Role::TsbEditor])
    }

    /// Returns a client whose token has these roles.
    pub fn editor(&self, roles: &[Role]) -> Client<'_> {
        // Long enough for the days by which tests advance the clock.
        let token = token(roles, 400_000_000, self.now());
        self.anonymous().with_token(&token)
    }
}

/// Signs a token with these roles and this lifetime in seconds.
pub fn token(roles: &[Role], seconds: u32, now: DateTime<Utc>) -> String {
    let key = SigningKey::secret(SECRET).unwrap();
    sign(&key, &rules(), "test:editor", roles, seconds, now).unwrap()
}

/// Migrates an empty database and loads the seed data.
pub async fn prepare(url: &str) {
    let db = Database::connect(url, 2).await.unwrap();
    db.migrate().await.unwrap();
    let loaded = DateTime::from_timestamp(LOADED, 0).unwrap();
    let facts = Facts::parse(include_str!("../register.json")).unwrap();
    seed::load_facts(&db, loaded, &facts).await.unwrap();
    db.close().await.unwrap();
}

/// A clock that advances by a second each time it is read, so that timestamps differ.
fn ticking(clock: &Arc<AtomicI64>) -> Clock {
    let clock = clock.clone();
    Arc::new(move || {
        DateTime::from_timestamp(clock.fetch_add(1, Ordering::Relaxed), 123_456_000).unwrap()
    })
}

fn rules() -> TokenPolicy {
    TokenPolicy::new(NAME.to_owned(), NAME.to_owned(), vec![Algorithm::Hs256])
}

impl Client<'_> {
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    #[must_use]
    pub fn acting_as(mut self, role: &'static str) -> Self {
        self.acting_as = Some(role);
        self
    }

    /// Sends a document and returns the whole response.
    pub async fn run(&self, document: &str, variables: Value) -> Value {
        let answer = self.post(document, variables).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    /// Sends a document that must succeed and returns its data.
    pub async fn data(&self, document: &str, variables: Value) -> Value {
        let mut answer = self.run(document, variables).await;
        assert_eq!(answer.get("errors"), None, "{document}: {answer:#}");
        answer["data"].take()
    }

    /// Sends a mutation `name` that must succeed and returns the record of its payload.
    ///
    /// `selection` selects the fields of the record.
    pub async fn change(&self, name: &str, input: Value, selection: &str) -> Value {
        let payload = self.attempt(name, input, selection).await;
        assert_eq!(payload["userErrors"], json!([]), "{name}: {payload:#}");
        payload[record(name)].clone()
    }

    /// Sends a mutation `name` and returns its payload. Fails on top-level errors.
    pub async fn attempt(&self, name: &str, input: Value, selection: &str) -> Value {
        let mut data = self
            .data(&mutation(name, selection), json!({ "input": input }))
            .await;
        data[name].take()
    }

    /// Sends a mutation `name` and returns the code of the top-level error or of the first user error, or `OK`.
    pub async fn verdict(&self, name: &str, input: Value) -> String {
        let variables = json!({ "input": input });
        let answer = self.post(&mutation(name, "id"), variables).await.json();
        let code = match &answer["errors"][0]["extensions"]["code"] {
            Value::Null => &answer["data"][name]["userErrors"][0]["code"],
            code => code,
        };
        code.as_str().unwrap_or("OK").to_owned()
    }

    pub async fn post(&self, document: &str, variables: Value) -> TestResponse {
        let body = json!({ "query": document, "variables": variables });
        self.send(
            Method::POST,
            "/graphql",
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    /// Sends any request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> TestResponse {
        let response = self.begin(method, path, headers, body).await;
        TestResponse {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// Sends any request and returns the response as soon as its head arrives.
    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let url = format!("{}{path}", self.server.address);
        let mut request = self.server.http.request(method, url).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(role) = self.acting_as {
            request = request.header("acting-as", role);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }
}

/// Returns the document of a mutation. The input type has the name of the mutation.
fn mutation(name: &str, selection: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().unwrap().to_ascii_uppercase();
    let input = format!("{first}{}Input", letters.as_str());
    let record = record(name);
    format!(
        "mutation($input: {input}!) {{ {name}(input: $input) {{ {record} {{ {selection} }} userErrors {{ code field message }} }} }}"
    )
}

/// Returns the payload field with the changed record.
fn record(mutation: &str) -> &'static str {
    [
        "organization",
        "committee",
        "topic",
        "actionItem",
        "publication",
        "examination",
        "liaisonStatement",
        "note",
        "webhook",
    ]
    .into_iter()
    .find(|prefix| mutation.starts_with(prefix))
    .unwrap_or("subject")
}

impl Server {
    /// Returns the id of a committee by acronym and code, in its newest period.
    pub async fn committee(&self, organization: &str, code: &str) -> String {
        self.id(
            "query($organization: String!, $code: String!) { found: committee(by: { key: { organization: $organization, code: $code } }) { id } }",
            json!({ "organization": organization, "code": code }),
        )
        .await
    }

    pub async fn organization(&self, acronym: &str) -> String {
        self.id(
            "query($acronym: String!) { found: organization(by: { acronym: $acronym }) { id } }",
            json!({ "acronym": acronym }),
        )
        .await
    }

    pub async fn topic(&self, code: &str) -> String {
        self.id(
            "query($code: String!) { found: topic(by: { code: $code }) { id } }",
            json!({ "code": code }),
        )
        .await
    }

    pub async fn publication(&self, number: &str) -> String {
        self.id(
            "query($number: String!) { found: publication(by: { number: $number }) { id } }",
            json!({ "number": number }),
        )
        .await
    }

    async fn id(&self, document: &str, variables: Value) -> String {
        let data = self.anonymous().data(document, variables).await;
        data["found"]["id"].as_str().unwrap().to_owned()
    }

    /// Returns the ids and cursors of all matching activities after a cursor, reading page by page.
    pub async fn history(&self, after: Option<&str>, filter: Value) -> Vec<(String, String)> {
        let document = "query($after: String, $filter: ActivityFilter) {
            activities(first: 100, after: $after, filter: $filter) { nodes { id cursor } pageInfo { hasNextPage endCursor } } }";
        let (mut all, mut after) = (Vec::new(), json!(after));
        loop {
            let variables = json!({ "after": after, "filter": filter });
            let data = self.anonymous().data(document, variables).await;
            let page = &data["activities"];
            all.extend(page["nodes"].as_array().unwrap().iter().map(id_and_cursor));
            if page["pageInfo"]["hasNextPage"] == false {
                return all;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// Returns the cursor of the newest activity.
    pub async fn newest(&self) -> String {
        let document = "{ activities(last: 1) { nodes { id cursor } } }";
        let data = self.anonymous().data(document, json!({})).await;
        id_and_cursor(&data["activities"]["nodes"][0]).1
    }

    /// Executes SQL on the database directly.
    pub async fn sql(&self, statement: &str) {
        let done = self.db.orm_write.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// The identity of an activity.
pub fn id_and_cursor(activity: &Value) -> (String, String) {
    let text = |name: &str| activity[name].as_str().unwrap().to_owned();
    (text("id"), text("cursor"))
}
