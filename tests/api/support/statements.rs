//! Records the SQL statements of a service.

use std::sync::{Arc, Mutex};

use liaison::store::Database;
use liaison::store::request_work::StatementObserver;
use sea_orm::Statement;

/// Takes the statements recorded since the last call.
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<Statement>>>);

impl Statements {
    pub fn watch(&self, db: &mut Database) {
        for connection in [&mut db.orm_read, &mut db.orm_write] {
            let seen = self.0.clone();
            connection.set_metric_callback(move |info| {
                seen.lock().unwrap().push(info.statement.clone());
            });
        }
        let seen = self.0.clone();
        db.on_statement = StatementObserver(Arc::new(move |statement| {
            seen.lock().unwrap().push(statement.clone());
        }));
    }

    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
