//! The mutations of committees.

use async_graphql::{Context, Object};

use super::super::payload::{MutationPayload, Payload};
use super::super::request::OperationContext;
use super::object_type;
use crate::error::Result;
use crate::planner;
use crate::store::committee::{
    self as store, CommitteeConcludeInput, CommitteeCreateInput, CommitteeUpdateInput,
};
use crate::store::idempotency::create;

/// The payload of committee mutations.
pub struct Committee;

impl MutationPayload for Committee {
    const FIELD: &'static str = "committee";

    fn object_type() -> Option<&'static planner::schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done to committees.
#[derive(Default)]
pub struct CommitteeMutation;

#[Object]
impl CommitteeMutation {
    /// Creates a committee of an organization for one period.
    async fn committee_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The committee.")] input: CommitteeCreateInput,
    ) -> Option<Result<Payload<Committee, CommitteeCreateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Changes the texts, dates and predecessors of a committee.
    async fn committee_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: CommitteeUpdateInput,
    ) -> Option<Result<Payload<Committee, CommitteeUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Concludes a committee. This cannot be undone. It is not possible while the committee leads an open topic or owns an open action item.
    async fn committee_conclude(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifies the committee to conclude.")] input: CommitteeConcludeInput,
    ) -> Option<Result<Payload<Committee, CommitteeConcludeInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::conclude(db, viewer, *now, input).await))
    }
}
