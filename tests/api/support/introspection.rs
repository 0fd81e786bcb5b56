//! The schema as introspection shows it, for tests that try each argument and each input.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::harness::Server;

const DOCUMENT: &str = "{ __schema { types { kind name enumValues { name }
    fields { name type { ...type } args { name type { ...type } } } inputFields { name type { ...type } } } } }
    fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// A well-formed id of a type that no argument and no input takes.
pub const OTHER_ID: &str = "activity_01h455vb4pex5vsknk084sn02q";

/// The types of the schema by name.
pub struct Schema(BTreeMap<String, Value>);

impl Schema {
    pub async fn of(server: &Server) -> Self {
        let data = server.anonymous().data(DOCUMENT, json!({})).await;
        let types = data["__schema"]["types"].as_array().unwrap().iter();
        Self(types.map(|ty| (name(ty).to_owned(), ty.clone())).collect())
    }

    pub fn types(&self) -> impl Iterator<Item = &Value> {
        self.0.values()
    }

    /// The fields of an object type.
    pub fn fields(&self, ty: &str) -> &[Value] {
        list(&self.0[ty]["fields"])
    }

    /// The fields of an input object.
    pub fn inputs(&self, ty: &str) -> &[Value] {
        list(&self.0[ty]["inputFields"])
    }

    /// The values of an enum.
    pub fn values(&self, ty: &str) -> &[Value] {
        list(&self.0[ty]["enumValues"])
    }

    /// The first value of an enum.
    pub fn first_value(&self, ty: &str) -> &Value {
        &self.values(ty)[0]["name"]
    }

    /// The kind of a named type.
    pub fn kind(&self, ty: &str) -> &str {
        self.0[ty]["kind"].as_str().unwrap()
    }

    /// Returns a random well-formed value of a type that is no input object.
    pub fn value(&self, ty: &str) -> Value {
        match ty {
            "Boolean" => json!(true),
            "ID" => json!(OTHER_ID),
            "Int" => json!(1),
            "Date" => json!("2030-01-01"),
            "DateTime" => json!("2026-01-01T00:00:00Z"),
            "URL" => json!("https://example.org/"),
            "String" => json!("Text"),
            other => self.first_value(other).clone(),
        }
    }
}

pub fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap()
}

pub fn list(values: &Value) -> &[Value] {
    values.as_array().map_or(&[], Vec::as_slice)
}

/// A reference to a type without its wrappers.
pub struct TypeReference<'a> {
    pub name: &'a str,
    pub is_list: bool,
    pub is_required: bool,
    /// As in a document: `[ID!]!`.
    pub text: String,
}

impl<'a> TypeReference<'a> {
    /// The type of a field, an argument or an input field.
    pub fn of(field: &'a Value) -> Self {
        let (mut ty, mut is_list) = (&field["type"], false);
        while ty["ofType"].is_object() {
            is_list |= ty["kind"] == "LIST";
            ty = &ty["ofType"];
        }
        Self {
            name: name(ty),
            is_list,
            is_required: field["type"]["kind"] == "NON_NULL",
            text: text(&field["type"]),
        }
    }
}

fn text(ty: &Value) -> String {
    match ty["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", text(&ty["ofType"])),
        "LIST" => format!("[{}]", text(&ty["ofType"])),
        _ => name(ty).to_owned(),
    }
}
