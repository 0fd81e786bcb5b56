//! What can be done with liaison statements.

use async_graphql::{Context, Object};

use super::super::payload::{Payload, Thing};
use super::super::request::Request;
use super::object;
use crate::error::Result;
use crate::read;
use crate::store::statement::{self as store, LiaisonStatementSendInput};

/// Liaison statements, in payloads.
pub struct LiaisonStatement;

impl Thing for LiaisonStatement {
    const PAYLOAD: &'static str = "LiaisonStatementPayload";
    const FIELD: &'static str = "liaisonStatement";

    fn object() -> &'static read::shape::Object {
        object()
    }
}

/// What can be done with liaison statements.
#[derive(Default)]
pub struct StatementMutation;

#[Object]
impl StatementMutation {
    /// Sends a statement from committees of one's own party. With `inReplyToId` it is a reply, and those of its senders that were addressed have replied by it.
    async fn liaison_statement_send(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The statement.")] input: LiaisonStatementSendInput,
    ) -> Option<Result<Payload<LiaisonStatement>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::send(db, viewer, *now, input).await))
    }
}
