//! Mandates and their provisions.

use std::sync::LazyLock;

use entity::id::{Id, MandateId, ProvisionId};
use entity::provision::ProvisionSection;
use entity::scalar::Date;
use entity::{mandate, provision, topic_provision};
use sea_orm::sea_query::ExprTrait;

use super::list;
use super::topic as topics;
use crate::error::Result;
use crate::graphql::metadata_fields::id;
use crate::graphql::node::{NOT_SEARCHED, node_table, visible_to_all};
use crate::planner::RecordQuery;
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::schema::{ListLength, ObjectType, Relation, col, column, many, one, page};

/// Returns the object type of mandates.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Mandate",
        description: "A Resolution of an assembly of ITU on which the collaboration is based, in one edition. Not to be confused with the text `Committee.mandate`.",
        cacheable: true,
        table: Some(node_table::<MandateId>(
            mandate::Entity,
            visible_to_all,
            NOT_SEARCHED,
        )),
        fields: vec![
            id(MandateId::PREFIX),
            column::<String>(
                "code",
                "Its unique code. Example: `RES-11-DUBAI-2012`.",
                mandate::Column::Code,
                Scalar::String,
            ),
            column::<String>(
                "title",
                "Its title as it was adopted.",
                mandate::Column::Title,
                Scalar::String,
            ),
            column::<String>(
                "edition",
                "Where and when this edition was adopted. Example: `Rev. Dubai, 2012`.",
                mandate::Column::Edition,
                Scalar::String,
            ),
            column::<Option<Date>>(
                "adoptedOn",
                "When it was adopted; null if unknown.",
                mandate::Column::AdoptedOn,
                Scalar::Date,
            ),
            column::<Vec<String>>(
                "history",
                "The places and years of all editions of this Resolution, oldest first, up to and including this one. Example: `Dubai, 2012`.",
                mandate::Column::History,
                Scalar::StringList,
            ),
            many(
                "provisions",
                "Its provisions, in the order of the text.",
                provision,
                ListLength::Short,
                Relation::column(provision::Column::MandateId),
                vec![col(provision::Column::Ordinal)],
            ),
        ],
    });
    &OBJECT
}

/// Returns the object type of provisions.
pub fn provision() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Provision",
        description: "A provision (clause) of a mandate, summarized in the register's own words. Topics refer to the provisions that they implement.",
        cacheable: true,
        table: Some(node_table::<ProvisionId>(
            provision::Entity,
            visible_to_all,
            NOT_SEARCHED,
        )),
        fields: vec![
            id(ProvisionId::PREFIX),
            column::<ProvisionSection>(
                "section",
                "The part of the Resolution that contains it.",
                provision::Column::Section,
                Scalar::Enum,
            ),
            column::<Option<String>>(
                "letter",
                "Its letter within the section; null if the section has only one provision.",
                provision::Column::Letter,
                Scalar::String,
            ),
            column::<String>(
                "summary",
                "A summary of the provision.",
                provision::Column::Summary,
                Scalar::String,
            ),
            one(
                "mandate",
                "The mandate that contains it.",
                object_type,
                provision::Column::MandateId,
            ),
            page(
                "topics",
                "The topics that implement it. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED or UPDATED and `subjectType` TOPIC.",
                &topics::TOPICS,
                Relation::through(
                    topic_provision::Entity,
                    topic_provision::Column::ProvisionId,
                    topic_provision::Column::TopicId,
                ),
            ),
        ],
    });
    &OBJECT
}

/// Finds a mandate by its code.
///
/// # Errors
/// Returns a bad-input error if the code contains a NUL character.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    let code = list::reject_nul("code", &args.get::<String>("code")?)?;
    Ok(col(mandate::Column::Code).eq(code).into())
}
