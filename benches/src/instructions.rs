//! Counts the instructions of a request, which do not depend on the machine or its load, and compares them with limits.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::TempDir;

use crate::Result;
use crate::client::{Asked, ask};
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
    let mut counted = Vec::new();
    for (workload, described) in WORKLOADS.iter().enumerate() {
        let count = count(&mut service, workload, at).await?;
        println!("{} {count}", described.name);
        counted.push((described.name, count));
    }
    service.program.stop().await?;
    if options.postgres {
        return Ok(());
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

/// Returns the mean number of instructions per request.
async fn count(service: &mut Service, workload: usize, at: &Path) -> Result<u64> {
    let address = service.address(workload);
    let process = service.program.process.to_string();
    let mut dump = PathBuf::new();
    for counts in [false, true] {
        if counts {
            finish("callgrind_control", &["-z", &process], root()).await?;
        }
        for place in 0..COUNTED {
            let body = match &mut service.asked[workload] {
                Some(Asked::Bodies(bodies)) => bodies[place % bodies.len()].clone(),
                Some(Asked::Moves(moved, body)) => {
                    let asked = body(&moved[0]);
                    moved[0].next();
                    asked
                }
                None => return Err("nothing is asked".to_owned()),
            };
            let answer = ask(&address, &body).await?;
            if answer.get("errors").is_some() {
                return Err(format!("an answer with errors: {answer}"));
            }
        }
        if counts {
            finish("callgrind_control", &["-d", &process], root()).await?;
            dump = at.join(format!("out.{}", workload + 1));
        }
    }
    let text = fs::read_to_string(&dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.and_then(|totals| totals.trim().parse::<u64>().ok());
    let totals = totals.ok_or("valgrind has written no totals")?;
    Ok(totals / COUNTED as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no precision")]
fn compare(counted: &[(&str, u64)], bounds: &str) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, count) in counted {
        let bound = bounds
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            .ok_or_else(|| format!("there is no bound for {name}"))?;
        let share = *count as f64 / bound as f64;
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
