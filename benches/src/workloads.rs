//! The six workloads, as requests for the service, the hand-written SQL and PostGraphile.

use entity::id::{Id, TopicId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::data::{Size, topic_key};

/// A workload.
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    /// The document for the service.
    pub document: &'static str,
    /// The document for PostGraphile, with aliases that make the responses equal; `None` if it has no equivalent.
    pub postgraphile: Option<&'static str>,
}

/// The variables of a request: for the service, for the hand-written SQL, for PostGraphile.
#[derive(Clone)]
pub struct Variables {
    pub service: Value,
    pub limit: Value,
    pub postgraphile: Value,
}

/// Number of different requests per workload, so that no request is repeated at once.
const DIFFERENT: u64 = 32;

/// Number of read workloads, and index of the one that writes.
pub const MOVE: usize = 4;
/// Index of the workload with a page deep in the list.
pub const DEEP: usize = 3;

pub const WORKLOADS: [Workload; 6] = [
    Workload {
        name: "Q1",
        what: "one topic, 6 scalars",
        document: "query($id: ID!) { topic(by: { id: $id }) { id code title summary status updatedAt } }",
        postgraphile: Some(
            "query($id: UUID!) { topic: topicByRowId(rowId: $id) { id: rowId code: number title summary status updatedAt } }",
        ),
    },
    Workload {
        name: "Q2",
        what: "50 topics by status, newest first, with pageInfo",
        document: "query($status: TopicStatus!) { topics(first: 50, filter: { status: [$status] }, orderBy: { field: UPDATED_AT, direction: DESC }) { nodes { id code title status updatedAt } pageInfo { hasNextPage endCursor } } }",
        postgraphile: Some(
            "query($status: String!) { topics: allTopics(first: 50, condition: { status: $status }, orderBy: [UPDATED_AT_DESC, PRIMARY_KEY_DESC]) { nodes { id: rowId code: number title status updatedAt } pageInfo { hasNextPage endCursor } } }",
        ),
    },
    Workload {
        name: "Q3",
        what: "the dashboard: 20 topics, their committees with organization, 5 action items each with committee",
        document: "{ topics(first: 20, orderBy: { field: UPDATED_AT, direction: DESC }) { nodes { id code title status committees { role committee { code name organization { acronym } } } actionItems(first: 5, orderBy: { field: DUE_ON }) { nodes { code title status dueOn committee { code } } } } } }",
        postgraphile: Some(
            "{ topics: allTopics(first: 20, orderBy: [UPDATED_AT_DESC, PRIMARY_KEY_DESC]) { nodes { id: rowId code: number title status committees: topicCommitteesByTopicId { nodes { role committee: committeeByCommitteeId { code name organization: organizationByOrganizationId { acronym } } } } actionItems: actionItemsByTopicId(first: 5, orderBy: [DUE_ASC_ASC]) { nodes { code: number title status dueOn committee: committeeByCommitteeId { code } } } } } }",
        ),
    },
    Workload {
        name: "Q4",
        what: "50 action items from the middle of all, by due date",
        document: "query($after: String!) { actionItems(first: 50, after: $after, orderBy: { field: DUE_ON }) { nodes { id code title status dueOn } pageInfo { hasNextPage endCursor } } }",
        postgraphile: Some(
            "query($after: Cursor!) { actionItems: allActionItems(first: 50, after: $after, orderBy: [DUE_ASC_ASC]) { nodes { id: rowId code: number title status dueOn } pageInfo { hasNextPage endCursor } } }",
        ),
    },
    Workload {
        name: "Q5",
        what: "a mutation: an action item is moved on",
        document: "mutation($input: ActionItemMoveInput!) { actionItemMove(input: $input) { actionItem { code status } userErrors { message } } }",
        postgraphile: None,
    },
    Workload {
        name: "Q6",
        what: "10 action items by status, with totalCount",
        document: "query($status: ActionItemStatus!) { actionItems(first: 10, filter: { status: [$status] }, orderBy: { field: DUE_ON }) { totalCount nodes { id code title status dueOn } } }",
        postgraphile: Some(
            "query($status: String!) { actionItems: allActionItems(first: 10, condition: { status: $status }, orderBy: [DUE_ASC_ASC]) { totalCount nodes { id: rowId code: number title status dueOn } } }",
        ),
    },
];

/// Returns the variables of a workload's requests, except for the cursors, which come from the services.
pub fn variables(workload: usize, size: Size) -> Vec<Variables> {
    let alike = |variables: Value| Variables {
        service: variables.clone(),
        limit: variables.clone(),
        postgraphile: variables,
    };
    let by_status = |statuses: &[&str]| {
        let status = |status: &&str| alike(json!({ "status": status }));
        statuses.iter().map(status).collect()
    };
    match workload {
        0 => (0..DIFFERENT)
            .map(|number| {
                let id = topic_key(number * (size.topics / DIFFERENT));
                Variables {
                    service: json!({ "id": TopicId::from(id).to_global_id() }),
                    ..alike(json!({ "id": id }))
                }
            })
            .collect(),
        1 => by_status(&["ACTIVE", "PROPOSED", "CLOSING", "RETIRED"]),
        5 => by_status(&["REQUESTED", "POSTPONED", "DECLINED", "WITHDRAWN"]),
        _ => vec![alike(json!({}))],
    }
}

/// The state of an action item that is moved repeatedly.
#[derive(Clone, Copy)]
pub struct Moved {
    pub id: Uuid,
    pub version: i32,
    pub postponed: bool,
}

impl Moved {
    pub fn next(&mut self) {
        self.version += 1;
        self.postponed = !self.postponed;
    }

    pub fn to(&self) -> &'static str {
        if self.postponed {
            "IN_PROGRESS"
        } else {
            "POSTPONED"
        }
    }
}
