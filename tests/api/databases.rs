//! The databases of the tests: for each test its own, migrated and empty.

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

/// A database for one test. It goes when this is dropped, whoever is still connected.
pub struct TestDatabase {
    pub url: String,
    /// A directory, or what is `Created`: it goes with this.
    _kept: Box<dyn Send + Sync>,
}

/// The bytes of a migrated file: as a file it would stay, since statics are never dropped.
static SQLITE_TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
static POSTGRES_TEMPLATE: OnceCell<Created> = OnceCell::const_new();
/// When there is none, every test says why.
static SERVER: LazyLock<Result<Server, String>> = LazyLock::new(Server::find);

impl TestDatabase {
    /// Connects with the time limits that the service sets: without them PostgreSQL keeps the transaction of a broken
    /// connection open.
    pub async fn connect(&self) -> liaison::store::Database {
        let longest = Some(liaison::http::limits::Limits::default().longest_statement());
        let connected = liaison::store::Database::connect_within(&self.url, 4, longest).await;
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

    /// Without any table.
    pub async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::on_sqlite(&[]),
            Backend::Postgres => {
                // Not `template1`: somebody may be connected to it.
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
    // The file alone is copied: nothing may be left in the write-ahead log beside it.
    let emptied = run(&database.url, "pragma wal_checkpoint(truncate)").await;
    emptied.expect("the log goes into the file");
    let file = database.url.trim_start_matches("sqlite://");
    let log = fs::metadata(format!("{file}-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "`migrate` left a transaction open");
    fs::read(file).expect("the migrated file")
}

async fn postgres_template(migrate: impl AsyncFnOnce(&str)) -> Created {
    // Not `template1`: somebody may be connected to it.
    let template = Created::from("template0").await;
    migrate(&template.url()).await;
    // Only a database nobody is connected to is copied: a pool may be about to close, or forgotten.
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
        // First the value, so that a test given up while it waits drops its database too.
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
    /// On our own server too, although that goes with the process: a database is 8 MB, and there
    /// are hundreds.
    fn drop(&mut self) {
        let Ok(server) = SERVER.as_ref() else { return };
        let statement = format!("drop database if exists {} with (force)", self.name);
        let dropped = apart(async move || run(server.url.as_str(), &statement).await);
        // The server takes 100 ms to see that all connections are closed: wait only where the
        // database would stay. What fails is left to `sweep`; a panic could hide the test's own.
        if server.life.is_none() {
            let _ = dropped.join();
        }
    }
}

/// Drops what earlier runs left on a server that lasts: their templates, and what they had when
/// they were killed. Other runs may be under way, so only what is a day old: names grow with time.
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
            // It may be somebody else's, or just being swept by another run.
            let statement = format!("drop database if exists {name} with (force)");
            let _ = db.execute_unprepared(&statement).await;
        }
    }
    db.close().await
}

fn name(id: Uuid) -> String {
    format!("liaison_test_{}", id.simple())
}

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

/// On a connection of its own: a pool belongs to one runtime, and every test has another.
async fn run(url: &str, statement: &str) -> Result<(), DbErr> {
    let db = connect(url).await?;
    db.execute_unprepared(statement).await?;
    db.close().await
}

/// For where nothing can be awaited: a thread with a runtime, as that of the test may be ending.
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
    /// Of the database to be connected to while others are created and dropped.
    url: Url,
    /// Our own server runs until this is closed, by the end of the process at the latest.
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
        // Ctrl-C is for the tests; the keeper must outlive them.
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

/// Whom the server runs as when the tests are root, which `initdb` refuses: a user and its group.
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

/// Keeps a server for as long as somebody holds the other end of its input. That closes however
/// the tests end, by `kill -9` too, when no `drop` would run. Says where it is ready, or why not.
///
/// Only its user can enter the directory, so `trust` is safe, and the socket in there is no port to
/// fight over. Not in TMPDIR: a socket's path must be short, and the other user must reach it.
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
