//! Webhook deliveries that fail, hang, are redirected, or whose sender is killed.

use std::sync::Arc;
use std::time::Duration;

use liaison::events::Feed;
use liaison::webhooks::{Deliveries, WebhookTargets};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::subscriptions::activity::CUT_OFF;
use crate::support::binary::Workspace;
use crate::support::databases::Backend;
use crate::support::harness::Server;
use crate::support::webhook_receiver::{Endpoint, Reply};
use crate::webhooks::endpoints::{create, history, settled, until, update, write_activity};

on_both_databases! {
    a_failed_delivery_is_retried_before_later_events
    a_party_can_request_the_next_attempt_at_once
    a_webhook_is_disabled_after_three_days_of_failures
    a_410_gone_response_disables_the_webhook
    redirects_are_not_followed_and_response_bodies_are_bounded
    an_attempt_to_an_unresponsive_endpoint_times_out
    only_one_of_two_instances_delivers
    a_read_only_instance_delivers_nothing
    a_killed_instance_loses_no_delivery
    a_shutdown_finishes_the_attempt_and_releases_the_lease
    a_delivery_with_a_database_error_releases_the_lease
}

async fn a_failed_delivery_is_retried_before_later_events(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let made = create(&tsb, json!({ "url": endpoint.url })).await;
    endpoint.reply([
        Reply::Status(500),
        Reply::With(503, "retry-after", "7200".to_owned()),
    ]);
    let first = write_activity(server, "One").await;
    let second = write_activity(server, "Two").await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let failed = until(&tsb, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    let delivery = &failed["deliveries"]["nodes"][0];
    assert_eq!(delivery["status"], 500);
    assert_eq!(delivery["response"], "So it is.");
    assert_eq!(delivery["delivered"], false);
    assert!(delivery["nextAttemptAt"].is_string());
    server.pass_seconds(10);
    let asked = until(&tsb, &made, |webhook| {
        webhook["deliveries"]["nodes"][0]["attempts"] == 2
    })
    .await;
    let next = asked["deliveries"]["nodes"][0]["nextAttemptAt"].as_str();
    let next: chrono::DateTime<chrono::Utc> = next.unwrap().parse().unwrap();
    assert!(
        next - server.now() > chrono::TimeDelta::seconds(7000),
        "it asked to wait"
    );
    // The next attempt is far off, so nothing is sent in between.
    server.pass_seconds(3600);
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(endpoint.received().len(), 2);
    server.pass_seconds(3600);
    endpoint.wait_for(4).await;
    assert_eq!(
        endpoint.ids(),
        [first.clone(), first.clone(), first, second]
    );
    let done = until(&tsb, &made, |webhook| {
        let deliveries = &webhook["deliveries"];
        deliveries["totalCount"] == 2 && deliveries["nodes"][0]["delivered"] == true
    })
    .await;
    assert_eq!(done["deliveries"]["nodes"][1]["attempts"], 3);
    assert_eq!(done["deliveries"]["nodes"][1]["delivered"], true);
}

async fn a_party_can_request_the_next_attempt_at_once(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let made = create(&tsb, json!({ "url": endpoint.url })).await;
    endpoint.reply([Reply::With(503, "retry-after", "7200".to_owned())]);
    let first = write_activity(server, "One").await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    until(&tsb, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    let document = "query($id: ID!, $failed: Boolean) { node(id: $id) { ... on Webhook { deliveries(failed: $failed) { totalCount nodes { id activity { id } } } } } }";
    let deliveries = async |failed: Value| {
        let variables = json!({ "id": made["webhook"]["id"], "failed": failed });
        tsb.data(document, variables).await["node"]["deliveries"].take()
    };
    let failed = deliveries(json!(true)).await;
    assert_eq!(failed["totalCount"], 1);
    assert_eq!(failed["nodes"][0]["activity"]["id"], first.as_str());
    assert_eq!(deliveries(json!(null)).await, failed);
    assert_eq!(deliveries(json!(false)).await["totalCount"], 0);

    let input = |change: Value| {
        let mut input = json!({ "id": made["webhook"]["id"], "version": 1 });
        input
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        input
    };
    let off = input(json!({ "enabled": false, "retryNow": true }));
    let refused = tsb.attempt("webhookUpdate", off, "id").await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["retryNow"]));
    let nothing = input(json!({ "retryNow": false }));
    assert_eq!(
        tsb.change("webhookUpdate", nothing, "version").await["version"],
        1
    );
    let retry = input(json!({ "retryNow": true }));
    assert_eq!(
        tsb.change("webhookUpdate", retry, "version").await["version"],
        2
    );
    endpoint.wait_for(2).await;
    until(&tsb, &made, |webhook| {
        webhook["deliveries"]["nodes"][0]["delivered"] == true
            || webhook["deliveries"]["totalCount"] == 2
    })
    .await;
    let delivered = deliveries(json!(false)).await;
    let ids = delivered["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| &delivery["id"]);
    assert!(
        ids.clone().any(|id| *id == failed["nodes"][0]["id"]),
        "the id of a delivery stays"
    );
}

async fn a_webhook_is_disabled_after_three_days_of_failures(server: &Server) {
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    endpoint.reply(vec![Reply::Status(500); 2]);
    let activity = write_activity(server, "One").await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    endpoint.wait_for(1).await;
    until(&itu, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    server.pass_days(4);
    let off = until(&itu, &made, |webhook| webhook["enabled"] == false).await;
    assert_eq!(off["version"], 2);
    assert_eq!(off["deliveries"]["nodes"][0]["nextAttemptAt"], Value::Null);
    let document = "query($id: ID!) { activities(last: 1, filter: { subject: $id }) { nodes { verb party changes { field before after } } } }";
    let history_data = itu
        .data(document, json!({ "id": made["webhook"]["id"] }))
        .await;
    assert_eq!(
        history_data["activities"]["nodes"],
        json!([{ "verb": "UPDATED", "party": "ITU", "changes": [
            { "field": "enabled", "before": "true", "after": "false" },
            { "field": "reason", "before": null, "after": "Each attempt of three days has failed." },
        ] }])
    );
    // The owner has fixed the endpoint: nothing is lost.
    let on = json!({ "id": off["id"], "version": 2, "enabled": true });
    assert_eq!(update(&itu, on).await["userErrors"], json!([]));
    let received = endpoint.wait_for(3).await;
    assert_eq!(received[2].id(), activity);
}

async fn a_410_gone_response_disables_the_webhook(server: &Server) {
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    endpoint.reply([Reply::Status(410)]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    write_activity(server, "One").await;
    until(&itu, &made, |webhook| webhook["enabled"] == false).await;
    server.pass_days(1);
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(endpoint.received().len(), 1);
}

async fn redirects_are_not_followed_and_response_bodies_are_bounded(server: &Server) {
    let (endpoint, elsewhere) = (Endpoint::start().await, Endpoint::start().await);
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    endpoint.reply([
        Reply::With(302, "location", elsewhere.url.clone()),
        Reply::With(307, "location", elsewhere.url.clone()),
        Reply::Endless,
    ]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    write_activity(server, "One").await;
    for attempts in 1..=2 {
        let tried = until(&itu, &made, |webhook| {
            webhook["deliveries"]["nodes"][0]["attempts"] == attempts
        })
        .await;
        assert_eq!(tried["deliveries"]["nodes"][0]["delivered"], false);
        server.pass_seconds(3600);
    }
    let taken = until(&itu, &made, |webhook| {
        webhook["deliveries"]["nodes"][0]["delivered"] == true
    })
    .await;
    let start = taken["deliveries"]["nodes"][0]["response"].as_str();
    assert_eq!(start.unwrap(), "x".repeat(1024));
    assert_eq!(elsewhere.received().len(), 0);
}

async fn an_attempt_to_an_unresponsive_endpoint_times_out(server: &Server) {
    let (endpoint, other) = (Endpoint::start().await, Endpoint::start().await);
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    create(&itu, json!({ "url": other.url })).await;
    endpoint.reply([Reply::Never]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    let activity = write_activity(server, "One").await;
    // Other webhooks do not wait for it.
    assert_eq!(other.wait_for(1).await[0].id(), activity);
    let left = until(&itu, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    let delivery = &left["deliveries"]["nodes"][0];
    assert_eq!(delivery["status"], Value::Null);
    assert_eq!(delivery["response"], "No answer within 10 seconds.");
    server.pass_seconds(60);
    until(&itu, &made, |webhook| {
        webhook["deliveries"]["nodes"][0]["delivered"] == true
    })
    .await;
}

async fn only_one_of_two_instances_delivers(server: &Server) {
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    // The clock stands still: a lease would end in the middle of a slow attempt, and the other process take over.
    let now = server.now();
    let _deliveries = [(); 2].map(|()| {
        let feed = Feed::start(&server.db);
        let settings = WebhookTargets::Any.into();
        Deliveries::start(&server.db, &feed, settings, Arc::new(move || now)).unwrap()
    });
    let mut expected = Vec::new();
    for number in 0..30 {
        expected.push(write_activity(server, &number.to_string()).await);
    }
    let last = history(&itu, json!({})).await.pop().unwrap();
    settled(&itu, &made, &last["cursor"]).await;
    assert_eq!(endpoint.ids(), expected);
}

async fn a_read_only_instance_delivers_nothing(server: &Server) {
    let endpoint = Endpoint::start().await;
    create(&server.itu(), json!({ "url": endpoint.url })).await;
    let activity = write_activity(server, "One").await;
    let workspace = Workspace::new();
    let mut running = workspace.start(&[
        "serve",
        "--read-only",
        "--allow-private-webhooks",
        "--database-url",
        server.database_url(),
        "--listen",
        "127.0.0.1:0",
    ]);
    running.address();
    // Longer than the lease and the poll interval.
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(endpoint.ids(), [""; 0]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    assert_eq!(endpoint.wait_for(1).await[0].id(), activity);
}

async fn a_killed_instance_loses_no_delivery(server: &Server) {
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    let mut expected = Vec::new();
    for number in 0..40 {
        expected.push(write_activity(server, &number.to_string()).await);
    }
    for killed_after in [3, 11, 12, 25] {
        let deliveries = server.deliver(WebhookTargets::Any);
        endpoint.wait_for(killed_after).await;
        drop(deliveries);
        // The lease expires.
        server.pass_seconds(60);
    }
    let _deliveries = server.deliver(WebhookTargets::Any);
    let last = history(&itu, json!({})).await.pop().unwrap();
    settled(&itu, &made, &last["cursor"]).await;
    let mut ids = endpoint.ids();
    assert!(ids.len() <= 40 + 4, "one for each that was killed at most");
    ids.dedup();
    assert_eq!(ids, expected, "in order, each at least once");
}

#[tokio::test]
async fn a_database_outage_loses_no_delivery() {
    let server = Server::start(Backend::Postgres).await;
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let noted = json!({ "verb": ["NOTED"] });
    create(&itu, json!({ "url": endpoint.url, "filter": noted })).await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let subject = server.topic("T-1").await;
    for round in 0..40 {
        if round % 10 == 5 {
            server.sql(CUT_OFF).await;
        }
        // A write may be cut off with its connection: the history shows which were committed.
        let input = json!({ "subjectId": subject, "body": format!("Note {round}.") });
        itu.verdict("noteAdd", input).await;
    }
    let expected: Vec<String> = history(&itu, noted)
        .await
        .iter()
        .map(|activity| activity["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(expected.len() > 20, "{}", expected.len());
    // The lease of the aborted delivery expires.
    server.pass_seconds(60);
    let come = async {
        while endpoint.ids().last() != expected.last() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(Duration::from_mins(1), come).await.is_ok());
    let mut ids = endpoint.ids();
    ids.dedup();
    assert_eq!(ids, expected, "in order, each at least once");
}

async fn a_shutdown_finishes_the_attempt_and_releases_the_lease(server: &Server) {
    let endpoint = Endpoint::start().await;
    endpoint.reply([Reply::Late(Duration::from_millis(500))]);
    create(&server.itu(), json!({ "url": endpoint.url })).await;
    let first = server.deliver(WebhookTargets::Any);
    let mut expected = vec![write_activity(server, "One").await];
    endpoint.wait_for(1).await;
    expected.push(write_activity(server, "Two").await);
    first.stop().await;
    // The attempt was finished and recorded, no other was started, and the lease was released.
    assert_eq!(endpoint.ids(), expected[..1]);
    let webhook = entity::webhook::Entity::find()
        .one(&server.db.orm_read)
        .await;
    let webhook = webhook.unwrap().unwrap();
    assert_eq!(webhook.leased_until, None);
    let _second = server.deliver(WebhookTargets::Any);
    endpoint.wait_for(2).await;
    assert_eq!(endpoint.ids(), expected);
}

async fn a_delivery_with_a_database_error_releases_the_lease(server: &Server) {
    let endpoint = Endpoint::start().await;
    create(&server.itu(), json!({ "url": endpoint.url })).await;
    let first = server.deliver(WebhookTargets::Any);
    endpoint.wait_for_ping().await;
    // The result of an attempt cannot be recorded.
    server.sql("alter table delivery rename to former").await;
    let expected = write_activity(server, "One").await;
    endpoint.wait_for(1).await;
    first.stop().await;
    let webhook = entity::webhook::Entity::find()
        .one(&server.db.orm_read)
        .await;
    assert_eq!(webhook.unwrap().unwrap().leased_until, None);
    let before = endpoint.ids().len();
    server.sql("alter table former rename to delivery").await;
    let _second = server.deliver(WebhookTargets::Any);
    endpoint.wait_for(before + 1).await;
    assert_eq!(endpoint.ids().last(), Some(&expected));
}
