//! An event filter, as a condition on the log and as a predicate over one event. Both give the same result.

use entity::activity::{ActivityVerb, Column, SubjectType};
use entity::id::{Id, WebhookId};
use entity::party::{Party, Side};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use crate::events::Event;
use crate::planner::schema::{among, col};

/// An event filter. All given conditions must hold; an empty list matches nothing.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub subject: Option<Uuid>,
    pub subject_type: Option<Vec<SubjectType>>,
    pub verb: Option<Vec<ActivityVerb>>,
    pub party: Option<Vec<Party>>,
    /// Events that concern at least one of these sides.
    pub side: Option<Vec<Side>>,
    pub topic: Option<Uuid>,
    /// The party that receives the events. Changes of webhooks are visible to their own party only.
    pub viewer: Option<Party>,
}

impl EventFilter {
    /// Returns the filter for all events that are visible to this viewer.
    #[must_use]
    pub fn all(viewer: Option<Party>) -> Self {
        Self {
            viewer,
            ..Self::default()
        }
    }

    /// Returns the SQL condition of the filter.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let sides = self.side.as_ref().map(|sides| {
            Condition::any()
                // An empty `any` would be true.
                .add(Expr::val(false))
                .add_option(sides.contains(&Side::Itu).then(|| col(Column::Itu)))
                .add_option(sides.contains(&Side::Upu).then(|| col(Column::Upu)))
        });
        let types = self.subject_type.as_ref();
        let types = types.map(|types| types.iter().map(|ty| ty.type_name()).collect());
        let verbs = self.verb.clone();
        // Written into the statement: for a parameter, PostgreSQL expects that no row remains of a log that is all about
        // one type, and sorts the whole log.
        let webhook = Expr::cust(format!("'{}'", WebhookId::TYPE));
        let open = Condition::any()
            .add(col(Column::SubjectType).ne(webhook))
            .add_option(self.viewer.map(|party| col(Column::Party).eq(party)));
        Condition::all()
            .add(open)
            .add_option(self.subject.map(|id| col(Column::SubjectId).eq(id)))
            .add_option(types.map(|types: Vec<&str>| among(Column::SubjectType, types)))
            .add_option(verbs.map(|verbs| among(Column::Verb, verbs)))
            .add_option(
                self.party
                    .clone()
                    .map(|parties| among(Column::Party, parties)),
            )
            .add_option(self.topic.map(|id| col(Column::TopicId).eq(id)))
            .add_option(sides)
    }

    /// Returns whether an event matches the filter.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        fn has<T: PartialEq>(list: Option<&Vec<T>>, value: &T) -> bool {
            list.is_none_or(|list| list.contains(value))
        }
        let concerns = |side: &Side| match side {
            Side::Itu => event.itu,
            Side::Upu => event.upu,
        };
        let topic: Option<Uuid> = event.topic_id.map(Into::into);
        let open = event.subject_type != WebhookId::TYPE || self.viewer == Some(event.party);
        open && self.subject.is_none_or(|id| id == event.subject_id)
            && self.subject_type.as_ref().is_none_or(|types| {
                let mut names = types.iter().map(|ty| ty.type_name());
                names.any(|name| name == event.subject_type)
            })
            && has(self.verb.as_ref(), &event.verb)
            && has(self.party.as_ref(), &event.party)
            && self
                .topic
                .is_none_or(|topic_filter| topic == Some(topic_filter))
            && self
                .side
                .as_ref()
                .is_none_or(|sides| sides.iter().any(concerns))
    }
}
