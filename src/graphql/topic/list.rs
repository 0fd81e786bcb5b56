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

/// Conditions for a list of topics: a record has to meet all that are given.
#[derive(Debug, Default, InputObject)]
pub struct TopicFilter {
    /// Has one of these statuses. An empty list matches nothing.
    status: Option<Vec<TopicStatus>>,
    /// One of these parties proposed it. An empty list matches nothing.
    proposed_by: Option<Vec<Party>>,
    /// The committee with this id is linked to it, in any role.
    committee: Option<ID>,
    /// It implements the clause with this id.
    provision: Option<ID>,
    /// True: ACTIVE, with a review date before today (UTC). False: all others.
    needs_review: Option<bool>,
    /// `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Contains this text in code, title or summary. Upper and lower case, and accents, make no difference. At most 500 characters; blank text is no condition.
    text: Option<String>,
    /// True: only sample data. False: everything but sample data.
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

/// The order of a list of topics.
#[derive(Debug, Default, InputObject)]
pub struct TopicOrder {
    /// The field to sort by.
    field: TopicOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that topics can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum TopicOrderField {
    /// By the number in the code: T-2 before T-12. This is the default.
    #[default]
    Code,
    /// By title; upper and lower case, and accents, make no difference.
    Title,
    /// By `reviewOn`. Topics without a review date come last in both directions.
    ReviewOn,
    /// By `createdAt`.
    CreatedAt,
    /// By `updatedAt`.
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

/// How to identify a topic: give exactly one of these fields.
#[derive(OneofObject)]
pub enum TopicBy {
    /// Its global id.
    Id(ID),
    /// Its code. Example: `T-12`.
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
