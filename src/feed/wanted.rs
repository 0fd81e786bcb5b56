//! Which events somebody wants: as a condition on the log, and as a function over one event. The two agree.

use entity::activity::{ActivityVerb, Column, SubjectType};
use entity::id::{Id, WebhookId};
use entity::party::{Party, Side};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use super::Event;
use crate::read::shape::{among, col};

/// All that is given holds at once; an empty list leaves nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub subject: Option<Uuid>,
    pub subject_type: Option<Vec<SubjectType>>,
    pub verb: Option<Vec<ActivityVerb>>,
    pub party: Option<Vec<Party>>,
    /// Concerning one of these.
    pub side: Option<Vec<Side>>,
    pub topic: Option<Uuid>,
    /// Who is told: what is done to webhooks concerns their own party alone.
    pub viewer: Option<Party>,
}

impl Wanted {
    /// All that this viewer may know of.
    #[must_use]
    pub fn all(viewer: Option<Party>) -> Self {
        Self {
            viewer,
            ..Self::default()
        }
    }

    /// What holds for the rows of the log that are wanted.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let sides = self.side.as_ref().map(|sides| {
            Condition::any()
                // Of no conditions at all, one of them would hold.
                .add(Expr::val(false))
                .add_option(sides.contains(&Side::Itu).then(|| col(Column::Itu)))
                .add_option(sides.contains(&Side::Upu).then(|| col(Column::Upu)))
        });
        let types = self.subject_type.as_ref();
        let types = types.map(|types| types.iter().map(|ty| ty.type_name()).collect());
        let verbs = self.verb.clone();
        let open = Condition::any()
            .add(col(Column::SubjectType).ne(WebhookId::TYPE))
            .add_option(self.viewer.map(|it| col(Column::Party).eq(it)));
        Condition::all()
            .add(open)
            .add_option(self.subject.map(|it| col(Column::SubjectId).eq(it)))
            .add_option(types.map(|it: Vec<&str>| among(Column::SubjectType, it)))
            .add_option(verbs.map(|it| among(Column::Verb, it)))
            .add_option(self.party.clone().map(|it| among(Column::Party, it)))
            .add_option(self.topic.map(|it| col(Column::TopicId).eq(it)))
            .add_option(sides)
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn includes(&self, event: &Event) -> bool {
        fn has<T: PartialEq>(list: Option<&Vec<T>>, value: &T) -> bool {
            list.is_none_or(|it| it.contains(value))
        }
        let concerns = |side: &Side| match side {
            Side::Itu => event.itu,
            Side::Upu => event.upu,
        };
        let topic: Option<Uuid> = event.topic_id.map(Into::into);
        let open = event.subject_type != WebhookId::TYPE || self.viewer == Some(event.party);
        open && self.subject.is_none_or(|it| it == event.subject_id)
            && self.subject_type.as_ref().is_none_or(|types| {
                let mut names = types.iter().map(|ty| ty.type_name());
                names.any(|name| name == event.subject_type)
            })
            && has(self.verb.as_ref(), &event.verb)
            && has(self.party.as_ref(), &event.party)
            && self.topic.is_none_or(|it| topic == Some(it))
            && self.side.as_ref().is_none_or(|it| it.iter().any(concerns))
    }
}
