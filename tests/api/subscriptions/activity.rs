//! Subscriptions: they report the activities of the history in the same order, each once.

use std::time::Duration;

use entity::activity::{ActivityVerb, SubjectType};
use entity::id::{Id, TopicId};
use entity::party::{Party, Side};
use futures_util::future::{join, join_all};
use liaison::events::filter::EventFilter;
use liaison::events::{Event, Feed};
use liaison::store::activity::LogPosition;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::support::harness::{Backend, Server, id_and_cursor};
use crate::support::statements::Statements;
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_subscription_replays_past_events_and_continues_with_new_ones
    a_subscription_without_a_cursor_starts_now
    a_subscription_filter_matches_the_same_events_as_the_history
    event_buffer_and_history_agree_on_every_filter
    an_event_can_select_the_same_fields_as_a_query
    statements_per_batch_of_events_are_constant
    the_history_is_polled_once_for_all_subscribers
    identical_subscriptions_share_their_reads
    slow_subscribers_are_disconnected_with_a_cursor
}

pub const FOLLOW: &str = "subscription($after: String, $filter: ActivityFilter) {
    activity(after: $after, filter: $filter) { id cursor } }";

/// Adds notes to a topic one after the other.
pub async fn write_notes(server: &Server, topic: &str, count: usize) {
    let subject = server.topic(topic).await;
    for number in 0..count {
        let input = json!({ "subjectId": subject, "body": format!("Note {number}.") });
        server.upu().change("noteAdd", input, "id").await;
    }
}

async fn collect(socket: &mut Socket, id: &str, count: usize) -> Vec<(String, String)> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(id_and_cursor(&socket.activity(id).await));
    }
    events
}

async fn a_subscription_replays_past_events_and_continues_with_new_ones(server: &Server) {
    let before = server.history(None, json!({})).await;
    let after = &before[before.len() - 150].1;
    let followers = (0..5).map(async |_| {
        let mut socket = Socket::anonymous(&server.address).await;
        let variables = json!({ "after": after });
        socket.subscribe("a", FOLLOW, variables).await;
        collect(&mut socket, "a", 149 + 40).await
    });
    let writers = join(
        write_notes(server, "T-1", 20),
        write_notes(server, "T-2", 20),
    );
    let (received, _) = join(join_all(followers), writers).await;
    let history = server.history(Some(after), json!({})).await;
    for received in received {
        assert_eq!(received, history);
    }
}

async fn a_subscription_without_a_cursor_starts_now(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    socket
        .subscribe("a", FOLLOW, json!({ "after": null }))
        .await;
    let newest = server.newest().await;
    // The start of a subscription is not announced, so this writes until an event arrives.
    let first = async {
        let first = socket.activity("a").await;
        (first, collect(&mut socket, "a", 2).await)
    };
    let write = async {
        loop {
            write_notes(server, "T-1", 1).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (first, more) = tokio::select! {
        heard = first => heard,
        () = write => unreachable!("it has no end"),
    };
    let history = server.history(Some(&newest), json!({})).await;
    let first = id_and_cursor(&first);
    let place = history
        .iter()
        .position(|activity| *activity == first)
        .unwrap();
    assert_eq!(history[place + 1..place + 3], more);
}

async fn a_subscription_filter_matches_the_same_events_as_the_history(server: &Server) {
    let topic = server.topic("T-2").await;
    let filters = [
        json!({}),
        json!({ "topic": topic }),
        json!({ "subject": topic }),
        json!({ "subjectType": ["NOTE", "PUBLICATION"] }),
        json!({ "verb": ["NOTED"], "party": ["UPU"] }),
        json!({ "side": ["ITU"] }),
        json!({ "topic": topic, "verb": ["NOTED"], "side": ["ITU", "UPU"] }),
    ];
    let mut socket = Socket::anonymous(&server.address).await;
    let start = server.history(None, json!({})).await[0].1.clone();
    for (place, filter) in filters.iter().enumerate() {
        let variables = json!({ "after": start, "filter": filter });
        socket
            .subscribe(&place.to_string(), FOLLOW, variables)
            .await;
    }
    // No activity matches these.
    for (id, filter) in [
        ("none", json!({ "verb": [] })),
        ("no side", json!({ "side": [] })),
    ] {
        let variables = json!({ "after": start, "filter": filter });
        socket.subscribe(id, FOLLOW, variables).await;
    }
    write_notes(server, "T-1", 3).await;
    write_notes(server, "T-2", 3).await;
    let mut expected = Vec::new();
    for filter in &filters {
        expected.push(server.history(Some(&start), filter.clone()).await);
    }
    let mut received = vec![Vec::new(); filters.len()];
    for _ in 0..expected.iter().map(Vec::len).sum() {
        let message = socket.receive_json().await;
        assert_eq!(message["type"], "next", "{message}");
        let place: usize = message["id"].as_str().unwrap().parse().unwrap();
        received[place].push(id_and_cursor(&message["payload"]["data"]["activity"]));
    }
    assert_eq!(received, expected);
    assert!(expected.iter().all(|events| !events.is_empty()));
}

async fn event_buffer_and_history_agree_on_every_filter(server: &Server) {
    let webhook = "mutation { webhookCreate(input: { url: \"http://127.0.0.1:9/\" }) { userErrors { code } } }";
    server.itu().data(webhook, json!({})).await;
    write_notes(server, "T-2", 2).await;
    let feed = Feed::start(&server.db);
    let head = feed.head().await.unwrap();
    let all = everything(&feed, EventFilter::all(Some(Party::Itu)), head).await;
    assert_eq!(all.last().unwrap().log_position(), head);
    assert!(all.iter().any(|event| event.subject_type == "Webhook"));
    assert!(all.iter().all(|event| event.position > 0) && all.len() > 100);

    let topic: Uuid = TopicId::parse(&server.topic("T-2").await).unwrap().into();
    let subjects = [None, Some(topic), Some(all[0].subject_id)];
    let types = [
        None,
        Some(vec![]),
        Some(vec![SubjectType::Topic, SubjectType::Webhook]),
        Some(vec![SubjectType::Note, SubjectType::ActionItem]),
    ];
    let verbs = [
        None,
        Some(vec![]),
        Some(vec![ActivityVerb::Created, ActivityVerb::Noted]),
    ];
    let parties = [
        None,
        Some(vec![]),
        Some(vec![Party::Upu]),
        Some(vec![Party::Tsb, Party::Itu]),
    ];
    let sides = [
        None,
        Some(vec![]),
        Some(vec![Side::Itu]),
        Some(vec![Side::Upu]),
        Some(vec![Side::Itu, Side::Upu]),
    ];
    let mut found = 0;
    for subject in subjects {
        for subject_type in &types {
            for verb in &verbs {
                for party in &parties {
                    for side in &sides {
                        for topic in [None, Some(topic)] {
                            let wanted = EventFilter {
                                subject,
                                subject_type: subject_type.clone(),
                                verb: verb.clone(),
                                party: party.clone(),
                                side: side.clone(),
                                topic,
                                viewer: topic.map(|_| Party::Itu),
                            };
                            let in_memory: Vec<&Event> =
                                all.iter().filter(|item| wanted.matches(item)).collect();
                            let in_log = everything(&feed, wanted.clone(), head).await;
                            assert_eq!(in_memory, in_log.iter().collect::<Vec<_>>(), "{wanted:?}");
                            found += usize::from(!in_log.is_empty());
                        }
                    }
                }
            }
        }
    }
    assert!(found > 50, "{found}");
}

/// What is wanted of the log up to its head, read from the table.
async fn everything(feed: &Feed, wanted: EventFilter, head: LogPosition) -> Vec<Event> {
    let mut follower = feed.subscribe(LogPosition::default(), wanted);
    let mut all = Vec::new();
    while follower.position().position < head.position {
        // Past the head nothing comes, and the follower would wait for it.
        let Some(events) = follower.try_next().await.unwrap() else {
            break;
        };
        all.extend(events.iter().map(|event| (**event).clone()));
    }
    all
}

async fn an_event_can_select_the_same_fields_as_a_query(server: &Server) {
    let newest = server.newest().await;
    let fragments = "fragment Told on Activity { __typename id cursor at party subjectType verb
            changes { field after } sides subject { ...Record }  again: subject { id } }
        fragment Record on Node { __typename ... on Note { body subject { ... on Topic { code
            committees { role committee { code organization { acronym } } } viewerPermissions } } } }";
    let document = format!(
        "subscription Follow($after: String, $no: Boolean!) {{ ...Root }}
         fragment Root on Subscription {{ it: activity(after: $after) {{ ...Told verb @include(if: $no) }} }} {fragments}"
    );
    let token = server.itu().token;
    let mut socket = Socket::open(&server.address, json!({ "token": token })).await;
    let variables = json!({ "after": newest, "no": false });
    socket.subscribe("a", &document, variables).await;
    write_notes(server, "T-2", 1).await;
    let event = socket.next("a").await;
    let event = &event["data"]["it"];
    let query = format!("query($id: ID!) {{ node(id: $id) {{ ...Told }} }} {fragments}");
    let id = json!({ "id": event["id"] });
    let data = server.itu().data(&query, id).await;
    assert_eq!(*event, data["node"]);
    assert_eq!(event["subject"]["body"], "Note 0.");
    let permissions = &event["subject"]["subject"]["viewerPermissions"];
    assert!(permissions.as_array().unwrap().contains(&json!("ADD_NOTE")));

    // A subscription has a single root field.
    let two = "subscription { activity { id } more: activity { id } }";
    socket.subscribe("b", two, json!({})).await;
    let refused = socket.receive_json().await;
    assert_eq!(refused["type"], "error", "{refused}");
}

async fn statements_per_batch_of_events_are_constant(server: &Server) {
    let document = "subscription($after: String) { activity(after: $after) { id subject {
        ... on Note { body } ... on Topic { code committees { role committee { code } } } } } }";
    let start = server.history(None, json!({})).await[0].1.clone();
    let mut socket = Socket::anonymous(&server.address).await;
    write_notes(server, "T-1", 60).await;
    let notes = json!({ "verb": ["NOTED"], "subjectType": ["NOTE"] });
    let notes = server.history(Some(&start), notes).await.len();
    server.statements.take();
    let filtered = document.replace(
        "(after: $after)",
        "(after: $after, filter: { subjectType: [NOTE], verb: [NOTED] })",
    );
    socket
        .subscribe("a", &filtered, json!({ "after": start }))
        .await;
    for _ in 0..notes {
        socket.activity("a").await;
    }
    // One statement to check the cursor; then, for fifty events at once, one for them and one for their notes.
    let statements = server.statements.take().len();
    assert_eq!(statements, 1 + 2 * notes.div_ceil(50), "{notes} notes");
}

async fn the_history_is_polled_once_for_all_subscribers(server: &Server) {
    let mut db = server.db.clone();
    let statements = Statements::default();
    statements.watch(&mut db);
    let feed = Feed::start(&db);
    let head = feed.head().await.unwrap();
    // Waits until it has started: earlier events would be read by each subscriber.
    write_notes(server, "T-1", 1).await;
    feed.wait_past(head).await;
    let first = feed.head().await.unwrap();
    statements.take();
    let followers = (0..50).map(async |_| {
        let mut follower = feed.subscribe(first, EventFilter::default());
        let mut events = Vec::new();
        while events.len() < 20 {
            events.extend(follower.next().await.unwrap());
        }
        events
    });
    let (events, ()) = join(join_all(followers), write_notes(server, "T-2", 20)).await;
    let next = first.position + 1;
    let expected: Vec<i64> = (next..next + 20).collect();
    for events in events {
        let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
        assert_eq!(positions, expected);
    }
    let read = statements.take().len();
    // One per commit, possibly another after PostgreSQL's notification, and the polls.
    assert!(
        read <= 60,
        "{read} statements for 20 events and 50 followers"
    );
}

async fn identical_subscriptions_share_their_reads(server: &Server) {
    let document = "subscription($after: String, $topic: Boolean!) { activity(after: $after) { id
        subject { ... on Note { body subject @include(if: $topic) { ... on Topic { viewerPermissions } } } } } }";
    let newest = server.newest().await;
    let upu = json!({ "token": server.upu().token });
    let mut alike = join_all((0..40).map(|_| Socket::anonymous(&server.address))).await;
    for socket in &mut alike {
        let variables = json!({ "after": newest, "topic": true });
        socket.subscribe("a", document, variables).await;
    }
    // The same document with other results.
    let mut brief = Socket::anonymous(&server.address).await;
    let variables = json!({ "after": newest, "topic": false });
    brief.subscribe("a", document, variables).await;
    let mut editor = Socket::open(&server.address, upu).await;
    let variables = json!({ "after": newest, "topic": true });
    editor.subscribe("a", document, variables).await;

    let mut read = 0;
    for _ in 0..5 {
        server.statements.take();
        write_notes(server, "T-2", 1).await;
        let received = join_all(alike.iter_mut().map(|subscriber| subscriber.activity("a"))).await;
        assert!(
            received.iter().all(|message| *message == received[0]),
            "{received:?}"
        );
        let note = &received[0]["subject"];
        assert_eq!(note["subject"]["viewerPermissions"], json!([]));
        let brief = brief.activity("a").await;
        assert_eq!(brief["subject"], json!({ "body": note["body"] }));
        let editor = editor.activity("a").await;
        let permissions = &editor["subject"]["subject"]["viewerPermissions"];
        assert_ne!(*permissions, json!([]));
        let statements = server.statements.take();
        let of_log = statements
            .iter()
            .filter(|statement| statement.sql.contains("FROM \"activity\""));
        read += of_log.count();
    }
    // Three kinds of subscribers, five times; some are a moment too late to share a read.
    assert!(
        read <= 60,
        "{read} statements for 42 followers and 5 events"
    );
}

/// A selection that repeats the body of a note, so that the responses to long notes exceed the buffers of a connection.
pub fn heavy() -> String {
    let bodies: Vec<String> = (0..40).map(|number| format!("b{number}: body")).collect();
    let bodies = bodies.join(" ");
    format!(
        "subscription($after: String) {{ activity(after: $after) {{ id cursor subject {{ ... on Note {{ {bodies} }} }} }} }}"
    )
}

async fn slow_subscribers_are_disconnected_with_a_cursor(server: &Server) {
    let start = server.newest().await;
    let subject = server.topic("T-1").await;
    let long = "long ".repeat(3999);
    for _ in 0..30 {
        let input = json!({ "subjectId": subject, "body": long });
        server.upu().change("noteAdd", input, "id").await;
    }
    let history = server.history(Some(&start), json!({})).await;
    let slow = Duration::from_secs(3);
    let service = server
        .beside(|app| app.limits.stream_timeouts.write_timeout = slow)
        .await;
    let mut socket = Socket::anonymous(&service.address).await;
    let variables = json!({ "after": start });
    socket.subscribe("a", &heavy(), variables).await;
    // Many more events follow at once while the client does not read.
    let mut events = collect(&mut socket, "a", 1).await;
    sleep(slow.mul_f32(1.5)).await;
    let error = loop {
        let message = socket.receive_json().await;
        if message["type"] == "error" {
            break message;
        }
        let activity = &message["payload"]["data"]["activity"];
        events.push(id_and_cursor(activity));
    };
    assert!(events.len() < history.len(), "{}", events.len());
    let received = &error["payload"][0]["extensions"];
    assert_eq!(received["code"], "RATE_LIMITED");
    assert_eq!(received["cursor"], events.last().unwrap().1);
    assert_eq!(socket.end().await.0, 1013);

    let mut socket = Socket::anonymous(&service.address).await;
    socket
        .subscribe("a", FOLLOW, json!({ "after": received["cursor"] }))
        .await;
    let rest = history.len() - events.len();
    events.extend(collect(&mut socket, "a", rest).await);
    assert_eq!(events, history);
}

#[tokio::test]
async fn instances_on_one_database_notify_each_other() {
    let server = Server::start(Backend::Postgres).await;
    let other = server.beside(|_| {}).await;
    let mut socket = Socket::anonymous(&other.address).await;
    let newest = server.newest().await;
    socket
        .subscribe("a", FOLLOW, json!({ "after": newest }))
        .await;
    // Until the other instance listens, its poll finds new activities.
    write_notes(&server, "T-1", 1).await;
    socket.activity("a").await;
    let started_at = std::time::Instant::now();
    for _ in 0..6 {
        write_notes(&server, "T-1", 1).await;
        socket.activity("a").await;
    }
    // Right after a poll, the next one is a second away.
    assert!(
        started_at.elapsed() < Duration::from_secs(4),
        "{:?}",
        started_at.elapsed()
    );
}

#[tokio::test]
async fn instances_on_one_sqlite_file_see_each_others_writes() {
    let server = Server::start(Backend::Sqlite).await;
    let other = server.beside(|_| {}).await;
    let mut socket = Socket::anonymous(&other.address).await;
    let newest = server.newest().await;
    let variables = json!({ "after": newest });
    socket.subscribe("a", FOLLOW, variables).await;
    for _ in 0..2 {
        write_notes(&server, "T-1", 1).await;
        socket.activity("a").await;
    }
}

/// Terminates all other connections to this database.
pub const CUT_OFF: &str = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";

#[tokio::test]
async fn subscriptions_survive_a_database_outage() {
    let server = Server::start(Backend::Postgres).await;
    let start = server.newest().await;
    let mut sockets = join_all((0..10).map(|_| Socket::anonymous(&server.address))).await;
    for socket in &mut sockets {
        socket
            .subscribe("a", FOLLOW, json!({ "after": start }))
            .await;
    }
    let subject = server.topic("T-1").await;
    let mut written = 0;
    for round in 0..60 {
        if round % 20 == 10 {
            server.sql(CUT_OFF).await;
        }
        let input = json!({ "subjectId": subject, "body": format!("Note {round}.") });
        // A write may be cut off with its connection; its client gets an error.
        written += usize::from(server.upu().verdict("noteAdd", input).await == "OK");
    }
    assert!(written > 30, "{written}");
    let history = server.history(Some(&start), json!({})).await;
    assert!(history.len() >= written);
    for socket in &mut sockets {
        assert_eq!(collect(socket, "a", history.len()).await, history);
    }
}

#[tokio::test]
async fn an_idle_websocket_receives_only_pings() {
    let pulse = Duration::from_millis(200);
    let server = Server::start_with(Backend::Sqlite, |app| {
        app.limits.stream_timeouts.keep_alive = pulse;
    })
    .await;
    let mut socket = Socket::anonymous(&server.address).await;
    socket.subscribe("a", FOLLOW, json!({})).await;
    for _ in 0..4 {
        assert_eq!(socket.receive().await, Message::text(r#"{"type":"ping"}"#));
        socket.say(&json!({ "type": "pong" })).await;
    }
    let _: Value = socket.run("{ viewer { roles } }", json!({})).await;
}
