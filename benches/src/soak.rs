//! Writes through kills, restarts, network breaks, full disks and locks, and looks for what was lost or made twice.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::client::{Address, ask};
use crate::postgres::Postgres;
use crate::process::{Program, most_memory};
use crate::services::service;
use crate::silent_proxy::SilentProxy;

const WRITERS: usize = 8;
/// Between two writes of one writer.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client waits for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a fault that has to be ended lasts.
const FAULT: Duration = Duration::from_secs(3);
/// Between the recovery from one fault and the next.
const REST: Duration = Duration::from_secs(5);
/// A service that has not recovered by then has failed.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);
/// Megabytes of the file system that is filled up.
const DISK: u32 = 512;

const SECRET: &str = "secret";
const NOTE_ADD: &str = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id body } userErrors { message } } }";

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

/// A fault of the service, its network or its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    Restart,
    FullDisk,
    /// Another program holds the lock of all writers.
    Lock,
    /// The connections to the database pass nothing any more.
    SilentBreak,
    DatabaseCrash,
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

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Result<Self> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let options = format!("size={DISK}m,mode=0777");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Ok(Self(directory));
        }
        Err("cannot mount a small tmpfs to fill up: run the soak as root".to_owned())
    }

    /// Leaves no byte free.
    fn fill(&self) -> Result<()> {
        let file = fs::File::create(self.0.path().join("filler"));
        let mut file = file.map_err(|error| error.to_string())?;
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        fs::remove_file(self.0.path().join("filler")).map_err(|error| error.to_string())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still has a file open keeps it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// PostgreSQL, behind a proxy.
struct Server {
    postgres: Postgres,
    proxy: SilentProxy,
}

/// What the clients know.
#[derive(Default)]
struct Ledger {
    /// The ids of the notes that were acknowledged, by their bodies.
    acknowledged: HashMap<String, String>,
    /// Notes whose requests got no answer that says whether they were made.
    unknown: Vec<String>,
    /// Responses that are wrong whatever happens.
    wrong: Vec<String>,
    attempts: usize,
    last: Option<Instant>,
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

    fn faults(&self) -> &'static [Fault] {
        if self.server.is_some() {
            &[
                Fault::Kill,
                Fault::SilentBreak,
                Fault::FullDisk,
                Fault::DatabaseCrash,
                Fault::Restart,
                Fault::SilentBreak,
                Fault::Lock,
            ]
        } else {
            &[Fault::Kill, Fault::FullDisk, Fault::Lock, Fault::Restart]
        }
    }

    /// Causes a fault, and ends it if it does not end by itself.
    async fn cause(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Kill | Fault::Restart => {
                let Some(running) = self.running.take() else {
                    return Err("the service does not run".to_owned());
                };
                if fault == Fault::Kill {
                    running.stop().await?;
                } else {
                    running.terminate().await?;
                }
                self.start_service().await?;
            }
            Fault::FullDisk => {
                self.disk.fill()?;
                sleep(FAULT).await;
                self.disk.free()?;
            }
            Fault::Lock => self.hold_lock().await?,
            Fault::SilentBreak => {
                if let Some(server) = &self.server {
                    server.proxy.break_connections();
                }
            }
            Fault::DatabaseCrash => {
                if let Some(server) = &mut self.server {
                    server.postgres.crash()?;
                }
            }
        }
        Ok(())
    }

    async fn hold_lock(&self) -> Result<()> {
        if let Some(server) = &self.server {
            let url = server.postgres.url().replace("/postgres?", "/soak?");
            let connection = sea_orm::Database::connect(url).await;
            let connection = connection.map_err(|error| error.to_string())?;
            let seconds = FAULT.as_secs();
            let hold = format!("begin; lock table counter; select pg_sleep({seconds}); commit");
            let held = connection.execute_unprepared(&hold).await;
            held.map_err(|error| error.to_string())?;
            return connection.close().await.map_err(|error| error.to_string());
        }
        let path = self.url.trim_start_matches("sqlite:");
        let connection = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
        connection
            .busy_timeout(Duration::from_secs(30))
            .and_then(|()| connection.execute_batch("begin immediate"))
            .map_err(|error| error.to_string())?;
        sleep(FAULT).await;
        connection
            .execute_batch("commit")
            .map_err(|error| error.to_string())
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
                if Instant::now() >= end {
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
        let writers = join_all((0..WRITERS).map(|writer| clients.write(&topic, writer)));
        let follower = clients.follow();
        let (done, _, followed) = tokio::join!(faults, writers, follower);
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

/// The clients of one service, wherever it listens at the moment.
struct Clients<'a> {
    port: &'a AtomicU16,
    token: Option<String>,
    ledger: &'a Mutex<Ledger>,
    end: Instant,
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
    async fn topic(&self) -> Result<String> {
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
    async fn write(&self, subject: &str, writer: usize) {
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
            while !self.add(&body, &input).await {
                sleep(PAUSE).await;
                if !repeats {
                    lock(self.ledger).unknown.push(body);
                    break;
                }
                if self.end.elapsed() > RECOVERY_TIMEOUT {
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
        let told = payload["userErrors"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
        if response["errors"].is_null() && !(told && payload["note"].is_null()) {
            let wrong = format!("a blank note: {response}");
            lock(self.ledger).wrong.push(wrong);
        }
    }

    /// Follows the history from now until some time after the end; the ids of its activities.
    async fn follow(&self) -> Vec<String> {
        let query = "query($after: String) { activities(first: 100, after: $after) { nodes { id cursor } } }";
        let newest = "{ activities(last: 1) { nodes { cursor } } }";
        let Ok(data) = self.data(newest, &json!({})).await else {
            return Vec::new();
        };
        let mut after = data["activities"]["nodes"][0]["cursor"].clone();
        let mut ids = Vec::new();
        loop {
            let ended = self.end.elapsed() > REST;
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
    async fn notes(&self) -> Result<Vec<(String, String)>> {
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
    async fn activities_after(&self, after: Option<&str>) -> Result<Vec<String>> {
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

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
