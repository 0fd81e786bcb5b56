//! What can be done to webhooks.

use async_graphql::{Context, ID, SimpleObject};
use entity::id::Id;

use super::Webhook;
use super::inputs::{WebhookCreateInput, WebhookDeleteInput, WebhookUpdateInput};
use crate::error::Result;
use crate::graphql::payload::{Payload, UserError, changed};
use crate::graphql::request::Request;
use crate::rules::webhook::Reach;
use crate::store::creation::create;
use crate::store::webhook as store;
use crate::store::webhook::new_secret;

/// The answer to taking a webhook away.
#[derive(SimpleObject)]
pub struct WebhookDeletePayload {
    /// The id of what was taken away; null where nothing was.
    deleted_id: Option<ID>,
    /// All that was wrong with the input, at once; empty where it was carried out.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct WebhookMutation;

#[async_graphql::Object]
impl WebhookMutation {
    /// Has the feed delivered to an address of one's own party. The secret that signs deliveries is in the answer, and nowhere else.
    async fn webhook_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] mut input: WebhookCreateInput,
    ) -> Option<Result<Payload<Webhook>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        let made = async {
            let secret = new_secret()?;
            input.secret.clone_from(&secret);
            input.reach = reach(ctx);
            let repeatable = input.idempotency.idempotency_key.is_some();
            let id = create(db, viewer, *now, input).await?;
            // A request that was made before has found its own webhook, with another secret. Without a key nothing is
            // read here, so that nothing fails after the webhook is made.
            let is_new = !repeatable || store::has_secret(db, id, &secret).await?;
            Ok((id, is_new.then_some(secret)))
        };
        Some(answer(made.await))
    }

    /// Changes a webhook of one's own party, switches it on or off, rotates its secret, or has deliveries sent again.
    async fn webhook_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: WebhookUpdateInput,
    ) -> Option<Result<Payload<Webhook>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        let made = async {
            let rotates = input.rotate_secret == Some(true);
            let secret = rotates.then(new_secret).transpose()?;
            let change = input.change(db, reach(ctx), secret.clone()).await?;
            Ok((store::update(db, viewer, *now, change).await?, secret))
        };
        Some(answer(made.await))
    }

    /// Takes a webhook of one's own party away: nothing more is delivered to it.
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhook.")] input: WebhookDeleteInput,
    ) -> Option<Result<WebhookDeletePayload>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        let done = store::delete(db, viewer, *now, &input.id, input.version).await;
        Some(changed(done).map(|(id, user_errors)| WebhookDeletePayload {
            deleted_id: id.map(|it| ID(it.public())),
            user_errors,
        }))
    }
}

fn answer(made: Result<(impl Id, Option<String>)>) -> Result<Payload<Webhook>> {
    let (made, secret) = match made {
        Ok((id, secret)) => (Ok(id), secret),
        Err(error) => (Err(error), None),
    };
    Ok(Payload::of(made)?.with(secret))
}

fn reach(ctx: &Context<'_>) -> Reach {
    ctx.data_opt::<Reach>().copied().unwrap_or_default()
}
