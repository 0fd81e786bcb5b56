//! Webhooks and their deliveries, which are visible to their own party only.

use std::sync::LazyLock;

use async_graphql::{ID, OutputType};
use entity::activity::{self, ActivityVerb, SubjectType};
use entity::delivery;
use entity::id::{Id, WebhookId};
use entity::party::{Party, Side};
use entity::scalar::{DateTime, Url};
use entity::webhook::{Column, Entity};
use sea_orm::sea_query::{Condition, DynIden, Expr, ExprTrait, IntoTableRef, SelectStatement};

use super::activity::{cursor, object_type as activities};
use super::list;
use super::payload::{ExtraField, MutationPayload};
use super::request::OperationContext;
use crate::error::Result;
use crate::graphql::metadata_fields::id;
use crate::graphql::node::{NOT_SEARCHED, node_table};
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, Connection, CursorKey, FieldSource, ListQuery, ObjectType, Order, Relation, Table,
    col, column, computed, field, one, page,
};
use crate::planner::{ExecutionContext, RecordQuery};

pub mod event;
mod inputs;
mod mutations;

pub use mutations::WebhookMutation;

/// The deliveries of a webhook.
static DELIVERIES: Connection = Connection {
    object: delivery,
    type_name: "DeliveryConnection",
    edge: "DeliveryEdge",
    filter: None,
    order: None,
    counts: None,
    lasting: false,
    criteria: |args, _| {
        let failed: Option<bool> = args.get("failed")?;
        let delivered = failed.map(|failed| col(delivery::Column::Delivered).eq(!failed));
        Ok(ListQuery {
            condition: Condition::all().add_option(delivered),
            fingerprint: format!("{failed:?}"),
            ..list::all(Order {
                key: delivery::Column::Position.into(),
                kind: CursorKey::Long,
                unique: true,
                descending: true,
            })
        })
    },
};

/// Returns the object type.
#[must_use]
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        ObjectType {
        name: "Webhook",
        description: "A URL to which activities are sent by HTTP POST, in the order of the history, each at least once. They are CloudEvents 1.0 in JSON, signed as specified by Standard Webhooks. Only the party that created the webhook can see and change it.",
        cacheable: false,
        table: Some(node_table::<WebhookId>(Entity, |env| visible_to(env.party), NOT_SEARCHED)),
        fields: vec![
            id(WebhookId::PREFIX),
            column::<Url>(
                "url",
                "The URL that deliveries are sent to.",
                Column::Url,
                Scalar::String,
            ),
            column::<Party>("party", "The party that it belongs to.", Column::Party, Scalar::Enum),
            column::<bool>(
                "enabled",
                "Whether deliveries are sent. The register sets it to false if every attempt failed for three days, if the endpoint responds with 410 Gone, or if the history was replaced by restoring a backup. The last activity of the webhook says why: `activities(last: 1, filter: { subject: … })`.",
                Column::Enabled,
                Scalar::Bool,
            ),
            field(
                "filter",
                "Which activities are delivered; null means all.",
                FieldSource::Stored {
                    cell: ColumnExpr::column(Column::Filter),
                    object: filter,
                    list: None,
                },
            ),
            computed::<Option<String>>(
                "cursor",
                "The cursor of the last activity that was delivered, or skipped because of `filter`. Null before the first activity of the register. It moves with each delivery; that does not change `version` and is not recorded as an activity.",
                vec![
                    ColumnExpr::Expression("last_activity", last_activity),
                    ColumnExpr::column(Column::Position),
                ],
                |cells, _, json| {
                    match cells.find(0)? {
                        Some(key) => json.raw_string(&cursor(key, cells.get(1)?)),
                        None => json.null(),
                    }
                    Ok(())
                },
            ),
            page(
                "deliveries",
                "The deliveries that were attempted, newest first. Successful ones are deleted after 30 days. An attempt does not change the `version` of the webhook and is not recorded as an activity.",
                &DELIVERIES,
                Relation::column(delivery::Column::WebhookId),
            )
            .arg::<Option<bool>>(
                "failed",
                "True: only deliveries that the endpoint has not accepted. False: only deliveries that it has accepted. Default: all.",
            ),
            column::<Option<DateTime>>(
                "pingedAt",
                "When the ping was sent: a test event that a new webhook gets, and another one with `ping: true` of `webhookUpdate`. It is sent once, to the `url` of that time: a change of `url` alone sends no ping and keeps this value. Null until it was sent.",
                Column::PingedAt,
                Scalar::DateTime,
            ),
            column::<Option<i32>>(
                "pingStatus",
                "The HTTP status of the response to the ping, from the `url` of that time. Null until it was sent, and if there was no response; then `pingResponse` says why. Null also for pings of earlier versions of the service, which did not record it.",
                Column::PingStatus,
                Scalar::Int,
            ),
            column::<Option<String>>(
                "pingResponse",
                "If `pingStatus` is not null: the first 1,024 bytes of the body of the response to the ping, from the `url` of that time. If `pingStatus` is null: why there was no response. Null until the ping was sent, and also for pings of earlier versions of the service, which did not record it.",
                Column::PingResponse,
                Scalar::String,
            ),
            column::<i32>(
                "version",
                "The number of its current version: 1 when it is created, plus 1 with each change. An update sends the version that it is based on.",
                Column::Version,
                Scalar::Int,
            ),
            column::<DateTime>(
                "createdAt",
                "When it was created.",
                Column::CreatedAt,
                Scalar::DateTime,
            ),
            column::<DateTime>(
                "updatedAt",
                "When its settings were last changed. Deliveries do not count as changes.",
                Column::UpdatedAt,
                Scalar::DateTime,
            ),
        ],
    }
    });
    &OBJECT
}

/// The type of filters: the fields of [`super::activity::ActivityFilter`].
fn filter() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let key =
            |name, description, register| field(name, description, FieldSource::Key(register));
        ObjectType {
            name: "WebhookFilter",
            description: "Which activities a webhook delivers. An activity must meet all conditions that are not null. The fields are those of `ActivityFilter`.",
            cacheable: false,
            table: None,
            fields: vec![
                key(
                    "subject",
                    "Only activities of the record with this id; null: of any record.",
                    <Option<ID>>::create_type_info,
                ),
                key(
                    "subjectType",
                    "Only activities of records of these types; null: of any type.",
                    <Option<Vec<SubjectType>>>::create_type_info,
                ),
                key(
                    "verb",
                    "Only activities with one of these verbs; null: with any verb.",
                    <Option<Vec<ActivityVerb>>>::create_type_info,
                ),
                key(
                    "party",
                    "Only activities of these parties; null: of any party.",
                    <Option<Vec<Party>>>::create_type_info,
                ),
                key(
                    "side",
                    "Only activities whose `sides` contain at least one of these; null: all activities, including those with no side.",
                    <Option<Vec<Side>>>::create_type_info,
                ),
                key(
                    "topic",
                    "Only activities of the topic with this id, of its action items, and of notes on them; null: all activities.",
                    <Option<ID>>::create_type_info,
                ),
            ],
        }
    });
    &OBJECT
}

/// Returns the object type of deliveries.
fn delivery() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Delivery",
        description: "The delivery of one activity to one webhook.",
        cacheable: false,
        table: Some(Table {
            name: delivery::Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            column::<ID>(
                "id",
                "Identifies this delivery in client-side caches. It cannot be looked up with `node`.",
                delivery::Column::Id,
                Scalar::Id("delivery"),
            ),
            one(
                "activity",
                "The activity that is delivered.",
                activities,
                delivery::Column::ActivityId,
            ),
            column::<i32>(
                "attempts",
                "How many times it was sent.",
                delivery::Column::Attempts,
                Scalar::Int,
            ),
            column::<bool>(
                "delivered",
                "Whether the endpoint accepted it, with an HTTP status from 200 to 299.",
                delivery::Column::Delivered,
                Scalar::Bool,
            ),
            column::<Option<i32>>(
                "status",
                "The HTTP status of the response to the last attempt. Null if there was no response; then `response` says why.",
                delivery::Column::Status,
                Scalar::Int,
            ),
            column::<Option<String>>(
                "response",
                "If `status` is not null: the first 1,024 bytes of the response body. If `status` is null: why the last attempt got no response.",
                delivery::Column::Response,
                Scalar::String,
            ),
            column::<Option<DateTime>>(
                "lastAttemptAt",
                "When it was last sent. Never null: a delivery is listed from its first attempt on.",
                delivery::Column::LastAttemptAt,
                Scalar::DateTime,
            ),
            column::<Option<DateTime>>(
                "nextAttemptAt",
                "When it will be sent again. Null if it was delivered or skipped, or if the webhook was disabled or changed during the last attempt.",
                delivery::Column::NextAttemptAt,
                Scalar::DateTime,
            ),
        ],
    });
    &OBJECT
}

/// Returns the activity at the webhook's position.
fn last_activity(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
    let last = SelectStatement::new()
        .column(("a", activity::Column::Id))
        .from_as(activity::Entity, "a")
        .and_where(
            Expr::col(("a", activity::Column::Position)).equals((row.clone(), Column::Position)),
        )
        .take();
    Expr::SubQuery(None, Box::new(last.into()))
}

/// Returns the condition for the webhooks that a party may see.
#[must_use]
pub fn visible_to(party: Option<Party>) -> Condition {
    match party {
        Some(party) => Condition::all().add(col(Column::Party).eq(party)),
        None => Condition::all().add(Expr::val(false)),
    }
}

/// Finds the webhooks of the viewer's party, oldest first.
///
/// # Errors
/// Returns an error if the viewer has no party.
pub fn own(request: &OperationContext) -> Result<RecordQuery> {
    let party = request.viewer.actor()?.party;
    Ok(RecordQuery {
        condition: visible_to(Some(party)).add(col(Column::Deleted).eq(false)),
        order: vec![(col("id"), sea_orm::Order::Asc)],
    })
}

/// The payload of webhook mutations.
pub struct Webhook;

impl MutationPayload for Webhook {
    const FIELD: &'static str = "webhook";
    const EXTRA: Option<ExtraField> = Some(ExtraField {
        name: "secret",
        description: "The secret that deliveries are signed with, in the format of Standard Webhooks (`whsec_` and base64). Store it: only the mutation that creates or rotates it returns it. Otherwise null, for example if the webhook was created by an earlier request with the same `idempotencyKey`; then rotate the secret.",
        ty: <Option<String> as OutputType>::create_type_info,
    });

    fn object_type() -> Option<&'static ObjectType> {
        Some(object_type())
    }
}

/// The payload of `webhookDelete`.
pub struct DeletedWebhook;

impl MutationPayload for DeletedWebhook {
    const FIELD: &'static str = Webhook::FIELD;
    const EXTRA: Option<ExtraField> = Some(ExtraField {
        name: "deletedId",
        description: "The id of the deleted webhook. Null if the request was refused; `userErrors` says why.",
        ty: <Option<ID> as OutputType>::create_type_info,
    });
    const DELETES: bool = true;

    fn object_type() -> Option<&'static ObjectType> {
        Webhook::object_type()
    }
}
