//! The context of a request.

use std::sync::Arc;

use async_graphql::Context;
use chrono::{DateTime, Utc};

use super::subscription::Start;
use crate::domain::viewer::Viewer;
use crate::events::Feed;
pub use crate::planner::budget::{Reservation, ResponseBudget};
pub use crate::planner::size_limit::ResponseSizeLimit;
use crate::planner::{ExecutionContext, RootArguments};
use crate::store::Database;

/// Who asks what database, and when: read once, so that all of a request happens at the same moment.
#[derive(Clone)]
pub struct OperationContext {
    pub db: Database,
    pub viewer: Viewer,
    pub now: DateTime<Utc>,
    /// How many bytes the answer may have.
    pub bound: Arc<ResponseSizeLimit>,
}

/// Returns the current time. Called once per request, and per event of a subscription.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The context of a subscription beyond that of its request.
pub struct SubscriptionContext {
    pub feed: Feed,
    pub clock: Clock,
    /// The position in the log after which it reports.
    pub start: Start,
}

impl SubscriptionContext {
    #[must_use]
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }
}

impl OperationContext {
    #[must_use]
    pub fn new(db: Database, viewer: Viewer, now: DateTime<Utc>, bound: ResponseSizeLimit) -> Self {
        Self {
            db,
            viewer,
            now,
            bound: Arc::new(bound),
        }
    }

    #[must_use]
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    #[must_use]
    pub fn env(&self) -> ExecutionContext<'_> {
        ExecutionContext {
            db: &self.db.read_pool,
            party: self.viewer.party(),
            now: self.now,
            about: RootArguments::Nothing,
            bound: &self.bound,
            on_statement: &*self.db.on_statement.0,
        }
    }
}
