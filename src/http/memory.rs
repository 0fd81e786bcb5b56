//! Answers that were given before, for as long as nothing has changed since.
//!
//! Every write adds to the log, so its newest place is the version of all that is public.

use std::collections::hash_map::RandomState;
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::feed::Feed;
use crate::graphql::{Operation, Question};
use crate::rules::viewer::Viewer;

/// Bytes that an answer takes besides its text and its variables.
const EACH: usize = 300;

/// Answers in memory, bounded by bytes.
pub struct Memory {
    answers: Cache<Question, Kept, Weight, RandomState>,
    /// How long it may be unknown what another instance has written.
    unknown: Duration,
}

#[derive(Clone)]
struct Kept {
    version: i64,
    text: Bytes,
}

/// Where an answer is, or is to be kept.
pub struct Place {
    question: Question,
    version: i64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Question, Kept> for Weight {
    fn weight(&self, question: &Question, kept: &Kept) -> u64 {
        (EACH + question.variables.len() + kept.text.len()) as u64
    }
}

impl Memory {
    /// A memory of about as many bytes.
    #[must_use]
    pub fn new(bytes: u64, unknown: Duration) -> Self {
        let items = usize::try_from(bytes / 2000).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            // In several parts each would bound what one answer may have.
            .shards(1)
            .build();
        let options = options.expect("the two that are required are given");
        let (hash, life) = (RandomState::new(), DefaultLifecycle::default());
        Self {
            answers: Cache::with_options(options, Weight, hash, life),
            unknown,
        }
    }

    /// Where the answer of this operation is kept; none where it depends on more than the party that asks, or where
    /// nobody knows whether something has changed.
    pub async fn place(
        &self,
        feed: &Feed,
        viewer: &Viewer,
        operation: &Operation,
        now: DateTime<Utc>,
    ) -> Option<Place> {
        let question = operation.question(viewer, now)?;
        let version = feed.version(self.unknown).await.ok()?;
        Some(Place { question, version })
    }

    /// The answer that was given before.
    #[must_use]
    pub fn find(&self, place: &Place) -> Option<Bytes> {
        let kept = self.answers.get(&place.question)?;
        (kept.version == place.version).then_some(kept.text)
    }

    /// Keeps an answer that was read after its place was asked for.
    pub fn keep(&self, place: Place, text: Bytes) {
        let version = place.version;
        self.answers.insert(place.question, Kept { version, text });
    }
}
