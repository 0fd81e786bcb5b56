//! Ends work whose connection to PostgreSQL has been lost without a sign.

use std::io;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, sqlx};
use tokio::time::timeout;

use super::Database;
use crate::db::failed;

/// Interval between checks of the session.
const INTERVAL: Duration = Duration::from_secs(5);

/// Failed checks after which the connection counts as lost.
const FAILURES: u32 = 2;

/// Query for when the server sent its last response to a session, unless it is executing a statement.
const WAITING_SINCE: &str = "select case when state <> 'active' then state_change::text end from pg_stat_activity where pid = $1";

/// The session of a transaction; `None` on SQLite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session(Option<i32>);

impl Database {
    /// Returns the session of a transaction.
    ///
    /// # Errors
    /// Returns an error if the database fails or does not answer within 5 s.
    pub async fn session(&self, transaction: &DatabaseTransaction) -> Result<Session, DbErr> {
        if !self.is_shared() {
            return Ok(Session(None));
        }
        let process = Statement::from_string(DbBackend::Postgres, "select pg_backend_pid()");
        let row = self.bounded(transaction.query_one_raw(process)).await?;
        let process = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(Session(process))
    }

    /// Does work of any length in a session. A statement may take as long as the server works on it, but if the
    /// server waits for the next one, and so does this process for the answer, the connection transmits nothing.
    ///
    /// # Errors
    /// Returns an error if the work does, or if the session or its connection is lost, after 20 s at most.
    pub fn watched<T, E: From<DbErr>>(
        &self,
        session: Session,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        // Boxed, because the work is a large future.
        let work = Box::pin(work);
        self.watch(session, work)
    }

    async fn watch<T, E: From<DbErr>>(
        &self,
        session: Session,
        mut work: impl Future<Output = Result<T, E>> + Unpin,
    ) -> Result<T, E> {
        let Session(Some(process)) = session else {
            return work.await;
        };
        let (mut failures, mut waited_since) = (0, None);
        loop {
            if let Ok(done) = timeout(INTERVAL, &mut work).await {
                return done;
            }
            let waiting_since = [process.into()];
            let waiting_since =
                Statement::from_sql_and_values(DbBackend::Postgres, WAITING_SINCE, waiting_since);
            let is_lost = match self.query(self.orm_read.query_one_raw(waiting_since)).await {
                Ok(Some(row)) => {
                    failures = 0;
                    let since: Option<String> = row.try_get_by_index(0)?;
                    let is_same = since.is_some() && since == waited_since;
                    waited_since = since;
                    is_same
                }
                Ok(None) => true,
                Err::<_, DbErr>(_) => {
                    failures += 1;
                    failures == FAILURES
                }
            };
            if is_lost {
                let what = "the connection to the database was lost: it transmits nothing any more";
                let lost = io::Error::new(io::ErrorKind::TimedOut, what);
                return Err(failed(sqlx::Error::Io(lost)).into());
            }
        }
    }
}
