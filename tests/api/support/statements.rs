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
        let recorded = self.0.clone();
        let observer = StatementObserver(Arc::new(move |statement| {
            recorded.lock().unwrap().push(statement.clone());
        }));
        db.orm_read.observe(observer.0.clone());
        db.orm_write.observe(observer.0.clone());
        db.on_statement = observer;
    }

    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
