//! The subscription root: new activities as they happen.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Selection, SelectionSet};
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{Context, InputType, Name, Response, ServerResult, SubscriptionType, Value};
use futures_util::stream::{Stream, StreamExt, once, unfold};
use sea_orm::prelude::Uuid;
use tokio::time::{sleep, timeout};

use super::activity::{self, ActivityFilter};
use super::operation::Operation;
use super::request::{OperationContext, SubscriptionContext, report_truncated};
use crate::error::{
    Error, Result, is_history_replaced, is_overloaded, is_too_long, is_unavailable,
};
use crate::events::filter::EventFilter;
use crate::events::{Event, Feed, Subscriber};
use crate::graphql::single_flight::{SelectionFingerprint, SharedResponseRef, SingleFlight};
use crate::planner::arguments::Args;
use crate::planner::planning::Planner;
use crate::planner::schema::{Arg, arg};
use crate::planner::selection::Selections;
use crate::planner::{ExecutionContext, FieldLocation, register};
use crate::store::Database;
use crate::store::activity::LogPosition;

/// The root of all subscriptions.
#[derive(Default)]
pub struct Subscription(SingleFlight);

/// Key under which a response carries the cursor of its event to the transport.
pub const CURSOR: &str = "cursor";

const NAME: &str = "Subscription";
const FIELD: &str = "activity";

/// Number of attempts to read events, and the wait between them: enough for a restart of the database.
const READ_ATTEMPTS: u32 = 60;
const RETRY: Duration = Duration::from_secs(1);

/// Timeout for reading events: a statement on a dead connection never completes.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

impl SubscriptionType for Subscription {
    fn type_name() -> Cow<'static, str> {
        NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let ty = format!("{}!", register::object(registry, activity::object_type()));
        let field = register::meta_field(
            registry,
            FIELD,
            "Each change to the register as it happens, in the order of the history. To miss nothing after a lost connection, store the `cursor` of the last activity and pass it as `after` when you reconnect.",
            &args(),
            ty,
        );
        register::object_type(
            registry,
            NAME,
            "Events as they happen, over WebSocket at `/graphql/ws` (subprotocol `graphql-transport-ws`) or as Server-Sent Events from `/graphql` with `Accept: text/event-stream`. A subscription has one root field.",
            vec![field],
        );
        if let Some(MetaType::Object {
            is_subscription, ..
        }) = registry.types.get_mut(NAME)
        {
            *is_subscription = true;
        }
        Self::qualified_type_name()
    }

    fn create_field_stream<'a>(
        &'a self,
        ctx: &'a Context<'_>,
    ) -> Option<Pin<Box<dyn Stream<Item = Response> + Send + 'a>>> {
        (ctx.item.node.name.node == FIELD).then(|| responses(ctx, &self.0))
    }
}

fn args() -> [Arg; 2] {
    [
        arg::<Option<String>>(
            "after",
            "The cursor of an activity. All later activities are sent first, then new ones as they happen, without gaps or repetitions. Default: only new activities.",
        ),
        Arg {
            name: "filter",
            description: "Conditions that all returned records must meet. A condition that is left out or null is ignored.",
            register: <Option<ActivityFilter> as InputType>::create_type_info,
        },
    ]
}

fn responses<'a>(
    ctx: &'a Context<'_>,
    shared: &'a SingleFlight,
) -> Pin<Box<dyn Stream<Item = Response> + Send + 'a>> {
    let at = FieldLocation::of(ctx);
    let started = async move {
        let follower = subscribe(ctx).await;
        at.check(follower).map(|follower| ActivityStream {
            ctx,
            shared,
            fingerprint: SelectionFingerprint::of(ctx),
            at,
            follower,
            events: Vec::new(),
            later: Vec::new(),
            ready: VecDeque::new(),
            responses: None,
            failures: 0,
        })
    };
    let responses = once(started).flat_map(|started| match started {
        Ok(following) => unfold(following, |mut following| async {
            Some((following.next().await?, following))
        })
        .boxed(),
        Err(error) => once(ready(Response::from_errors(vec![error]))).boxed(),
    });
    responses.boxed()
}

async fn subscribe(ctx: &Context<'_>) -> Result<Subscriber> {
    let event_filter = event_filter(ctx)?;
    let live = SubscriptionContext::of(ctx);
    let position = live.start.position(&OperationContext::of(ctx).db).await?;
    Ok(live.feed.subscribe(position, event_filter))
}

/// Returns the filter in the arguments of the field.
fn event_filter(ctx: &Context<'_>) -> Result<EventFilter> {
    let root = &ctx.query_env.operation.node.selection_set.node.items;
    let fields = root
        .iter()
        .filter(|selection| matches!(selection.node, Selection::Field(_)));
    if fields.count() > 1 {
        return Err(Error::BadInput(
            "A subscription has one field at its root: ask for the other in one of its own."
                .to_owned(),
        ));
    }
    let set = ctx.with_selection_set(&ctx.item.node.selection_set);
    let args = Args::new(Selections::of(&set), &ctx.item.node);
    let filter: Option<ActivityFilter> = args.get("filter")?;
    let filter = filter.unwrap_or_default();
    filter.event_filter(OperationContext::of(ctx).viewer.party())
}

/// The start position of a subscription.
pub enum Start {
    /// After this position of the log.
    After(LogPosition),
    /// After the activity of this cursor of the client, which is not checked yet.
    AfterCursor(String),
}

impl Start {
    /// Returns where a subscription begins: after the cursor `resume` of the transport, which is newer than the one of
    /// the document, else after that one, else now.
    ///
    /// The next message of a socket waits for this. Therefore a cursor is checked later, and a database that is slow is
    /// not waited for: the newest position known to this process is not later than now.
    ///
    /// # Errors
    /// Returns an error if the argument is invalid, or if the database is unavailable and no position is known yet.
    pub async fn of(operation: &Operation, feed: &Feed, resume: Option<String>) -> Result<Self> {
        let document = operation.selections();
        let after = document.and_then(|document| {
            let field = document.root(NAME).into_iter().next()?;
            let args = Args::new(document, &field.field().node);
            args.get::<Option<String>>("after").transpose()
        });
        let cursor = resume.map(Ok).or(after).transpose()?;
        if let Some(cursor) = cursor {
            return Ok(Self::AfterCursor(cursor));
        }
        let known = match timeout(HEAD_TIMEOUT, feed.head()).await {
            Ok(Ok(head)) => return Ok(Self::After(head)),
            _ => feed.known_head(),
        };
        match known {
            Some(head) => Ok(Self::After(head)),
            None => retried(|| feed.head()).await.map(Self::After),
        }
    }

    /// The cursor of the activity after which it begins; `None` before the first.
    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        match self {
            Self::After(at) if at.id.is_nil() => None,
            Self::After(at) => Some(activity::cursor(at.id, at.position)),
            Self::AfterCursor(cursor) => Some(cursor.clone()),
        }
    }

    /// Returns the position after which it begins.
    ///
    /// # Errors
    /// Returns an error if the cursor is invalid, or cannot be checked.
    async fn position(&self, db: &Database) -> Result<LogPosition> {
        match self {
            Self::After(position) => Ok(*position),
            Self::AfterCursor(cursor) => {
                retried(|| db.query(activity::position(&db.orm_read, cursor))).await
            }
        }
    }
}

/// How long the start of a subscription waits for the newest position of the log.
const HEAD_TIMEOUT: Duration = Duration::from_millis(250);

/// Maximum number of attempts of a statement at the start of a subscription.
const START_ATTEMPTS: u32 = 3;

/// Retries a read whose connection was lost; the next connection is new.
async fn retried<T, F: Future<Output = Result<T>>>(read: impl Fn() -> F) -> Result<T> {
    let mut attempts = 1;
    loop {
        match read().await {
            Err(Error::Database(error)) if is_unavailable(&error) && attempts < START_ATTEMPTS => {
                attempts += 1;
                sleep(RETRY).await;
            }
            done => return done,
        }
    }
}

/// An active subscription.
struct ActivityStream<'a, 'c> {
    ctx: &'a Context<'c>,
    shared: &'a SingleFlight,
    fingerprint: SelectionFingerprint,
    at: FieldLocation,
    follower: Subscriber,
    /// The events to report next.
    events: Vec<Arc<Event>>,
    /// The events after these, if all together exceed the size limit.
    later: Vec<Arc<Event>>,
    /// The responses to the events.
    ready: VecDeque<Response>,
    /// The shared result that they come from; `None` once all of it is sent.
    responses: Option<SharedResponseRef>,
    /// Number of consecutive failed reads.
    failures: u32,
}

impl ActivityStream<'_, '_> {
    async fn next(&mut self) -> Option<Response> {
        loop {
            if let Some(response) = self.ready.pop_front() {
                if self.ready.is_empty() {
                    self.responses = None;
                }
                return Some(response);
            }
            if self.failures > READ_ATTEMPTS {
                return None;
            }
            match self.read().await {
                Ok(()) => self.failures = 0,
                // Events that exceed the size of one response are sent in several.
                Err(error)
                    if (is_too_long(&error) || is_overloaded(&error)) && self.events.len() > 1 =>
                {
                    let mut later = self.events.split_off(self.events.len() / 2);
                    later.append(&mut self.later);
                    self.later = later;
                }
                // It will not be shorter when it is tried again, nor will the former history come back.
                Err(error) if is_too_long(&error) || is_history_replaced(&error) => {
                    self.failures = READ_ATTEMPTS + 1;
                    return Some(Response::from_errors(vec![error]));
                }
                // Skipping an event would lose it, so this retries.
                Err(_) if self.failures < READ_ATTEMPTS => {
                    self.failures += 1;
                    sleep(RETRY).await;
                }
                Err(error) => {
                    self.failures += 1;
                    return Some(Response::from_errors(vec![error]));
                }
            }
        }
    }

    /// Executes the document's selection for all pending events at once.
    async fn read(&mut self) -> ServerResult<()> {
        if self.events.is_empty() {
            self.events = std::mem::take(&mut self.later);
        }
        if self.events.is_empty() {
            self.events = self.at.check(self.follower.next().await)?;
        }
        let ctx = self.ctx;
        let bound = OperationContext::of(ctx).bound.restarted();
        let env = ExecutionContext {
            bound: &bound,
            now: (SubscriptionContext::of(ctx).clock)(),
            ..OperationContext::of(ctx).env()
        };
        let set = ctx.with_selection_set(&ctx.item.node.selection_set);
        let planner = Planner {
            document: Selections::of(&set),
            env: &env,
        };
        let keys: Vec<Uuid> = self.events.iter().map(|event| event.id.into()).collect();
        let sets: [&SelectionSet; 1] = [&ctx.item.node.selection_set.node];
        let read = planner.fetch_each(&self.at, activity::object_type(), &keys, &sets);
        let reservation = bound.reservation().cloned();
        let responses = self
            .shared
            .responses(self.fingerprint, keys.clone(), reservation, read);
        let responses = timeout(READ_TIMEOUT, responses).await;
        let responses =
            responses.unwrap_or_else(|_| Err(Error::database_timeout().server_error(None)));
        if responses.is_err()
            && let Some(last) = self.events.last()
            && let Ok(false) = SubscriptionContext::of(ctx)
                .feed
                .holds(last.log_position())
                .await
        {
            return self.at.check(Err(Error::HistoryReplaced));
        }
        let responses = responses?;
        let key = &ctx.item.node.response_key().node;
        for (event, (value, errors, truncated)) in self.events.drain(..).zip(&responses.items) {
            let mut response = response(&event, key, value.clone());
            response.errors.clone_from(errors);
            report_truncated(&mut response, truncated.clone());
            self.ready.push_back(response);
        }
        self.responses = Some(responses);
        Ok(())
    }
}

/// Returns the response for an event, with its cursor.
fn response(event: &Event, key: &Name, value: Value) -> Response {
    let mut response = Response::new(Value::Object(IndexMap::from([(key.clone(), value)])));
    let cursor = activity::cursor(event.id.into(), event.position);
    response.extensions.insert(CURSOR.to_owned(), cursor.into());
    response
}
