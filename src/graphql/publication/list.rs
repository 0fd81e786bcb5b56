//! Lists of publications, and the lookup of one.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::id::{CommitteeId, OrganizationId, PublicationId, TopicId};
use entity::party::Side;
use entity::publication::{Column, Entity, Ordering, PublicationKind, PublicationStatus};
use entity::scalar::{Date, DateTime};
use entity::topic_publication;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden, SelectStatement};

use super::super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::{TITLE, object_type};
use crate::domain::text::number_identity;
use crate::error::Result;
use crate::graphql::translated_text::shown_text_matches;
use crate::planner::arguments::Args;
use crate::planner::schema::{Connection, CursorKey, Order, ROW, among, col};
use crate::planner::{ExecutionContext, RecordQuery};

/// All publications.
pub static PUBLICATIONS: Connection = Connection {
    object: object_type,
    type_name: "PublicationConnection",
    edge: "PublicationEdge",
    filter: Some(<Option<PublicationFilter>>::create_type_info),
    order: Some(<Option<PublicationOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: parse_list_args::<PublicationFilter, PublicationOrder>,
};

/// The publications of one topic.
pub static OF_A_TOPIC: Connection = Connection {
    object: object_type,
    type_name: "PublicationConnection",
    edge: "PublicationEdge",
    filter: None,
    order: None,
    counts: None,
    lasting: false,
    criteria: |_, env| Ok(list::all(PublicationOrder::default().order(env))),
};

/// Conditions for a list of publications. A publication must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct PublicationFilter {
    /// Only publications with one of these numbers, each with its edition. Example: `ITU-T X.1341 (09/2015)`. Case, and the kind and number of spaces, make no difference. At most 100. An empty list matches nothing.
    number: Option<Vec<String>>,
    /// True: only publications that are the latest of their `editions` in the register. False: only earlier editions.
    latest_edition: Option<bool>,
    /// Only publications of one of these kinds. An empty list matches nothing.
    kind: Option<Vec<PublicationKind>>,
    /// Only publications with one of these statuses. A publication without a known status never matches. An empty list matches nothing.
    status: Option<Vec<PublicationStatus>>,
    /// Only publications of one of these sides. Publications of partners have no side and never match. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only publications of the organization with this id.
    organization: Option<ID>,
    /// Only publications for which the committee with this id is responsible.
    committee: Option<ID>,
    /// Only publications that are linked to the topic with this id.
    topic: Option<ID>,
    /// Only publications that were approved on this day or later.
    approved_from: Option<Date>,
    /// Only publications that were approved on this day or earlier.
    approved_to: Option<Date>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Only publications that contain this text in number or title, as returned in the languages of `@inContext`. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
}

impl Filter for PublicationFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let organization =
            list::optional_id::<OrganizationId>("organization", self.organization.as_ref())?;
        let committee = list::optional_id::<CommitteeId>("committee", self.committee.as_ref())?;
        let numbers = list::optional_texts("number", self.number.as_ref())?;
        let numbers = numbers.map(|numbers| {
            numbers
                .iter()
                .map(|number| number_identity(number))
                .collect()
        });
        let topic = list::optional_id::<TopicId>("topic", self.topic.as_ref())?;
        let topic = topic.map(|topic| {
            let link = Expr::col(topic_publication::Column::TopicId).eq(topic);
            let by = topic_publication::Column::PublicationId;
            list::exists_link(topic_publication::Entity, by, link)
        });
        Ok(ConditionBuilder::new()
            .with(numbers.map(|numbers: Vec<String>| among(Column::NumberIdentity, numbers)))
            .with(self.latest_edition.map(|expected| {
                let latest = later_edition().not();
                if expected { latest } else { latest.not() }
            }))
            .with(list::is_in(Column::Side, self.side.as_ref()))
            .with(committee.map(|id| col(Column::CommitteeId).eq(id)))
            .with(
                self.updated_since
                    .map(|time| col(Column::UpdatedAt).gte(time.0)),
            )
            .with(list::is_in(Column::Kind, self.kind.as_ref()))
            .with(list::is_in(Column::Status, self.status.as_ref()))
            .with(organization.map(|organization| col(Column::OrganizationId).eq(organization)))
            .with(topic)
            .with(
                self.approved_from
                    .map(|date| col(Column::ApprovedOn).gte(date.0)),
            )
            .with(
                self.approved_to
                    .map(|date| col(Column::ApprovedOn).lte(date.0)),
            )
            .with(shown_text_matches(self.text.as_ref(), &[&TITLE], env)?)
            .into_condition())
    }

    fn reads_texts(&self) -> bool {
        self.text.is_some()
    }
}

/// Whether there is a later edition of the number of a publication.
fn later_edition() -> Expr {
    let other = |column: Column| Expr::col(("s", column));
    let sort_key = [other(Column::NumberKey), other(Column::Id)];
    let own_sort_key = [col(Column::NumberKey), col(Column::Id)];
    Expr::exists(
        SelectStatement::new()
            .expr(Expr::val(1))
            .from_as(Entity, "s")
            .and_where(other(Column::Series).equals((ROW, Column::Series)))
            .and_where(Expr::tuple(sort_key).gt(Expr::tuple(own_sort_key)))
            .take(),
    )
}

/// The order of a list of publications.
#[derive(Debug, Default, InputObject)]
pub struct PublicationOrder {
    /// The field to sort by.
    field: PublicationOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that publications can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum PublicationOrderField {
    /// By number, with numbers in it by their value (X.509 before X.1341), and editions of one number by year, then month:
    /// `(10/2012)` before `(09/2015)`. This is the default.
    #[default]
    Number,
    /// By title, as returned in the languages of `@inContext`; without `@inContext` by the original title. The order is alphabetical within each script: Latin, Cyrillic, Arabic, then Chinese. The script of the first language of `@inContext` comes first: Cyrillic with `@inContext(languages: [RU])`.
    Title,
    /// By status, in the order of the enum: DRAFT first. Publications without a known status come last in both directions.
    Status,
    /// By `approvedOn`. Publications without a known date come last in both directions.
    ApprovedOn,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for PublicationOrder {
    fn order(&self, env: &ExecutionContext<'_>) -> Order {
        let descending = self.direction == Direction::Desc;
        let (approved, status) = if descending {
            (Ordering::ApprovedDesc, Ordering::StatusDesc)
        } else {
            (Ordering::ApprovedAsc, Ordering::StatusAsc)
        };
        let (key, kind) = match self.field {
            PublicationOrderField::Number => (Column::NumberKey.into(), CursorKey::Text),
            PublicationOrderField::Title => (TITLE.sort_key(env), CursorKey::Text),
            PublicationOrderField::Status => (status.into(), CursorKey::Int),
            PublicationOrderField::ApprovedOn => (
                approved.into(),
                CursorKey::OpenDate(Column::ApprovedOn.into_iden()),
            ),
            PublicationOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
            kind,
            unique: false,
            descending,
        }
    }
}

/// How to identify a publication: give exactly one of these fields.
#[derive(OneofObject)]
pub enum PublicationBy {
    /// Its global id.
    Id(ID),
    /// Its number with the edition. Example: `ITU-T X.1341 (09/2015)`. Case, and the kind and number of spaces, make no difference.
    Number(String),
}

/// Finds a publication by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type, or the number contains a NUL character.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    Ok(match args.get("by")? {
        PublicationBy::Id(id) => col(Column::Id).eq(list::key::<PublicationId>("id", &id)?),
        PublicationBy::Number(number) => {
            let number = list::reject_nul("number", &number)?;
            col(Column::NumberIdentity).eq(number_identity(&number))
        }
    }
    .into())
}
