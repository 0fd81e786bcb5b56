//! Benchmarks the service against hand-written SQL, the usual stack and PostGraphile, on both databases.
//!
//!     cargo run --release -p benches -- run            the tables of the README
//!     cargo run --release -p benches -- instructions   what a request costs in instructions, against the bounds
//!     cargo run --release -p benches -- hostile        what others meet while a client attacks
//!     cargo run --release -p benches -- prices         how long each root field and filter takes
//!     cargo run --release -p benches -- crowd          what others meet beside the heaviest queries
//!     cargo run --release -p benches -- search         how long searches take, alone and with 8 clients
//!     cargo run --release -p benches -- soak           writes through kills, network breaks and full disks: is any lost?

#![forbid(unsafe_code)]

mod answers;
mod bounds;
mod client;
mod data;
mod hostile;
mod instructions;
mod limit;
mod postgres;
mod process;
mod run;
mod services;
#[expect(dead_code, reason = "the tests use its other functions")]
#[path = "../../tests/api/support/silent_proxy.rs"]
mod silent_proxy;
mod soak;
mod stock;
mod table;
mod workloads;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// An error message.
pub type Result<T> = std::result::Result<T, String>;

/// Benchmarks of the service.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure time, processor and memory of all workloads; prints Markdown.
    Run(run::Options),
    /// Count the instructions of a request on SQLite with valgrind; fails if a limit is exceeded.
    Instructions(instructions::Options),
    /// Write for minutes during kills, restarts, network breaks, full disks and locks on both databases; fails if an
    /// acknowledged write is lost or made twice. Mounts small file systems, which needs root.
    Soak(soak::Options),
    /// What others meet while a client tries to take all memory or connections, at the default settings.
    Hostile(hostile::Options),
    /// Time of each root field and condition of a filter on 100,000 records, to compare with its price in the cost.
    Prices(bounds::Options),
    /// What others meet while 16 clients send the heaviest queries that are allowed, on 100,000 records.
    Crowd(bounds::Options),
    /// Time of searches on 20,000 publications, alone and with 8 clients at a time.
    Search(bounds::Options),
    /// Serves the hand-written SQL.
    #[command(hide = true)]
    Limit(Baseline),
    /// Serves the usual stack.
    #[command(hide = true)]
    Stock(Baseline),
}

/// The options of a baseline.
#[derive(Args)]
struct Baseline {
    #[arg(long)]
    url: String,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    connections: u32,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match &cli.command {
        // The same provider as the service's.
        Command::Limit(_) | Command::Stock(_) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build(),
        // A single thread leaves the other cores to the services.
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    let done = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    done = run(cli.command) => done,
                    _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
                }
            })
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("benches: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(options) => run::run(&options).await,
        Command::Instructions(options) => instructions::run(&options).await,
        Command::Soak(options) => Box::pin(soak::run(&options)).await,
        Command::Prices(options) => bounds::prices(&options).await,
        Command::Crowd(options) => bounds::crowd(&options).await,
        Command::Search(options) => bounds::search(&options).await,
        Command::Hostile(options) => Box::pin(hostile::run(&options)).await,
        Command::Limit(Baseline {
            url,
            port,
            connections,
        }) => limit::serve(&url, port, connections).await,
        Command::Stock(Baseline {
            url,
            port,
            connections,
        }) => stock::serve(&url, port, connections).await,
    }
}
