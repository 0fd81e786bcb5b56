//! Lists of committees, and the lookup of one.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::committee::{Column, CommitteeKind, CommitteeStatus};
use entity::id::{CommitteeId, OrganizationId};
use entity::organization;
use entity::party::Side;
use entity::scalar::DateTime;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden, Order as Sort, SelectStatement};

use super::super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::object;
use crate::error::Result;
use crate::read::args::Args;
use crate::read::shape::{Criteria, Key, List, Order, col};
use crate::read::{Env, Find};

/// All committees.
pub static COMMITTEES: List = List {
    object,
    connection: "CommitteeConnection",
    edge: "CommitteeEdge",
    filter: Some(<Option<CommitteeFilter>>::create_type_info),
    order: Some(<Option<CommitteeOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: criteria::<CommitteeFilter, CommitteeOrder>,
};

/// The active committees of the viewer's party.
pub static OF_THE_VIEWER: List = List {
    object,
    connection: "CommitteeConnection",
    edge: "CommitteeEdge",
    filter: None,
    order: None,
    counts: None,
    lasting: false,
    criteria: |_, env| {
        let own = match env.party {
            Some(party) => col(Column::Party).eq(party),
            None => Expr::val(false),
        };
        Ok(Criteria {
            condition: Condition::all()
                .add(own)
                .add(col(Column::Status).eq(CommitteeStatus::Active)),
            ..list::all(CommitteeOrder::default().order())
        })
    },
};

/// Conditions for a list of committees: a record has to meet all that are given.
#[derive(Debug, Default, InputObject)]
pub struct CommitteeFilter {
    /// Is of one of these kinds. An empty list matches nothing.
    kind: Option<Vec<CommitteeKind>>,
    /// Has one of these statuses. An empty list matches nothing.
    status: Option<Vec<CommitteeStatus>>,
    /// Is of one of these sides. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// It belongs to the organization with this id.
    organization: Option<ID>,
    /// Its period is exactly this label. Example: `2013-2016`.
    period: Option<String>,
    /// Its code is exactly this. Example: `SG17`.
    code: Option<String>,
    /// `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Contains this text in code, period, name or mandate. Upper and lower case, and accents, make no difference. At most 500 characters; blank text is no condition.
    text: Option<String>,
}

impl Filter for CommitteeFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        let organization =
            list::some_key::<OrganizationId>("organization", self.organization.as_ref())?;
        let period = list::some_plain("period", self.period.as_ref())?;
        let code = list::some_plain("code", self.code.as_ref())?;
        Ok(Narrowing::new()
            .with(list::among(Column::Kind, self.kind.as_ref()))
            .with(list::among(Column::Status, self.status.as_ref()))
            .with(list::among(Column::Side, self.side.as_ref()))
            .with(organization.map(|it| col(Column::OrganizationId).eq(it)))
            .with(period.map(|it| col(Column::Period).eq(it)))
            .with(code.map(|it| col(Column::Code).eq(it)))
            .with(
                self.updated_since
                    .map(|it| col(Column::UpdatedAt).gte(it.0)),
            )
            .with(list::containing(self.text.as_ref(), env)?)
            .done())
    }
}

/// The order of a list of committees.
#[derive(Debug, Default, InputObject)]
pub struct CommitteeOrder {
    /// The field to sort by.
    field: CommitteeOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that committees can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum CommitteeOrderField {
    /// By code, with numbers by their value (SG2 before SG12), then by period. This is the default.
    #[default]
    Code,
    /// By name; upper and lower case, and accents, make no difference.
    Name,
    /// By the label of the period.
    Period,
    /// By `updatedAt`.
    UpdatedAt,
}

impl Sorting for CommitteeOrder {
    fn order(&self) -> Order {
        let (key, kind) = match self.field {
            CommitteeOrderField::Code => (Column::CodeKey, Key::Text),
            CommitteeOrderField::Name => (Column::NameKey, Key::Text),
            CommitteeOrderField::Period => (Column::Period, Key::Text),
            CommitteeOrderField::UpdatedAt => (Column::UpdatedAt, Key::Time),
        };
        Order {
            key: key.into_iden(),
            kind,
            unique: false,
            descending: self.direction == Direction::Desc,
        }
    }
}

/// How to identify a committee: give exactly one of these fields.
#[derive(OneofObject)]
pub enum CommitteeBy {
    /// Its global id.
    Id(ID),
    /// Its organization, code and, if given, period.
    Key(CommitteeKey),
}

/// Identifies a committee by the names that people use.
#[derive(InputObject)]
pub struct CommitteeKey {
    /// The acronym of its organization. Example: `ITU-T`.
    organization: String,
    /// Its code. Example: `SG17`.
    code: String,
    /// The label of its period. Example: `2013-2016`. Default: the newest period that has a committee with this code.
    period: Option<String>,
}

/// Finds a committee by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type.
pub fn find(args: &Args<'_>) -> Result<Find> {
    let key = match args.get("by")? {
        CommitteeBy::Id(id) => {
            return Ok(col(Column::Id)
                .eq(list::key::<CommitteeId>("id", &id)?)
                .into());
        }
        CommitteeBy::Key(key) => key,
    };
    let acronym = list::plain("organization", &key.organization)?;
    let code = list::plain("code", &key.code)?;
    let period = list::some_plain("period", key.period.as_ref())?;
    let organization = SelectStatement::new()
        .column(organization::Column::Id)
        .from(organization::Entity)
        .and_where(Expr::col(organization::Column::Acronym).eq(acronym))
        .take();
    let condition = Narrowing::new()
        .with(Some(col(Column::OrganizationId).in_subquery(organization)))
        .with(Some(col(Column::Code).eq(code)))
        .with(period.map(|period| col(Column::Period).eq(period)));
    Ok(Find {
        condition: condition.done(),
        order: Some((col(Column::Period), Sort::Desc)),
    })
}
