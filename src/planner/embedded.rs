//! Records that are JSON already: a cell holds them, or a function makes them of cells.

use serde_json::Value;

use crate::planner::json::Json;
use crate::planner::plan::{FieldOutput, OutputPlan};

/// Writes the selected fields of a record, of each record in a list, or null.
pub fn write(json: &mut Json, value: &Value, template: &OutputPlan<'_>) {
    let mut separator = "";
    match value {
        Value::Null => json.null(),
        Value::Array(records) => {
            json.raw("[");
            for record in records {
                json.raw(separator);
                separator = ",";
                json.count_value();
                write(json, record, template);
            }
            json.raw("]");
        }
        record => {
            json.raw("{");
            for entry in &template.entries {
                json.raw(separator);
                separator = ",";
                json.raw_string(entry.key);
                json.raw(":");
                json.count_value();
                match entry.slot {
                    FieldOutput::Key(name) => json.value(&record[name]),
                    _ => json.raw_string(template.object.name),
                }
            }
            json.raw("}");
        }
    }
}
