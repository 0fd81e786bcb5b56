//! What can be done to action items.

use async_graphql::{Context, Object};

use super::super::payload::{Payload, Thing};
use super::super::request::Request;
use super::object;
use crate::error::Result;
use crate::read;
use crate::store::action_item::{
    self as store, ActionItemCreateInput, ActionItemMoveInput, ActionItemRemindInput,
    ActionItemUpdateInput,
};

/// Action items, in payloads.
pub struct ActionItem;

impl Thing for ActionItem {
    const PAYLOAD: &'static str = "ActionItemPayload";
    const FIELD: &'static str = "actionItem";

    fn object() -> &'static read::shape::Object {
        object()
    }
}

/// What can be done to action items.
#[derive(Default)]
pub struct ActionItemMutation;

#[Object]
impl ActionItemMutation {
    /// Enters an action item on an active topic: OPEN where the owner's own party enters it, REQUESTED where another party asks for it.
    async fn action_item_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The action item.")] input: ActionItemCreateInput,
    ) -> Option<Result<Payload<ActionItem>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::create(db, viewer, *now, input).await))
    }

    /// Changes texts, priority, due date or counterpart: by the owner's party, and while it is REQUESTED by the party that asked.
    async fn action_item_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: ActionItemUpdateInput,
    ) -> Option<Result<Payload<ActionItem>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }

    /// Moves an action item on: accept, start, postpone, resume, complete, confirm, reopen, decline, withdraw. `nextStatuses` tells what the viewer may do now.
    async fn action_item_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The move.")] input: ActionItemMoveInput,
    ) -> Option<Result<Payload<ActionItem>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::move_to(db, viewer, *now, input).await))
    }

    /// Reminds the owner of an open action item: by the TSB. Reminders are counted and stand in the history.
    async fn action_item_remind(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reminder.")] input: ActionItemRemindInput,
    ) -> Option<Result<Payload<ActionItem>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::remind(db, viewer, *now, input).await))
    }
}
