//! Counts the instructions of a request, which do not depend on the machine or its load, and compares them with limits.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use liaison::store::Database;
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;
use tempfile::TempDir;

use crate::Result;
use crate::client::{RequestSource, ask};
use crate::data::{Size, fill};
use crate::postgres::Postgres;
use crate::process::run as finish;
use crate::services::{ANEW, Service, root, service};
use crate::workloads::WORKLOADS;

#[derive(Args, Debug)]
pub struct Options {
    /// Store the counts as the new limits.
    #[arg(long)]
    write: bool,
    /// Count on PostgreSQL, only the service itself; there are no limits for that.
    #[arg(long)]
    postgres: bool,
    /// Use a program built earlier instead of the current sources.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Keep the output of valgrind in this directory, for `callgrind_annotate`.
    #[arg(long)]
    keep: Option<PathBuf>,
}

// A single read connection: with several, it is random which one serves a request, and each prepares its statements.
const CONNECTIONS: &str = "1";
/// Allowed relative deviation from the limits: compilers differ by as much.
const TOLERANCE: f64 = 0.1;
/// Number of counted requests per workload, and of warm-up requests before.
const COUNTED: usize = 40;
const SCALE: f64 = 0.05;
/// Index of Q3, and how many times its instructions it may take with three languages in context if no text is translated.
const DASHBOARD: usize = 2;
const MAX_IN_CONTEXT: f64 = 1.15;
/// A request whose response needs the search index and the overlaps.
const BUILT: &str = r#"{"query":"{ overlaps(first: 0) { totalCount } }"}"#;

pub async fn run(options: &Options) -> Result<()> {
    let wrong = |error: std::io::Error| error.to_string();
    let directory = TempDir::new().map_err(wrong)?;
    let at = options.keep.as_deref().unwrap_or(directory.path());
    fs::create_dir_all(at).map_err(wrong)?;
    let secret = directory.path().join("secret");
    fs::write(
        &secret,
        "the key of a run that lasts a minute, and nobody else's",
    )
    .map_err(wrong)?;
    let server = options.postgres.then(Postgres::start).transpose()?;
    let url = match &server {
        Some(server) => server.url(),
        None => format!("sqlite:{}", directory.path().join("register.db").display()),
    };
    let size = Size::of(SCALE);
    fill(&url, size).await?;

    let out = format!("--callgrind-out-file={}", at.join("out").display());
    let under = ["valgrind", "--quiet", "--tool=callgrind", &out];
    let mut services = [service(
        options.program.as_ref(),
        &under,
        &url,
        &secret,
        CONNECTIONS,
        ANEW,
    )
    .await?];
    Service::prepare(&mut services, size).await?;
    let [mut service] = services;
    // The service builds its search index and the overlaps in the background when it starts. This waits for them.
    let built = ask(&service.address(0), BUILT).await?;
    if built.get("errors").is_some() {
        return Err(format!("a response with errors: {built}"));
    }
    let mut counted = Vec::new();
    for (workload, described) in WORKLOADS.iter().enumerate() {
        let count = count(&mut service, workload, workload + 1, at).await?;
        println!("{} {count}", described.name);
        counted.push((described.name, count));
    }
    let document = format!(
        "query @inContext(languages: [FR, RU, AR]) {}",
        WORKLOADS[DASHBOARD].document
    );
    let body = json!({ "query": document }).to_string();
    service.requests[DASHBOARD] = Some(RequestSource::Bodies(vec![body]));
    let mut in_context = Vec::new();
    for texts in ["originals", "translations"] {
        if texts == "translations" {
            translate(&url).await?;
        }
        let dumps = WORKLOADS.len() + 1 + in_context.len();
        let count = count(&mut service, DASHBOARD, dumps, at).await?;
        let share = ratio(count, counted[DASHBOARD].1);
        println!("Q3 with three languages in context, {texts}: {count}, {share:.3} times Q3");
        in_context.push(share);
    }
    service.program.stop().await?;
    if options.postgres {
        return Ok(());
    }
    if in_context[0] > MAX_IN_CONTEXT {
        return Err(format!(
            "Q3 with three languages in context takes {:.3} times the instructions of Q3; at most {MAX_IN_CONTEXT} are allowed",
            in_context[0]
        ));
    }
    let bounds = root().join("benches/instructions.txt");
    if options.write {
        let mut text = String::new();
        for (name, count) in counted {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{name} {count}");
        }
        return fs::write(bounds, text).map_err(wrong);
    }
    compare(&counted, &fs::read_to_string(bounds).map_err(wrong)?)
}

/// Translates the names of all committees into French and Russian, and a fourth of the titles of topics and action items
/// into French.
async fn translate(url: &str) -> Result<()> {
    let wrong = |error: DbErr| error.to_string();
    let db = Database::connect(url, 1).await.map_err(wrong)?;
    for (ty, table, field, language, share) in [
        ("Committee", "committee", "name", "FR", 1),
        ("Committee", "committee", "name", "RU", 1),
        ("Topic", "topic", "title", "FR", 4),
        ("ActionItem", "action_item", "title", "FR", 4),
    ] {
        let number = if share == 1 { "0" } else { "number" };
        let statement = format!(
            "insert into translation (subject_type, subject_id, field, language, text, text_key, folded, kind, outdated, subject_version, party, created_at, updated_at)
            select '{ty}', id, upper('{field}'), '{language}', {field}, {field}_key, folded, 'COURTESY', false, 1, 'ITU', created_at, updated_at
            from {table} where {number} % {share} = 0"
        );
        let done = db.orm_write.execute_unprepared(&statement).await;
        done.map_err(wrong)?;
    }
    db.close().await.map_err(wrong)
}

/// Returns the mean number of instructions per request. `dumps` is how many counts valgrind has then written.
async fn count(service: &mut Service, workload: usize, dumps: usize, at: &Path) -> Result<u64> {
    let address = service.address(workload);
    let process = service.program.process.to_string();
    let mut dump = PathBuf::new();
    for counts in [false, true] {
        if counts {
            finish("callgrind_control", &["-z", &process], root()).await?;
        }
        for place in 0..COUNTED {
            let body = match &mut service.requests[workload] {
                Some(RequestSource::Bodies(bodies)) => bodies[place % bodies.len()].clone(),
                Some(RequestSource::Moves(moved, body)) => {
                    let request = body(&moved[0]);
                    moved[0].next();
                    request
                }
                None => return Err("the workload has no requests".to_owned()),
            };
            let response = ask(&address, &body).await?;
            if response.get("errors").is_some() {
                return Err(format!("a response with errors: {response}"));
            }
        }
        if counts {
            finish("callgrind_control", &["-d", &process], root()).await?;
            dump = at.join(format!("out.{dumps}"));
        }
    }
    let text = fs::read_to_string(&dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.and_then(|totals| totals.trim().parse::<u64>().ok());
    let totals = totals.ok_or("valgrind has written no totals")?;
    Ok(totals / COUNTED as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no precision")]
fn ratio(count: u64, bound: u64) -> f64 {
    count as f64 / bound as f64
}

fn compare(counted: &[(&str, u64)], bounds: &str) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, count) in counted {
        let bound = bounds
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            .ok_or_else(|| format!("there is no bound for {name}"))?;
        let share = ratio(*count, bound);
        if share > 1.0 + TOLERANCE {
            wrong.push(format!(
                "{name} takes {count} instructions, {share:.2} times the bound of {bound}"
            ));
        } else if share < 1.0 - TOLERANCE {
            wrong.push(format!("{name} takes {count} instructions, {share:.2} times the bound of {bound}: set it with --write"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n"))
}
