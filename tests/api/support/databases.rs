//! Test databases: each test has its own, migrated and empty.

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;
use std::{env, fs, io};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use tokio::runtime::Builder;
use tokio::sync::OnceCell;
use url::Url;
use uuid::{NoContext, Timestamp, Uuid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The database of a test. Deleted on drop, even with open connections.
pub struct TestDatabase {
    pub url: String,
    /// A directory or a `Created` database, which is deleted with this.
    _kept: Box<dyn Send + Sync>,
}

/// The content of a migrated file: kept in memory, because statics are never dropped and a file would remain.
static SQLITE_TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
static POSTGRES_TEMPLATE: OnceCell<Created> = OnceCell::const_new();
/// The template, or the error that every test reports.
static SERVER: LazyLock<Result<Server, String>> = LazyLock::new(Server::find);

impl TestDatabase {
    /// Connects with the time limits that the service sets: without them PostgreSQL keeps the transaction of a broken
    /// connection open.
    pub async fn connect(&self) -> liaison::store::Database {
        let longest = Some(liaison::http::limits::Limits::default().longest_statement());
        let connected = liaison::store::Database::connect_with_timeout(&self.url, 4, longest).await;
        connected.unwrap()
    }

    /// `migrate` gets the URL of an empty database, once per process and backend. Every test gets
    /// a copy of what it leaves.
    pub async fn create(backend: Backend, migrate: impl AsyncFnOnce(&str)) -> Self {
        match backend {
            Backend::Sqlite => {
                let template = SQLITE_TEMPLATE.get_or_init(|| sqlite_template(migrate));
                Self::on_sqlite(template.await)
            }
            Backend::Postgres => {
                let template = POSTGRES_TEMPLATE.get_or_init(|| postgres_template(migrate));
                let created = Created::from(&template.await.name).await;
                Self {
                    url: created.url(),
                    _kept: Box::new(created),
                }
            }
        }
    }

    /// Returns a database without tables.
    pub async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::on_sqlite(&[]),
            Backend::Postgres => {
                // Not `template1`: another process may be connected to it.
                let created = Created::from("template0").await;
                Self {
                    url: created.url(),
                    _kept: Box::new(created),
                }
            }
        }
    }

    fn on_sqlite(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("test.db");
        fs::write(&file, bytes).expect("a file in it");
        Self {
            url: format!("sqlite://{}", file.display()),
            _kept: Box::new(directory),
        }
    }
}

async fn sqlite_template(migrate: impl AsyncFnOnce(&str)) -> Vec<u8> {
    let database = TestDatabase::on_sqlite(&[]);
    migrate(&database.url).await;
    // Only the file is copied: the write-ahead log beside it must be empty.
    let emptied = run(&database.url, "pragma wal_checkpoint(truncate)").await;
    emptied.expect("the log goes into the file");
    let file = database.url.trim_start_matches("sqlite://");
    let log = fs::metadata(format!("{file}-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "`migrate` left a transaction open");
    fs::read(file).expect("the migrated file")
}

async fn postgres_template(migrate: impl AsyncFnOnce(&str)) -> Created {
    // Not `template1`: another process may be connected to it.
    let template = Created::from("template0").await;
    migrate(&template.url()).await;
    // A database can be copied only without connections: a pool may be about to close.
    let alone = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
        template.name
    );
    let alone = run(server().url.as_str(), &alone).await;
    alone.expect("the template to ourselves");
    template
}

/// A database on the server.
struct Created {
    name: String,
}

impl Created {
    async fn from(template: &str) -> Self {
        // Created first, so that a test cancelled while it waits also drops its database.
        let created = Self {
            name: name(Uuid::now_v7()),
        };
        let statement = format!("create database {} template {template}", created.name);
        let done = run(server().url.as_str(), &statement).await;
        done.expect("a new database on the server");
        created
    }

    fn url(&self) -> String {
        let mut url = server().url.clone();
        url.set_path(&self.name);
        url.into()
    }
}

impl Drop for Created {
    /// Also on the tests' own server, although that is deleted at the end: a database has 8 MB, and there are hundreds.
    fn drop(&mut self) {
        let Ok(server) = SERVER.as_ref() else { return };
        let statement = format!("drop database if exists {} with (force)", self.name);
        let dropped = apart(async move || run(server.url.as_str(), &statement).await);
        // The server takes 100 ms to notice closed connections, so this waits only if the database would remain.
        // `sweep` handles failures; a panic here could hide the test's own.
        if server.life.is_none() {
            let _ = dropped.join();
        }
    }
}

/// Drops databases that earlier runs left on a permanent server: their templates, and those of killed runs. Other runs
/// may be active, so it only drops databases that are a day old. Their names sort by time.
async fn sweep(url: &str) -> Result<(), DbErr> {
    let now = SystemTime::UNIX_EPOCH.elapsed();
    let yesterday = now.expect("a clock past 1970").as_secs() - 24 * 60 * 60;
    let yesterday = name(Uuid::new_v7(Timestamp::from_unix(NoContext, yesterday, 0)));
    let db = connect(url).await?;
    let list = r"select datname::text from pg_database where datname like 'liaison\_test\_%'";
    let list = Statement::from_string(db.get_database_backend(), list);
    for row in db.query_all_raw(list).await? {
        let name: String = row.try_get_by_index(0)?;
        if name < yesterday {
            // It may be in use, or another run may be dropping it.
            let statement = format!("drop database if exists {name} with (force)");
            let _ = db.execute_unprepared(&statement).await;
        }
    }
    db.close().await
}

fn name(id: Uuid) -> String {
    format!("liaison_test_{}", id.simple())
}

/// Opens one connection, without the service.
pub async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

/// Uses its own connection: a pool belongs to one runtime, and every test has another.
async fn run(url: &str, statement: &str) -> Result<(), DbErr> {
    let db = connect(url).await?;
    db.execute_unprepared(statement).await?;
    db.close().await
}

/// Runs a future in a thread with its own runtime, because the test's may be shutting down.
fn apart<W>(work: W) -> JoinHandle<Result<(), DbErr>>
where
    W: AsyncFnOnce() -> Result<(), DbErr> + Send + 'static,
{
    thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(work())
    })
}

/// The server of this process: the one in `TEST_POSTGRES_URL`, or one of its own.
struct Server {
    /// Database to connect to for creating and dropping others.
    url: Url,
    /// Input of the tests' own server, which stops when it is closed, at the latest with the process.
    life: Option<ChildStdin>,
}

fn server() -> &'static Server {
    SERVER.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

impl Server {
    fn find() -> Result<Self, String> {
        #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
        let given = env::var("TEST_POSTGRES_URL").unwrap_or_default();
        if given.is_empty() {
            Self::start().map_err(|error| format!("PostgreSQL did not start: {error}"))
        } else {
            Self::given(&given).map_err(|error| format!("TEST_POSTGRES_URL: {error}"))
        }
    }

    fn given(url: &str) -> Result<Self, Box<dyn Error>> {
        let mut url = Url::parse(url)?;
        if matches!(url.path(), "" | "/") {
            url.set_path("postgres");
        }
        let swept = url.clone();
        let swept = apart(async move || sweep(swept.as_str()).await);
        swept.join().expect("no panic in `sweep`")?;
        Ok(Self { url, life: None })
    }

    fn start() -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER])
            .current_dir("/")
            .env("LC_ALL", "C");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Ctrl-C ends the tests; the keeper must outlive them.
        command.process_group(0);
        if let Some((uid, gid)) = other_user() {
            command.uid(uid).gid(gid);
        }
        let mut keeper = command.spawn()?;
        let life = keeper.stdin.take();
        let said = io::read_to_string(keeper.stdout.take().expect("it is piped"))?;
        let directory = said.trim().strip_prefix("ready in ").ok_or(said.as_str())?;
        let url = "postgres://postgres@localhost:5432/postgres?sslmode=disable";
        let url = Url::parse_with_params(url, [("host", directory)])?;
        Ok(Self { url, life })
    }
}

/// The user and group of the server if the tests run as root, which `initdb` refuses.
pub fn other_user() -> Option<(u32, u32)> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout != b"0\n" {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let find = |name: &str| {
        let mut lines = users.lines().map(|line| line.split(':'));
        let mut user = lines.find(|user| user.clone().next() == Some(name))?;
        Some((user.nth(2)?.parse().ok()?, user.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

/// A script that keeps a server running until its input is closed, which happens however the tests end, also by
/// `kill -9`, when no `drop` runs. Prints where the server listens, or an error.
///
/// Only the server's user can enter the directory, so `trust` is safe, and a socket cannot conflict like a port. The
/// directory is not in TMPDIR: the path of a socket must be short, and the other user must be able to access it.
const KEEPER: &str = r#"
trap '' HUP INT TERM PIPE
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | sort -rV | tr '\n' :)$(pg_config --bindir)
if ! type initdb postgres >/dev/null; then
    echo 'no initdb and postgres. On Debian and Ubuntu: apt-get install postgresql.'
    echo 'Or set TEST_POSTGRES_URL to a server where the tests may create databases.'
    exit
fi
# In memory a database takes 40 ms to create, on a busy disk 400. Containers have 64 MB: too few.
free=$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')
[ "${free:-0}" -gt 2000000 ] && directory=$(mktemp -d /dev/shm/liaison-XXXXXX) ||
    directory=$(mktemp -d /tmp/liaison-XXXXXX 2>&1) || { echo "$directory"; exit; }
cd "$directory" || exit
start() {
    for locale in C.UTF-8 C; do
        initdb -D data -U postgres -A trust -E UTF8 --locale=$locale --no-sync && break
    done || return
    # Without autovacuum nothing is analyzed in the middle of a test, so plans do not change.
    postgres -D data -k "$directory" -p 5432 -c listen_addresses= -c max_connections=300 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off \
        -c shared_buffers=64MB -c max_wal_size=128MB &
    server=$!
    for try in $(seq 600); do
        grep -qs ^ready data/postmaster.pid && return
        kill -0 $server 2>/dev/null || return
        sleep 0.05
    done
    kill -KILL $server
    return 1
}
if start >log 2>&1 </dev/null; then echo "ready in $directory"; else tail -n 20 log; fi
exec >/dev/null
read -r end
[ -z "$server" ] || { kill -QUIT $server; wait $server; }
cd / && rm -rf "$directory"
"#;
