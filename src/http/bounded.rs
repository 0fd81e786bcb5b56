//! Caches that are bounded by bytes.

use std::collections::hash_map::RandomState;
use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

/// What comes often stays; much that comes once does not drive it out.
pub type Bounded<K, V, W> = Cache<K, V, W, RandomState>;

/// A cache of at most so many bytes, for values that take about `usual` each.
pub fn bounded<K, V, W>(bytes: u64, usual: u64, weight: W) -> Bounded<K, V, W>
where
    K: Hash + Eq,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options = OptionsBuilder::new()
        .estimated_items_capacity(usize::try_from(bytes / usual).unwrap_or(usize::MAX))
        .weight_capacity(bytes)
        // In several parts each would bound what one value may have.
        .shards(1)
        .build();
    let options = options.expect("the two that are required are given");
    let (hash, life) = (RandomState::new(), DefaultLifecycle::default());
    Cache::with_options(options, weight, hash, life)
}
