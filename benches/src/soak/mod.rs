//! Writes through kills, restarts, network breaks, full disks and locks, and looks for what was lost or made twice.

mod clients;
mod faults;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::time::sleep;

use self::clients::{Clients, Ledger, RECOVERY_TIMEOUT, REST, lock};
use self::faults::{FAULT, Fault, Server, SmallDisk};
use crate::Result;
use crate::postgres::Postgres;
use crate::process::{Program, most_memory};
use crate::services::service;
use crate::silent_proxy::SilentProxy;

const WRITERS: usize = 8;
const SECRET: &str = "secret";

/// How long to write.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Seconds of faults on each database; both run at the same time.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// A program built before, instead of the one that the sources give.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs on both databases side by side.
///
/// # Errors
/// Returns an error if anything was lost, made twice, or did not recover.
pub async fn run(options: &Options) -> Result<()> {
    let (sqlite, postgres) = tokio::join!(Soak::sqlite(options), Soak::postgres(options));
    let (sqlite, postgres) = (sqlite?, postgres?);
    let (first, second) = tokio::join!(sqlite.run(options), postgres.run(options));
    match (first, second) {
        (Ok(()), Ok(())) => Ok(()),
        (first, second) => Err([first.err(), second.err()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

/// One service on one database.
struct Soak {
    name: &'static str,
    url: String,
    /// With the file that signs tokens.
    directory: TempDir,
    disk: SmallDisk,
    server: Option<Server>,
    program: Option<PathBuf>,
    running: Option<Program>,
    token: Option<String>,
}

impl Soak {
    async fn sqlite(options: &Options) -> Result<Self> {
        let disk = SmallDisk::mount()?;
        let url = format!("sqlite:{}", disk.0.path().join("liaison.db").display());
        Self::start("SQLite", url, disk, None, options).await
    }

    async fn postgres(options: &Options) -> Result<Self> {
        let disk = SmallDisk::mount()?;
        let postgres = Postgres::start()?;
        let space = disk.0.path().join("tables");
        fs::create_dir(&space).map_err(|error| error.to_string())?;
        fs::set_permissions(&space, fs::Permissions::from_mode(0o777))
            .map_err(|error| error.to_string())?;
        // The server runs as a user of its own if this program runs as root.
        let _ = Command::new("chown").arg("postgres").arg(&space).status();
        let statements = [
            format!("create tablespace small location '{}'", space.display()),
            "create database soak tablespace small".to_owned(),
        ];
        let connection = sea_orm::Database::connect(postgres.url()).await;
        let connection = connection.map_err(|error| error.to_string())?;
        for statement in statements {
            let done = connection.execute_unprepared(&statement).await;
            done.map_err(|error| error.to_string())?;
        }
        connection
            .close()
            .await
            .map_err(|error| error.to_string())?;
        let proxy = SilentProxy::start(postgres.socket()).await;
        let proxy = proxy.map_err(|error| error.to_string())?;
        let port = proxy.port;
        let url = format!("postgres://postgres@127.0.0.1:{port}/soak?sslmode=disable");
        let server = Server { postgres, proxy };
        Self::start("PostgreSQL", url, disk, Some(server), options).await
    }

    async fn start(
        name: &'static str,
        url: String,
        disk: SmallDisk,
        server: Option<Server>,
        options: &Options,
    ) -> Result<Self> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        fs::write(
            directory.path().join(SECRET),
            "the key of a soak, which signs its tokens alone",
        )
        .map_err(|error| error.to_string())?;
        let mut soak = Self {
            name,
            url,
            directory,
            disk,
            server,
            program: options.program.clone(),
            running: None,
            token: None,
        };
        soak.start_service().await?;
        Ok(soak)
    }

    async fn start_service(&mut self) -> Result<()> {
        let program = self.program.as_ref();
        let secret = self.directory.path().join(SECRET);
        let started = service(program, &[], &self.url, &secret, "8", &[]).await?;
        self.token = started.token().map(str::to_owned);
        self.running = Some(started.program);
        Ok(())
    }

    fn port(&self) -> u16 {
        self.running.as_ref().map_or(0, |program| program.port)
    }

    /// Causes one fault after the other while the clients write, then compares.
    async fn run(mut self, options: &Options) -> Result<()> {
        let port = AtomicU16::new(self.port());
        let ledger = Mutex::new(Ledger::default());
        let end = Instant::now() + Duration::from_secs(options.seconds);
        let clients = Clients {
            port: &port,
            token: self.token.clone(),
            ledger: &ledger,
            end,
        };
        let topic = clients.topic().await?;
        let mut recoveries: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
        let mut memory: f64 = 0.0;
        let faults = async {
            for fault in self.faults().iter().cycle() {
                sleep(REST).await;
                // Writes that show the recovery must still follow.
                if Instant::now() + FAULT + REST >= end {
                    break;
                }
                if let Some(running) = &self.running {
                    memory = memory.max(most_memory(running.process));
                }
                self.cause(*fault)
                    .await
                    .map_err(|error| format!("{fault:?}: {error}"))?;
                port.store(self.port(), Ordering::Relaxed);
                let over = Instant::now();
                while lock(&ledger).last.is_none_or(|last| last < over) {
                    if over.elapsed() > RECOVERY_TIMEOUT {
                        return Err(format!("no write succeeds after {fault:?}"));
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                recoveries.entry(*fault).or_default().push(over.elapsed());
            }
            Ok(())
        };
        let is_written = AtomicBool::new(false);
        let writers = async {
            join_all((0..WRITERS).map(|writer| clients.write(&topic, writer))).await;
            is_written.store(true, Ordering::Relaxed);
        };
        let follower = clients.follow(&is_written);
        let (done, (), followed) = tokio::join!(faults, writers, follower);
        done?;
        let notes = clients.notes().await?;
        let activities = clients.activities_after(None).await?;
        let ledger = lock(&ledger);
        self.report(&ledger, &recoveries, memory, &notes, &activities, &followed)
    }

    fn report(
        &self,
        ledger: &Ledger,
        recoveries: &BTreeMap<Fault, Vec<Duration>>,
        memory: f64,
        notes: &[(String, String)],
        activities: &[String],
        followed: &[String],
    ) -> Result<()> {
        let mut stored: HashMap<&str, Vec<&str>> = HashMap::new();
        for (body, id) in notes {
            stored.entry(body).or_default().push(id);
        }
        let lost = ledger.acknowledged.iter();
        let lost = lost.filter(|(body, id)| {
            let ids = stored.get(body.as_str());
            ids.is_none_or(|ids| !ids.contains(&id.as_str()))
        });
        let lost = lost.count();
        let doubled = stored.values().filter(|ids| ids.len() > 1).count();
        let made = ledger.unknown.iter();
        let made = made
            .filter(|body| stored.contains_key(body.as_str()))
            .count();
        let gaps = usize::from(!activities.ends_with(followed));
        let mut text = format!(
            "{}: {} writes acknowledged in {} attempts, {} unanswered (of which {made} made); lost {lost}, made twice {doubled}, wrong responses {}; {} activities followed, {gaps} gaps; {memory:.0} MB at most\n",
            self.name,
            ledger.acknowledged.len(),
            ledger.attempts,
            ledger.unknown.len(),
            ledger.wrong.len(),
            followed.len(),
        );
        for (fault, times) in recoveries {
            let slowest = times.iter().max().copied().unwrap_or_default();
            let _ = writeln!(
                text,
                "  {fault:?}: {} times, slowest recovery {:.1} s",
                times.len(),
                slowest.as_secs_f64()
            );
        }
        print!("{text}");
        for wrong in ledger.wrong.iter().take(5) {
            println!("  wrong: {wrong}");
        }
        if lost + doubled + gaps + ledger.wrong.len() == 0 {
            return Ok(());
        }
        Err(format!(
            "{}: writes were lost, made twice or answered wrongly",
            self.name
        ))
    }
}
