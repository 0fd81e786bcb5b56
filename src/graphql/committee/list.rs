//! Lists of committees, and how one is found.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::committee::{Column, CommitteeKind, CommitteeStatus};
use entity::id::{CommitteeId, OrganizationId};
use entity::organization;
use entity::party::Side;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden, Order as Sort, SelectStatement};

use super::super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::object;
use crate::error::Result;
use crate::read::args::Args;
use crate::read::shape::{Key, List, Order, col};
use crate::read::{Env, Find};

/// All committees.
pub static COMMITTEES: List = List {
    object,
    connection: "CommitteeConnection",
    edge: "CommitteeEdge",
    filter: Some(<Option<CommitteeFilter>>::create_type_info),
    order: Some(<Option<CommitteeOrder>>::create_type_info),
    lasting: false,
    criteria: criteria::<CommitteeFilter, CommitteeOrder>,
};

/// Which committees. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct CommitteeFilter {
    /// One of these kinds; an empty list leaves nothing.
    kind: Option<Vec<CommitteeKind>>,
    /// In one of these states; an empty list leaves nothing.
    status: Option<Vec<CommitteeStatus>>,
    /// Of one of these sides; an empty list leaves nothing.
    side: Option<Vec<Side>>,
    /// Of the organization with this id.
    organization: Option<ID>,
    /// Of this period, written exactly so: 2013-2016.
    period: Option<String>,
    /// With this code, written exactly so: SG17.
    code: Option<String>,
    /// With this text anywhere in code, period, name or mandate, whatever its case and accents; 500 characters at most. Blank text narrows nothing.
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
            .with(list::containing(self.text.as_ref(), env)?)
            .done())
    }
}

/// In which order committees stand.
#[derive(Debug, Default, InputObject)]
pub struct CommitteeOrder {
    /// What they are ordered by.
    field: CommitteeOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

/// What committees can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum CommitteeOrderField {
    /// By code, numbers in it by their value (SG2 before SG12), then by period. The order where none is given.
    #[default]
    Code,
    /// By name, whatever its case and accents.
    Name,
    /// By the label of the period.
    Period,
    /// By the time of the last change.
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

/// What names one committee: exactly one of these.
#[derive(OneofObject)]
pub enum CommitteeBy {
    /// Its id.
    Id(ID),
    /// Its organization, code and period.
    Key(CommitteeKey),
}

/// The names that people have for a committee.
#[derive(InputObject)]
pub struct CommitteeKey {
    /// The acronym of its organization: ITU-T, POC.
    organization: String,
    /// Its code: SG17, C4.
    code: String,
    /// The label of its period: 2013-2016. Left out or null: the newest that has the code.
    period: Option<String>,
}

/// Finds one.
///
/// # Errors
/// Bad input where the id names something else.
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
        .with(period.map(|it| col(Column::Period).eq(it)));
    Ok(Find {
        condition: condition.done(),
        order: Some((col(Column::Period), Sort::Desc)),
    })
}
