//! Caches with a limit in bytes.

use std::collections::hash_map::RandomState;
use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::metrics;

/// A weighted cache. Values that are used once do not evict values that are used often.
pub type WeightedCache<K, V, W> = Cache<K, V, W, RandomState>;

/// Creates a cache of at most `bytes`, for values of typically `usual` bytes.
pub fn weighted_cache<K, V, W>(bytes: u64, usual: u64, weight: W) -> WeightedCache<K, V, W>
where
    K: Hash + Eq,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options = OptionsBuilder::new()
        .estimated_items_capacity(usize::try_from(bytes / usual).unwrap_or(usize::MAX))
        .weight_capacity(bytes)
        // With several shards, a value could be no larger than one shard.
        .shards(1)
        .build();
    let options = options.expect("both required options are set");
    let (hash, life) = (RandomState::new(), DefaultLifecycle::default());
    Cache::with_options(options, weight, hash, life)
}

/// Records a lookup in the cache of this name.
pub fn record_lookup(cache: &str, is_hit: bool) {
    metrics::record(|metrics| {
        let result = if is_hit { "hit" } else { "miss" };
        metrics.cache_lookups.with(&[cache, result]).inc();
    });
}
