//! The cache of validated documents by the hash of their text, with a limit in bytes.

use std::sync::Arc;

use quick_cache::Weighter;

use super::{Checked, Hash};
use crate::http::bounded::{Bounded, bounded};

/// Measured memory use in bytes: per document, per byte and per token of its text.
const EACH: u64 = 800;
const PER_BYTE: u64 = 2;
const PER_TOKEN: u64 = 120;

/// Estimates the memory use of a document in bytes.
pub fn weight(text: &str, tokens: usize) -> u64 {
    EACH + PER_BYTE * text.len() as u64 + PER_TOKEN * tokens as u64
}

/// About how many bytes variables take that have this length as JSON.
pub fn variables_weight(length: u64) -> u64 {
    8 * length
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<Checked>> for Bytes {
    fn weight(&self, _: &Hash, document: &Arc<Checked>) -> u64 {
        document.weight
    }
}

pub struct Cache(Bounded<Hash, Arc<Checked>, Bytes>);

impl Cache {
    /// Creates a cache of at most this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(bounded(bytes, 10 * EACH, Bytes))
    }

    pub fn get(&self, hash: &Hash) -> Option<Arc<Checked>> {
        self.0.get(hash)
    }

    pub fn insert(&self, document: Arc<Checked>) {
        self.0.insert(document.hash, document);
    }
}
