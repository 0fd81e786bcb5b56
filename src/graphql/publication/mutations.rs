//! The mutations of publications.

use async_graphql::{Context, Object};

use super::super::payload::{MutationPayload, Payload};
use super::super::request::OperationContext;
use super::object_type;
use crate::error::Result;
use crate::planner;
use crate::store::idempotency::create;
use crate::store::publication::{
    self as store, PublicationAddInput, PublicationRelateInput, PublicationUpdateInput,
};

/// The payload of publication mutations.
pub struct Publication;

impl MutationPayload for Publication {
    const FIELD: &'static str = "publication";

    fn object_type() -> Option<&'static planner::schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done to publications.
#[derive(Default)]
pub struct PublicationMutation;

#[Object]
impl PublicationMutation {
    /// Adds one edition of a publication. ITU and UPU add their own; the TSB adds those of ITU and of partners.
    async fn publication_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The publication.")] input: PublicationAddInput,
    ) -> Option<Result<Payload<Publication, PublicationAddInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Changes a publication. ITU and UPU change their own; the TSB changes those of ITU and of partners.
    async fn publication_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: PublicationUpdateInput,
    ) -> Option<Result<Payload<Publication, PublicationUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Relates two publications on the same subject: one of ITU and one of the UPU, or one of either and one of a partner. This cannot be undone. If they are already related, nothing changes.
    async fn publication_relate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The two publications.")] input: PublicationRelateInput,
    ) -> Option<Result<Payload<Publication, PublicationRelateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::relate(db, viewer, *now, input).await))
    }
}
