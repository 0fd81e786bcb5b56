//! The response cache. A write invalidates all entries: each has the version of the data that it was read from.
//!
//! Every write adds to the log, so the id of its newest activity is the version of all that is public. A position would
//! be another version's again once an older backup is restored.

use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use quick_cache::Weighter;

use crate::domain::viewer::Viewer;
use crate::events::{Feed, Version};
use crate::graphql::{Operation, ResponseCacheKey};
use crate::http::cache::{WeightedCache, record_lookup, weighted_cache};

/// Overhead of an entry in bytes.
const OVERHEAD_BYTES: usize = 300;
/// Typical size of an entry in bytes.
const TYPICAL_BYTES: u64 = 2000;

/// A cache of responses with a limit in bytes.
pub struct ResponseCache {
    entries: WeightedCache<ResponseCacheKey, CacheEntry, Weight>,
    /// Maximum staleness with respect to writes of other instances.
    max_staleness: Duration,
}

#[derive(Clone)]
struct CacheEntry {
    version: Version,
    text: Bytes,
}

/// The key of an entry, with the current version of the data.
pub struct CacheKey {
    request: ResponseCacheKey,
    version: Version,
}

#[derive(Clone)]
struct Weight;

impl Weighter<ResponseCacheKey, CacheEntry> for Weight {
    fn weight(&self, key: &ResponseCacheKey, entry: &CacheEntry) -> u64 {
        (OVERHEAD_BYTES + key.variables.len() + entry.text.len()) as u64
    }
}

impl ResponseCache {
    /// Creates a cache of at most this many bytes.
    #[must_use]
    pub fn new(bytes: u64, max_staleness: Duration) -> Self {
        Self {
            entries: weighted_cache(bytes, TYPICAL_BYTES, Weight),
            max_staleness,
        }
    }

    /// Returns the key for an operation; `None` if its response depends on more than the viewer's party, or the current
    /// version is unknown.
    pub async fn key(
        &self,
        feed: &Feed,
        viewer: &Viewer,
        operation: &Operation,
        now: DateTime<Utc>,
    ) -> Option<CacheKey> {
        let request = operation.response_cache_key(viewer, now)?;
        let version = feed.version(self.max_staleness).await.ok()?;
        Some(CacheKey { request, version })
    }

    /// Returns the cached response, if it has the current version.
    #[must_use]
    pub fn get(&self, key: &CacheKey) -> Option<Bytes> {
        let entry = self.entries.get(&key.request);
        let current = entry.filter(|entry| entry.version == key.version);
        record_lookup("response", current.is_some());
        Some(current?.text)
    }

    /// Returns the number of entries, and their bytes.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }

    /// Stores a response that was read after its key was created.
    pub fn insert(&self, key: CacheKey, text: Bytes) {
        let version = key.version;
        self.entries
            .insert(key.request, CacheEntry { version, text });
    }
}
