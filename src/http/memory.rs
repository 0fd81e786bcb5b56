//! The response cache. Entries are valid until the data changes.
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

/// Overhead of an entry in bytes.
const EACH: usize = 300;
/// Typical size of an entry in bytes.
const USUAL: u64 = 2000;

/// A cache of responses with a limit in bytes.
pub struct Memory {
    answers: Bounded<Question, Kept, Weight>,
    /// Maximum staleness with respect to writes of other instances.
    unknown: Duration,
}

#[derive(Clone)]
struct Kept {
    version: Version,
    text: Bytes,
}

/// The key of an entry, with the current version of the data.
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
    /// Creates a cache of at most this many bytes.
    #[must_use]
    pub fn new(bytes: u64, unknown: Duration) -> Self {
        Self {
            answers: bounded(bytes, USUAL, Weight),
            unknown,
        }
    }

    /// Returns the key for an operation; `None` if its response depends on more than the viewer's party, or the current
    /// version is unknown.
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

    /// Returns the cached response, if it has the current version.
    #[must_use]
    pub fn find(&self, place: &Place) -> Option<Bytes> {
        let kept = self.answers.get(&place.question)?;
        (kept.version == place.version).then_some(kept.text)
    }

    /// Stores a response that was read after its key was created.
    pub fn keep(&self, place: Place, text: Bytes) {
        let version = place.version;
        self.answers.insert(place.question, Kept { version, text });
    }
}
