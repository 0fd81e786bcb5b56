//! The statements that a service sends to its database.

use std::sync::{Arc, Mutex};

use sea_orm::{DatabaseConnection, Statement};

/// All statements since they were last taken.
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<Statement>>>);

impl Statements {
    pub fn watch(&self, db: &mut DatabaseConnection) {
        let seen = self.0.clone();
        db.set_metric_callback(move |info| {
            seen.lock().unwrap().push(info.statement.clone());
        });
    }

    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
