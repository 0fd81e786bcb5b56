//! The alerts of `deploy/alerts.yml`: each is silent on a sound service, and fires when its fault happens.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use liaison::metrics::catalogue::{CATALOGUE, MetricKind};
use liaison::store::Database;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::prepare;
use crate::support::metrics::Scrape;
use crate::support::raw_http;
use crate::support::webhook_receiver::{Endpoint, Reply};

on_both_backends! {
    no_alert_fires_on_a_healthy_service
    a_service_that_ended_is_reported
    a_database_that_refuses_writes_is_reported
    a_database_that_cannot_be_read_is_reported
    operations_that_fail_are_reported
    a_lock_that_is_held_is_reported_as_slow_and_as_a_full_pool
    a_feed_that_cannot_be_read_is_reported
    a_webhook_that_fails_is_reported
    requests_beyond_a_limit_are_reported
}

const ALERTS: &str = include_str!("../../../deploy/alerts.yml");
const FREE: &str = "127.0.0.1:0";

const PENDING_WRITES: &str =
    "db_client_connection_pending_requests{db_client_connection_pool_name=\"write\"}";

/// A running service with metrics.
struct Watched {
    service: RunningProcess,
    address: String,
    metrics: String,
    /// ITU's token.
    token: String,
    before: Scrape,
    workspace: Workspace,
    database: TestDatabase,
}

impl Watched {
    async fn start(backend: Backend) -> Self {
        let database = TestDatabase::create(backend, prepare).await;
        let workspace = Workspace::new();
        let settings = ["dev", "--listen", FREE, "--metrics-listen", FREE];
        let more = [
            "--database-url",
            &database.url,
            "--database-connections",
            "1",
        ];
        let mut service = workspace.start(&[&settings[..], &more].concat());
        let startup_lines = service.startup_lines();
        let (address, metrics) = (service.dev_address(), service.metrics_address());
        // The first of everything, so that what follows is an increase.
        raw_http::get(&address, "/readyz");
        raw_http::post(&address, None, &query("{ mandates { code } }"));
        let before = Scrape::eventually(&metrics, |scrape| {
            scrape.value("liaison_feed_lag_positions") < 1.0
        });
        Self {
            token: startup_lines[1].split(' ').nth(1).unwrap().to_owned(),
            service,
            address,
            metrics,
            before,
            workspace,
            database,
        }
    }

    /// Runs SQL beside the service.
    async fn sql(&self, statements: &[&str]) {
        let db = Database::connect(&self.database.url, 1).await.unwrap();
        let transaction = db.orm_write.begin().await.unwrap();
        for statement in statements {
            transaction.execute_unprepared(statement).await.unwrap();
        }
        transaction.commit().await.unwrap();
        db.close().await.unwrap();
    }

    /// Fails unless these alerts and no others fire, if each minute is like the time since the start.
    fn fires(&self, after: &Scrape, alerts: &[&str]) {
        let fired = firing(&self.workspace, &series(&self.before, after, 1));
        assert_eq!(
            fired,
            alerts.iter().map(|alert| (*alert).to_owned()).collect(),
            "{}",
            after.text
        );
    }
}

fn query(document: &str) -> String {
    json!({ "query": document }).to_string()
}

/// Returns series for promtool: counters go on to grow as they did from one scrape to the other, once a minute, and
/// gauges stay.
fn series(before: &Scrape, after: &Scrape, up: u8) -> String {
    let mut series =
        format!("      - {{series: 'up{{job=\"liaison\",instance=\"a\"}}', values: '{up}x40'}}\n");
    for (name, value) in &after.series {
        let metric = name.split('{').next().unwrap();
        let is_gauge = CATALOGUE
            .iter()
            .any(|known| known.name == metric && matches!(known.kind, MetricKind::Gauge));
        let growth = if is_gauge {
            0.0
        } else {
            value - before.value(name)
        };
        let labels = name.strip_prefix(metric).unwrap();
        let labels = labels.trim_start_matches('{').trim_end_matches('}');
        let comma = if labels.is_empty() { "" } else { "," };
        writeln!(
            series,
            "      - {{series: '{metric}{{{labels}{comma}job=\"liaison\",instance=\"a\"}}', values: '{value}+{growth}x40'}}"
        )
        .unwrap();
    }
    series
}

/// Returns the alerts that fire after half an hour of these series.
fn firing(workspace: &Workspace, series: &str) -> BTreeSet<String> {
    workspace.write("alerts.yml", ALERTS);
    let names = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut fired = BTreeSet::new();
    for name in names {
        let test = format!(
            "rule_files: [alerts.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{series}    \
             promql_expr_test:\n      - expr: 'count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}) > bool 0'\n        \
             eval_time: 30m\n        exp_samples: [{{labels: '{{}}', value: 1}}]\n"
        );
        workspace.write("test.yml", test);
        let (is_firing, output) = promtool(workspace, &["test", "rules", "test.yml"]);
        assert!(
            is_firing || output.contains("got: nil") || output.contains("got:[]"),
            "{output}"
        );
        if is_firing {
            fired.insert(name.to_owned());
        }
    }
    fired
}

fn promtool(workspace: &Workspace, arguments: &[&str]) -> (bool, String) {
    let program = env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(workspace.path("."))
        .output()
        .expect("this test needs promtool: `apt-get install prometheus`, or name it by the variable PROMTOOL");
    let output = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8(output).unwrap())
}

/// Returns whether the alert fires at any minute while the readiness has these values, one for each minute.
fn fires_while_ready_is(values: &str) -> bool {
    let workspace = Workspace::new();
    workspace.write("alerts.yml", ALERTS);
    let test = format!(
        "rule_files: [alerts.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n      \
         - {{series: 'liaison_ready{{job=\"liaison\",instance=\"a\"}}', values: '{values}'}}\n    \
         promql_expr_test:\n      - expr: 'count(count_over_time(ALERTS{{alertname=\"LiaisonNotReady\",alertstate=\"firing\"}}[1h]))'\n        \
         eval_time: 30m\n        exp_samples: []\n"
    );
    workspace.write("test.yml", test);
    let (is_silent, output) = promtool(&workspace, &["test", "rules", "test.yml"]);
    assert!(is_silent || output.contains("got: {} 1E+00"), "{output}");
    !is_silent
}

#[test]
fn a_service_that_is_not_ready_for_a_moment_is_not_reported() {
    assert!(fires_while_ready_is("1x5 0x5 1x20"));
    // One scrape; and a restart with a delay, after which the metrics are gone until the new process serves.
    for moment in ["1x5 0 1x25", "1x5 0 0 stale 1x25"] {
        assert!(!fires_while_ready_is(moment), "{moment}");
    }
}

#[test]
fn the_rules_are_valid_and_use_metrics_of_the_catalogue() {
    let workspace = Workspace::new();
    workspace.write("alerts.yml", ALERTS);
    let (is_valid, output) = promtool(&workspace, &["check", "rules", "alerts.yml"]);
    assert!(is_valid, "{output}");
    let words: BTreeSet<&str> = ALERTS
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .collect();
    for word in words {
        let is_metric = [
            "liaison_",
            "http_server_",
            "graphql_operation",
            "db_client_",
        ]
        .iter()
        .any(|prefix| word.starts_with(prefix));
        let is_known = |name: &str| {
            let mut labels = CATALOGUE.iter().flat_map(|metric| metric.labels);
            CATALOGUE.iter().any(|metric| metric.name == name) || labels.any(|label| *label == name)
        };
        let name = word.trim_end_matches("_bucket");
        assert!(!is_metric || is_known(word) || is_known(name), "{word}");
    }
}

async fn no_alert_fires_on_a_healthy_service(backend: Backend) {
    let watched = Watched::start(backend).await;
    raw_http::get(&watched.address, "/readyz");
    raw_http::post(&watched.address, None, &query("{ mandates { title } }"));
    watched.fires(&Scrape::of(&watched.metrics), &[]);
}

async fn a_service_that_ended_is_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    let Watched {
        service,
        metrics,
        workspace,
        before,
        ..
    } = watched;
    service.stop();
    assert!(Scrape::read(&metrics).is_none());
    let fired = firing(&workspace, &series(&before, &before, 0));
    assert!(fired.contains("LiaisonDown"), "{fired:?}");
}

async fn a_database_that_refuses_writes_is_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    let broken: &[&str] = match backend {
        Backend::Sqlite => &[
            "create trigger broken before update on counter begin select raise(abort, 'broken'); end",
        ],
        Backend::Postgres => &[
            "create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$",
            "create trigger broken before update on counter for each statement execute function broken()",
        ],
    };
    watched.sql(broken).await;
    watched.fires(&Scrape::of(&watched.metrics), &["LiaisonNotReady"]);
}

async fn a_database_that_cannot_be_read_is_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    watched
        .sql(&["alter table webhook rename to elsewhere"])
        .await;
    let after = Scrape::of(&watched.metrics);
    watched.fires(&after, &["LiaisonDatabaseDown"]);
}

async fn operations_that_fail_are_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    watched
        .sql(&["alter table mandate rename to elsewhere"])
        .await;
    let response = raw_http::post(
        &watched.address,
        None,
        &query("{ mandates { code title } }"),
    );
    assert_eq!(
        response.json()["errors"][0]["extensions"]["code"],
        "INTERNAL"
    );
    watched.fires(&Scrape::of(&watched.metrics), &["LiaisonErrors"]);
}

async fn a_lock_that_is_held_is_reported_as_slow_and_as_a_full_pool(backend: Backend) {
    let watched = Watched::start(backend).await;
    let topics = query("{ topics(first: 1) { nodes { id } } }");
    let topics = raw_http::post(&watched.address, None, &topics).json();
    let topic = &topics["data"]["topics"]["nodes"][0]["id"];
    let note = format!(
        "mutation {{ noteAdd(input: {{ subjectId: {topic}, body: \"Seen.\" }}) {{ userErrors {{ code }} }} }}"
    );
    let note = query(&note);
    let db = Database::connect(&watched.database.url, 1).await.unwrap();
    let lock = db.orm_write.begin().await.unwrap();
    lock.execute_unprepared("update counter set value = value")
        .await
        .unwrap();
    let began = Instant::now();
    let writes: Vec<_> = (0..3)
        .map(|_| {
            let (address, token) = (watched.address.clone(), watched.token.clone());
            let note = note.clone();
            thread::spawn(move || raw_http::post(&address, Some(&token), &note))
        })
        .collect();
    let waiting = Scrape::eventually(&watched.metrics, |scrape| {
        scrape.value(PENDING_WRITES) > 0.0
    });
    // The fault itself takes its time.
    thread::sleep(Duration::from_millis(1500).saturating_sub(began.elapsed()));
    lock.rollback().await.unwrap();
    db.close().await.unwrap();
    for write in writes {
        assert_eq!(write.join().unwrap().status, 200);
    }
    watched.fires(&waiting, &["LiaisonPoolExhausted"]);
    watched.fires(&Scrape::of(&watched.metrics), &["LiaisonSlow"]);
}

async fn a_feed_that_cannot_be_read_is_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    let key = if backend == Backend::Sqlite {
        "randomblob(16)"
    } else {
        "gen_random_uuid()"
    };
    // The feed reads this column, which the head of the log does not need.
    watched
        .sql(&[
            "alter table activity rename column verb to elsewhere",
            "create temporary table added as select * from activity order by position desc limit 1",
            &format!("update added set id = {key}, position = position + 1"),
            "update counter set value = value + 1 where name = 'activity'",
            "insert into activity select * from added",
        ])
        .await;
    let after = Scrape::eventually(&watched.metrics, |scrape| {
        scrape.value("liaison_feed_lag_positions") > 0.0
    });
    watched.fires(&after, &["LiaisonFeedLag"]);
}

async fn a_webhook_that_fails_is_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    let endpoint = Endpoint::start().await;
    endpoint.reply((0..20).map(|_| Reply::Status(500)));
    let history = "{ activities(first: 1) { edges { cursor } } }";
    let history = raw_http::post(&watched.address, None, &query(history)).json();
    let cursor: &Value = &history["data"]["activities"]["edges"][0]["cursor"];
    let create = format!(
        "mutation {{ webhookCreate(input: {{ url: \"{}\", after: {cursor} }}) {{ userErrors {{ message }} }} }}",
        endpoint.url
    );
    let created = raw_http::post(&watched.address, Some(&watched.token), &query(&create)).json();
    assert_eq!(
        created["data"]["webhookCreate"]["userErrors"],
        json!([]),
        "{created}"
    );
    let failing = "liaison_webhooks{state=\"failing\"}";
    let after = Scrape::eventually(&watched.metrics, |scrape| {
        scrape.value(failing) > 0.0
            && scrape.value("liaison_webhook_backlog_age_seconds") > 0.0
            && scrape.value("liaison_feed_lag_positions") < 1.0
            && scrape.value(PENDING_WRITES) < 1.0
    });
    watched.fires(&after, &["LiaisonWebhookBacklog", "LiaisonWebhookFailing"]);
}

async fn requests_beyond_a_limit_are_reported(backend: Backend) {
    let watched = Watched::start(backend).await;
    // More than one per second, if they come within a minute.
    for _ in 0..70 {
        raw_http::post(&watched.address, None, "[{}]");
    }
    watched.fires(&Scrape::of(&watched.metrics), &["LiaisonRequestsRejected"]);
}

#[test]
fn each_alert_has_a_test() {
    let names = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/operations/alerts.rs");
    let tests = fs::read_to_string(path).unwrap();
    for name in names {
        assert!(tests.contains(&format!("\"{name}\"")), "{name}");
    }
}
