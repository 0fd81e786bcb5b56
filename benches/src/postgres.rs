//! Starts a PostgreSQL server for one run.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use tempfile::TempDir;

use crate::Result;

/// A server that stops when this is dropped, or when the program ends in any way.
pub struct Postgres {
    pub process: u32,
    directory: TempDir,
    keeper: std::process::Child,
}

impl Postgres {
    /// Starts it with default settings, except for memory.
    pub fn start() -> Result<Self> {
        Self::try_start().map_err(|error| format!("PostgreSQL: {error}"))
    }

    fn try_start() -> io::Result<Self> {
        let directory = TempDir::new()?;
        // The directory must be accessible to another user, because initdb refuses to run as root.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777))?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .current_dir(directory.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = io::read_to_string(keeper.stdout.take().ok_or(io::ErrorKind::Other)?)?;
        let process = output
            .trim()
            .parse()
            .map_err(|_| io::Error::other(output))?;
        Ok(Self {
            process,
            directory,
            keeper,
        })
    }

    /// Returns the URL of its database.
    pub fn url(&self) -> String {
        let host = self.directory.path().display();
        format!("postgres://postgres@localhost:5432/postgres?sslmode=disable&host={host}")
    }

    /// Stops it like a crash, and starts it again.
    pub fn crash(&mut self) -> Result<()> {
        let input = self.keeper.stdin.as_mut().ok_or("PostgreSQL has ended")?;
        writeln!(input, "crash").map_err(|error| format!("PostgreSQL: {error}"))
    }

    /// Returns the directory of its socket, for programs in Node.
    pub fn socket(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Its files can be removed once it has stopped.
        let _ = self.keeper.wait();
    }
}

/// A script that keeps the server running until its input is closed. Prints the process id, or an error.
const KEEPER: &str = r#"
trap '' HUP INT TERM PIPE
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | sort -rV | tr '\n' :)
[ "$(id -u)" != 0 ] || as='setpriv --reuid postgres --regid postgres --clear-groups'
launch() {
    $as postgres -D "$PWD/data" -k "$PWD" -p 5432 -c listen_addresses= -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=2GB &
    server=$!
    for try in $(seq 600); do
        grep -qs ^ready data/postmaster.pid && return
        kill -0 $server || return
        sleep 0.05
    done
    return 1
}
start() {
    $as initdb -D "$PWD/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 || return
    launch
}
if start >log 2>&1 </dev/null; then head -n 1 data/postmaster.pid; else tail -n 20 log; fi
exec >>log 2>&1
while read -r crash; do
    kill -QUIT $server; wait $server
    launch </dev/null
done
[ -z "$server" ] || { kill -QUIT $server; wait $server; }
"#;
