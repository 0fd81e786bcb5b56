//! The entries of the activity log.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use entity::activity::{ActiveModel, ActivityVerb, SubjectId, SubjectType};
use entity::id::{ActivityId, TopicId};
use entity::party::{Party, Side};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

/// A position in the log with the id of its activity. If the log has another id at that position, the history was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// 0 before the first activity.
    pub position: i64,
    /// Nil before the first activity, or if it is not known.
    pub id: Uuid,
}

/// What changed, field by field, in words that people read: no internal ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet(Vec<Change>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    field: Cow<'static, str>,
    before: Option<String>,
    after: Option<String>,
}

/// A log entry before it is stored.
#[derive(Clone, Debug)]
pub struct ActivityEntry {
    verb: ActivityVerb,
    subject_type: SubjectType,
    subject_id: Uuid,
    topic_id: Option<TopicId>,
    /// Whether the change concerns ITU or the UPU.
    itu: bool,
    upu: bool,
    changes: ChangeSet,
}

impl ChangeSet {
    /// Adds the change of a field. Does nothing if the values are equal.
    pub fn add(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        before: Option<String>,
        after: Option<String>,
    ) {
        if before != after {
            self.0.push(Change {
                field: field.into(),
                before,
                after,
            });
        }
    }

    /// Adds a field of a new record.
    pub fn added(&mut self, field: impl Into<Cow<'static, str>>, value: impl Into<Option<String>>) {
        self.add(field, None, value.into());
    }

    pub fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Returns whether the field with this name was changed.
    #[must_use]
    pub fn contains(&self, field: &str) -> bool {
        self.0.iter().any(|change| change.field == field)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn json(self) -> Value {
        let json = |change: Change| json!({ "field": change.field, "before": change.before, "after": change.after });
        self.0.into_iter().map(json).collect()
    }
}

impl ActivityEntry {
    /// Creates an entry that concerns both sides.
    pub fn new<I: SubjectId>(verb: ActivityVerb, subject: I, changes: ChangeSet) -> Self {
        Self {
            verb,
            subject_type: I::SUBJECT,
            subject_id: subject.into(),
            topic_id: None,
            itu: true,
            upu: true,
            changes,
        }
    }

    /// Restricts the entry to the side of the record, if it has one.
    #[must_use]
    pub fn of_side(self, side: Option<Side>) -> Self {
        match side {
            Some(side) => self.of_sides(&[Some(side)]),
            None => self,
        }
    }

    /// Restricts the entry to these sides.
    #[must_use]
    pub fn of_sides(self, sides: &[Option<Side>]) -> Self {
        Self {
            itu: sides.contains(&Some(Side::Itu)),
            upu: sides.contains(&Some(Side::Upu)),
            ..self
        }
    }

    #[must_use]
    pub fn of_topic(self, topic: impl Into<Option<TopicId>>) -> Self {
        Self {
            topic_id: topic.into(),
            ..self
        }
    }

    pub(super) fn row(
        self,
        id: ActivityId,
        position: i64,
        at: DateTime<Utc>,
        actor: String,
        party: Party,
        trace_parent: Option<String>,
    ) -> ActiveModel {
        ActiveModel {
            id: Set(id),
            position: Set(position),
            at: Set(at),
            actor: Set(actor),
            party: Set(party),
            verb: Set(self.verb),
            subject_type: Set(self.subject_type.type_name().to_owned()),
            subject_id: Set(self.subject_id),
            topic_id: Set(self.topic_id),
            itu: Set(self.itu),
            upu: Set(self.upu),
            changes: Set(self.changes.json()),
            trace_parent: Set(trace_parent),
        }
    }
}
