//! Where webhooks lead: their ping, targets that cannot be called, private networks and proxies.

use axum::http::uri::PathAndQuery;
use liaison::graphql;
use liaison::webhooks::{DeliverySettings, WebhookTargets};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::databases::Backend;
use crate::support::harness::{Client, Server};
use crate::support::identity_provider::Provider;
use crate::support::webhook_receiver::{Endpoint, Reply};
use crate::webhooks::endpoints::{create, read, until, update, write_activity};

on_both_databases! {
    a_new_webhook_first_gets_one_signed_ping
    a_party_can_request_another_ping
    a_ping_requested_during_a_ping_precedes_its_event
    a_failed_ping_delays_no_delivery
    a_later_cursor_skips_undeliverable_events
    events_skipped_during_an_attempt_are_not_retried
    connection_errors_of_deliveries_are_reported
    deliveries_go_through_the_proxy_and_name_their_source
    https_deliveries_use_a_connect_tunnel_and_verify_the_target
}

async fn a_new_webhook_first_gets_one_signed_ping(server: &Server) {
    let endpoint = Endpoint::start().await;
    let upu = server.upu();
    let made = create(&upu, json!({ "url": endpoint.url })).await;
    let deliveries = server.deliver(WebhookTargets::Any);
    let ping = endpoint.wait_for_ping().await;
    assert_eq!(endpoint.ids(), [""; 0], "it comes before all deliveries");
    let id = &made["webhook"]["id"];
    let ping_id = format!("ping-{}-1", id.as_str().unwrap());
    assert_eq!(ping.headers["webhook-id"], ping_id.as_str());
    let mut event = ping.json();
    assert!(event["time"].take().is_string());
    assert_eq!(
        event,
        json!({
            "specversion": "1.0",
            "id": ping_id,
            "source": "urn:liaison:register",
            "type": "liaison.ping",
            "subject": id,
            "time": null,
            "datacontenttype": "application/json",
            "data": { "webhook": { "id": id } },
        })
    );
    let header = |name: &str| ping.headers[name].to_str().unwrap();
    let secret = Webhook::new(made["secret"].as_str().unwrap()).unwrap();
    let time = header("webhook-timestamp").parse().unwrap();
    let signature = secret.sign(&ping_id, time, &ping.body).unwrap();
    assert_eq!(header("webhook-signature"), signature);
    // It is no delivery, and comes once.
    let first = write_activity(server, "One").await;
    endpoint.wait_for(1).await;
    deliveries.stop().await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let second = write_activity(server, "Two").await;
    endpoint.wait_for(2).await;
    assert_eq!(endpoint.ids(), [first, second]);
    assert_eq!(endpoint.pings().len(), 1);
    let webhook = until(&upu, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 2
    })
    .await;
    assert_eq!(webhook["version"], 1);
}

async fn a_party_can_request_another_ping(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let made = create(&tsb, json!({ "url": endpoint.url })).await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    endpoint.wait_for_ping().await;
    let id = &made["webhook"]["id"];
    let change = json!({ "id": id, "version": 1, "ping": true, "enabled": false });
    let refused = update(&tsb, change).await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["ping"]));
    let change = json!({ "id": id, "version": 1, "ping": true });
    assert_eq!(update(&tsb, change).await["userErrors"], json!([]));
    let pings = endpoint.wait_for_pings(2).await;
    assert_ne!(pings[0].json()["id"], pings[1].json()["id"]);
}

async fn a_ping_requested_during_a_ping_precedes_its_event(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let made = create(&tsb, json!({ "url": endpoint.url })).await;
    let held = endpoint.delay_pings().await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    endpoint.wait_for_ping().await;
    let change = json!({ "id": made["webhook"]["id"], "version": 1, "ping": true });
    assert_eq!(update(&tsb, change).await["userErrors"], json!([]));
    drop(held);
    endpoint.wait_for(1).await;
    assert_eq!(endpoint.pings().len(), 2);
}

async fn a_failed_ping_delays_no_delivery(server: &Server) {
    let endpoint = Endpoint::start().await;
    endpoint.reply_to_pings(400);
    let upu = server.upu();
    let made = create(&upu, json!({ "url": endpoint.url })).await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let activity = write_activity(server, "One").await;
    endpoint.wait_for(1).await;
    assert_eq!(endpoint.ids(), [activity]);
    assert_eq!(endpoint.pings().len(), 1);
    let failed = read(&upu, &made).await;
    assert_eq!(failed["enabled"], true);
    assert!(failed["pingedAt"].is_string(), "{failed}");
    assert_eq!(failed["pingStatus"], 400, "{failed}");

    // Once more, to where nothing listens.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/hook", free.local_addr().unwrap());
    drop(free);
    let change = json!({ "id": made["webhook"]["id"], "version": 1, "url": closed, "ping": true });
    assert_eq!(update(&upu, change).await["userErrors"], json!([]));
    let failed = until(&upu, &made, |webhook| webhook["pingedAt"].is_string()).await;
    assert_eq!(failed["pingStatus"], Value::Null, "{failed}");
    let reason = failed["pingResponse"].as_str().unwrap();
    assert!(reason.contains("cannot be reached"), "{reason}");
}

async fn a_later_cursor_skips_undeliverable_events(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let topics = json!({ "subjectType": ["TOPIC"] });
    let made = create(&tsb, json!({ "url": endpoint.url, "filter": topics })).await;
    let poison = write_activity(server, "Poison").await;
    let later = write_activity(server, "Later").await;
    endpoint.reply([Reply::Status(500)]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    until(&tsb, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    let cursor = "query($id: ID!) { node(id: $id) { ... on Activity { cursor } } }";
    let data = tsb.data(cursor, json!({ "id": poison })).await;
    let skip = json!({ "id": made["webhook"]["id"], "version": 1, "redeliverAfter": data["node"]["cursor"] });
    assert_eq!(update(&tsb, skip).await["userErrors"], json!([]));
    endpoint.wait_for(2).await;
    assert_eq!(endpoint.ids(), [poison, later]);
    assert_is_skipped(&tsb, &made).await;
}

async fn assert_is_skipped(client: &Client<'_>, made: &Value) {
    let document = "query($id: ID!) { node(id: $id) { ... on Webhook { deliveries(failed: true) {
        nodes { attempts nextAttemptAt } } } } }";
    let variables = json!({ "id": made["webhook"]["id"] });
    let data = client.data(document, variables).await;
    let skipped = json!([{ "attempts": 1, "nextAttemptAt": null }]);
    assert_eq!(data["node"]["deliveries"]["nodes"], skipped);
}

async fn events_skipped_during_an_attempt_are_not_retried(server: &Server) {
    let endpoint = Endpoint::start().await;
    let tsb = server.tsb();
    let topics = json!({ "subjectType": ["TOPIC"] });
    let made = create(&tsb, json!({ "url": endpoint.url, "filter": topics })).await;
    let poison = write_activity(server, "Poison").await;
    endpoint.reply([Reply::Never]);
    let _deliveries = server.deliver(WebhookTargets::Any);
    endpoint.wait_for(1).await;
    let cursor = "query($id: ID!) { node(id: $id) { ... on Activity { cursor } } }";
    let data = tsb.data(cursor, json!({ "id": poison })).await;
    let skip = json!({ "id": made["webhook"]["id"], "version": 1, "redeliverAfter": data["node"]["cursor"] });
    assert_eq!(update(&tsb, skip).await["userErrors"], json!([]));
    until(&tsb, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    assert_is_skipped(&tsb, &made).await;
    let later = write_activity(server, "Later").await;
    endpoint.wait_for(2).await;
    assert_eq!(endpoint.ids(), [poison, later]);
}

/// The response of the first delivery of a new webhook once it has failed.
async fn failure(
    server: &Server,
    client: &Client<'_>,
    url: &str,
    settings: impl Into<DeliverySettings>,
) -> String {
    let made = create(client, json!({ "url": url })).await;
    assert_eq!(made["userErrors"], json!([]), "{url}");
    write_activity(server, url).await;
    let deliveries = server.deliver(settings);
    let failed = until(client, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 1
    })
    .await;
    let delivery = &failed["deliveries"]["nodes"][0];
    assert_eq!(delivery["status"], Value::Null);
    deliveries.stop().await;
    let off = json!({ "id": made["webhook"]["id"], "version": 1, "enabled": false });
    update(client, off).await;
    delivery["response"].as_str().unwrap().to_owned()
}

async fn connection_errors_of_deliveries_are_reported(server: &Server) {
    let tsb = server.tsb();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let provider = Provider::over_tls(Vec::new()).await;
    let networks = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    let local = WebhookTargets::Networks(networks.into());
    for (url, targets, begin) in [
        (
            closed.as_str(),
            WebhookTargets::Any,
            "The address cannot be reached: it refuses connections.",
        ),
        (
            "https://nowhere.invalid/",
            WebhookTargets::PublicOnly,
            "The address cannot be reached: its name cannot be looked up.",
        ),
        (
            &provider.issuer,
            WebhookTargets::PublicOnly,
            "Is not public: such a name",
        ),
        (
            &provider.issuer,
            local,
            "The certificate of the endpoint is invalid: its issuer is not trusted.",
        ),
    ] {
        let response = failure(server, &tsb, url, targets).await;
        assert!(response.starts_with(begin), "{url}: {response}");
    }
}

async fn deliveries_go_through_the_proxy_and_name_their_source(server: &Server) {
    let proxy = Endpoint::start().await;
    let upu = server.upu();
    create(&upu, json!({ "url": "http://hooks.invalid/hook?a=1" })).await;
    write_activity(server, "One").await;
    let source = "https://register.example.org";
    let _deliveries = server.deliver(DeliverySettings {
        proxy: Some(proxy.url.trim_end_matches("/hook").to_owned()),
        source: source.to_owned(),
        ..DeliverySettings::from(WebhookTargets::Any)
    });
    let received = proxy.wait_for(1).await.remove(0);
    assert_eq!(received.headers["host"], "hooks.invalid");
    let path = PathAndQuery::from_static("/hook?a=1");
    assert_eq!(received.uri.path_and_query(), Some(&path));
    assert_eq!(received.json()["source"], source);
    assert_eq!(proxy.wait_for_ping().await.json()["source"], source);
}

/// An HTTP proxy that answers each `CONNECT` with a tunnel to `target`, and tells the request lines.
async fn tunnel(target: String) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (lines, requests) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut client = BufStream::new(client);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                client.read_line(&mut head).await.unwrap();
            }
            let line = head.lines().next().unwrap_or_default();
            lines.send(line.to_owned()).unwrap();
            let mut target = TcpStream::connect(&target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            client.flush().await.unwrap();
            // Ends when the client rejects the certificate.
            let _ = copy_bidirectional(&mut client, &mut target).await;
        }
    });
    (url, requests)
}

async fn https_deliveries_use_a_connect_tunnel_and_verify_the_target(server: &Server) {
    let provider = Provider::over_tls(Vec::new()).await;
    let (proxy, mut requests) = tunnel(provider.issuer.replace("https://", "")).await;
    let settings = DeliverySettings {
        proxy: Some(proxy),
        ..DeliverySettings::from(WebhookTargets::PublicOnly)
    };
    let url = "https://hooks.example.org/hook";
    let response = failure(server, &server.upu(), url, settings).await;
    assert_eq!(
        response,
        "The certificate of the endpoint is invalid: its issuer is not trusted."
    );
    let request = requests.recv().await.unwrap();
    assert_eq!(request, "CONNECT hooks.example.org:443 HTTP/1.1");
}

#[tokio::test]
async fn webhooks_reach_only_allowed_networks() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let networks = ["10.20.0.0/16"].map(|network| network.parse().unwrap());
        let schema = graphql::schema(WebhookTargets::Networks(networks.into()));
        let server = Server::start_with(backend, |app| app.schema = schema).await;
        for (url, begin) in [
            ("https://10.20.1.1/", None),
            ("http://10.20.1.1/", Some("Must start with https://")),
            ("https://10.21.1.1/", Some("Is not public: this service")),
        ] {
            let made = create(&server.itu(), json!({ "url": url })).await;
            let message = made["userErrors"][0]["message"].as_str();
            match (message, begin) {
                (None, None) => {}
                (Some(message), Some(begin)) => assert!(message.starts_with(begin), "{message}"),
                _ => panic!("{url}: {message:?}"),
            }
        }
    }
}
