//! End-to-end scenario: a year of the collaboration, and its report.

use serde_json::{Value, json};

use crate::queries::report::{History, assert_same, report};
use crate::support::harness::{Client, Server};

on_both_databases! {
    a_year_of_the_collaboration
}

const ITEM: &str = "id code version status reminders outcome overdue";

async fn step(client: &Client<'_>, item: &Value, to: &str, note: Option<&str>) -> Value {
    let input = json!({ "id": item["id"], "version": item["version"], "to": to, "note": note });
    client.change("actionItemMove", input, ITEM).await
}

async fn a_year_of_the_collaboration(server: &Server) {
    let year = Scenario {
        server,
        itu: server.itu(),
        upu: server.upu(),
        tsb: server.tsb(),
        sg17: server.committee("ITU-T", "SG17").await,
        c5: server.committee("POC", "C5").await,
    };
    let topic = year.upu_proposes_and_itu_agrees().await;
    year.items_are_requested_and_completed(&topic).await;
    year.a_recommendation_is_examined_by_both().await;
    year.statements_go_back_and_forth(&topic).await;
    year.a_proposal_is_declined().await;
    year.the_tsb_reports().await;
}

struct Scenario<'a> {
    server: &'a Server,
    itu: Client<'a>,
    upu: Client<'a>,
    tsb: Client<'a>,
    sg17: String,
    c5: String,
}

impl Scenario<'_> {
    fn on(&self, day: &str) {
        self.server.set_clock(&format!("{day}T09:00:00Z"));
    }

    async fn upu_proposes_and_itu_agrees(&self) -> Value {
        self.on("2026-07-01");
        let input = json!({ "title": "Addresses that machines can trust", "summary": "How a parcel finds its way.", "leadCommitteeId": self.c5, "reviewOn": "2027-05-01" });
        let read = "id code status viewerPermissions";
        let topic = self.upu.change("topicPropose", input, read).await;
        assert_eq!(
            (&topic["code"], &topic["status"]),
            (&json!("T-9"), &json!("PROPOSED"))
        );

        self.on("2026-07-10");
        let input =
            json!({ "id": topic["id"], "position": "AGREED", "leadCommitteeId": self.sg17 });
        let topic = self.itu.change("topicTakePosition", input, read).await;
        assert_eq!(topic["status"], "ACTIVE");
        topic["id"].clone()
    }

    async fn items_are_requested_and_completed(&self, topic: &Value) {
        let Self { itu, upu, tsb, .. } = self;
        let ask = async |client: &Client<'_>, owner: &str, counterpart: &str, due: &str| {
            let input = json!({ "topicId": topic, "committeeId": owner, "counterpartId": counterpart, "title": "Send what you have", "dueOn": due });
            client.change("actionItemCreate", input, ITEM).await
        };
        self.on("2026-08-01");
        let of_itu = ask(upu, &self.sg17, &self.c5, "2026-09-01").await;
        let of_upu = ask(itu, &self.c5, &self.sg17, "2026-08-20").await;
        let forgotten = ask(tsb, &self.c5, &self.sg17, "2026-08-15").await;
        assert_eq!(of_itu["status"], "REQUESTED");
        let of_itu = step(itu, &of_itu, "OPEN", None).await;
        let of_itu = step(itu, &of_itu, "IN_PROGRESS", None).await;
        let of_upu = step(upu, &of_upu, "OPEN", None).await;

        self.on("2026-08-11");
        let of_itu = step(itu, &of_itu, "DONE", Some("A first list.")).await;
        let of_upu = step(upu, &of_upu, "POSTPONED", Some("Holidays.")).await;
        self.on("2026-08-15");
        let of_itu = step(upu, &of_itu, "IN_PROGRESS", Some("Half of it is missing.")).await;
        // Twenty days after the request.
        self.on("2026-08-21");
        let of_itu = step(itu, &of_itu, "DONE", Some("The whole list.")).await;
        let of_itu = step(upu, &of_itu, "CONFIRMED", None).await;
        assert_eq!(of_itu["outcome"], "The whole list.");

        let remind = json!({ "id": forgotten["id"], "message": "May we count on you?" });
        for times in [1, 2] {
            let reminded = tsb.change("actionItemRemind", remind.clone(), ITEM).await;
            assert_eq!(reminded["reminders"], times);
            assert_eq!(reminded["overdue"], true);
        }
        // Forty-five days.
        self.on("2026-09-15");
        let of_upu = step(upu, &of_upu, "IN_PROGRESS", None).await;
        let of_upu = step(upu, &of_upu, "DONE", Some("Sent by post.")).await;
        step(itu, &of_upu, "CONFIRMED", None).await;
    }

    async fn a_recommendation_is_examined_by_both(&self) {
        let Self { itu, upu, tsb, .. } = self;
        self.on("2026-10-01");
        let add = async |client: &Client<'_>, number: &str, organization: &str, kind: &str| {
            let organization = self.server.organization(organization).await;
            let input = json!({ "number": number, "title": "Addresses", "kind": kind, "organizationId": organization });
            client.change("publicationAdd", input, "id").await["id"].take()
        };
        let recommendation = add(itu, "ITU-T X.9999 (10/2026)", "ITU-T", "RECOMMENDATION").await;
        let standard = add(upu, "UPU S999", "UPU", "UPU_STANDARD").await;
        let both = json!({ "id": standard, "relatedId": recommendation });
        let read = "related { number }";
        let related = tsb.change("publicationRelate", both, read).await;
        assert_eq!(
            related["related"],
            json!([{ "number": "ITU-T X.9999 (10/2026)" }])
        );

        let input = json!({ "publicationId": recommendation, "reason": "It is new.", "dueOn": "2026-12-01" });
        let asked = tsb.change("examinationRequest", input, "id").await;
        let find = async |client: &Client<'_>, impact: &str, statement: &str| {
            let input = json!({ "id": asked["id"], "impact": impact, "statement": statement });
            let read = "complete findings { side impact }";
            client.change("examinationRecordFinding", input, read).await
        };
        find(itu, "NONE", "Nothing to see.").await;
        let once = find(itu, "INFORMATIVE", "The annex may help posts.").await;
        assert_eq!(once["complete"], false);
        let both = find(upu, "ALIGNMENT_NEEDED", "S999 must follow.").await;
        assert_eq!(both["complete"], true);
        assert_eq!(
            both["findings"],
            json!([{ "side": "ITU", "impact": "INFORMATIVE" }, { "side": "UPU", "impact": "ALIGNMENT_NEEDED" }])
        );
    }

    async fn statements_go_back_and_forth(&self, topic: &Value) {
        let Self {
            itu,
            upu,
            tsb,
            sg17,
            c5,
            server,
        } = self;
        let psi = server.committee("POC", "PSI").await;
        let bureau = server.committee("TSB", "TSB").await;
        let send = async |client: &Client<'_>, from: &str, to: Value, reply_to: Option<&Value>| {
            let input = json!({ "title": "On addresses", "fromIds": [from], "addressees": to, "inReplyToId": reply_to, "topicIds": [topic] });
            client
                .change("liaisonStatementSend", input, "id code awaitingReply")
                .await
        };
        self.on("2026-11-01");
        let to = json!([{ "committeeId": c5, "purpose": "ACTION", "replyBy": "2026-12-01" }, { "committeeId": psi, "purpose": "INFORMATION" }]);
        let asked = send(itu, sg17, to, None).await;
        assert_eq!(asked["awaitingReply"], true);
        // Late, but replied.
        self.on("2026-12-20");
        let to = json!([{ "committeeId": sg17, "purpose": "COMMENT" }]);
        send(upu, c5, to, Some(&asked["id"])).await;
        self.on("2027-01-15");
        let to = json!([{ "committeeId": sg17, "purpose": "ACTION", "replyBy": "2027-03-01" }]);
        send(upu, c5, to, None).await;
        let to = json!([{ "committeeId": sg17, "purpose": "INFORMATION" }, { "committeeId": c5, "purpose": "INFORMATION" }]);
        let circular = send(tsb, &bureau, to, None).await;
        assert_eq!(circular["code"], "LS-4");
    }

    async fn a_proposal_is_declined(&self) {
        self.on("2027-02-01");
        let input = json!({ "title": "Pigeons", "summary": "As carriers of packets.", "leadCommitteeId": self.sg17 });
        let topic = self.itu.change("topicPropose", input, "id").await;
        let input =
            json!({ "id": topic["id"], "position": "DECLINED", "reason": "RFC 1149 has it." });
        let declined = self.upu.change("topicTakePosition", input, "status").await;
        assert_eq!(declined["status"], "DECLINED");
    }

    async fn the_tsb_reports(&self) {
        self.on("2027-07-05");
        let (from, to) = ("2026-07-01", "2027-06-30");
        let reported = report(self.server, from, to).await;
        // Together with the seed data: six proposals and two active topics, two overdue items of ITU and four of the
        // UPU.
        assert_eq!(
            reported,
            json!({
                "from": from,
                "to": to,
                "topicsByStatus": [
                    { "status": "PROPOSED", "count": 6 },
                    { "status": "ACTIVE", "count": 3 },
                    { "status": "CLOSING", "count": 0 },
                    { "status": "RETIRED", "count": 0 },
                    { "status": "DECLINED", "count": 1 },
                ],
                "sides": [
                    {
                        "side": "ITU", "topicsProposed": 1, "actionItemsRequested": 1, "actionItemsReceived": 1, "actionItemsDone": 1,
                        "actionItemsPostponed": 0, "actionItemsOverdue": 2, "medianDaysToDone": 20, "liaisonStatementsSent": 1,
                        "repliesOverdue": 1, "findingsRecorded": 1,
                    },
                    {
                        "side": "UPU", "topicsProposed": 1, "actionItemsRequested": 1, "actionItemsReceived": 2, "actionItemsDone": 1,
                        "actionItemsPostponed": 1, "actionItemsOverdue": 5, "medianDaysToDone": 45, "liaisonStatementsSent": 2,
                        "repliesOverdue": 0, "findingsRecorded": 1,
                    },
                ],
                "staleTopics": [{ "code": "T-9" }],
                "silentTopics": [{ "code": "T-2" }, { "code": "T-3" }],
            })
        );
        let history = History::read(self.server).await;
        let today = self.server.now().date_naive();
        for (from, to) in [
            (from, to),
            (from, "2026-12-31"),
            ("2027-01-01", to),
            ("2026-12-02", "2026-12-19"),
        ] {
            let reported = report(self.server, from, to).await;
            assert_same(&reported, &history.report(from, to, today));
        }
    }
}
