//! What the database's work costs beyond the values of the response, in the unit of a value.
//!
//! Most fields seek an index, so their values say what they cost. The others read a whole table or the log, however
//! little they return. `cargo run --release -p benches -- prices` measures all of them on 100,000 records.

/// The root fields, what counts the records of a connection, and the conditions of filters: type, field, price. A
/// condition is priced by the case that reads most: it leaves no record.
pub const PRICES: &[(&str, &str, u64)] = &[
    ("Query", "node", 0),
    ("Query", "nodes", 0),
    ("Query", "viewer", 0),
    ("Query", "organization", 0),
    ("Query", "organizations", 0),
    ("Query", "committee", 0),
    ("Query", "committees", 0),
    ("Query", "topic", 0),
    ("Query", "topics", 0),
    ("Query", "actionItem", 0),
    ("Query", "actionItems", 0),
    ("Query", "publication", 0),
    ("Query", "publications", 0),
    ("Query", "liaisonStatement", 0),
    ("Query", "liaisonStatements", 0),
    ("Query", "examinations", 0),
    ("Query", "exchange", 5_000),
    ("Query", "report", 40_000),
    ("Query", "activities", 0),
    ("Query", "mandate", 0),
    ("Query", "mandates", 0),
    ("Query", "webhooks", 0),
    ("Query", "search", 0),
    ("Query", "overlaps", 0),
    ("Connection", "totalCount", 1_000),
    ("Connection", "countsByStatus", 1_000),
    ("ActionItemFilter", "status", 0),
    ("ActionItemFilter", "open", 3_000),
    ("ActionItemFilter", "overdue", 3_000),
    ("ActionItemFilter", "side", 0),
    ("ActionItemFilter", "committee", 0),
    ("ActionItemFilter", "counterpart", 0),
    ("ActionItemFilter", "topic", 0),
    ("ActionItemFilter", "priority", 3_000),
    ("ActionItemFilter", "dueFrom", 3_000),
    ("ActionItemFilter", "dueTo", 3_000),
    ("ActionItemFilter", "updatedSince", 3_000),
    ("ActionItemFilter", "text", 10_000),
    ("ActionItemFilter", "illustrative", 3_000),
    ("ActionItemFilter", "externalKey", 3_000),
    ("ActionItemFilter", "ownedBy", 3_000),
    ("ActionItemFilter", "requestedBy", 3_000),
    ("ActivityFilter", "subject", 0),
    ("ActivityFilter", "subjectType", 1_000),
    ("ActivityFilter", "verb", 1_000),
    ("ActivityFilter", "party", 1_000),
    ("ActivityFilter", "side", 1_000),
    ("ActivityFilter", "topic", 0),
    ("CommitteeFilter", "kind", 0),
    ("CommitteeFilter", "status", 0),
    ("CommitteeFilter", "side", 0),
    ("CommitteeFilter", "organization", 0),
    ("CommitteeFilter", "period", 0),
    ("CommitteeFilter", "code", 0),
    ("CommitteeFilter", "text", 0),
    ("CommitteeFilter", "updatedSince", 0),
    ("ExaminationFilter", "awaiting", 3_000),
    ("ExaminationFilter", "complete", 0),
    ("ExaminationFilter", "overdue", 1_000),
    ("ExaminationFilter", "publication", 0),
    ("ExaminationFilter", "requestedBy", 1_000),
    ("ExaminationFilter", "dueFrom", 1_000),
    ("ExaminationFilter", "dueTo", 1_000),
    ("ExaminationFilter", "updatedSince", 1_000),
    ("LiaisonStatementFilter", "from", 0),
    ("LiaisonStatementFilter", "to", 0),
    ("LiaisonStatementFilter", "side", 0),
    ("LiaisonStatementFilter", "topic", 0),
    ("LiaisonStatementFilter", "awaitingReply", 5_000),
    ("LiaisonStatementFilter", "sentSince", 3_000),
    ("LiaisonStatementFilter", "text", 10_000),
    ("OrganizationFilter", "kind", 0),
    ("OrganizationFilter", "side", 0),
    ("OrganizationFilter", "text", 0),
    ("OrganizationFilter", "updatedSince", 0),
    ("PublicationFilter", "kind", 3_000),
    ("PublicationFilter", "status", 3_000),
    ("PublicationFilter", "organization", 0),
    ("PublicationFilter", "topic", 0),
    ("PublicationFilter", "approvedFrom", 3_000),
    ("PublicationFilter", "approvedTo", 3_000),
    ("PublicationFilter", "text", 10_000),
    ("PublicationFilter", "number", 0),
    ("PublicationFilter", "latestEdition", 10_000),
    ("PublicationFilter", "side", 3_000),
    ("PublicationFilter", "committee", 0),
    ("PublicationFilter", "updatedSince", 3_000),
    ("TopicFilter", "status", 0),
    ("TopicFilter", "proposedBy", 1_000),
    ("TopicFilter", "committee", 0),
    ("TopicFilter", "provision", 0),
    ("TopicFilter", "needsReview", 1_000),
    ("TopicFilter", "updatedSince", 1_000),
    ("TopicFilter", "text", 10_000),
    ("TopicFilter", "awaiting", 0),
    ("TopicFilter", "silentSince", 3_000),
    ("TopicFilter", "illustrative", 1_000),
];

/// The price of a root field, of a field that counts, or of a condition of a filter; `None` for all others.
#[must_use]
pub fn price(ty: &str, field: &str) -> Option<u64> {
    let mut prices = PRICES.iter();
    let found = prices.find(|(of, name, _)| *of == ty && *name == field);
    found.map(|(.., price)| *price)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use apollo_compiler::ExecutableDocument;
    use apollo_compiler::schema::ExtendedType;
    use async_graphql::Variables;

    use super::*;
    use crate::http::validation::complexity::Sizes;
    use crate::http::validation::definitions;

    const SCHEMA: &str = include_str!("../../../schema.graphql");
    /// What `cargo run --release -p benches -- prices` measured: field, microseconds on SQLite and on PostgreSQL, document.
    const MEASURED: &str = include_str!("../../../benches/prices.tsv");
    /// How far the ratio of cost to time may be from the median.
    const TOLERANCE: f64 = 10.0;
    /// Shorter times, in microseconds, are within the noise of the measurement.
    const SHORTEST: f64 = 100.0;

    #[test]
    fn every_root_field_and_every_condition_of_a_filter_has_a_price() {
        let schema = definitions(SCHEMA).unwrap();
        let mut fields =
            BTreeSet::from(["totalCount", "countsByStatus"].map(|field| ("Connection", field)));
        for (name, ty) in &schema.types {
            let names: Vec<_> = match ty {
                ExtendedType::Object(object) if name == "Query" => object.fields.keys().collect(),
                ExtendedType::InputObject(input) if name.ends_with("Filter") => {
                    input.fields.keys().collect()
                }
                _ => continue,
            };
            let names = names.into_iter().filter(|name| !name.starts_with("__"));
            fields.extend(names.map(|field| (name.as_str(), field.as_str())));
        }
        let priced: BTreeSet<_> = PRICES.iter().map(|(ty, field, _)| (*ty, *field)).collect();
        assert_eq!(priced.len(), PRICES.len(), "a price stands twice");
        assert_eq!(priced, fields);
    }

    #[test]
    fn each_cost_is_within_ten_times_of_the_measured_time() {
        let schema = definitions(SCHEMA).unwrap();
        let sizes = Sizes::of(&schema);
        let mut ratios = Vec::new();
        for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<_> = line.split('\t').collect();
            let [field, sqlite, postgres, text] = columns[..] else {
                panic!("not a line of the table: {line}");
            };
            let document = ExecutableDocument::parse_and_validate(&schema, text, field).unwrap();
            let operation = document.operations.get(None).unwrap();
            let cost = sizes.cost(&document, operation);
            let (ty, name) = field.split_once('.').unwrap();
            // What has a price is read in a thread of its own.
            let price = cost.price(&Variables::default());
            let expected = super::price(ty, name).unwrap();
            assert_eq!(price > 0, expected > 0, "{field}: {price}");
            let cost = cost.with(&Variables::default());
            let times = [sqlite, postgres].map(|time| time.parse::<f64>().unwrap());
            let time = times[0].max(times[1]).max(SHORTEST);
            ratios.push((field, f64::from(u32::try_from(cost).unwrap()) / time));
        }
        let measured: Vec<_> = ratios
            .iter()
            .map(|(field, _)| (*field).to_owned())
            .collect();
        let priced = PRICES.iter().map(|(ty, field, _)| format!("{ty}.{field}"));
        assert_eq!(measured, priced.collect::<Vec<_>>(), "measure again");
        let mut sorted: Vec<_> = ratios.iter().map(|(_, ratio)| *ratio).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        for (field, ratio) in ratios {
            let relative = ratio / median;
            let range = 1.0 / TOLERANCE..=TOLERANCE;
            assert!(range.contains(&relative), "{field}: {relative:.2}");
        }
    }
}
