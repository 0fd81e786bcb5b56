//! Webhooks: signed, in order, at least once, visible to their own party only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use liaison::graphql;
use liaison::http::AppState;
use liaison::webhooks::WebhookTargets;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::time::{sleep, timeout};

use crate::support::harness::{Backend, Client, Server};
use crate::support::webhook_receiver::{Endpoint, Received};

on_both_databases! {
    a_change_is_delivered_as_a_signed_cloud_event
    matching_events_are_delivered_in_order_and_once
    a_party_sees_only_its_own_webhooks
    invalid_webhooks_are_refused
    a_rotated_secret_signs_for_another_day
    delivered_events_can_be_redelivered
    a_repeated_create_returns_the_webhook_without_its_secret
}

const READ: &str = "id version url party enabled pingedAt pingStatus pingResponse filter { subject subjectType verb party side topic } cursor deliveries { totalCount nodes { attempts delivered status response nextAttemptAt activity { id verb } } }";

pub async fn create(client: &Client<'_>, input: Value) -> Value {
    let document = format!(
        "mutation($input: WebhookCreateInput!) {{ webhookCreate(input: $input) {{ webhook {{ {READ} }} secret userErrors {{ code field message }} }} }}"
    );
    let mut data = client.data(&document, json!({ "input": input })).await;
    data["webhookCreate"].take()
}

pub async fn update(client: &Client<'_>, input: Value) -> Value {
    let document = format!(
        "mutation($input: WebhookUpdateInput!) {{ webhookUpdate(input: $input) {{ webhook {{ {READ} }} secret userErrors {{ code field message }} }} }}"
    );
    let mut data = client.data(&document, json!({ "input": input })).await;
    data["webhookUpdate"].take()
}

pub async fn read(client: &Client<'_>, webhook: &Value) -> Value {
    let document = format!("query($id: ID!) {{ node(id: $id) {{ ... on Webhook {{ {READ} }} }} }}");
    let data = client
        .data(&document, json!({ "id": webhook["webhook"]["id"] }))
        .await;
    data["node"].clone()
}

/// Makes a change and returns the id of its activity.
pub async fn write_activity(server: &Server, title: &str) -> String {
    let input = json!({ "title": title, "summary": "S" });
    let topic = server
        .tsb()
        .change("topicPropose", input, "activities { nodes { id } }")
        .await;
    topic["activities"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Returns whether this secret has signed the message.
fn signed(secret: &str, received: &Received) -> bool {
    let header = |name: &str| received.headers[name].to_str().unwrap();
    let time = header("webhook-timestamp").parse().unwrap();
    let signature = Webhook::new(secret)
        .unwrap()
        .sign(header("webhook-id"), time, &received.body)
        .unwrap();
    let all = header("webhook-signature");
    all.split(' ').any(|part| part == signature)
}

async fn a_change_is_delivered_as_a_signed_cloud_event(server: &Server) {
    // Receivers reject messages that are older than five minutes by their own clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    server.pass_seconds(now.as_secs().cast_signed() - server.now().timestamp());
    let endpoint = Endpoint::start().await;
    let upu = server.upu();
    let made = create(&upu, json!({ "url": endpoint.url })).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(read(&upu, &made).await["deliveries"]["totalCount"], 0);
    let _deliveries = server.deliver(WebhookTargets::Any);
    let activity = write_activity(server, "New").await;

    let received = endpoint.wait_for(1).await.remove(0);
    let verified = Webhook::new(secret)
        .unwrap()
        .verify(&received.body, &received.headers);
    assert!(verified.is_ok(), "{verified:?}");
    let other = format!("whsec_{}", "A".repeat(44));
    assert!(!signed(&other, &received));
    assert_eq!(received.headers["webhook-id"], activity.as_str());
    assert_eq!(
        received.headers["content-type"],
        "application/cloudevents+json"
    );
    let document = "query($id: ID!) { node(id: $id) { ... on Activity { id cursor at party verb subjectType subject { __typename id } changes { field before after } sides } } }";
    let data = server
        .anonymous()
        .data(document, json!({ "id": activity }))
        .await;
    assert_eq!(
        received.json(),
        json!({
            "specversion": "1.0",
            "id": activity,
            "source": "urn:liaison:register",
            "type": "liaison.Topic.CREATED",
            "subject": data["node"]["subject"]["id"],
            "time": data["node"]["at"],
            "datacontenttype": "application/json",
            "data": data["node"],
        })
    );
    settled(&upu, &made, &data["node"]["cursor"]).await;
    let delivered = read(&upu, &made).await;
    assert_eq!(
        delivered["deliveries"],
        json!({ "totalCount": 1, "nodes": [{ "attempts": 1, "delivered": true, "status": 204, "response": "", "nextAttemptAt": null,
            "activity": { "id": activity, "verb": "CREATED" } }] })
    );
    server.statements.take();
    upu.data(&format!("{{ webhooks {{ {READ} }} }}"), json!({}))
        .await;
    let statements = server.statements.take();
    let reads = statements
        .iter()
        .filter(|statement| statement.sql.contains("delivery"));
    assert_eq!(reads.count(), 2, "a page and its total: {statements:#?}");
}

/// Waits until the webhook has reached this cursor.
pub async fn settled(client: &Client<'_>, webhook: &Value, cursor: &Value) {
    let come = async {
        while read(client, webhook).await["cursor"] != *cursor {
            // Each request advances the service's clock by a second, and a lease lasts 30.
            sleep(Duration::from_millis(200)).await;
        }
    };
    assert!(timeout(Duration::from_mins(1), come).await.is_ok());
}

/// Waits until the webhook satisfies a condition.
pub async fn until(client: &Client<'_>, webhook: &Value, is: impl Fn(&Value) -> bool) -> Value {
    let come = async {
        loop {
            let now = read(client, webhook).await;
            // A page and its total are read one after the other.
            let deliveries = &now["deliveries"];
            let count = deliveries["nodes"].as_array().unwrap().len();
            if deliveries["totalCount"] == count && is(&now) {
                return now;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), come).await.unwrap()
}

pub async fn history(client: &Client<'_>, filter: Value) -> Vec<Value> {
    let document = "query($after: String, $filter: ActivityFilter) { activities(first: 100, after: $after, filter: $filter) { nodes { id cursor } pageInfo { hasNextPage endCursor } } }";
    let (mut all, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "after": cursor, "filter": filter });
        let data = client.data(document, variables).await;
        let page = &data["activities"];
        all.extend(page["nodes"].as_array().unwrap().iter().cloned());
        cursor = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            return all;
        }
    }
}

fn ids(history: &[Value]) -> Vec<String> {
    let ids = history
        .iter()
        .map(|activity| activity["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

async fn matching_events_are_delivered_in_order_and_once(server: &Server) {
    let (some, all) = (Endpoint::start().await, Endpoint::start().await);
    let itu = server.itu();
    let first = &history(&itu, json!({})).await[0]["cursor"];
    let filter = json!({ "subjectType": ["ACTION_ITEM"], "verb": ["STATUS_CHANGED", "CREATED"], "side": ["UPU"] });
    let narrow = create(
        &itu,
        json!({ "url": some.url, "filter": filter, "after": first }),
    )
    .await;
    assert_eq!(
        narrow["webhook"]["filter"],
        json!({ "subject": null, "subjectType": ["ACTION_ITEM"], "verb": ["STATUS_CHANGED", "CREATED"], "party": null, "side": ["UPU"], "topic": null })
    );
    let wide = create(&itu, json!({ "url": all.url, "after": first })).await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let last = write_activity(server, "New").await;
    let everything = history(&itu, json!({})).await;
    assert_eq!(everything.last().unwrap()["id"], last.as_str());
    for webhook in [&narrow, &wide] {
        settled(&itu, webhook, &everything.last().unwrap()["cursor"]).await;
    }
    assert_eq!(all.ids(), ids(&everything[1..]));
    assert_eq!(some.ids(), ids(&history(&itu, filter).await));
    assert!(some.ids().len() > 10);
}

async fn a_party_sees_only_its_own_webhooks(server: &Server) {
    let endpoint = Endpoint::start().await;
    let (itu, upu) = (server.itu(), server.upu());
    let made = create(&itu, json!({ "url": endpoint.url })).await;
    let webhook = &made["webhook"];
    let id = webhook["id"].as_str().unwrap();
    assert_eq!(webhook["party"], "ITU");
    let list = "{ webhooks { id } }";
    assert_eq!(
        itu.data(list, json!({})).await,
        json!({ "webhooks": [{ "id": id }] })
    );
    assert_eq!(upu.data(list, json!({})).await, json!({ "webhooks": [] }));
    for (client, code) in [
        (server.anonymous(), "UNAUTHENTICATED"),
        (server.editor(&[]), "FORBIDDEN"),
    ] {
        let response = client.run(list, json!({})).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], code);
    }
    for client in [&upu, &server.tsb(), &server.anonymous()] {
        assert_eq!(read(client, &made).await, Value::Null);
        let listed = history(client, json!({ "subject": id })).await;
        assert_eq!(listed, Vec::<Value>::new());
        let listed = history(client, json!({ "subjectType": ["WEBHOOK"] })).await;
        assert_eq!(listed, Vec::<Value>::new());
    }
    let listed = history(&itu, json!({ "subject": id })).await;
    assert_eq!(listed.len(), 1);
    let activity = "query($id: ID!) { node(id: $id) { ... on Activity { verb subject { ... on Webhook { url } } } } }";
    let variables = json!({ "id": listed[0]["id"] });
    assert_eq!(
        itu.data(activity, variables.clone()).await["node"],
        json!({ "verb": "CREATED", "subject": { "url": endpoint.url } })
    );
    assert_eq!(upu.data(activity, variables).await["node"], Value::Null);

    for (mutation, input) in [
        (
            "webhookUpdate",
            json!({ "id": id, "version": 1, "enabled": false }),
        ),
        ("webhookDelete", json!({ "id": id, "version": 1 })),
    ] {
        assert_eq!(refusal(&upu, mutation, input.clone()).await, "NOT_FOUND");
        assert_eq!(
            refusal(&server.anonymous(), mutation, input).await,
            "UNAUTHENTICATED"
        );
    }
    let delete = "mutation($input: WebhookDeleteInput!) { webhookDelete(input: $input) { deletedId userErrors { code } } }";
    let input = json!({ "input": { "id": id, "version": 1 } });
    assert_eq!(
        itu.data(delete, input).await["webhookDelete"],
        json!({ "deletedId": id, "userErrors": [] })
    );
    assert_eq!(itu.data(list, json!({})).await, json!({ "webhooks": [] }));
    let again = json!({ "id": id, "version": 2, "enabled": true });
    assert_eq!(refusal(&itu, "webhookUpdate", again).await, "NOT_FOUND");
}

/// Returns the code of the refusal.
async fn refusal(client: &Client<'_>, mutation: &str, input: Value) -> String {
    let ty = format!("W{}Input", &mutation[1..]);
    let document = format!(
        "mutation($input: {ty}!) {{ done: {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
    );
    let response = client.run(&document, json!({ "input": input })).await;
    let code = match &response["errors"][0]["extensions"]["code"] {
        Value::Null => &response["data"]["done"]["userErrors"][0]["code"],
        code => code,
    };
    code.as_str().unwrap_or("OK").to_owned()
}

async fn invalid_webhooks_are_refused(server: &Server) {
    let itu = server.itu();
    let url = "http://127.0.0.1:9/";
    for (input, field) in [
        (json!({ "url": "http://a:b@127.0.0.1:9/" }), "url"),
        (json!({ "url": url, "after": "nowhere" }), "after"),
        (
            json!({ "url": url, "filter": { "subject": "nobody" } }),
            "filter",
        ),
        (
            json!({ "url": url, "filter": { "subjectType": vec!["TOPIC"; 4000] } }),
            "filter",
        ),
    ] {
        let payload = create(&itu, input.clone()).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{input}");
        assert_eq!(payload["userErrors"][0]["field"], json!([field]), "{input}");
        assert_eq!(payload["secret"], Value::Null);
    }
    for number in 0..20 {
        let made = create(&itu, json!({ "url": format!("{url}{number}") })).await;
        assert_eq!(made["userErrors"], json!([]));
    }
    let more = json!({ "url": url });
    assert_eq!(
        refusal(&itu, "webhookCreate", more).await,
        "NOT_ALLOWED_NOW"
    );
    let first = itu.data("{ webhooks { id } }", json!({})).await["webhooks"][0]["id"].clone();
    for (input, code) in [
        (
            json!({ "id": first, "version": 7, "enabled": false }),
            "STALE",
        ),
        (
            json!({ "id": first, "version": 1, "enabled": null }),
            "INVALID",
        ),
        (
            json!({ "id": first, "version": 1, "redeliverAfter": "x" }),
            "INVALID",
        ),
        (
            json!({ "id": server.topic("T-1").await, "version": 1 }),
            "NOT_FOUND",
        ),
    ] {
        assert_eq!(refusal(&itu, "webhookUpdate", input).await, code);
    }
}

#[tokio::test]
async fn webhook_urls_must_be_public_by_default() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        // As in production: public addresses only.
        let change = |app: &mut AppState| app.schema = graphql::schema(WebhookTargets::PublicOnly);
        let server = Server::start_with(backend, change).await;
        for url in [
            "http://example.org/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://10.1.2.3/",
        ] {
            let payload = create(&server.itu(), json!({ "url": url })).await;
            assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{url}");
            assert_eq!(payload["userErrors"][0]["field"], json!(["url"]), "{url}");
        }
        let made = create(&server.itu(), json!({ "url": "https://example.org/hook" })).await;
        assert_eq!(made["userErrors"], json!([]));
    }
}

async fn a_rotated_secret_signs_for_another_day(server: &Server) {
    let endpoint = Endpoint::start().await;
    let upu = server.upu();
    let made = create(&upu, json!({ "url": endpoint.url })).await;
    let old = made["secret"].as_str().unwrap();
    let rotate = json!({ "id": made["webhook"]["id"], "version": 1, "rotateSecret": true });
    let rotated = update(&upu, rotate).await;
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(old, new);
    let other = json!({ "id": made["webhook"]["id"], "version": 2, "enabled": true });
    assert_eq!(update(&upu, other).await["secret"], Value::Null);
    let _deliveries = server.deliver(WebhookTargets::Any);
    write_activity(server, "One").await;
    // The first activity is the rotation itself.
    let received = endpoint.wait_for(2).await;
    assert!(signed(old, &received[1]) && signed(new, &received[1]));
    server.pass_days(2);
    write_activity(server, "Two").await;
    let received = endpoint.wait_for(3).await;
    assert!(!signed(old, &received[2]) && signed(new, &received[2]));
    let leaked = received.iter().any(|request| {
        let body = String::from_utf8_lossy(&request.body);
        body.contains(old) || body.contains(new)
    });
    assert!(!leaked, "no message tells a secret");
}

async fn delivered_events_can_be_redelivered(server: &Server) {
    let endpoint = Endpoint::start().await;
    let upu = server.upu();
    let made = create(
        &upu,
        json!({ "url": endpoint.url, "filter": { "subjectType": ["TOPIC"] } }),
    )
    .await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let first = write_activity(server, "One").await;
    let second = write_activity(server, "Two").await;
    endpoint.wait_for(2).await;
    let cursor = endpoint.received()[0].json()["data"]["cursor"].clone();
    settled(
        &upu,
        &made,
        &endpoint.received()[1].json()["data"]["cursor"],
    )
    .await;
    let again = json!({ "id": made["webhook"]["id"], "version": 1, "redeliverAfter": cursor });
    assert_eq!(update(&upu, again).await["userErrors"], json!([]));
    endpoint.wait_for(3).await;
    assert_eq!(endpoint.ids(), [first, second.clone(), second]);
    let twice = until(&upu, &made, |webhook| {
        webhook["deliveries"]["nodes"][0]["attempts"] == 2
    })
    .await;
    assert_eq!(twice["deliveries"]["totalCount"], 2);
}

async fn a_repeated_create_returns_the_webhook_without_its_secret(server: &Server) {
    let tsb = server.tsb();
    let input = json!({ "url": "http://127.0.0.1:9/", "idempotencyKey": "one" });
    let first = create(&tsb, input.clone()).await;
    let again = create(&tsb, input).await;
    assert_eq!(first["webhook"]["id"], again["webhook"]["id"]);
    assert!(first["secret"].is_string());
    assert_eq!(again["secret"], Value::Null);
    let other = json!({ "url": "http://127.0.0.1:10/", "idempotencyKey": "one" });
    assert_eq!(refusal(&tsb, "webhookCreate", other).await, "KEY_REUSED");
}
