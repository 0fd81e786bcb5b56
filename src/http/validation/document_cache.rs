//! The cache of validated documents by the hash of their text, with a limit in bytes.

use std::sync::Arc;

use quick_cache::Weighter;

use crate::http::cache::{WeightedCache, record_lookup, weighted_cache};
use crate::http::validation::{Hash, ValidDocument};

/// Measured memory use in bytes: per document, per byte and per token of its text.
const OVERHEAD_BYTES: u64 = 800;
const BYTES_PER_BYTE: u64 = 2;
const BYTES_PER_TOKEN: u64 = 120;

/// Estimates the memory use of a document in bytes.
pub fn weight(text: &str, tokens: usize) -> u64 {
    OVERHEAD_BYTES + BYTES_PER_BYTE * text.len() as u64 + BYTES_PER_TOKEN * tokens as u64
}

/// About how many bytes variables take that have this length as JSON.
pub fn variables_weight(length: u64) -> u64 {
    8 * length
}

#[derive(Clone)]
struct DocumentWeight;

impl Weighter<Hash, Arc<ValidDocument>> for DocumentWeight {
    fn weight(&self, _: &Hash, document: &Arc<ValidDocument>) -> u64 {
        document.weight
    }
}

pub struct DocumentCache(WeightedCache<Hash, Arc<ValidDocument>, DocumentWeight>);

impl DocumentCache {
    /// Creates a cache of at most this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(weighted_cache(bytes, 10 * OVERHEAD_BYTES, DocumentWeight))
    }

    pub fn get(&self, hash: &Hash) -> Option<Arc<ValidDocument>> {
        let known = self.0.get(hash);
        record_lookup("document", known.is_some());
        known
    }

    /// Returns the number of documents, and about how many bytes they take.
    pub fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.weight())
    }

    pub fn insert(&self, document: Arc<ValidDocument>) {
        self.0.insert(document.hash, document);
    }
}
