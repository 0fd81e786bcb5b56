//! The mutations of liaison statements.

use async_graphql::{Context, Object};

use crate::error::Result;
use crate::graphql::liaison_statement::object_type;
use crate::graphql::payload::{MutationPayload, Payload};
use crate::graphql::request::OperationContext;
use crate::planner;
use crate::store::idempotency::create;
use crate::store::liaison_statement::LiaisonStatementSendInput;

/// The payload of liaison statement mutations.
pub struct LiaisonStatement;

impl MutationPayload for LiaisonStatement {
    const FIELD: &'static str = "liaisonStatement";

    fn object_type() -> Option<&'static planner::schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done with liaison statements.
#[derive(Default)]
pub struct StatementMutation;

#[Object]
impl StatementMutation {
    /// Sends a liaison statement from committees of the viewer's own party: records it in the register, where everybody can read it. It cannot be changed or withdrawn later. No e-mail is sent; the addressees learn of it from the activity with the verb SENT, for example by a webhook. With `inReplyToId` it is a reply.
    async fn liaison_statement_send(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The statement.")] input: LiaisonStatementSendInput,
    ) -> Option<Result<Payload<LiaisonStatement, LiaisonStatementSendInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }
}
