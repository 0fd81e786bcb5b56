//! Lists of liaison statements, and the lookup of one.

use async_graphql::{Enum, ID, InputObject, InputType, OneofObject};
use entity::id::{CommitteeId, LiaisonStatementId, TopicId};
use entity::liaison_statement::Column;
use entity::party::Side;
use entity::scalar::DateTime;
use entity::{addressee, sender, statement_topic};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoIden};

use crate::error::Result;
use crate::graphql::liaison_statement::{awaiting, object_type};
use crate::graphql::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use crate::planner::arguments::Args;
use crate::planner::schema::{Connection, CursorKey, Order, ROW, col};
use crate::planner::{ExecutionContext, RecordQuery};

/// All liaison statements.
pub static STATEMENTS: Connection = Connection {
    object: object_type,
    type_name: "LiaisonStatementConnection",
    edge: "LiaisonStatementEdge",
    filter: Some(<Option<LiaisonStatementFilter>>::create_type_info),
    order: Some(<Option<LiaisonStatementOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: parse_list_args::<LiaisonStatementFilter, LiaisonStatementOrder>,
};

/// Conditions for a list of liaison statements. A liaison statement must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct LiaisonStatementFilter {
    /// Only liaison statements with the committee with this id among the senders.
    from: Option<ID>,
    /// Only liaison statements with the committee with this id among the addressees.
    to: Option<ID>,
    /// Only liaison statements that were sent by committees of one of these sides. Committees of the TSB count as ITU here. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only liaison statements about the topic with this id.
    topic: Option<ID>,
    /// True: only liaison statements to which at least one addressee with purpose ACTION has not replied yet. False: only all others.
    awaiting_reply: Option<bool>,
    /// Only liaison statements whose `sentAt` is at this time or later.
    sent_since: Option<DateTime>,
    /// Only liaison statements that contain this text in code, title or body. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
}

impl Filter for LiaisonStatementFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        let from = list::optional_id::<CommitteeId>("from", self.from.as_ref())?;
        let from = from.map(|from| {
            let link = Expr::col(sender::Column::CommitteeId).eq(from);
            list::exists_link(sender::Entity, sender::Column::StatementId, link)
        });
        let to = list::optional_id::<CommitteeId>("to", self.to.as_ref())?;
        let to = to.map(|to| {
            let link = Expr::col(addressee::Column::CommitteeId).eq(to);
            list::exists_link(addressee::Entity, addressee::Column::StatementId, link)
        });
        let topic = list::optional_id::<TopicId>("topic", self.topic.as_ref())?;
        let topic = topic.map(|topic| {
            let link = Expr::col(statement_topic::Column::TopicId).eq(topic);
            list::exists_link(
                statement_topic::Entity,
                statement_topic::Column::StatementId,
                link,
            )
        });
        let waits = self.awaiting_reply.map(|expected| {
            let waits = awaiting(&ROW.into_iden(), env);
            if expected { waits } else { waits.not() }
        });
        Ok(ConditionBuilder::new()
            .with(from)
            .with(to)
            .with(list::is_in(Column::Side, self.side.as_ref()))
            .with(topic)
            .with(waits)
            .with(
                self.sent_since
                    .map(|moment| col(Column::SentAt).gte(moment.0)),
            )
            .with(list::text_matches(self.text.as_ref(), env)?)
            .into_condition())
    }
}

/// The order of a list of liaison statements.
#[derive(Debug, Default, InputObject)]
pub struct LiaisonStatementOrder {
    /// The field to sort by.
    field: LiaisonStatementOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that liaison statements can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum LiaisonStatementOrderField {
    /// By the number in the code, LS-2 before LS-12: the order in which they were entered. This is the default.
    #[default]
    Code,
    /// By `sentAt`.
    SentAt,
}

impl OrderBy for LiaisonStatementOrder {
    fn order(&self, _: &ExecutionContext<'_>) -> Order {
        let (key, kind) = match self.field {
            LiaisonStatementOrderField::Code => (Column::Number, CursorKey::Int),
            LiaisonStatementOrderField::SentAt => (Column::SentAt, CursorKey::Time),
        };
        Order {
            key: key.into(),
            kind,
            unique: self.field == LiaisonStatementOrderField::Code,
            descending: self.direction == Direction::Desc,
        }
    }
}

/// How to identify a liaison statement: give exactly one of these fields.
#[derive(OneofObject)]
pub enum LiaisonStatementBy {
    /// Its global id.
    Id(ID),
    /// Its code. Example: `LS-7`.
    Code(String),
}

/// Finds a liaison statement by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    Ok(match args.get("by")? {
        LiaisonStatementBy::Id(id) => {
            col(Column::Id).eq(list::key::<LiaisonStatementId>("id", &id)?)
        }
        LiaisonStatementBy::Code(code) => match list::parse_code("LS-", &code) {
            Some(number) => col(Column::Number).eq(number),
            None => Expr::val(false),
        },
    }
    .into())
}
