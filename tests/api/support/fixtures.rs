//! A fixture: a register with at least one record of every type.

use serde_json::{Value, json};

use crate::support::harness::Server;

/// The ids of the records created in addition to the seed data.
pub struct Fixtures {
    /// An ITU Recommendation of SG17 with findings of both sides.
    pub examined: String,
    /// The complete examination.
    pub examination: Value,
    /// A UPU standard with an open examination, for which ITU has recorded its finding.
    pub under_examination: String,
    pub under_way: Value,
    /// From SG17 to C5 for ACTION, and to PSI; C5 has replied.
    pub statement: Value,
    /// A note of ITU on a topic.
    pub note: Value,
}

impl Server {
    /// Creates the records as their editors.
    pub async fn fill(&self) -> Fixtures {
        let (itu, upu, tsb) = (self.itu(), self.upu(), self.tsb());
        let sg17 = self.committee("ITU-T", "SG17").await;
        let c5 = self.committee("POC", "C5").await;
        let psi = self.committee("POC", "PSI").await;
        let topic = self.topic("T-3").await;
        let examined = self.publication("ITU-T X.1341 (09/2015)").await;
        let under_examination = self.publication("UPU S52").await;

        let other = self.topic("T-2").await;
        let data = tsb
            .data("{ topic(by: { code: \"T-2\" }) { version } }", json!({}))
            .await;
        let input = json!({ "id": other, "version": data["topic"]["version"], "publicationIds": [examined, under_examination] });
        tsb.change("topicUpdate", input, "id").await;

        let input = json!({ "topicIds": [topic], "title": "On payouts", "fromIds": [sg17],
            "attachments": [{ "name": "TD 12", "url": "https://example.org/td12" }],
            "addressees": [{ "committeeId": c5, "purpose": "ACTION", "replyBy": "2026-07-01" }, { "committeeId": psi, "purpose": "INFORMATION" }] });
        let statement = itu.change("liaisonStatementSend", input, "id").await["id"].take();
        let input = json!({ "inReplyToId": statement, "title": "Re: On payouts", "fromIds": [c5],
            "addressees": [{ "committeeId": sg17, "purpose": "COMMENT" }] });
        upu.change("liaisonStatementSend", input, "id").await;

        let ask =
            |publication: &str| json!({ "publicationId": publication, "dueOn": "2026-09-01" });
        let found = |examination: &Value, committee: Option<&String>| json!({ "id": examination, "impact": "INFORMATIVE", "statement": "Good to know.", "committeeId": committee });
        let examination = tsb.change("examinationRequest", ask(&examined), "id").await["id"].take();
        let finding = "examinationRecordFinding";
        itu.change(finding, found(&examination, Some(&sg17)), "id")
            .await;
        upu.change(finding, found(&examination, None), "id").await;
        let under_way = upu
            .change("examinationRequest", ask(&under_examination), "id")
            .await["id"]
            .take();
        itu.change(finding, found(&under_way, None), "id").await;

        let on = |subject: &Value| json!({ "subjectId": subject, "body": "See the annex." });
        let note = itu.change("noteAdd", on(&json!(topic)), "id").await["id"].take();
        for subject in [&json!(examined), &examination, &statement] {
            upu.change("noteAdd", on(subject), "id").await;
        }
        Fixtures {
            examined,
            examination,
            under_examination,
            under_way,
            statement,
            note,
        }
    }
}

impl Server {
    /// Returns the version of a record whose texts can be translated.
    pub async fn version(&self, id: &str) -> Value {
        let document = "query($id: ID!) { node(id: $id) { ... on Organization { version } ... on Committee { version }
            ... on Topic { version } ... on ActionItem { version } ... on Publication { version } } }";
        let data = self.anonymous().data(document, json!({ "id": id })).await;
        data["node"]["version"].clone()
    }

    /// Returns the input that sets a translation of a record as it is now.
    pub async fn translation(&self, id: &str, field: &str, language: &str, text: &str) -> Value {
        json!({ "subjectId": id, "version": self.version(id).await, "field": field, "language": language,
            "text": text, "kind": "COURTESY" })
    }

    /// Sets a translation as the UPU, which may translate topics and what is its own.
    pub async fn translate(&self, id: &str, field: &str, language: &str, text: &str) {
        let input = self.translation(id, field, language, text).await;
        self.upu().change("translationSet", input, "id").await;
    }
}
