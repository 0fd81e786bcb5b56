//! Webhooks: where the feed is delivered to, and what became of it. Each party sees its own.

use std::sync::LazyLock;

use entity::activity;
use entity::delivery;
use entity::id::{Id, WebhookId};
use entity::party::Party;
use entity::scalar::{DateTime, Url};
use entity::webhook::{Column, Entity};
use sea_orm::sea_query::{
    Condition, DynIden, Expr, ExprTrait, IntoIden, IntoTableRef, SelectStatement,
};

use super::activity::{cursor, object as activities};
use super::list;
use super::payload::{Extra, Thing};
use super::request::Request;
use super::stamps::id;
use crate::error::Result;
use crate::read::json::Scalar;
use crate::read::shape::{
    Cell, Key, Link, List, Object, Order, Table, col, column, computed, one, page,
};
use crate::read::{Env, Find};

pub mod event;
mod inputs;
mod mutations;

pub use mutations::WebhookMutation;

/// What was delivered to a webhook.
static DELIVERIES: List = List {
    object: delivery,
    connection: "DeliveryConnection",
    edge: "DeliveryEdge",
    filter: None,
    order: None,
    lasting: false,
    criteria: |_, _| {
        Ok(list::all(Order {
            key: delivery::Column::Position.into_iden(),
            kind: Key::Long,
            unique: true,
            descending: true,
        }))
    },
};

/// The type.
#[must_use]
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Webhook",
        description: "An address of a party that each change is delivered to: in the order of the history, at least once, signed as Standard Webhooks has it, each as a CloudEvents 1.0 event in JSON. Seen and changed by its own party alone.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(WebhookId::PREFIX),
        }),
        fields: vec![
            id(WebhookId::PREFIX),
            column::<Url>(
                "url",
                "Where deliveries are sent by POST.",
                Column::Url,
                Scalar::Text,
            ),
            column::<Party>("party", "Whose it is.", Column::Party, Scalar::Word),
            column::<bool>(
                "enabled",
                "Whether deliveries are sent. Switched off by its party, after three days in which every attempt has failed, or when the endpoint answers 410.",
                Column::Enabled,
                Scalar::Bool,
            ),
            column::<Option<String>>(
                "filter",
                "Which activities are delivered, as the JSON text of an `ActivityFilter`; null: all.",
                Column::Filter,
                Scalar::Text,
            ),
            computed::<Option<String>>(
                "cursor",
                "The cursor of the activity up to which all that is wanted was delivered; null where it begins with the first.",
                vec![
                    Cell::Expression("last_activity", last_activity),
                    Cell::column(Column::Position),
                ],
                |cells, _, json| {
                    match cells.find(0)? {
                        Some(key) => json.word(&cursor(key, cells.get(1)?)),
                        None => json.null(),
                    }
                    Ok(())
                },
            ),
            page(
                "deliveries",
                "What was delivered or tried, newest first. What is delivered is kept for 30 days.",
                &DELIVERIES,
                Link::column(delivery::Column::WebhookId),
            ),
            column::<i32>(
                "version",
                "Counts the changes to it, from 1. An update names the version it has read.",
                Column::Version,
                Scalar::Int,
            ),
            column::<DateTime>(
                "createdAt",
                "When it was made.",
                Column::CreatedAt,
                Scalar::Time,
            ),
            column::<DateTime>(
                "updatedAt",
                "When it was last changed; deliveries do not change it.",
                Column::UpdatedAt,
                Scalar::Time,
            ),
        ],
    });
    &OBJECT
}

/// The type of deliveries.
fn delivery() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(|| Object {
        name: "Delivery",
        description: "One activity on its way to one webhook.",
        table: Some(Table {
            name: delivery::Entity.into_table_ref(),
            prefix: None,
        }),
        fields: vec![
            one(
                "activity",
                "What is delivered.",
                activities,
                delivery::Column::ActivityId,
            ),
            column::<i32>(
                "attempts",
                "How often it was sent.",
                delivery::Column::Attempts,
                Scalar::Int,
            ),
            column::<bool>(
                "delivered",
                "Whether the endpoint has taken it: its last answer had a status from 200 to 299.",
                delivery::Column::Delivered,
                Scalar::Bool,
            ),
            column::<Option<i32>>(
                "status",
                "The status of the last answer; null where there was no answer.",
                delivery::Column::Status,
                Scalar::Int,
            ),
            column::<Option<String>>(
                "response",
                "The first 1,024 bytes of the last answer; where there was none, why.",
                delivery::Column::Response,
                Scalar::Text,
            ),
            column::<Option<DateTime>>(
                "lastAttemptAt",
                "When it was last sent.",
                delivery::Column::LastAttemptAt,
                Scalar::Time,
            ),
            column::<Option<DateTime>>(
                "nextAttemptAt",
                "When it is sent again; null where it is delivered, or given up.",
                delivery::Column::NextAttemptAt,
                Scalar::Time,
            ),
        ],
    });
    &OBJECT
}

/// The activity at the place that a webhook has come to.
fn last_activity(row: &DynIden, _: &Env<'_>) -> Expr {
    let last = SelectStatement::new()
        .column(("a", activity::Column::Id))
        .from_as(activity::Entity, "a")
        .and_where(
            Expr::col(("a", activity::Column::Position)).equals((row.clone(), Column::Position)),
        )
        .take();
    Expr::SubQuery(None, Box::new(last.into()))
}

/// The webhooks of a party: all that there are for it.
#[must_use]
pub fn seen(party: Option<Party>) -> Condition {
    match party {
        Some(party) => Condition::all().add(col(Column::Party).eq(party)),
        None => Condition::all().add(Expr::val(false)),
    }
}

/// Finds the webhooks of the party that asks, oldest first.
///
/// # Errors
/// Where the viewer has no party.
pub fn own(request: &Request) -> Result<Find> {
    let party = request.viewer.actor()?.party;
    Ok(Find {
        condition: seen(Some(party)).add(col(Column::Deleted).eq(false)),
        order: Some((col("id"), sea_orm::Order::Asc)),
    })
}

/// Webhooks, in payloads.
pub struct Webhook;

impl Thing for Webhook {
    const PAYLOAD: &'static str = "WebhookPayload";
    const FIELD: &'static str = "webhook";
    const EXTRA: Option<Extra> = Some(Extra {
        name: "secret",
        description: "What deliveries are signed with, as Standard Webhooks has it: `whsec_` and base64. Shown in the answer that made it and never again; null in all others, also where an `idempotencyKey` found the webhook of an earlier request: rotate the secret then.",
    });

    fn object() -> &'static Object {
        object()
    }
}
