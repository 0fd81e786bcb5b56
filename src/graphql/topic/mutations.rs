//! What can be done to topics.

use async_graphql::{Context, Object};

use super::super::payload::{Payload, Thing};
use super::super::request::Request;
use super::object;
use crate::error::Result;
use crate::read;
use crate::store::topic::{
    self as store, TopicLinkCommitteeInput, TopicProposeInput, TopicReaffirmInput,
    TopicTakePositionInput, TopicUnlinkCommitteeInput, TopicUpdateInput,
};

/// Topics, in payloads.
pub struct Topic;

impl Thing for Topic {
    const PAYLOAD: &'static str = "TopicPayload";
    const FIELD: &'static str = "topic";

    fn object() -> &'static read::shape::Object {
        object()
    }
}

/// What can be done to topics.
#[derive(Default)]
pub struct TopicMutation;

#[Object]
impl TopicMutation {
    /// Proposes a topic. ITU and UPU name a lead committee of their own and have agreed with that; the TSB names none, and both sides are asked.
    async fn topic_propose(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The topic.")] input: TopicProposeInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::propose(db, viewer, *now, input).await))
    }

    /// Changes the texts, clauses and review date of a topic: of a proposed one by who proposed it, of an active or closing one by anybody who writes.
    async fn topic_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: TopicUpdateInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Links a committee to a topic, or changes the role of one that is linked. A side links its own committees; the TSB its own and those of partners. A new LEAD takes the place of the side's lead, which stays linked as CONTRIBUTING.
    async fn topic_link_committee(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: TopicLinkCommitteeInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(
            store::link_committee(db, viewer, *now, input).await,
        ))
    }

    /// Takes a committee off a topic. The lead of a side that has agreed or released stays: link another as LEAD first.
    async fn topic_unlink_committee(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: TopicUnlinkCommitteeInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(
            store::unlink_committee(db, viewer, *now, input).await,
        ))
    }

    /// Agrees, declines or releases for one's own side; nobody does it for the other. The status of the topic follows from the two positions.
    async fn topic_take_position(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The position.")] input: TopicTakePositionInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(
            store::take_position(db, viewer, *now, input).await,
        ))
    }

    /// Says that an ACTIVE topic is still of interest, and when it is looked at again: by either side.
    async fn topic_reaffirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new day of review.")] input: TopicReaffirmInput,
    ) -> Option<Result<Payload<Topic>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::reaffirm(db, viewer, *now, input).await))
    }
}
