//! A benchmark run: data, services, the check that their responses are equal, and the rounds.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;

use crate::Result;
use crate::client::measure;
use crate::data::{Size, fill};
use crate::postgres::Postgres;
use crate::process::{most_memory, used, used_by_family};
use crate::services::{
    ANEW, CONNECTIONS, Kind, REMEMBERING, Service, baseline, postgraphile, service,
};
use crate::table::{Place, Table};
use crate::workloads::WORKLOADS;

/// The options of a run.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Scale of the data: 1 is 200,000 action items. At least 0.05, so that every page is full.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Number of rounds; the figures are medians.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Duration of each measurement in seconds.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Numbers of concurrent clients.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    connections: Vec<usize>,
    /// Only these workloads, such as Q1,Q3.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only one database: sqlite or postgres.
    #[arg(long)]
    database: Option<String>,
    /// Use a program built earlier instead of the current sources.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Skip PostGraphile.
    #[arg(long)]
    without_postgraphile: bool,
}

/// The services on one database.
struct Comparison {
    database: &'static str,
    services: Vec<Service>,
    /// The process of the database server, if there is one.
    server: Option<u32>,
}

pub async fn run(options: &Options) -> Result<()> {
    let size = Size::of(options.scale);
    let directory = TempDir::new().map_err(|error| error.to_string())?;
    let secret = directory.path().join("secret");
    std::fs::write(
        &secret,
        "the key of a run that lasts some minutes, and nobody else's",
    )
    .map_err(|error| error.to_string())?;
    let is_included = |database| {
        options
            .database
            .as_deref()
            .is_none_or(|name| name == database)
    };

    let program = options.program.as_ref();
    let mut comparisons = Vec::new();
    let server;
    if is_included("postgres") {
        server = Postgres::start()?;
        eprintln!("filling PostgreSQL");
        fill(&server.url(), size).await?;
        let mut services = vec![
            service(program, &[], &server.url(), &secret, CONNECTIONS, ANEW).await?,
            baseline(Kind::Limit, &server.url()).await?,
            service(
                program,
                &[],
                &server.url(),
                &secret,
                CONNECTIONS,
                REMEMBERING,
            )
            .await?,
            baseline(Kind::Stock, &server.url()).await?,
            baseline(Kind::Fixed, &server.url()).await?,
        ];
        if !options.without_postgraphile {
            services.push(postgraphile(server.socket()).await?);
        }
        comparisons.push(Comparison {
            database: "PostgreSQL",
            services,
            server: Some(server.process),
        });
    }
    if is_included("sqlite") {
        let url = format!("sqlite:{}", directory.path().join("register.db").display());
        eprintln!("filling SQLite");
        fill(&url, size).await?;
        let services = vec![
            service(program, &[], &url, &secret, CONNECTIONS, ANEW).await?,
            baseline(Kind::Limit, &url).await?,
            service(program, &[], &url, &secret, CONNECTIONS, REMEMBERING).await?,
            baseline(Kind::Stock, &url).await?,
            baseline(Kind::Fixed, &url).await?,
        ];
        comparisons.push(Comparison {
            database: "SQLite",
            services,
            server: None,
        });
    }

    let workloads = selected_workloads(&options.only);
    for comparison in &mut comparisons {
        Service::prepare(&mut comparison.services, size).await?;
        for workload in &workloads {
            check_same_responses(comparison, *workload).await?;
        }
    }
    let mut table = Table::default();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for comparison in &mut comparisons {
            for workload in &workloads {
                for connections in &options.connections {
                    turn(
                        comparison,
                        *workload,
                        *connections,
                        options.seconds,
                        &mut table,
                    )
                    .await?;
                }
            }
        }
    }
    for comparison in comparisons {
        for service in comparison.services {
            let memory = most_memory(service.program.process);
            table.memory(comparison.database, service.kind, memory);
            service.program.stop().await?;
        }
    }
    println!("{}", table.markdown(options.scale, size));
    Ok(())
}

/// Returns the indexes of the named workloads, or of all if none is named.
fn selected_workloads(names: &[String]) -> Vec<usize> {
    let is_selected =
        |index: &usize| names.is_empty() || names.iter().any(|name| name == WORKLOADS[*index].name);
    (0..WORKLOADS.len()).filter(is_selected).collect()
}

/// Number of clients for measurements of cached responses.
const REMEMBERED_AT: usize = 8;

/// Checks that all services give equal responses.
async fn check_same_responses(comparison: &Comparison, workload: usize) -> Result<()> {
    let ours = comparison.services[0].answers(workload).await?;
    let others = comparison.services[1..].iter();
    for other in others.filter(|service| service.kind != Kind::Fixed) {
        let theirs = other.answers(workload).await?;
        let different = ours
            .iter()
            .zip(&theirs)
            .find(|(ours, theirs)| ours != theirs);
        if let Some((ours, theirs)) = different {
            return Err(format!(
                "{} on {}: {:?} answers otherwise.\n{ours:.2000}\n{theirs:.2000}",
                WORKLOADS[workload].name, comparison.database, other.kind
            ));
        }
    }
    Ok(())
}

/// Measures the services one after the other, so that other load on the machine affects all equally.
async fn turn(
    comparison: &mut Comparison,
    workload: usize,
    connections: usize,
    seconds: f64,
    table: &mut Table,
) -> Result<()> {
    let server = comparison.server;
    for service in &mut comparison.services {
        let address = service.address(workload);
        let process = service.program.process;
        let Some(requests) = &mut service.requests[workload] else {
            continue;
        };
        // The transport alone does not depend on the number of clients.
        if connections != REMEMBERED_AT && matches!(service.kind, Kind::Remembering | Kind::Fixed) {
            continue;
        }
        let warming = Duration::from_secs_f64(seconds / 5.0);
        measure(&address, requests, connections, warming).await?;
        let before = (used(process), server.map_or(0.0, used_by_family));
        let duration = Duration::from_secs_f64(seconds);
        let measured = measure(&address, requests, connections, duration).await?;
        let after = (used(process), server.map_or(0.0, used_by_family));
        if measured.requests == 0 {
            return Err(format!("{:?} answered nothing in time", service.kind));
        }
        let place = Place {
            database: comparison.database,
            workload,
            connections,
        };
        table.add(
            place,
            service.kind,
            &measured,
            (after.0 - before.0, after.1 - before.1),
        );
    }
    Ok(())
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "liaison",
            Self::Limit => "hand-written SQL",
            Self::Postgraphile => "PostGraphile",
            Self::Stock => "the usual stack",
            Self::Remembering => "liaison from memory",
            Self::Fixed => "fixed bytes",
        }
    }
}
