//! Search: an index of all texts in memory, which follows the log.
//!
//! Each process has its own index. A search first reads the head of the log, and what was changed since the last one, so
//! that it finds what any instance has written. Both databases give the same hits, because ranking is done here, not by the databases.

mod document;
mod highlight;
mod index;
mod overlaps;
mod query;
mod ranking;
mod records;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::DbErr;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Condition;
use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};

pub use self::document::SearchType;
pub use self::highlight::Highlight;
use self::overlaps::Overlaps;
pub use self::overlaps::{PairKey, PairPage};
pub use self::query::Query;
pub use self::ranking::{Hit, HitFilter, Hits, Statistics};
use crate::error::Result;
use crate::events::{Event, log};
use crate::search::document::Document;
use crate::search::index::Index;
use crate::store::Database;
use crate::store::activity::LogPosition;
use crate::store::request_work::spawn_counted;

/// The search of a process. Clones share it.
#[derive(Clone)]
pub struct Search {
    db: Database,
    indexed: Arc<RwLock<Indexed>>,
    /// The overlaps of what was indexed when they were last read. One request at a time computes what has changed since.
    overlaps: Arc<Mutex<Overlaps>>,
    /// Who brings the index up to date; the others wait.
    update_lock: Arc<Mutex<()>>,
}

/// The index, and what it holds.
#[derive(Default)]
struct Indexed {
    index: Index,
    /// The log position up to which it holds all changes; `None` before it is built.
    upto: Option<LogPosition>,
    /// Changes that the overlaps do not include yet.
    changes: Changes,
}

/// The records that were changed since the overlaps were read.
#[derive(Default)]
struct Changes {
    /// Whether all records were read again.
    is_rebuilt: bool,
    ids: HashSet<Uuid>,
}

/// Activities by which an index may be behind; if it is more, reading all records again takes less time.
const MAX_CHANGES: usize = 2000;

/// A page of a search.
pub struct SearchRequest {
    pub query: Query,
    pub filter: HitFilter,
    pub first: usize,
    /// The score and id of the hit before the page.
    pub after: Option<(f64, Uuid)>,
    /// The statistics of the first page.
    pub statistics: Option<Statistics>,
    /// Whether to return highlights.
    pub highlights: bool,
}

/// The hits of a page, and the highlights of each if they were requested.
pub struct SearchPage {
    pub hits: Hits,
    pub highlights: Vec<Vec<Highlight>>,
}

impl Search {
    /// Creates a search whose index is built when it is first needed.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        Self {
            db: db.clone(),
            indexed: Arc::default(),
            overlaps: Arc::default(),
            update_lock: Arc::default(),
        }
    }

    /// Creates a search and begins to build its index and the overlaps, so that the first request need not wait for all of
    /// it.
    #[must_use]
    pub fn start(db: &Database) -> Self {
        let search = Self::new(db);
        let building = search.clone();
        tokio::spawn(async move {
            if let Err(error) = building.overlaps(1.0, 0, None).await {
                tracing::warn!(
                    error = error.log_text(),
                    "search: the index cannot be built, the next search tries again"
                );
            }
        });
        search
    }

    /// Finds records in all that was committed before.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage> {
        self.catch_up().await?;
        self.with_index(move |index| page(index, request)).await
    }

    /// Returns the pairs of texts of both sides that score at least `minimum`, in all that was committed before.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn overlaps(
        &self,
        minimum: f64,
        first: usize,
        after: Option<PairKey>,
    ) -> Result<PairPage> {
        self.catch_up().await?;
        let mut overlaps = self.overlaps.clone().lock_owned().await;
        let indexed = self.indexed.clone();
        let page = spawn_blocking(move || {
            let changes = take_changes(&indexed);
            if !changes.ids.is_empty() || changes.is_rebuilt || !overlaps.is_settled() {
                // If this panics, the next request begins with none and reads all texts again.
                let former = std::mem::take(&mut *overlaps);
                *overlaps = changed_overlaps(former, &changes, &indexed);
            }
            overlaps.page(minimum, first, after)
        });
        Ok(page.await.map_err(aborted)?)
    }

    /// Runs `work` in a thread that is not the runtime's.
    async fn with_index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Result<T> {
        let indexed = self.indexed.clone();
        let done = spawn_blocking(move || {
            let indexed = indexed.read().unwrap_or_else(PoisonError::into_inner);
            work(&indexed.index)
        });
        Ok(done.await.map_err(aborted)?)
    }

    /// Brings the index up to date with the log.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn catch_up(&self) -> Result<()> {
        let head = self.head().await?;
        if self.upto() == Some(head) {
            return Ok(());
        }
        let update_lock = self.update_lock.clone().lock_owned().await;
        let search = self.clone();
        // In a task of its own: if this request ends early, the next one does not begin again.
        let caught_up = spawn_counted(async move {
            let done = search.read_changes().await;
            drop(update_lock);
            done
        });
        Ok(caught_up.await.map_err(aborted)??)
    }

    fn upto(&self) -> Option<LogPosition> {
        let indexed = self.indexed.read().unwrap_or_else(PoisonError::into_inner);
        indexed.upto
    }

    async fn head(&self) -> Result<LogPosition, DbErr> {
        self.db.query(log::head(&self.db.orm_read)).await
    }

    async fn read_changes(&self) -> Result<(), DbErr> {
        let Some(upto) = self.upto() else {
            return self.rebuild().await;
        };
        match self.changes(upto).await? {
            Some(events) => self.apply(events).await,
            None => self.rebuild().await,
        }
    }

    /// Returns the changes after a log position; `None` if there are too many, or the history was replaced.
    async fn changes(&self, upto: LogPosition) -> Result<Option<Vec<Event>>, DbErr> {
        let is_begin = upto == LogPosition::default();
        // Including the activity at the position itself.
        let after = if is_begin { 0 } else { upto.position - 1 };
        let limit = MAX_CHANGES + 1;
        let events = log::after(&self.db.orm_read, after, Condition::all(), limit);
        let mut events = self.db.query(events).await?;
        if events.len() == limit {
            return Ok(None);
        }
        if is_begin {
            return Ok(Some(events));
        }
        let is_there = events.first().map(Event::log_position) == Some(upto);
        Ok(is_there.then(|| events.split_off(1)))
    }

    /// Reads the changed records again.
    async fn apply(&self, events: Vec<Event>) -> Result<(), DbErr> {
        let Some(newest) = events.last().map(Event::log_position) else {
            return Ok(());
        };
        let mut changed: BTreeMap<SearchType, BTreeSet<Uuid>> = BTreeMap::new();
        for event in events {
            let mut types = SearchType::ALL.into_iter();
            if let Some(ty) = types.find(|ty| ty.type_name() == event.subject_type) {
                changed.entry(ty).or_default().insert(event.subject_id);
            }
        }
        let changed = changed
            .into_iter()
            .map(|(ty, ids)| (ty, ids.into_iter().collect()));
        let changed: BTreeMap<SearchType, Vec<Uuid>> = changed.collect();
        let ids: Vec<Uuid> = changed.values().flatten().copied().collect();
        let documents = records::read(&self.db, &Some(changed)).await?;
        let indexed = self.indexed.clone();
        let applied = spawn_blocking(move || {
            let mut indexed = indexed.write().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                indexed.index.remove(id);
                indexed.changes.ids.insert(id);
            }
            for document in documents {
                indexed.index.put(document);
            }
            indexed.index.compact();
            indexed.upto = Some(newest);
        });
        applied.await.map_err(aborted)
    }

    /// Builds the index of all records.
    async fn rebuild(&self) -> Result<(), DbErr> {
        // Before the records: what is written meanwhile is read again.
        let head = self.head().await?;
        let documents = records::read(&self.db, &None).await?;
        let indexed = self.indexed.clone();
        let built = spawn_blocking(move || {
            let changes = Changes {
                is_rebuilt: true,
                ids: documents.iter().map(|document| document.id).collect(),
            };
            let index = Index::build(documents);
            let mut indexed = indexed.write().unwrap_or_else(PoisonError::into_inner);
            *indexed = Indexed {
                index,
                upto: Some(head),
                changes,
            };
        });
        built.await.map_err(aborted)
    }
}

fn take_changes(indexed: &RwLock<Indexed>) -> Changes {
    let mut indexed = indexed.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut indexed.changes)
}

/// Applies the changes of the index to the overlaps. If these have no texts yet, or much of what they hold is about
/// earlier texts, adds all texts to new ones.
fn changed_overlaps(former: Overlaps, changes: &Changes, indexed: &RwLock<Indexed>) -> Overlaps {
    let is_anew = changes.is_rebuilt || !former.is_settled() || former.is_mostly_unused();
    let mut overlaps = if is_anew { Overlaps::default() } else { former };
    let documents: Vec<Document> = {
        let indexed = indexed.read().unwrap_or_else(PoisonError::into_inner);
        let index = &indexed.index;
        for id in changes.ids.iter().filter(|id| index.record(**id).is_none()) {
            overlaps.remove(*id);
        }
        let changed = index.records().filter(|record| {
            let is_compared = [SearchType::Publication, SearchType::Topic].contains(&record.ty);
            is_compared && (is_anew || changes.ids.contains(&record.id))
        });
        changed.map(|record| index.document(record)).collect()
    };
    for document in &documents {
        overlaps.put(document);
    }
    overlaps.settle();
    overlaps
}

fn page(index: &Index, request: SearchRequest) -> SearchPage {
    let query = request.query.resolve(index);
    let hits = ranking::search(
        index,
        &query,
        &request.filter,
        request.first,
        request.after,
        request.statistics,
    );
    let shown = hits.page.iter().filter(|_| request.highlights);
    let highlights = shown.map(|hit| {
        let texts = index.record(hit.id).map(|record| index.texts(record));
        highlight::highlights(texts.unwrap_or_default(), &query)
    });
    SearchPage {
        highlights: highlights.collect(),
        hits,
    }
}

/// Returns the error of a cancelled task; resumes the panic of one that panicked.
fn aborted(error: JoinError) -> DbErr {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => DbErr::Custom(error.to_string()),
    }
}
