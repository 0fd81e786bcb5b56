//! The mutations of topics.

use async_graphql::{Context, Object};

use super::super::payload::{MutationPayload, Payload};
use super::super::request::OperationContext;
use super::object_type;
use crate::error::Result;
use crate::planner;
use crate::store::idempotency::create;
use crate::store::topic::{
    self as store, TopicLinkCommitteeInput, TopicProposeInput, TopicReaffirmInput,
    TopicTakePositionInput, TopicUnlinkCommitteeInput, TopicUpdateInput,
};

/// The payload of topic mutations.
pub struct Topic;

impl MutationPayload for Topic {
    const FIELD: &'static str = "topic";

    fn object_type() -> Option<&'static planner::schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done to topics.
#[derive(Default)]
pub struct TopicMutation;

#[Object]
impl TopicMutation {
    /// Proposes a topic. ITU and UPU name a lead committee of their own, which also counts as their agreement. The TSB names no lead; both sides then still have to agree.
    async fn topic_propose(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The topic.")] input: TopicProposeInput,
    ) -> Option<Result<Payload<Topic, TopicProposeInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Changes the texts, provisions, publications and review date of a topic. While it is PROPOSED, only the party that proposed it may do so; while it is ACTIVE or CLOSING, every party.
    async fn topic_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: TopicUpdateInput,
    ) -> Option<Result<Payload<Topic, TopicUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Links a committee to a topic, or changes the role of a linked committee. A party links its own committees; the TSB also committees of partners. A new LEAD replaces the lead of its side, which stays linked as CONTRIBUTING.
    async fn topic_link_committee(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: TopicLinkCommitteeInput,
    ) -> Option<Result<Payload<Topic, TopicLinkCommitteeInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(
            store::link_committee(db, viewer, *now, input).await,
        ))
    }

    /// Unlinks a committee from a topic. The lead of a side that has agreed or released cannot be unlinked: link another committee as LEAD first.
    async fn topic_unlink_committee(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: TopicUnlinkCommitteeInput,
    ) -> Option<Result<Payload<Topic, TopicUnlinkCommitteeInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(
            store::unlink_committee(db, viewer, *now, input).await,
        ))
    }

    /// Agrees to, declines or releases a topic for the viewer's own side. The status of the topic follows from the positions of both sides. The TSB takes no position: its request is refused with the error FORBIDDEN.
    async fn topic_take_position(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The position.")] input: TopicTakePositionInput,
    ) -> Option<Result<Payload<Topic, TopicTakePositionInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(
            store::take_position(db, viewer, *now, input).await,
        ))
    }

    /// Confirms that an ACTIVE topic is still of interest and sets its next review date. Either side may do so; the TSB may not.
    async fn topic_reaffirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new review date.")] input: TopicReaffirmInput,
    ) -> Option<Result<Payload<Topic, TopicReaffirmInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::reaffirm(db, viewer, *now, input).await))
    }
}
