//! Lists of committees, and the lookup of one.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::committee::{Column, CommitteeKind, CommitteeStatus};
use entity::id::{CommitteeId, OrganizationId};
use entity::organization;
use entity::party::Side;
use entity::scalar::DateTime;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order as Sort, SelectStatement};

use super::super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::{MANDATE, NAME, object_type};
use crate::error::Result;
use crate::graphql::translated_text::shown_text_matches;
use crate::planner::arguments::Args;
use crate::planner::schema::{Connection, CursorKey, ListQuery, Order, col};
use crate::planner::{ExecutionContext, RecordQuery};

/// All committees.
pub static COMMITTEES: Connection = Connection {
    object: object_type,
    type_name: "CommitteeConnection",
    edge: "CommitteeEdge",
    filter: Some(<Option<CommitteeFilter>>::create_type_info),
    order: Some(<Option<CommitteeOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: parse_list_args::<CommitteeFilter, CommitteeOrder>,
};

/// The active committees of the viewer's party.
pub static OF_THE_VIEWER: Connection = Connection {
    object: object_type,
    type_name: "CommitteeConnection",
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
        Ok(ListQuery {
            condition: Condition::all()
                .add(own)
                .add(col(Column::Status).eq(CommitteeStatus::Active)),
            ..list::all(CommitteeOrder::default().order(env))
        })
    },
};

/// Conditions for a list of committees. A committee must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct CommitteeFilter {
    /// Only committees of one of these kinds. An empty list matches nothing.
    kind: Option<Vec<CommitteeKind>>,
    /// Only committees with one of these statuses. An empty list matches nothing.
    status: Option<Vec<CommitteeStatus>>,
    /// Only committees of one of these sides. Committees of the TSB count as ITU. Those of partners have no side and never match. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only committees of the organization with this id.
    organization: Option<ID>,
    /// Only committees with exactly this period. Example: `2013-2016`.
    period: Option<String>,
    /// Only committees with exactly this code. Example: `SG17`.
    code: Option<String>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Only committees that contain this text in code, period, name or mandate, as returned in the languages of `@inContext`. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
}

impl Filter for CommitteeFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let organization =
            list::optional_id::<OrganizationId>("organization", self.organization.as_ref())?;
        let period = list::reject_optional_nul("period", self.period.as_ref())?;
        let code = list::reject_optional_nul("code", self.code.as_ref())?;
        Ok(ConditionBuilder::new()
            .with(list::is_in(Column::Kind, self.kind.as_ref()))
            .with(list::is_in(Column::Status, self.status.as_ref()))
            .with(list::is_in(Column::Side, self.side.as_ref()))
            .with(organization.map(|id| col(Column::OrganizationId).eq(id)))
            .with(period.map(|period| col(Column::Period).eq(period)))
            .with(code.map(|code| col(Column::Code).eq(code)))
            .with(
                self.updated_since
                    .map(|time| col(Column::UpdatedAt).gte(time.0)),
            )
            .with(shown_text_matches(
                self.text.as_ref(),
                &[&NAME, &MANDATE],
                env,
            )?)
            .into_condition())
    }

    fn reads_texts(&self) -> bool {
        self.text.is_some()
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
    /// By name, as returned in the languages of `@inContext`; without `@inContext` by the original name. The order is alphabetical within each script: Latin, Cyrillic, Arabic, then Chinese. The script of the first language of `@inContext` comes first: Cyrillic with `@inContext(languages: [RU])`.
    Name,
    /// By the label of the period.
    Period,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for CommitteeOrder {
    fn order(&self, env: &ExecutionContext<'_>) -> Order {
        let (key, kind) = match self.field {
            CommitteeOrderField::Code => (Column::CodeKey.into(), CursorKey::Text),
            CommitteeOrderField::Name => (NAME.sort_key(env), CursorKey::Text),
            CommitteeOrderField::Period => (Column::Period.into(), CursorKey::Text),
            CommitteeOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
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
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    let key = match args.get("by")? {
        CommitteeBy::Id(id) => {
            return Ok(col(Column::Id)
                .eq(list::key::<CommitteeId>("id", &id)?)
                .into());
        }
        CommitteeBy::Key(key) => key,
    };
    let acronym = list::reject_nul("organization", &key.organization)?;
    let code = list::reject_nul("code", &key.code)?;
    let period = list::reject_optional_nul("period", key.period.as_ref())?;
    let organization = SelectStatement::new()
        .column(organization::Column::Id)
        .from(organization::Entity)
        .and_where(Expr::col(organization::Column::Acronym).eq(acronym))
        .take();
    let condition = ConditionBuilder::new()
        .with(Some(col(Column::OrganizationId).in_subquery(organization)))
        .with(Some(col(Column::Code).eq(code)))
        .with(period.map(|period| col(Column::Period).eq(period)));
    Ok(RecordQuery {
        condition: condition.into_condition(),
        order: vec![(col(Column::Period), Sort::Desc)],
    })
}
