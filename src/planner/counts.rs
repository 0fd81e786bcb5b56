//! How many records of a list have each value of an enum: their part of the schema and of the plan.

use async_graphql::OutputType;
use sea_orm::sea_query::DynIden;

use crate::planner::planning::Planner;
use crate::planner::schema::{FieldSource, ObjectRef, ObjectType, field};
use crate::planner::selection::CollectedField;

/// The field of a connection that counts its records by status.
pub const FIELD: &str = "countsByStatus";

/// How the records of a list are counted by the values of an enum.
pub struct Counts {
    /// The type of one count. Its fields are `status` and `count`.
    pub object: ObjectRef,
    /// The column that has the value.
    pub column: fn() -> DynIden,
    /// All values in their order.
    pub values: fn() -> Vec<String>,
}

/// A field of one count.
#[derive(Clone, Copy)]
pub enum CountSlot {
    Typename,
    Status,
    Count,
}

/// The type of how many records of a list have one value of the enum `T`.
pub fn status_count<T: OutputType>(name: &'static str, description: &'static str) -> ObjectType {
    ObjectType {
        name,
        description,
        cacheable: true,
        table: None,
        fields: vec![
            field(
                "status",
                "The status.",
                FieldSource::Key(T::create_type_info),
            ),
            field(
                "count",
                "The number of records with this status.",
                FieldSource::Key(i32::create_type_info),
            ),
        ],
    }
}

/// Plans the fields of each count.
pub fn slots<'a>(
    planner: &Planner<'a, '_>,
    counts: &Counts,
    field: &CollectedField<'a>,
) -> Vec<(&'a str, CountSlot)> {
    let object = (counts.object)();
    let fields = planner
        .document
        .collect_fields(&field.sets(), &|name| name == object.name);
    let slots = fields.into_iter().map(|field| {
        let slot = match field.name() {
            "status" => CountSlot::Status,
            "count" => CountSlot::Count,
            _ => CountSlot::Typename,
        };
        (field.key, slot)
    });
    slots.collect()
}
