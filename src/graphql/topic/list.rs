//! Lists of topics, and how one is found.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::id::{CommitteeId, ProvisionId, TopicId};
use entity::party::Party;
use entity::scalar::DateTime;
use entity::topic::{Column, Ordering, TopicStatus};
use entity::{topic_committee, topic_provision};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden};

use super::super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::object;
use crate::error::Result;
use crate::read::args::Args;
use crate::read::shape::{Key, List, Order, col};
use crate::read::{Env, Find};

/// All topics.
pub static TOPICS: List = List {
    object,
    connection: "TopicConnection",
    edge: "TopicEdge",
    filter: Some(<Option<TopicFilter>>::create_type_info),
    order: Some(<Option<TopicOrder>>::create_type_info),
    lasting: false,
    criteria: criteria::<TopicFilter, TopicOrder>,
};

/// Which topics. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct TopicFilter {
    /// In one of these states; an empty list leaves nothing.
    status: Option<Vec<TopicStatus>>,
    /// Proposed by one of these; an empty list leaves nothing.
    proposed_by: Option<Vec<Party>>,
    /// Linked to the committee with this id, in any role.
    committee: Option<ID>,
    /// Answering the clause with this id.
    provision: Option<ID>,
    /// True: active, and the review date has passed. False: all others.
    needs_review: Option<bool>,
    /// Changed at this moment or later.
    updated_since: Option<DateTime>,
    /// With this text anywhere in code, title or summary, whatever its case and accents; 500 characters at most. Blank text narrows nothing.
    text: Option<String>,
    /// True: sample data alone. False: none of it.
    illustrative: Option<bool>,
}

impl Filter for TopicFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        let statuses = self.status.as_deref();
        if self.needs_review == Some(true)
            && statuses.is_some_and(|it| !it.is_empty() && !it.contains(&TopicStatus::Active))
        {
            return Err(list::contradiction(
                "`needsReview: true` leaves ACTIVE topics alone, which `status` leaves out",
            ));
        }
        let committee = list::some_key::<CommitteeId>("committee", self.committee.as_ref())?;
        let committee = committee.map(|it| {
            list::linked(
                topic_committee::Entity,
                topic_committee::Column::TopicId,
                Expr::col(topic_committee::Column::CommitteeId).eq(it),
            )
        });
        let provision = list::some_key::<ProvisionId>("provision", self.provision.as_ref())?;
        let provision = provision.map(|it| {
            list::linked(
                topic_provision::Entity,
                topic_provision::Column::TopicId,
                Expr::col(topic_provision::Column::ProvisionId).eq(it),
            )
        });
        let review = self.needs_review.map(|wanted| {
            let stale = col(Column::Status)
                .eq(TopicStatus::Active)
                // Null stands at the end of time here, so that `not` needs no third answer.
                .and(col(Ordering::ReviewAsc).lt(env.today()));
            if wanted { stale } else { stale.not() }
        });
        Ok(Narrowing::new()
            .with(list::among(Column::Status, self.status.as_ref()))
            .with(list::among(Column::ProposedBy, self.proposed_by.as_ref()))
            .with(committee)
            .with(provision)
            .with(review)
            .with(
                self.updated_since
                    .map(|it| col(Column::UpdatedAt).gte(it.0)),
            )
            .with(list::containing(self.text.as_ref(), env)?)
            .with(self.illustrative.map(|it| col(Column::Illustrative).eq(it)))
            .done())
    }
}

/// In which order topics stand.
#[derive(Debug, Default, InputObject)]
pub struct TopicOrder {
    /// What they are ordered by.
    field: TopicOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

/// What topics can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum TopicOrderField {
    /// By the number in the code: T-2 before T-12. The order where none is given.
    #[default]
    Code,
    /// By title, whatever its case and accents.
    Title,
    /// By review date; those without one last, both ways.
    ReviewOn,
    /// By the time of entry.
    CreatedAt,
    /// By the time of the last change.
    UpdatedAt,
}

impl Sorting for TopicOrder {
    fn order(&self) -> Order {
        let descending = self.direction == Direction::Desc;
        let review = if descending {
            Ordering::ReviewDesc
        } else {
            Ordering::ReviewAsc
        };
        let (key, kind) = match self.field {
            TopicOrderField::Code => (Column::Number.into_iden(), Key::Int),
            TopicOrderField::Title => (Column::TitleKey.into_iden(), Key::Text),
            TopicOrderField::ReviewOn => (
                review.into_iden(),
                Key::OpenDate(Column::ReviewOn.into_iden()),
            ),
            TopicOrderField::CreatedAt => (Column::CreatedAt.into_iden(), Key::Time),
            TopicOrderField::UpdatedAt => (Column::UpdatedAt.into_iden(), Key::Time),
        };
        Order {
            key,
            kind,
            unique: self.field == TopicOrderField::Code,
            descending,
        }
    }
}

/// What names one topic: exactly one of these.
#[derive(OneofObject)]
pub enum TopicBy {
    /// Its id.
    Id(ID),
    /// Its code: T-12.
    Code(String),
}

/// Finds one.
///
/// # Errors
/// Bad input where the id names something else.
pub fn find(args: &Args<'_>) -> Result<Find> {
    Ok(match args.get("by")? {
        TopicBy::Id(id) => col(Column::Id).eq(list::key::<TopicId>("id", &id)?),
        TopicBy::Code(code) => match list::numbered("T-", &code) {
            Some(number) => col(Column::Number).eq(number),
            None => Expr::val(false),
        },
    }
    .into())
}
