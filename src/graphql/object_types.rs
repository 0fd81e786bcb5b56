//! Properties of each object type: whether responses with it may be cached, and how long its lists are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::graphql::{query, viewer};
use crate::planner::schema::{FieldSource, ListLength, ObjectType};

/// All types that the query planner reads, by name.
static OBJECT_TYPES: LazyLock<BTreeMap<&str, &ObjectType>> = LazyLock::new(|| {
    let mut types = BTreeMap::new();
    let mut waiting: Vec<_> = query::root_types().collect();
    while let Some(object) = waiting.pop() {
        if types.insert(object.name, object).is_none() {
            let sources = object.fields.iter().map(|field| &field.source);
            waiting.extend(sources.flat_map(FieldSource::objects));
        }
    }
    types
});

/// Returns whether responses with a type may be cached for the viewers of a party until the next write.
#[must_use]
pub fn is_cacheable(ty: &str) -> bool {
    let node = ty
        .strip_suffix("Connection")
        .or_else(|| ty.strip_suffix("Edge"));
    let object = OBJECT_TYPES.get(ty).or_else(|| OBJECT_TYPES.get(node?));
    ty != viewer::NAME && object.is_none_or(|object| object.cacheable)
}

/// Returns the length of a list without pages.
#[must_use]
pub fn list_length(ty: &str, field: &str) -> ListLength {
    let field = OBJECT_TYPES.get(ty).and_then(|object| object.field(field));
    let length = field.and_then(|field| field.source.list_length());
    length.unwrap_or(ListLength::Short)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use async_graphql::OutputType;
    use async_graphql::registry::{MetaType, Registry};
    use entity::id;
    use sea_orm::sea_query::DynIden;
    use sea_orm::{IdenStatic, Iterable};

    use super::*;
    use crate::graphql::{Query, node, search};
    use crate::planner::schema::ColumnExpr;
    use crate::search::SearchType;

    macro_rules! columns {
        ($($ty:literal: $entity:ident),* $(,)?) => {
            BTreeMap::from([$((
                $ty,
                entity::$entity::Column::iter().map(|column| column.as_str()).collect::<Vec<_>>(),
            )),*])
        };
    }

    #[test]
    fn every_object_type_of_the_schema_is_in_object_types() {
        let mut registry = Registry::default();
        Query::create_type_info(&mut registry);
        for (name, ty) in &registry.types {
            let is_known = OBJECT_TYPES.contains_key(name.as_str())
                || name.ends_with("Connection")
                || name.ends_with("Edge")
                || ["Query", viewer::NAME].contains(&name.as_str());
            let is_object = matches!(ty, MetaType::Object { .. });
            assert!(!is_object || is_known, "{name} is no `ObjectType`");
        }
    }

    #[test]
    fn types_private_to_a_party_are_not_cached() {
        let mut private = vec![viewer::NAME, "DeliveryConnection", "DeliveryEdge"];
        private.extend(["Webhook", "WebhookFilter", "Delivery"]);
        assert!(private.into_iter().all(|ty| !is_cacheable(ty)));
        for ty in ["Query", "Topic", "TopicConnection", "Activity", "Report"] {
            assert!(is_cacheable(ty), "{ty}");
        }
    }

    #[test]
    fn every_id_belongs_to_a_type_that_can_be_looked_up() {
        let nodes = node::node_types();
        let names: Vec<_> = nodes.iter().map(|object| object.name).collect();
        assert_eq!(names, id::TYPES);
        let prefixes = nodes
            .iter()
            .map(|object| object.node().map(|node| node.prefix));
        let expected = names.iter().map(|name| id::prefix_of(name));
        assert!(prefixes.eq(expected));
        let reached = OBJECT_TYPES
            .values()
            .filter(|object| object.node().is_some());
        assert_eq!(reached.count(), names.len());
    }

    /// Columns that no field shows, by the reason.
    const NOT_SHOWN: &[(&str, &str)] = &[
        (
            "what lists are sorted and searched by",
            "Organization.acronym_key Organization.name_key Organization.folded Committee.code_key Committee.name_key
             Committee.folded Topic.title_key Topic.folded ActionItem.title_key ActionItem.folded Publication.number_key
             Publication.number_identity Publication.series Publication.title_key Publication.folded
             LiaisonStatement.folded Translation.text_key Translation.folded Provision.ordinal Addressee.ordinal
             Attachment.ordinal Delivery.position",
        ),
        (
            "the record whose part it is",
            "TopicCommittee.topic_id Finding.examination_id Addressee.statement_id Attachment.statement_id
             Translation.subject_type Translation.subject_id Delivery.webhook_id",
        ),
        (
            "copies of what other fields say",
            "ActionItem.side LiaisonStatement.side TopicCommittee.party Note.topic_id Activity.topic_id
             Activity.trace_parent",
        ),
        (
            "who set a translation when: the history of the record says it",
            "Translation.party Translation.created_at Translation.subject_version",
        ),
        (
            "secrets, and the state of the deliveries",
            "Webhook.secret Webhook.former_secret Webhook.former_until Webhook.deleted Webhook.activity_id
             Webhook.attempts Webhook.failing_since Webhook.lease Webhook.leased_until Webhook.next_attempt_at",
        ),
    ];

    #[test]
    fn every_column_of_a_record_is_shown_by_a_field() {
        let tables = columns! {
            "Organization": organization, "Committee": committee, "Mandate": mandate, "Provision": provision,
            "Topic": topic, "TopicCommittee": topic_committee, "ActionItem": action_item,
            "Publication": publication, "Examination": examination, "Finding": finding,
            "LiaisonStatement": liaison_statement, "Addressee": addressee, "Attachment": attachment, "Note": note,
            "Translation": translation, "Activity": activity, "Webhook": webhook, "Delivery": delivery,
        };
        for object in node::node_types() {
            assert!(tables.contains_key(object.name), "{}", object.name);
        }
        let mut not_shown = BTreeSet::new();
        for (ty, columns) in tables {
            let shown = shown(OBJECT_TYPES[ty]);
            let hidden = columns
                .into_iter()
                .filter(|column| !shown.contains(*column));
            not_shown.extend(hidden.map(|column| format!("{ty}.{column}")));
        }
        let expected = NOT_SHOWN
            .iter()
            .flat_map(|(_, columns)| columns.split_whitespace());
        assert_eq!(not_shown, expected.map(str::to_owned).collect());
    }

    /// Returns the columns that the fields of a type read.
    fn shown(object: &ObjectType) -> BTreeSet<String> {
        let mut shown = BTreeSet::new();
        let name = |cell: &ColumnExpr| cell.name().into_owned();
        for field in &object.fields {
            match &field.source {
                FieldSource::Cell { cell, .. } | FieldSource::Stored { cell, .. } => {
                    shown.insert(name(cell));
                }
                FieldSource::Computed { needs, .. } | FieldSource::Derived { needs, .. } => {
                    shown.extend(needs.iter().map(name));
                }
                FieldSource::One { by, .. } => shown.extend([by.to_string()]),
                FieldSource::Node { ty, key, .. } => {
                    shown.extend([ty, key].map(DynIden::to_string));
                }
                FieldSource::Parts(parts) => {
                    shown.extend(parts.iter().flat_map(|part| self::shown(part())));
                }
                // A text in the language that is wanted has the name of its column.
                FieldSource::Selected { .. } => shown.extend([field.name.to_owned()]),
                _ => {}
            }
        }
        shown
    }

    #[test]
    fn the_search_types_match_their_enum() {
        let found = (search::SEARCH_RESULT.objects)();
        let names = found.iter().map(|object| object.name);
        assert!(names.eq(SearchType::ALL.map(SearchType::type_name)));
    }

    #[test]
    fn lists_without_pages_have_a_length() {
        let lengths = [
            ("Topic", "positions", ListLength::Fixed(2)),
            ("Examination", "findings", ListLength::Fixed(2)),
            ("Report", "topicsByStatus", ListLength::Fixed(5)),
            ("Publication", "related", ListLength::Long),
            ("Exchange", "actionItems", ListLength::Long),
            ("Topic", "provisions", ListLength::Short),
        ];
        for (ty, field, length) in lengths {
            assert_eq!(list_length(ty, field), length, "{ty}.{field}");
        }
    }
}
