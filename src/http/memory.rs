//! Answers that were given before, for as long as nothing has changed since.
//!
//! Every write adds to the log, so the id of its newest activity is the version of all that is public. A position would
//! be another version's again once an older backup is restored.

use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use quick_cache::Weighter;

use super::bounded::{Bounded, bounded};
use crate::feed::{Feed, Version};
use crate::graphql::{Operation, Question};
use crate::rules::viewer::Viewer;

/// Bytes that an answer takes besides its text and its variables.
const EACH: usize = 300;
/// Bytes that most take.
const USUAL: u64 = 2000;

/// Answers in memory, bounded by bytes.
pub struct Memory {
    answers: Bounded<Question, Kept, Weight>,
    /// How long it may be unknown what another instance has written.
    unknown: Duration,
}

#[derive(Clone)]
struct Kept {
    version: Version,
    text: Bytes,
}

/// Where an answer is, or is to be kept.
pub struct Place {
    question: Question,
    version: Version,
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
        Self {
            answers: bounded(bytes, USUAL, Weight),
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
