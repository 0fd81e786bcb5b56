//! Sends a statement on the driver itself: what sea-orm wraps around each copies more bytes than its rows have.

use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sea_orm::sea_query::{SelectStatement, Values};
use sea_orm::sqlx::{AssertSqlSafe, Error as DriverError, query_with};
use sea_orm::{ConnAcquireErr, DbBackend, DbErr, QueryResult, RuntimeErr};
use sea_query_sqlx::SqlxValues;

use super::Env;

/// The rows of a statement, as they arrive.
pub fn rows(
    select: &SelectStatement,
    env: &Env<'_>,
) -> BoxStream<'static, Result<QueryResult, DbErr>> {
    let mut statement = env.backend().build(select);
    if env.backend() == DbBackend::Sqlite {
        // A bare parameter here has SQLite prepare the statement anew each time, in the hope of a better plan.
        statement.sql = statement.sql.replace("LIMIT ?", "LIMIT ?+0");
    }
    (env.told)(&statement);
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    // The text is SeaQuery's, with all values beside it.
    let sql = AssertSqlSafe(statement.sql);
    if env.backend() == DbBackend::Postgres {
        let pool = env.db.get_postgres_connection_pool();
        let rows = query_with(sql, values).fetch(pool);
        Box::pin(rows.map_ok(Into::into).map_err(failed))
    } else {
        let pool = env.db.get_sqlite_connection_pool();
        let rows = query_with(sql, values).fetch(pool);
        Box::pin(rows.map_ok(Into::into).map_err(failed))
    }
}

/// As sea-orm tells it.
fn failed(error: DriverError) -> DbErr {
    match error {
        DriverError::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        DriverError::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        DriverError::Io(_) | DriverError::Tls(_) => {
            DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
        }
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}
