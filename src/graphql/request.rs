//! The context of a request.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Response, Value};
use chrono::{DateTime, Utc};
use entity::party::Language;

use super::subscription::Start;
use crate::domain::viewer::Viewer;
use crate::events::Feed;
pub use crate::planner::budget::{Reservation, ResponseBudget};
pub use crate::planner::size_limit::ResponseSizeLimit;
use crate::planner::{ExecutionContext, Reader, RootArguments, Snapshot};
use crate::search::Search;
use crate::store::Database;

/// The viewer, the database and the time of an operation. The clock is read once per operation.
#[derive(Clone)]
pub struct OperationContext {
    pub db: Database,
    pub search: Search,
    pub viewer: Viewer,
    pub now: DateTime<Utc>,
    /// The languages of `@inContext`, without duplicates.
    pub languages: Arc<[Language]>,
    /// The size limit of the response.
    pub bound: Arc<ResponseSizeLimit>,
    /// The snapshot that all statements read from; `None` if each root field has its own.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The paths of the lists that have more records than the response shows.
    truncated: Arc<Mutex<Vec<Value>>>,
}

/// The key of the truncated lists in the extensions of a response.
const TRUNCATED: &str = "truncated";

/// Adds the paths of truncated lists to a response.
pub fn report_truncated(response: &mut Response, paths: Vec<Value>) {
    if !paths.is_empty() {
        let paths = Value::List(paths);
        response.extensions.insert(TRUNCATED.to_owned(), paths);
    }
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
    pub fn new(
        db: Database,
        search: Search,
        viewer: Viewer,
        now: DateTime<Utc>,
        bound: ResponseSizeLimit,
    ) -> Self {
        Self {
            db,
            search,
            viewer,
            now,
            languages: Arc::default(),
            bound: Arc::new(bound),
            snapshot: None,
            truncated: Arc::default(),
        }
    }

    /// Adds the paths of lists that have more records than they show.
    pub fn add_truncated(&self, paths: Vec<Value>) {
        let mut truncated = self
            .truncated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        truncated.extend(paths);
    }

    /// Takes the paths of the lists that have more records than they show.
    #[must_use]
    pub fn take_truncated(&self) -> Vec<Value> {
        let truncated = self.truncated.lock();
        std::mem::take(&mut truncated.unwrap_or_else(PoisonError::into_inner))
    }

    #[must_use]
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    #[must_use]
    pub fn env(&self) -> ExecutionContext<'_> {
        ExecutionContext {
            db: match &self.snapshot {
                Some(snapshot) => Reader::Snapshot(snapshot),
                None => Reader::Pool(&self.db.read_pool),
            },
            party: self.viewer.party(),
            now: self.now,
            languages: &self.languages,
            about: RootArguments::Nothing,
            bound: &self.bound,
            on_statement: &*self.db.on_statement.0,
        }
    }
}
