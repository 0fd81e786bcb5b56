//! What every field of one request shares.

use async_graphql::Context;
use chrono::{DateTime, Utc};

use crate::read::{About, Env};
use crate::rules::viewer::Viewer;
use crate::store::Database;

/// Who asks what database, and when: read once, so that all of a request happens at the same moment.
pub struct Request {
    pub db: Database,
    pub viewer: Viewer,
    pub now: DateTime<Utc>,
}

impl Request {
    #[must_use]
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    #[must_use]
    pub fn env(&self) -> Env<'_> {
        Env {
            db: &self.db.read,
            party: self.viewer.party(),
            now: self.now,
            about: About::Nothing,
        }
    }
}
