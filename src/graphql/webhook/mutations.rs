//! The mutations of webhooks.

use async_graphql::Context;
use entity::id::Id;

use super::inputs::{WebhookCreateInput, WebhookDeleteInput, WebhookUpdateInput};
use super::{DeletedWebhook, Webhook};
use crate::domain::webhook::WebhookTargets;
use crate::error::Result;
use crate::graphql::payload::Payload;
use crate::graphql::request::OperationContext;
use crate::store::idempotency::create;
use crate::store::webhook as store;
use crate::store::webhook::new_secret;

#[derive(Default)]
pub struct WebhookMutation;

#[async_graphql::Object]
impl WebhookMutation {
    /// Creates a webhook of the viewer's own party, which can have at most 20. The payload has the secret that deliveries are signed with: store it, because it is not shown again. A ping is sent to the URL before all deliveries.
    async fn webhook_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] mut input: WebhookCreateInput,
    ) -> Option<Result<Payload<Webhook, WebhookCreateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        let created = async {
            let secret = new_secret()?;
            input.secret.clone_from(&secret);
            input.targets = targets(ctx);
            let repeatable = input.idempotency.idempotency_key.is_some();
            let id = create(db, viewer, *now, input).await?;
            // A repeated request gets its own earlier webhook, whose secret differs. Without a key nothing is read
            // here, so that nothing can fail after the webhook is created.
            let is_new = !repeatable || store::has_secret(db, id, &secret).await?;
            Ok((id, is_new.then_some(secret)))
        };
        Some(to_payload(created.await))
    }

    /// Changes a webhook of the viewer's own party: its URL, filter or secret. It can also enable or disable the webhook, send another ping, retry a delivery now, or repeat earlier deliveries.
    async fn webhook_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: WebhookUpdateInput,
    ) -> Option<Result<Payload<Webhook, WebhookUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        let created = async {
            let rotates = input.rotate_secret == Some(true);
            let secret = rotates.then(new_secret).transpose()?;
            let change = input.change(db, targets(ctx), secret.clone()).await?;
            Ok((store::update(db, viewer, *now, change).await?, secret))
        };
        Some(to_payload(created.await))
    }

    /// Deletes a webhook of the viewer's own party. Nothing more is delivered to it.
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifies the webhook to delete.")] input: WebhookDeleteInput,
    ) -> Option<Result<Payload<DeletedWebhook, WebhookDeleteInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        let deleted = store::delete(db, viewer, *now, &input.id, input.version).await;
        let id = deleted.as_ref().ok().map(|id| id.to_global_id());
        Some(Payload::of(deleted).map(|payload| payload.with(id)))
    }
}

fn to_payload<I>(created: Result<(impl Id, Option<String>)>) -> Result<Payload<Webhook, I>> {
    let (created, secret) = match created {
        Ok((id, secret)) => (Ok(id), secret),
        Err(error) => (Err(error), None),
    };
    Ok(Payload::of(created)?.with(secret))
}

fn targets(ctx: &Context<'_>) -> WebhookTargets {
    ctx.data_opt::<WebhookTargets>()
        .cloned()
        .unwrap_or_default()
}
