//! Lists of publications, and how one is found.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::id::{OrganizationId, PublicationId, TopicId};
use entity::publication::{Column, Ordering, PublicationKind, PublicationStatus};
use entity::scalar::Date;
use entity::topic_publication;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden};

use super::super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::object;
use crate::error::Result;
use crate::read::args::Args;
use crate::read::shape::{Key, List, Order, col};
use crate::read::{Env, Find};
use crate::rules::text::number_identity;

/// All publications.
pub static PUBLICATIONS: List = List {
    object,
    connection: "PublicationConnection",
    edge: "PublicationEdge",
    filter: Some(<Option<PublicationFilter>>::create_type_info),
    order: Some(<Option<PublicationOrder>>::create_type_info),
    lasting: false,
    criteria: criteria::<PublicationFilter, PublicationOrder>,
};

/// The publications of one topic.
pub static OF_A_TOPIC: List = List {
    object,
    connection: "PublicationConnection",
    edge: "PublicationEdge",
    filter: None,
    order: None,
    lasting: false,
    criteria: |_, _| Ok(list::all(PublicationOrder::default().order())),
};

/// Which publications. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct PublicationFilter {
    /// Of one of these kinds; an empty list leaves nothing.
    kind: Option<Vec<PublicationKind>>,
    /// In one of these states; an empty list leaves nothing. Those whose state is not known are in none.
    status: Option<Vec<PublicationStatus>>,
    /// Published by the organization with this id.
    organization: Option<ID>,
    /// Linked to the topic with this id.
    topic: Option<ID>,
    /// Approved on this day or later.
    approved_from: Option<Date>,
    /// Approved on this day or earlier.
    approved_to: Option<Date>,
    /// With this text anywhere in number or title, whatever its case and accents; 500 characters at most. Blank text narrows nothing.
    text: Option<String>,
}

impl Filter for PublicationFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        if let (Some(from), Some(to)) = (self.approved_from, self.approved_to)
            && from > to
        {
            return Err(list::contradiction("`approvedFrom` is after `approvedTo`"));
        }
        let organization =
            list::some_key::<OrganizationId>("organization", self.organization.as_ref())?;
        let topic = list::some_key::<TopicId>("topic", self.topic.as_ref())?;
        let topic = topic.map(|it| {
            let link = Expr::col(topic_publication::Column::TopicId).eq(it);
            let by = topic_publication::Column::PublicationId;
            list::linked(topic_publication::Entity, by, link)
        });
        Ok(Narrowing::new()
            .with(list::among(Column::Kind, self.kind.as_ref()))
            .with(list::among(Column::Status, self.status.as_ref()))
            .with(organization.map(|it| col(Column::OrganizationId).eq(it)))
            .with(topic)
            .with(
                self.approved_from
                    .map(|it| col(Column::ApprovedOn).gte(it.0)),
            )
            .with(self.approved_to.map(|it| col(Column::ApprovedOn).lte(it.0)))
            .with(list::containing(self.text.as_ref(), env)?)
            .done())
    }
}

/// In which order publications stand.
#[derive(Debug, Default, InputObject)]
pub struct PublicationOrder {
    /// What they are ordered by.
    field: PublicationOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

/// What publications can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum PublicationOrderField {
    /// By number, X.509 before X.1341. The order where none is given.
    #[default]
    Number,
    /// By the day of approval; those where it is not known last, both ways.
    ApprovedOn,
    /// By the time of the last change.
    UpdatedAt,
}

impl Sorting for PublicationOrder {
    fn order(&self) -> Order {
        let descending = self.direction == Direction::Desc;
        let approved = if descending {
            Ordering::ApprovedDesc
        } else {
            Ordering::ApprovedAsc
        };
        let (key, kind) = match self.field {
            PublicationOrderField::Number => (Column::NumberKey.into_iden(), Key::Text),
            PublicationOrderField::ApprovedOn => (
                approved.into_iden(),
                Key::OpenDate(Column::ApprovedOn.into_iden()),
            ),
            PublicationOrderField::UpdatedAt => (Column::UpdatedAt.into_iden(), Key::Time),
        };
        Order {
            key,
            kind,
            unique: false,
            descending,
        }
    }
}

/// What names one publication: exactly one of these.
#[derive(OneofObject)]
pub enum PublicationBy {
    /// Its id.
    Id(ID),
    /// Its number with the edition: `ITU-T X.1341 (09/2015)`. Case, and the kind and number of blanks, make no difference.
    Number(String),
}

/// Finds one.
///
/// # Errors
/// Bad input where the id names something else, or the number holds what none can.
pub fn find(args: &Args<'_>) -> Result<Find> {
    Ok(match args.get("by")? {
        PublicationBy::Id(id) => col(Column::Id).eq(list::key::<PublicationId>("id", &id)?),
        PublicationBy::Number(number) => {
            let number = list::plain("number", &number)?;
            col(Column::NumberIdentity).eq(number_identity(&number))
        }
    }
    .into())
}
