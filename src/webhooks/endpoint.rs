//! Delivers the due activities of one webhook, until none is left or an attempt fails.

use entity::id::{Id, WebhookId};
use entity::webhook::Model;
use sea_orm::prelude::Uuid;

use super::signature::sign;
use super::{Process, in_time};
use crate::error::{Error, Result};
use crate::events::Event;
use crate::graphql::webhook::event::{CloudEvent, cloud_events, event_filter, ping};
use crate::store::activity::LogPosition;
use crate::store::delivery::{
    Attempt, delivered, failed, lease, pinged, position, release, skip_to, stop,
};

/// Maximum number of messages read at once.
const BATCH: usize = 50;

/// A webhook that this process delivers to.
pub struct Endpoint<'a> {
    process: &'a Process,
    webhook: Model,
}

impl<'a> Endpoint<'a> {
    /// Leases the webhook, delivers, and releases it. Does nothing if another process holds the lease.
    ///
    /// # Errors
    /// Returns an error if the database fails. If it cannot release the webhook either, the lease ends by itself.
    pub async fn deliver(process: &'a Process, id: WebhookId) -> Result<()> {
        let now = (process.clock)();
        let Some(webhook) = in_time(lease(&process.db, id, process.id, now)).await? else {
            return Ok(());
        };
        let mut endpoint = Self { process, webhook };
        let delivered = endpoint.deliver_all().await;
        // Also after a failure: another process need not wait for the end of the lease.
        let released = in_time(release(&process.db, id, process.id)).await;
        delivered.and(released)
    }

    /// Sends the ping if it was not sent yet, then all that is due.
    async fn deliver_all(&mut self) -> Result<()> {
        if self.webhook.pinged_at.is_none() && !self.ping().await? {
            return Ok(());
        }
        while !self.process.is_stopping() && self.batch().await? {}
        Ok(())
    }

    /// Makes the one attempt to send the ping. Deliveries follow whatever comes of it. Returns whether the webhook is
    /// unchanged and this process still holds the lease.
    async fn ping(&self) -> Result<bool> {
        let Process {
            db,
            client,
            clock,
            id: process,
            source,
            ..
        } = self.process;
        let now = clock();
        let message = ping(&self.webhook, source, now);
        let signature = sign(&self.webhook, &message, now);
        let url = &self.webhook.url;
        let outcome = client.post(url, &message, now, &signature).await;
        if !outcome.delivered {
            tracing::info!(
                webhook = self.webhook.id.to_global_id(),
                http.response.status_code = outcome.status,
                error = outcome.status.is_none().then_some(&outcome.response),
                "webhook ping failed"
            );
        }
        in_time(pinged(db, *process, &self.webhook, &outcome, clock())).await
    }

    /// Delivers the next batch. Returns whether there may be more and this process still holds the lease.
    async fn batch(&mut self) -> Result<bool> {
        let Process {
            db,
            feed,
            clock,
            id: process,
            source,
            ..
        } = self.process;
        let newest = feed.newest();
        let filter = event_filter(&self.webhook)?;
        let read = in_time(feed.read(position(&self.webhook), &filter, BATCH)).await;
        if let Err(Error::HistoryReplaced) = read {
            in_time(stop(db, &self.webhook, clock())).await?;
            return Ok(false);
        }
        let events = read?;
        let all = events.len() < BATCH;
        let messages = in_time(cloud_events(db, &self.webhook, &events, source, clock())).await?;
        for (event, message) in events.iter().zip(&messages) {
            if self.process.is_stopping() || !self.send(event, message).await? {
                return Ok(false);
            }
        }
        if !all {
            return Ok(true);
        }
        if self.webhook.position < newest.position {
            // No event in between matches the filter.
            let passed = skip_to(db, *process, &self.webhook, newest, clock());
            let ours = in_time(passed).await?;
            self.moved(newest);
            return Ok(ours && newest != feed.newest());
        }
        Ok(false)
    }

    /// Makes one attempt. Returns whether it was delivered, and this process still holds the lease.
    async fn send(&mut self, event: &Event, message: &CloudEvent) -> Result<bool> {
        let Process {
            db,
            client,
            clock,
            id: process,
            ..
        } = self.process;
        let now = clock();
        let signature = sign(&self.webhook, message, now);
        let outcome = client
            .post(&self.webhook.url, message, now, &signature)
            .await;
        let attempt = Attempt {
            process: *process,
            webhook: &self.webhook,
            at: event.log_position(),
            now: clock(),
        };
        if outcome.delivered {
            let ours = in_time(delivered(db, attempt, &outcome)).await?;
            self.moved(event.log_position());
            self.webhook.failing_since = None;
            self.webhook.attempts = 0;
            return Ok(ours);
        }
        tracing::info!(
            webhook = self.webhook.id.to_global_id(),
            http.response.status_code = outcome.status,
            error = outcome.status.is_none().then_some(&outcome.response),
            "webhook delivery failed"
        );
        // The last byte of a version 7 UUID is random.
        let chance = u32::from(Uuid::now_v7().as_bytes()[15]);
        in_time(failed(db, attempt, &outcome, chance)).await?;
        Ok(false)
    }

    fn moved(&mut self, at: LogPosition) {
        self.webhook.position = at.position;
        self.webhook.activity_id = Some(at.id.into());
    }
}
