//! The mutations of action items.

use async_graphql::{Context, Object};

use super::super::payload::{MutationPayload, Payload};
use super::super::request::OperationContext;
use super::object_type;
use crate::error::Result;
use crate::planner;
use crate::store::action_item::{
    self as store, ActionItemCreateInput, ActionItemMoveInput, ActionItemRemindInput,
    ActionItemUpdateInput,
};
use crate::store::idempotency::create;

/// The payload of action item mutations.
pub struct ActionItem;

impl MutationPayload for ActionItem {
    const FIELD: &'static str = "actionItem";

    fn object_type() -> Option<&'static planner::schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done to action items.
#[derive(Default)]
pub struct ActionItemMutation;

#[Object]
impl ActionItemMutation {
    /// Creates an action item on an ACTIVE topic. It starts as OPEN if the owner's own party creates it, otherwise as REQUESTED.
    async fn action_item_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The action item.")] input: ActionItemCreateInput,
    ) -> Option<Result<Payload<ActionItem, ActionItemCreateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Changes texts, priority, due date or counterpart of an action item. While it is REQUESTED, only the party that requested it may do so; after that, only the owner's party.
    async fn action_item_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: ActionItemUpdateInput,
    ) -> Option<Result<Payload<ActionItem, ActionItemUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Moves an action item to another status: accepts, starts, postpones, resumes, completes, confirms, reopens, declines or withdraws it. `ActionItem.nextMoves` lists what the viewer may do now and what each move needs.
    async fn action_item_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The move.")] input: ActionItemMoveInput,
    ) -> Option<Result<Payload<ActionItem, ActionItemMoveInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::move_to(db, viewer, *now, input).await))
    }

    /// Records a reminder to the owner of an open action item. Only the TSB may do so. It adds 1 to `reminders` and is an activity with the verb REMINDED, which subscriptions and webhooks deliver. No e-mail is sent.
    async fn action_item_remind(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reminder.")] input: ActionItemRemindInput,
    ) -> Option<Result<Payload<ActionItem, ActionItemRemindInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::remind(db, viewer, *now, input).await))
    }
}
