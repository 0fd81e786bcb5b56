//! Deduplicates concurrent reads of subscribers: the same selection for the same events is read once.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_graphql::{Context, ServerError, ServerResult, Value};
use sea_orm::prelude::Uuid;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::yield_now;

use crate::graphql::request::{OperationContext, Reservation};
use crate::planner::FieldResult;

/// The responses that are being read. They are not cached: later subscribers see the record as it is then.
#[derive(Default)]
pub struct SingleFlight(Mutex<Vec<InFlight>>);

struct InFlight {
    question: ReadKey,
    responses: Weak<OnceCell<SharedResponseRef>>,
}

/// The response to some events, shared by equal subscriptions.
pub struct SharedResponse {
    /// For each event the value of the field, the errors for which it has nulls, and the paths of its truncated lists.
    pub items: Vec<(Value, Vec<ServerError>, Vec<Value>)>,
    /// The memory reserved for them until the last one is sent.
    _reservation: Option<Arc<Reservation>>,
}

pub type SharedResponseRef = Arc<SharedResponse>;

#[derive(PartialEq, Eq)]
struct ReadKey {
    fingerprint: SelectionFingerprint,
    events: Vec<Uuid>,
}

/// A fingerprint of a subscription's selection and viewer. Equal fingerprints give equal responses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SelectionFingerprint([u8; 32]);

impl SelectionFingerprint {
    pub fn of(ctx: &Context<'_>) -> Self {
        let request = OperationContext::of(ctx);
        let (party, languages) = (request.viewer.party(), &request.languages);
        let field = &ctx.item.node;
        let operation = &ctx.query_env.operation.node;
        let mut fragments: Vec<_> = ctx.query_env.fragments.iter().collect();
        fragments.sort_unstable_by_key(|fragment| fragment.0);
        let mut text = format!(
            "{party:?} {languages:?} {:?} {:?} {:?} {fragments:?}",
            field.response_key(),
            field.selection_set,
            operation.variable_definitions,
        );
        // Other variables belong to the root field: they select events, but do not affect the responses.
        let used = ctx.query_env.variables.iter();
        let used: Vec<_> = used
            .filter(|(name, _)| text.contains(&format!("Variable({name:?})")))
            .collect();
        // Writing into a String cannot fail.
        let _ = write!(text, " {used:?}");
        Self(Sha256::digest(text).into())
    }
}

impl SingleFlight {
    /// Returns the result of `read` for these events, shared with concurrent subscribers. `reservation` covers the
    /// bytes that are read.
    pub async fn responses(
        &self,
        fingerprint: SelectionFingerprint,
        events: Vec<Uuid>,
        reservation: Option<Arc<Reservation>>,
        read: impl Future<Output = ServerResult<Vec<FieldResult>>>,
    ) -> ServerResult<SharedResponseRef> {
        let responses = self.in_flight(ReadKey {
            fingerprint,
            events,
        });
        let read = async {
            // Gives way to the other subscribers that the same event has woken, so that they join this read.
            yield_now().await;
            let responses = read.await?;
            if let Some(reservation) = &reservation {
                // Fewer than before: the rows are gone.
                let _ =
                    reservation.resize(responses.iter().map(|response| response.json.len()).sum());
            }
            let items = responses.into_iter();
            let items = items.map(|response| {
                (
                    Value::Binary(response.json.into()),
                    response.errors,
                    response.truncated,
                )
            });
            Ok(Arc::new(SharedResponse {
                items: items.collect(),
                _reservation: reservation,
            }))
        };
        responses.get_or_try_init(|| read).await.cloned()
    }

    fn in_flight(&self, question: ReadKey) -> Arc<OnceCell<SharedResponseRef>> {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|reading| reading.responses.strong_count() > 0);
        let known = readings.iter().find(|reading| reading.question == question);
        if let Some(responses) = known.and_then(|reading| reading.responses.upgrade()) {
            return responses;
        }
        let responses = Arc::default();
        readings.push(InFlight {
            question,
            responses: Arc::downgrade(&responses),
        });
        responses
    }
}
