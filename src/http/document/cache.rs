//! Documents that have passed all checks, by the hash of their text, bounded by the bytes they take.

use std::collections::hash_map::RandomState;
use std::sync::Arc;

use quick_cache::sync::{Cache as Bounded, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::{Checked, Hash};

/// Bytes in memory, as measured: of a document whatever it says, and for each byte and token of its text.
const EACH: u64 = 800;
const PER_BYTE: u64 = 2;
const PER_TOKEN: u64 = 120;

/// About how many bytes a document with this text takes.
pub fn weight(text: &str, tokens: usize) -> u64 {
    EACH + PER_BYTE * text.len() as u64 + PER_TOKEN * tokens as u64
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<Checked>> for Bytes {
    fn weight(&self, _: &Hash, document: &Arc<Checked>) -> u64 {
        document.weight
    }
}

/// Documents that come often stay; many that come once do not drive them out.
pub struct Cache(Bounded<Hash, Arc<Checked>, Bytes, RandomState>);

impl Cache {
    /// A cache of at most so many bytes.
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / (10 * EACH)).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            // In several parts each would bound what one document may have.
            .shards(1)
            .build();
        let options = options.expect("the two that are required are given");
        Self(Bounded::with_options(
            options,
            Bytes,
            RandomState::new(),
            DefaultLifecycle::default(),
        ))
    }

    pub fn get(&self, hash: &Hash) -> Option<Arc<Checked>> {
        self.0.get(hash)
    }

    pub fn insert(&self, document: Arc<Checked>) {
        self.0.insert(document.hash, document);
    }
}
