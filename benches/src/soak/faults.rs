//! The faults, and what they need: a small disk, and PostgreSQL behind a proxy.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::time::sleep;

use super::Soak;
use crate::Result;
use crate::postgres::Postgres;
use crate::silent_proxy::SilentProxy;

/// How long a fault that has to be ended lasts.
pub const FAULT: Duration = Duration::from_secs(3);
/// Megabytes of the file system that is filled up.
const DISK: u32 = 512;

/// A fault of the service, its network or its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Kill,
    Restart,
    FullDisk,
    /// Another program holds the lock of all writers.
    Lock,
    /// The connections to the database pass nothing any more.
    SilentBreak,
    DatabaseCrash,
}

/// A small file system in memory; unmounted when dropped.
pub struct SmallDisk(pub TempDir);

impl SmallDisk {
    pub fn mount() -> Result<Self> {
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
pub struct Server {
    pub postgres: Postgres,
    pub proxy: SilentProxy,
}

impl Soak {
    pub fn faults(&self) -> &'static [Fault] {
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
    pub async fn cause(&mut self, fault: Fault) -> Result<()> {
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
}
