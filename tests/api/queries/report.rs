//! The report: every figure agrees with the history, for any period.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    the_report_agrees_with_the_history
    the_first_and_the_last_day_belong_to_the_period
    an_empty_period_has_an_empty_report
    a_future_period_is_reported_with_current_data
    a_report_has_a_constant_number_of_statements
    a_period_that_ends_before_its_start_is_refused
}

const READ: &str = "query($from: Date!, $to: Date!) { report(from: $from, to: $to) { from to topicsByStatus { status count } sides { side
    topicsProposed actionItemsRequested actionItemsReceived actionItemsDone actionItemsPostponed actionItemsOverdue medianDaysToDone
    liaisonStatementsSent repliesOverdue findingsRecorded } staleTopics { code } silentTopics { code } } }";

/// The report of the service.
pub async fn report(server: &Server, from: &str, to: &str) -> Value {
    let variables = json!({ "from": from, "to": to });
    let data = server.anonymous().data(READ, variables).await;
    data["report"].clone()
}

/// The whole history, from which the tests derive the report independently.
pub struct History {
    activities: Vec<Activity>,
    /// The acting party of a committee, by its display name.
    parties: HashMap<String, String>,
    /// When the sides did something on a topic, by its id.
    topics: HashMap<String, Vec<DateTime<Utc>>>,
}

struct Activity {
    at: DateTime<Utc>,
    party: String,
    verb: String,
    ty: String,
    subject: Value,
    changes: Vec<Value>,
}

impl Activity {
    fn id(&self) -> &str {
        text(&self.subject["id"])
    }

    /// Returns the new value of a field, if it was changed.
    fn after(&self, field: &str) -> Option<&str> {
        let change = self
            .changes
            .iter()
            .find(|change| change["field"] == field)?;
        change["after"].as_str()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

impl History {
    pub async fn read(server: &Server) -> Self {
        let reader = server.anonymous();
        let document = "query($after: String) { activities(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes {
            at party verb subjectType changes { field after } subject { id ... on ActionItem { ownedBy } ... on Topic { code } } } } }";
        let (mut activities, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let data = reader.data(document, json!({ "after": cursor })).await;
            let page = &data["activities"];
            for node in page["nodes"].as_array().unwrap() {
                activities.push(Activity {
                    at: text(&node["at"]).parse().unwrap(),
                    party: text(&node["party"]).to_owned(),
                    verb: text(&node["verb"]).to_owned(),
                    ty: text(&node["subjectType"]).to_owned(),
                    subject: node["subject"].clone(),
                    changes: node["changes"].as_array().unwrap().clone(),
                });
            }
            cursor = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        let document =
            "{ committees(first: 100) { nodes { code period side organization { acronym } } } }";
        let data = reader.data(document, json!({})).await;
        let committees = data["committees"]["nodes"].as_array().unwrap().iter();
        let parties = committees.map(|committee| {
            let acronym = text(&committee["organization"]["acronym"]);
            let label = format!(
                "{acronym} {} ({})",
                text(&committee["code"]),
                text(&committee["period"])
            );
            let party = match acronym {
                "TSB" => "TSB",
                _ => committee["side"].as_str().unwrap_or_default(),
            };
            (label, party.to_owned())
        });
        Self {
            parties: parties.collect(),
            topics: sides_on_topics(server).await,
            activities,
        }
    }

    /// Returns the expected report for a period, as of `today`.
    pub fn report(&self, from: &str, to: &str, today: NaiveDate) -> Value {
        let period = Period {
            history: self,
            begin: format!("{from}T00:00:00Z").parse().unwrap(),
            end: format!("{to}T00:00:00Z").parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(1),
            day: Ord::min(to.parse().unwrap(), today).to_string(),
        };
        let statuses = ["PROPOSED", "ACTIVE", "CLOSING", "RETIRED", "DECLINED"];
        let topics = period.stand("TOPIC");
        let topics_in = |status| {
            topics
                .values()
                .filter(|topic| topic["status"] == status)
                .count()
        };
        let counts = statuses.map(|status| json!({ "status": status, "count": topics_in(status) }));
        let active = |is: &dyn Fn(&String, &Fields) -> bool| {
            let active = topics
                .iter()
                .filter(|(_, topic)| topic["status"] == "ACTIVE");
            let mut codes: Vec<&str> = active
                .filter(|(id, topic)| is(id, topic))
                .map(|(id, _)| self.code(id))
                .collect();
            codes.sort_by_key(|code| code[2..].parse::<u32>().unwrap());
            let codes = codes.into_iter().map(|code| json!({ "code": code }));
            codes.collect::<Vec<_>>()
        };
        let is_silent = |id: &String, _: &Fields| {
            let mut moments = self.topics[id].iter();
            !moments.any(|at| (period.begin..period.end).contains(at))
        };
        json!({
            "from": from,
            "to": to,
            "topicsByStatus": counts,
            "sides": [period.side("ITU"), period.side("UPU")],
            "staleTopics": active(&|_, topic| period.passed(topic.get("reviewOn"))),
            "silentTopics": active(&is_silent),
        })
    }

    fn code(&self, topic: &str) -> &str {
        let found = self
            .activities
            .iter()
            .find(|activity| activity.id() == topic);
        text(&found.unwrap().subject["code"])
    }
}

/// Returns when ITU or UPU did something on each topic.
async fn sides_on_topics(server: &Server) -> HashMap<String, Vec<DateTime<Utc>>> {
    let document = "{ topics(first: 100) { nodes { id activities(first: 100) { pageInfo { hasNextPage } nodes { at party } } } } }";
    let data = server.anonymous().data(document, json!({})).await;
    let topics = data["topics"]["nodes"].as_array().unwrap().iter();
    let topics = topics.map(|topic| {
        let history = &topic["activities"];
        assert_eq!(history["pageInfo"]["hasNextPage"], false);
        let activities = history["nodes"].as_array().unwrap().iter();
        let moments = activities
            .filter(|activity| activity["party"] != "TSB")
            .map(|activity| text(&activity["at"]).parse().unwrap());
        (text(&topic["id"]).to_owned(), moments.collect())
    });
    topics.collect()
}

struct Period<'a> {
    history: &'a History,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
    /// The date for overdue checks.
    day: String,
}

type Fields = HashMap<String, String>;

impl Period<'_> {
    fn until_its_end(&self) -> impl Iterator<Item = &Activity> {
        let activities = self.history.activities.iter();
        activities.filter(|activity| activity.at < self.end)
    }

    fn within(&self) -> impl Iterator<Item = &Activity> {
        self.until_its_end()
            .filter(|activity| self.begin <= activity.at)
    }

    fn passed(&self, day: Option<&String>) -> bool {
        day.is_some_and(|day| *day < self.day)
    }

    /// Returns the records of a type in their state at the end of the period.
    fn stand(&self, ty: &str) -> BTreeMap<String, Fields> {
        let mut stand: BTreeMap<String, Fields> = BTreeMap::new();
        for activity in self.until_its_end().filter(|activity| activity.ty == ty) {
            let fields = stand.entry(activity.id().to_owned()).or_insert_with(|| {
                // Topics start as PROPOSED.
                HashMap::from([("status".to_owned(), "PROPOSED".to_owned())])
            });
            for change in &activity.changes {
                let field = text(&change["field"]).to_owned();
                match change["after"].as_str() {
                    Some(after) => fields.insert(field, after.to_owned()),
                    None => fields.remove(&field),
                };
            }
        }
        stand
    }

    fn side(&self, side: &str) -> Value {
        let other = if side == "ITU" { "UPU" } else { "ITU" };
        let created = |ty: &'static str| {
            self.within()
                .filter(move |activity| activity.verb == "CREATED" && activity.ty == ty)
        };
        let owned = |activity: &&Activity| {
            activity.ty == "ACTION_ITEM" && activity.subject["ownedBy"] == side
        };
        let moved = |to: &'static str| {
            let moves = self.within().filter(owned);
            let moves = moves.filter(move |activity| {
                activity.verb == "STATUS_CHANGED" && activity.after("status") == Some(to)
            });
            moves.map(Activity::id).collect::<BTreeSet<_>>()
        };
        let items = self.stand("ACTION_ITEM");
        let done: Vec<&str> = moved("DONE")
            .into_iter()
            .filter(|id| ["DONE", "CONFIRMED"].contains(&items[*id]["status"].as_str()))
            .collect();
        let open = ["REQUESTED", "OPEN", "IN_PROGRESS", "POSTPONED"];
        let own: BTreeSet<&str> = self
            .until_its_end()
            .filter(owned)
            .map(Activity::id)
            .collect();
        let overdue = items.iter().filter(|(id, fields)| {
            own.contains(id.as_str())
                && open.contains(&fields["status"].as_str())
                && self.passed(fields.get("dueOn"))
        });
        let found: BTreeSet<&str> = self
            .within()
            .filter(|activity| activity.verb == "FINDING_RECORDED" && activity.party == side)
            .map(Activity::id)
            .collect();
        json!({
            "side": side,
            "topicsProposed": created("TOPIC").filter(|activity| activity.party == side).count(),
            "actionItemsRequested": created("ACTION_ITEM").filter(|activity| activity.party == side && activity.subject["ownedBy"] == other).count(),
            "actionItemsReceived": created("ACTION_ITEM").filter(owned).filter(|activity| activity.party != side).count(),
            "actionItemsDone": done.len(),
            "actionItemsPostponed": moved("POSTPONED").len(),
            "actionItemsOverdue": overdue.count(),
            "medianDaysToDone": self.median(&done),
            "liaisonStatementsSent": self.within().filter(|activity| activity.verb == "SENT" && activity.party == side).count(),
            "repliesOverdue": self.replies_overdue(side),
            "findingsRecorded": found.len(),
        })
    }

    /// Returns days, rounded to two decimals.
    fn median(&self, done: &[&str]) -> Option<f64> {
        let mut seconds: Vec<i64> = done
            .iter()
            .map(|id| {
                let own = || self.within().filter(|activity| activity.id() == *id);
                let all = self.history.activities.iter();
                let entered = all
                    .clone()
                    .find(|activity| activity.id() == *id)
                    .unwrap()
                    .at;
                let reported = own().filter(|activity| activity.after("status") == Some("DONE"));
                (reported.last().unwrap().at - entered).num_seconds()
            })
            .collect();
        seconds.sort_unstable();
        let middle = seconds.len() / 2;
        let sum = match seconds.len() {
            0 => return None,
            length if length % 2 == 1 => 2 * seconds[middle],
            _ => seconds[middle - 1] + seconds[middle],
        };
        let days = f64::from(i32::try_from(sum).unwrap()) / 2.0 / 86_400.0;
        Some((days * 100.0).round() / 100.0)
    }

    fn replies_overdue(&self, side: &str) -> usize {
        let mut overdue = 0;
        for sent in self
            .until_its_end()
            .filter(|activity| activity.verb == "SENT")
        {
            for addressee in sent.after("addressees").unwrap().split(", ") {
                let (committee, asked) = addressee.split_once(": ").unwrap();
                let Some(day) = asked.strip_prefix("ACTION by ") else {
                    continue;
                };
                let replied = self.until_its_end().any(|activity| {
                    activity.verb == "REPLIED"
                        && activity.id() == sent.id()
                        && activity
                            .after("repliedBy")
                            .is_some_and(|by| by.split(", ").any(|value| value == committee))
                });
                let theirs = self.history.parties[committee] == side;
                overdue += usize::from(theirs && !replied && *day < *self.day);
            }
        }
        overdue
    }
}

/// Compares both, ignoring how integers are formatted.
pub fn assert_same(given: &Value, derived: &Value) {
    let mut given = given.clone();
    for side in given["sides"].as_array_mut().unwrap() {
        if let Some(days) = side["medianDaysToDone"].as_f64() {
            side["medianDaysToDone"] = json!(days);
        }
    }
    assert_eq!(&given, derived);
}

async fn the_report_agrees_with_the_history(server: &Server) {
    server.fill().await;
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let item = |number: i32| async move {
        let document = "query($code: String!) { actionItem(by: { code: $code }) { id version } }";
        let reader = server.anonymous();
        let data = reader
            .data(document, json!({ "code": format!("A-{number}") }))
            .await;
        data["actionItem"].clone()
    };
    let step = |number: i32, to: &'static str| async move {
        let item = item(number).await;
        json!({ "id": item["id"], "version": item["version"], "to": to, "note": "So it is." })
    };
    server.pass_days(3);
    upu.change("actionItemMove", step(3, "POSTPONED").await, "id")
        .await;
    itu.change("actionItemMove", step(5, "DONE").await, "id")
        .await;
    server.pass_days(2);
    upu.change("actionItemMove", step(5, "IN_PROGRESS").await, "id")
        .await;
    upu.change("actionItemMove", step(3, "IN_PROGRESS").await, "id")
        .await;
    upu.change("actionItemMove", step(3, "DONE").await, "id")
        .await;
    server.pass_days(20);
    let input =
        json!({ "id": server.topic("T-1").await, "position": "DECLINED", "reason": "Not now." });
    upu.change("topicTakePosition", input, "id").await;
    for client in [&itu, &upu] {
        let input = json!({ "id": server.topic("T-2").await, "reviewOn": "2026-08-01" });
        client.change("topicReaffirm", input, "id").await;
    }
    itu.change("actionItemMove", step(5, "DONE").await, "id")
        .await;
    let due = json!({ "id": item(2).await["id"], "version": item(2).await["version"], "dueOn": "2026-12-24" });
    itu.change("actionItemUpdate", due, "id").await;
    server.pass_days(40);
    let input = json!({ "title": "New", "summary": "A new one." });
    tsb.change("topicPropose", input, "id").await;
    let history = History::read(server).await;
    let days = [
        "2020-01-01",
        "2026-06-14",
        "2026-06-15",
        "2026-06-16",
        "2026-06-18",
        "2026-06-20",
        "2026-07-01",
        "2026-07-10",
        "2026-08-01",
        "2026-08-19",
        "2026-12-31",
        "2030-01-01",
    ];
    for (place, from) in days.iter().enumerate() {
        for to in &days[place..] {
            let today = server.now().date_naive();
            let given = report(server, from, to).await;
            assert_same(&given, &history.report(from, to, today));
        }
    }
}

async fn the_first_and_the_last_day_belong_to_the_period(server: &Server) {
    let c5 = server.committee("POC", "C5").await;
    for moment in [
        "2026-07-31T23:59:50Z",
        "2026-08-01T00:00:00Z",
        "2026-08-31T23:59:50Z",
        "2026-09-01T00:00:00Z",
    ] {
        server.set_clock(moment);
        let input = json!({ "title": moment, "summary": "S", "leadCommitteeId": c5 });
        server.upu().change("topicPropose", input, "id").await;
    }
    let proposed = async |from: &str, to: &str| {
        let report = report(server, from, to).await;
        report["sides"][1]["topicsProposed"].as_u64().unwrap()
    };
    assert_eq!(proposed("2026-08-01", "2026-08-31").await, 2);
    assert_eq!(proposed("2026-08-01", "2026-08-01").await, 1);
    assert_eq!(proposed("2026-07-31", "2026-09-01").await, 4);
    assert_eq!(proposed("2026-08-02", "2026-08-30").await, 0);
}

async fn an_empty_period_has_an_empty_report(server: &Server) {
    let report = report(server, "1984-01-01", "1984-12-31").await;
    let counts = report["topicsByStatus"].as_array().unwrap();
    assert_eq!(counts.len(), 5);
    assert!(counts.iter().all(|count| count["count"] == 0), "{report:#}");
    for side in report["sides"].as_array().unwrap() {
        for (figure, value) in side.as_object().unwrap() {
            match figure.as_str() {
                "side" => {}
                "medianDaysToDone" => assert_eq!(value, &Value::Null),
                _ => assert_eq!(value, 0, "{figure}"),
            }
        }
    }
    assert_eq!(report["staleTopics"], json!([]));
}

async fn a_future_period_is_reported_with_current_data(server: &Server) {
    let ahead = report(server, "2031-01-01", "2031-12-31").await;
    let today = server.now().date_naive().to_string();
    let now = report(server, &today, &today).await;
    assert_eq!(ahead["topicsByStatus"], now["topicsByStatus"]);
    assert_eq!(ahead["staleTopics"], now["staleTopics"]);
    for (ahead, now) in [0, 1].map(|side| (&ahead["sides"][side], &now["sides"][side])) {
        assert_eq!(ahead["actionItemsOverdue"], now["actionItemsOverdue"]);
        assert_eq!(ahead["topicsProposed"], 0);
    }
}

async fn a_report_has_a_constant_number_of_statements(server: &Server) {
    server.statements.take();
    report(server, "2026-01-01", "2026-12-31").await;
    let few = server.statements.take();
    assert_eq!(few.len(), 5, "{few:#?}");
    server.fill().await;
    for number in 0..10 {
        let input = json!({ "title": format!("Topic {number}"), "summary": "S" });
        server.tsb().change("topicPropose", input, "id").await;
    }
    server.statements.take();
    report(server, "2026-01-01", "2026-12-31").await;
    assert_eq!(server.statements.take().len(), few.len());
}

async fn a_period_that_ends_before_its_start_is_refused(server: &Server) {
    let variables = json!({ "from": "2026-07-01", "to": "2026-06-30" });
    let response = server.anonymous().run(READ, variables).await;
    let error = &response["errors"][0];
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(
        error["message"],
        "`from` (2026-07-01) is after `to` (2026-06-30): exchange them."
    );
}
