//! What protects clients from each other: the prices of the database's work, and latencies beside heavy queries.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use entity::id::{Id, ProvisionId, PublicationId};
use liaison::http::validation::prices::PRICES;
use liaison::store::Database;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Result;
use crate::client::{Address, Connection, RequestSource, measure};
use crate::data::{Size, fill};
use crate::hostile::Others;
use crate::postgres::Postgres;
use crate::process::most_memory;
use crate::services::{CONNECTIONS, Service, service};

const DATABASES: [&str; 2] = ["sqlite", "postgres"];
/// 100,000 action items, activities, liaison statements and publications, 10,000 topics.
const SCALE: f64 = 0.5;
/// A fifth of them, for searches.
const SEARCHED: f64 = 0.1;
/// What is searched for: words that a fourth of all records have, several of them, phrases, codes and beginnings.
const SEARCHES: [&str; 8] = [
    "postal",
    "digital identity",
    "secure electronic network operator",
    "\"postal address\"",
    "X.1341",
    "a-7",
    "track",
    "zeppelin",
];
/// Every request is executed, and a client is whoever its header says.
const SETTINGS: &[&str] = &[
    "--response-cache-bytes",
    "0",
    "--trusted-proxies",
    "127.0.0.1",
];
/// How often each document is measured at least and at most; the shortest time counts.
const ROUNDS: (u32, u32) = (5, 200);
/// How long a document is measured, within these rounds.
const MEASURED: Duration = Duration::from_millis(500);
/// Clients with heavy queries.
const HEAVY_CLIENTS: usize = 16;

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Seconds of heavy queries.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// A program built before, instead of the one that the sources give.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// A service on a large register.
struct Register {
    name: &'static str,
    service: Service,
    ids: Value,
    _server: Option<Postgres>,
    _directory: TempDir,
}

/// Measures how long each root field and each condition of a filter takes.
///
/// # Errors
/// Returns an error if the service cannot be started, or does not respond.
pub async fn prices(options: &Options) -> Result<()> {
    let mut measured = Vec::new();
    for name in DATABASES {
        let register = Register::start(name, SCALE, options).await?;
        let base = register.time("{ viewer { party } }").await?;
        let mut times = Vec::new();
        for (ty, field, _) in PRICES {
            let time = register.time(&register.document(ty, field)).await?;
            times.push(time.saturating_sub(base).as_micros());
        }
        measured.push(times);
        if name == DATABASES[1] {
            println!(
                "# Microseconds on SQLite and on PostgreSQL with 100,000 records, beyond those of a request that reads nothing."
            );
            for (index, (ty, field, _)) in PRICES.iter().enumerate() {
                let (sqlite, postgres) = (measured[0][index], measured[1][index]);
                let document = register.document(ty, field);
                println!("{ty}.{field}\t{sqlite}\t{postgres}\t{document}");
            }
        }
    }
    Ok(())
}

/// Measures what others wait for while many clients send the heaviest queries that are allowed.
///
/// # Errors
/// Returns an error if the service cannot be started.
pub async fn crowd(options: &Options) -> Result<()> {
    println!(
        "| Database | Queries | Answered | Not | `/livez` ms | `{{ __typename }}` ms | page ms | connect ms | refused | MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for name in DATABASES {
        let register = Register::start(name, SCALE, options).await?;
        let heavy = register.heaviest().await?;
        let port = register.service.program.port;
        let others = Others::watch(port);
        let end = Instant::now() + Duration::from_secs(options.seconds);
        let mut clients = JoinSet::new();
        for number in 0..HEAVY_CLIENTS {
            let request = query(&heavy[number % heavy.len()], number);
            clients.spawn(async move {
                let (mut answered, mut refused) = (0, 0);
                while Instant::now() < end {
                    let mut connection = Connection::open(port).await?;
                    let response = connection.ask(request.as_bytes()).await?;
                    if response.starts_with(b"{\"data\"") {
                        answered += 1;
                    } else {
                        refused += 1;
                    }
                }
                Ok::<_, String>((answered, refused))
            });
        }
        let (mut answered, mut refused) = (0, 0);
        while let Some(done) = clients.join_next().await {
            let done = done.map_err(|error| error.to_string())??;
            answered += done.0;
            refused += done.1;
        }
        let memory = most_memory(register.service.program.process);
        let others = others.summary();
        println!(
            "| {name} | {HEAVY_CLIENTS} heaviest | {answered} | {refused} | {others} | {memory:.0} |"
        );
    }
    Ok(())
}

/// Measures searches on 20,000 publications and as many action items and liaison statements.
///
/// # Errors
/// Returns an error if the service cannot be started.
pub async fn search(options: &Options) -> Result<()> {
    println!("| Database | Clients | Searches | Median ms | 99 % ms |");
    println!("|---|---|---|---|---|");
    let document = "query($text: String!) { search(text: $text, first: 20) { totalCount edges { score node { ... on Node { id } } highlights { field fragments { text isMatch } } } } }";
    let body = |text| json!({ "query": document, "variables": { "text": text } }).to_string();
    for name in DATABASES {
        let register = Register::start(name, SEARCHED, options).await?;
        let address = Address {
            port: register.service.program.port,
            path: "/graphql".to_owned(),
            token: None,
        };
        let mut searches = RequestSource::Bodies(SEARCHES.map(body).into());
        // The index is built at the start; meanwhile a search can time out.
        for _ in 0..10 {
            let response = register.ask("{ search(text: \"postal\") { totalCount } }");
            if response.await?["data"].is_object() {
                break;
            }
        }
        for clients in [1, 8] {
            let duration = Duration::from_secs(options.seconds);
            let measured = measure(&address, &mut searches, clients, duration).await?;
            println!(
                "| {name} | {clients} | {} | {:.2} | {:.2} |",
                measured.requests,
                measured.percentile(50) / 1000.0,
                measured.percentile(99) / 1000.0
            );
        }
    }
    Ok(())
}

impl Register {
    async fn start(name: &'static str, scale: f64, options: &Options) -> Result<Self> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let secret = directory.path().join("secret");
        let key = "the key of a run that lasts some minutes, and nobody else's";
        std::fs::write(&secret, key).map_err(|error| error.to_string())?;
        let server = (name == "postgres").then(Postgres::start).transpose()?;
        let url = match &server {
            Some(server) => server.url(),
            None => format!("sqlite:{}", directory.path().join("register.db").display()),
        };
        eprintln!("filling {name}");
        fill(&url, Size::of(scale)).await?;
        fill_rest(&url).await?;
        let program = options.program.as_ref();
        let service = service(program, &[], &url, &secret, CONNECTIONS, SETTINGS).await?;
        let mut register = Self {
            name,
            service,
            ids: Value::Null,
            _server: server,
            _directory: directory,
        };
        let ids = "{ organizations(first: 1) { nodes { id } } committees(first: 2) { nodes { id } } topics(first: 1) { nodes { id } } actionItems(first: 1) { nodes { id } } }";
        register.ids = register.ask(ids).await?;
        Ok(register)
    }

    async fn ask(&self, document: &str) -> Result<Value> {
        let mut connection = Connection::open(self.service.program.port).await?;
        let response = connection.ask(query(document, 0).as_bytes()).await?;
        serde_json::from_slice(response).map_err(|error| error.to_string())
    }

    /// The shortest time of a document.
    async fn time(&self, document: &str) -> Result<Duration> {
        let mut connection = Connection::open(self.service.program.port).await?;
        let mut shortest = Duration::MAX;
        let start = Instant::now();
        for round in 0..ROUNDS.1 {
            if round >= ROUNDS.0 && start.elapsed() > MEASURED {
                break;
            }
            let started_at = Instant::now();
            let response = connection.ask(query(document, 0).as_bytes()).await?;
            shortest = shortest.min(started_at.elapsed());
            if !response.starts_with(b"{\"data\"") {
                let response = String::from_utf8_lossy(response);
                return Err(format!("{document} on {}: {response}", self.name));
            }
        }
        Ok(shortest)
    }

    fn id(&self, list: &str, number: usize) -> &Value {
        &self.ids["data"][list]["nodes"][number]["id"]
    }

    /// A query of this root field, or of a list with this condition.
    fn document(&self, ty: &str, field: &str) -> String {
        let list = match ty {
            "Query" => return self.root(field),
            "Connection" if field == "totalCount" => {
                return "{ actionItems(first: 1) { totalCount } }".to_owned();
            }
            "Connection" => {
                return "{ actionItems(first: 1) { countsByStatus { count } } }".to_owned();
            }
            "ActionItemFilter" => "actionItems",
            "ActivityFilter" => "activities",
            "CommitteeFilter" => "committees",
            "ExaminationFilter" => "examinations",
            "LiaisonStatementFilter" => "liaisonStatements",
            "OrganizationFilter" => "organizations",
            "PublicationFilter" => "publications",
            _ => "topics",
        };
        let condition = self.condition(ty, field);
        // The case that reads most leaves no record.
        format!("{{ {list}(first: 20, filter: {{ {condition} }}) {{ nodes {{ id }} }} }}")
    }

    fn root(&self, field: &str) -> String {
        let selection = match field {
            "node" => format!(
                "(id: {}) {{ id ... on Topic {{ code title summary }} }}",
                self.id("topics", 0)
            ),
            "nodes" => format!(
                "(ids: [{}]) {{ id ... on Topic {{ code title summary }} }}",
                self.id("topics", 0)
            ),
            "viewer" => " { party roles }".to_owned(),
            "organization" | "committee" | "topic" | "actionItem" => {
                let id = self.id(&format!("{field}s"), 0);
                format!("(by: {{ id: {id} }}) {{ id updatedAt version }}")
            }
            "publication" => "(by: { number: \"X.5\" }) { id number title }".to_owned(),
            "liaisonStatement" => "(by: { code: \"LS-5\" }) { id code title }".to_owned(),
            "mandate" => "(code: \"RES-11-DUBAI-2012\") { code title }".to_owned(),
            "mandates" => " { code }".to_owned(),
            "exchange" => format!(
                "(committee: {}, counterpart: {}) {{ sharedTopics {{ code }} actionItems {{ code }} unansweredStatements {{ code }} lastActivityAt }}",
                self.id("committees", 0),
                self.id("committees", 1)
            ),
            "report" => REPORT.to_owned(),
            "search" => "(text: \"postal\") { nodes { __typename } }".to_owned(),
            "overlaps" => " { nodes { score } }".to_owned(),
            "webhooks" => return "{ viewer { party } }".to_owned(),
            _ => "(first: 20) { nodes { id } }".to_owned(),
        };
        format!("{{ {field}{selection} }}")
    }

    fn condition(&self, ty: &str, field: &str) -> String {
        let value = match (ty, field) {
            (_, "text") => "\"not in any text\"".to_owned(),
            ("ActionItemFilter", "status") => "[REQUESTED]".to_owned(),
            ("ActionItemFilter" | "TopicFilter", "open" | "overdue" | "needsReview") => {
                "true, illustrative: false".to_owned()
            }
            ("PublicationFilter", "number") => "[\"no number\"]".to_owned(),
            ("ActionItemFilter", "externalKey") => "[\"no key\"]".to_owned(),
            (_, "publication") => {
                format!("\"{}\"", PublicationId::from(Uuid::nil()).to_global_id())
            }
            ("PublicationFilter", "status") => "[WITHDRAWN]".to_owned(),
            ("CommitteeFilter", "status") => "[CONCLUDED]".to_owned(),
            ("TopicFilter", "status") => "[PROPOSED]".to_owned(),
            ("PublicationFilter", "kind") => "[RESOLUTION]".to_owned(),
            ("CommitteeFilter", "kind") => "[STUDY_GROUP]".to_owned(),
            ("OrganizationFilter", "kind") => "[SECTOR]".to_owned(),
            (_, "latestEdition" | "illustrative" | "awaitingReply") => "false".to_owned(),
            (_, "awaiting" | "side" | "proposedBy") => "[UPU]".to_owned(),
            (_, "ownedBy" | "requestedBy" | "party") => "[TSB]".to_owned(),
            (_, "priority") => "[HIGH]".to_owned(),
            (_, "verb") => "[SENT]".to_owned(),
            (_, "subjectType") => "[TOPIC]".to_owned(),
            (_, "dueFrom" | "approvedFrom") => "\"2100-01-01\"".to_owned(),
            (_, "silentSince" | "dueTo" | "approvedTo") => "\"1990-01-01\"".to_owned(),
            (_, "updatedSince" | "sentSince") => "\"2100-01-01T00:00:00Z\"".to_owned(),
            (_, "period" | "code") => "\"2025-2028\"".to_owned(),
            (_, "organization") => self.id("organizations", 0).to_string(),
            (_, "committee" | "counterpart" | "from" | "to") => {
                self.id("committees", 1).to_string()
            }
            (_, "topic") => self.id("topics", 0).to_string(),
            (_, "subject") => self.id("actionItems", 0).to_string(),
            (_, "provision") => format!("\"{}\"", ProvisionId::from(Uuid::nil()).to_global_id()),
            _ => "true".to_owned(),
        };
        format!("{field}: {value}")
    }

    /// The heaviest queries of some kinds that are allowed.
    async fn heaviest(&self) -> Result<Vec<String>> {
        let kinds: [(&str, &dyn Fn(u32) -> String); 4] = [
            ("texts", &|number| {
                format!(
                    "f{number}: actionItems(first: 1, filter: {{ text: \"not in text {number}\" }}) {{ nodes {{ code }} }}"
                )
            }),
            ("reports", &|number| format!("f{number}: report{REPORT}")),
            ("counts", &|number| {
                format!(
                    "f{number}: activities(first: 1, filter: {{ verb: [SENT] }}) {{ totalCount nodes {{ id }} }}"
                )
            }),
            ("pages", &|number| {
                format!(
                    "f{number}: topics(first: 100) {{ nodes {{ code title summary actionItems(first: {PAGE}) {{ nodes {{ code title description status dueOn priority }} }} }} }}"
                )
            }),
        ];
        let mut heaviest = Vec::new();
        for (kind, field) in kinds {
            for count in (1..=20).rev() {
                let fields: Vec<_> = (0..count).map(field).collect();
                let document = format!("{{ {} }}", fields.join(" "));
                let response = self.ask(&document).await?;
                if response["errors"][0]["extensions"]["code"] != "QUERY_TOO_COMPLEX" {
                    eprintln!("{}: {count} {kind} in one query", self.name);
                    heaviest.push(document);
                    break;
                }
            }
        }
        Ok(heaviest)
    }
}

const PAGE: u32 = 30;
const REPORT: &str = "(from: \"2020-01-01\", to: \"2022-12-31\") { topicsByStatus { status count } staleTopics { code } sides { side topicsProposed actionItemsRequested actionItemsReceived actionItemsDone actionItemsPostponed actionItemsOverdue medianDaysToDone liaisonStatementsSent repliesOverdue findingsRecorded } }";

fn query(document: &str, client: usize) -> String {
    let body = json!({ "query": document }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json\r\nGraphQL-Cost: 1\r\nX-Forwarded-For: 203.0.113.{client}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Adds an activity, a liaison statement and a publication for each action item.
async fn fill_rest(url: &str) -> Result<()> {
    let wrong = |error: sea_orm::DbErr| error.to_string();
    let db = Database::connect(url, 1).await.map_err(wrong)?;
    let (changes, vacuum) = if url.starts_with("sqlite:") {
        ("", "analyze")
    } else {
        ("::json", "vacuum analyze")
    };
    let statements = [
        "update counter set value = (select count(*) from action_item) where name in ('activity', 'liaison_statement')".to_owned(),
        "update action_item set priority = 'NORMAL' where priority = 'HIGH'".to_owned(),
        format!("insert into activity (id, position, at, actor, party, verb, subject_type, subject_id, topic_id, itu, upu, changes)
            select id, number, created_at, 'ana', 'ITU', 'STATUS_CHANGED', 'ActionItem', id, topic_id, true, false,
            '[{{\"field\":\"status\",\"before\":\"OPEN\",\"after\":\"DONE\"}}]'{changes} from action_item order by number"),
        "insert into liaison_statement (id, number, title, body, sent_by, side, sent_at, folded)
            select id, number, title, description, 'ITU', 'ITU', created_at, folded from action_item".to_owned(),
        "insert into sender (statement_id, committee_id, ordinal) select id, committee_id, 1 from action_item".to_owned(),
        "insert into addressee (statement_id, committee_id, ordinal, purpose) select id, counterpart_id, 1, 'ACTION' from action_item".to_owned(),
        "insert into publication (id, number, number_key, number_identity, series, title, kind, status, organization_id, side, folded, original_language, version, created_at, updated_at)
            select id, 'X.' || number, 'x.' || number, 'x.' || number, 'x.' || number, title, 'RECOMMENDATION', 'IN_FORCE',
            (select id from organization order by acronym limit 1), 'ITU', folded, 'EN', 1, created_at, updated_at from action_item".to_owned(),
        "insert into examination (id, publication_id, requested_by, complete, created_at, updated_at)
            select id, id, 'ITU', true, created_at, updated_at from action_item".to_owned(),
        "insert into finding (examination_id, side, impact, statement, found_at) select id, 'UPU', 'NONE', title, created_at from action_item".to_owned(),
        vacuum.to_owned(),
    ];
    for statement in statements {
        let done = db.orm_write.execute_unprepared(&statement).await;
        done.map_err(|error| format!("{statement}: {error}"))?;
    }
    db.close().await.map_err(wrong)
}
