//! The connections to PostgreSQL for the transactions of sea-orm.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, IsolationLevel,
    RuntimeErr, SqlxPostgresConnector,
};

use crate::db::connect::{Connector, SessionMark, foreign_session, is_foreign_session};
use crate::db::failed;
use crate::db::orm::OnStatement;

/// A pool of connections, each in a pool of its own, so that the session of a transaction is known. The users are
/// limited by their callers.
///
/// sqlx returns a connection to its pool in the background, and may wait for that without a limit (launchbadge/sqlx
/// issue 4349). Such a pool is left behind.
pub struct SessionPool {
    connector: Connector,
    on_statement: OnStatement,
    /// The pools, the last used last; `None` if they are closed.
    sessions: Mutex<Option<Vec<Session>>>,
    most: usize,
}

struct Session {
    /// A pool of one connection.
    pool: DatabaseConnection,
    /// The mark of its session, once it was opened.
    mark: Arc<Mutex<Option<SessionMark>>>,
}

impl Session {
    /// Returns whether the connection is idle, or not open.
    fn is_ready(&self) -> bool {
        let pool = self.pool.get_postgres_connection_pool();
        pool.num_idle() == pool.size() as usize
    }
}

impl SessionPool {
    /// Creates an empty pool for `users` at once. While a connection is returned, another one may take its place.
    #[must_use]
    pub fn new(connector: Connector, users: usize, on_statement: OnStatement) -> Self {
        Self {
            connector,
            on_statement,
            sessions: Mutex::new(Some(Vec::new())),
            most: 2 * users,
        }
    }

    /// Creates another pool of the same size, with another observer.
    #[must_use]
    pub fn observed(&self, on_statement: OnStatement) -> Self {
        Self {
            connector: self.connector.clone(),
            on_statement,
            sessions: Mutex::new(Some(Vec::new())),
            most: self.most,
        }
    }

    /// Begins a transaction. Its first statement checks that its session is that of the connection, and sets the isolation
    /// level, in one round trip.
    pub async fn begin(&self, isolation: IsolationLevel) -> Result<DatabaseTransaction, DbErr> {
        let session = self.take()?;
        let transaction = sea_orm::TransactionTrait::begin(&session.pool).await;
        let transaction = transaction.inspect_err(|_| self.clear())?;
        let mark = *session.mark.lock().unwrap_or_else(PoisonError::into_inner);
        // The connection is open, so it has a mark.
        let check = mark.map(|mark| mark.check()).unwrap_or_default();
        let first = format!("set transaction isolation level {isolation}; select {check}");
        if let Err(error) = transaction.execute_unprepared(&first).await {
            self.clear();
            return Err(match &error {
                DbErr::Exec(RuntimeErr::SqlxError(source)) if is_foreign_session(source, false) => {
                    failed(foreign_session())
                }
                _ => error,
            });
        }
        self.release(session);
        Ok(transaction)
    }

    /// Executes a statement outside of a transaction, as a simple query.
    pub async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let session = self.take()?;
        let done = session.pool.execute_unprepared(sql).await?;
        self.release(session);
        Ok(done)
    }

    /// Closes the idle connections, and opens no new ones.
    pub fn close(&self) {
        *self.all() = None;
    }

    pub fn is_closed(&self) -> bool {
        self.all().is_none()
    }

    /// Takes the session that was used last of those that are ready, or a new one.
    fn take(&self) -> Result<Session, DbErr> {
        let mut sessions = self.all();
        let Some(sessions) = &mut *sessions else {
            return Err(failed(sea_orm::sqlx::Error::PoolClosed));
        };
        if let Some(at) = sessions.iter().rposition(Session::is_ready) {
            return Ok(sessions.remove(at));
        }
        let (pool, mark) = self.connector.pool();
        let mut pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        let on_statement = self.on_statement.clone();
        pool.set_metric_callback(move |info| on_statement(info.statement));
        Ok(Session { pool, mark })
    }

    /// Puts a session back, which is not ready before its transaction has ended.
    fn release(&self, session: Session) {
        if let Some(sessions) = &mut *self.all() {
            sessions.push(session);
            // The first one is in use for long, or its connection is never returned. It is closed after its use.
            if self.most < sessions.len() {
                sessions.remove(0);
            }
        }
    }

    /// Forgets all sessions: after an error the others have probably lost the server or their sessions too.
    fn clear(&self) {
        if let Some(sessions) = &mut *self.all() {
            sessions.clear();
        }
    }

    fn all(&self) -> MutexGuard<'_, Option<Vec<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debug for SessionPool {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionPool")
    }
}
