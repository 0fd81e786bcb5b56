//! The query planner returns the same responses as async-graphql's executor, for hundreds of generated documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use async_graphql::dynamic::{
    Field, FieldFuture, FieldValue, InputValue, Interface, InterfaceField, Object, Scalar, Schema,
    TypeRef,
};
use proptest::prelude::Rng;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    generated_documents_match_the_reference_executor
}

const DOCUMENTS: usize = 300;

const LANGUAGES: [&str; 5] = ["FR", "RU", "AR", "EN", "ZH"];

/// The languages of an operation.
struct Context(Vec<String>);

async fn generated_documents_match_the_reference_executor(server: &Server) {
    server.fill().await;
    for (code, language) in [("T-1", "FR"), ("T-1", "RU"), ("T-2", "FR"), ("T-3", "AR")] {
        let topic = server.topic(code).await;
        server
            .translate(&topic, "TITLE", language, "Une traduction")
            .await;
        server
            .translate(&topic, "SUMMARY", language, "Un résumé")
            .await;
    }
    let c5 = server.committee("POC", "C5").await;
    server.translate(&c5, "NAME", "FR", "Commission 5").await;
    let reader = server.itu();
    let shapes = Shapes::of(&reader).await;
    let reference = reference(&shapes, records(&reader, &shapes).await);
    let pages: Vec<String> = (1..5).map(|number| format!("first: {number}")).collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..DOCUMENTS {
        let document = Writer::new(&shapes, &pages, runner.rng()).document();
        let languages: Vec<&str> = (0..runner.rng().next_u32() % 4)
            .map(|_| LANGUAGES[runner.rng().next_u32() as usize % LANGUAGES.len()])
            .collect();
        let in_context = format!(
            "query @inContext(languages: [{}]) {document}",
            languages.join(", ")
        );
        let ours = reader.post(&in_context, json!({})).await;
        // The reference knows no directive.
        let languages: Vec<String> = languages.into_iter().map(str::to_owned).collect();
        let request = async_graphql::Request::new(&document).data(Context(languages));
        let theirs = reference.execute(request).await;
        assert!(theirs.errors.is_empty(), "{document}: {:?}", theirs.errors);
        let theirs = serde_json::to_string(&theirs.data).unwrap();
        assert_eq!(ours.text, format!("{{\"data\":{theirs}}}"), "{document}");
    }
}

/// The kind of a field.
#[derive(Clone, Debug)]
enum Kind {
    Leaf,
    /// A text that can be translated, or its language.
    Text,
    One(String),
    /// A record of any type that implements `Node`.
    Node,
    Many(String),
    /// A connection of this type.
    Page(String),
}

/// The types with their fields, from introspection.
pub struct Shapes(BTreeMap<String, BTreeMap<String, Kind>>);

impl Shapes {
    pub async fn of(client: &Client<'_>) -> Self {
        let of = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
        let document = format!(
            "{{ __schema {{ types {{ kind name fields {{ name args {{ name }} type {{ {of} }} }} }} }} }}"
        );
        let data = client.data(&document, json!({})).await;
        let types = data["__schema"]["types"].as_array().unwrap().iter();
        let read = types.filter(|ty| {
            let name = ty["name"].as_str().unwrap();
            ty["kind"] == "OBJECT"
                && !name.starts_with("__")
                && !["Query", "Mutation", "PageInfo", "Viewer", "UserError"].contains(&name)
                && !["Payload", "Edge", "Connection"]
                    .iter()
                    .any(|end| name.ends_with(end))
        });
        let shapes = read.map(|ty| {
            let fields = ty["fields"].as_array().unwrap().iter();
            let fields = fields.map(|field| {
                let name = field["name"].as_str().unwrap().to_owned();
                let args = field["args"].as_array().unwrap();
                let kind = kind(&field["type"], false);
                let translated = args.iter().any(|arg| arg["name"] == "language");
                match kind {
                    Kind::Leaf if translated => (name, Kind::Text),
                    kind => (name, kind),
                }
            });
            (ty["name"].as_str().unwrap().to_owned(), fields.collect())
        });
        Self(shapes.collect())
    }

    fn is_node(&self, ty: &str) -> bool {
        // The id of a delivery is for caches: no field looks it up.
        ty != "Delivery" && self.0[ty].contains_key("id")
    }

    /// Returns a selection of all leaf fields of a record, and of the ids of referenced records.
    fn flat(&self, ty: &str) -> String {
        let mut text = String::new();
        for (name, kind) in &self.0[ty] {
            let of = |ty: &str| {
                if self.is_node(ty) {
                    "id".to_owned()
                } else {
                    self.flat(ty)
                }
            };
            match kind {
                Kind::Leaf | Kind::Text => write!(text, " {name}"),
                Kind::Node => write!(text, " {name} {{ __typename id }}"),
                Kind::One(ty) | Kind::Many(ty) => write!(text, " {name} {{ {} }}", of(ty)),
                Kind::Page(ty) => write!(text, " {name}(first: 100) {{ nodes {{ {} }} }}", of(ty)),
            }
            .unwrap();
        }
        text
    }
}

fn kind(ty: &Value, list: bool) -> Kind {
    match ty["kind"].as_str().unwrap() {
        "NON_NULL" => kind(&ty["ofType"], list),
        "LIST" => kind(&ty["ofType"], true),
        "INTERFACE" => Kind::Node,
        "OBJECT" => {
            let name = ty["name"].as_str().unwrap();
            match name.strip_suffix("Connection") {
                Some(node) => Kind::Page(node.to_owned()),
                None if list => Kind::Many(name.to_owned()),
                None => Kind::One(name.to_owned()),
            }
        }
        _ => Kind::Leaf,
    }
}

const ROOTS: [(&str, &str); 8] = [
    ("organizations", "Organization"),
    ("committees", "Committee"),
    ("topics", "Topic"),
    ("actionItems", "ActionItem"),
    ("publications", "Publication"),
    ("examinations", "Examination"),
    ("liaisonStatements", "LiaisonStatement"),
    ("activities", "Activity"),
];

/// All records by id, and the ids of each root list in order.
#[derive(Default)]
struct Records {
    by_id: HashMap<String, Value>,
    lists: HashMap<String, Vec<Value>>,
}

async fn records(client: &Client<'_>, shapes: &Shapes) -> Records {
    let mut records = Records::default();
    let mut keep = |list: &str, nodes: &Value| {
        for node in nodes.as_array().unwrap() {
            let id = node["id"].as_str().unwrap().to_owned();
            records.by_id.insert(id, node.clone());
            records
                .lists
                .entry(list.to_owned())
                .or_default()
                .push(node.clone());
        }
    };
    let mut subjects = BTreeSet::new();
    for (list, ty) in ROOTS {
        let document = format!(
            "query($after: String) {{ {list}(first: 25, after: $after) {{ nodes {{ {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
            shapes.flat(ty)
        );
        let mut cursor = Value::Null;
        loop {
            let data = client.data(&document, json!({ "after": cursor })).await;
            let page = &data[list];
            keep(list, &page["nodes"]);
            for node in page["nodes"].as_array().unwrap() {
                let subject = node.get("subject").map(|subject| &subject["id"]);
                subjects.extend(subject.and_then(Value::as_str).map(str::to_owned));
            }
            cursor = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
    }
    // Those that no list of the root has are the subject of some activity.
    for ty in ["Note"] {
        let subjects: Vec<&String> = subjects
            .iter()
            .filter(|subject| subject.starts_with(&ty.to_lowercase()))
            .collect();
        let document = format!(
            "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {ty} {{ {} }} }} }}",
            shapes.flat(ty)
        );
        let data = client.data(&document, json!({ "ids": subjects })).await;
        assert_ne!(data["nodes"], json!([]), "{ty}");
        keep(ty, &data["nodes"]);
    }
    let document = format!(
        "{{ mandates {{ {} all: provisions {{ {} }} }} }}",
        shapes.flat("Mandate"),
        shapes.flat("Provision")
    );
    let data = client.data(&document, json!({})).await;
    keep("mandates", &data["mandates"]);
    keep("provisions", &data["mandates"][0]["all"]);
    records
}

/// Builds the same types over the same records for async-graphql's executor.
fn reference(shapes: &Shapes, records: Records) -> Schema {
    let records = Arc::new(records);
    let mut query = Object::new("Query");
    for (list, ty) in ROOTS {
        query = query.field(field(list, &Kind::Page(ty.to_owned()), &records));
    }
    query = query.field(field(
        "mandates",
        &Kind::Many("Mandate".to_owned()),
        &records,
    ));
    let node = Interface::new("Node").field(InterfaceField::new("id", TypeRef::named("Any")));
    let mut schema = Schema::build("Query", None, None)
        .register(Scalar::new("Any"))
        .register(node);
    for (ty, fields) in &shapes.0 {
        let mut object = Object::new(ty);
        if shapes.is_node(ty) {
            object = object.implement("Node");
        }
        for (name, kind) in fields {
            object = object.field(field(name, kind, &records));
        }
        let edge = Object::new(format!("{ty}Edge"));
        let edge = edge.field(field("node", &Kind::One(ty.clone()), &records));
        let page = Object::new(format!("{ty}Connection"));
        let page = page.field(field("nodes", &Kind::Many(ty.clone()), &records));
        let page = page.field(field("edges", &Kind::Many(format!("{ty}Edge")), &records));
        schema = schema.register(object).register(edge).register(page);
    }
    let root = json!({
        "mandates": records.lists["mandates"],
        "organizations": { "nodes": records.lists["organizations"] },
        "committees": { "nodes": records.lists["committees"] },
        "topics": { "nodes": records.lists["topics"] },
        "actionItems": { "nodes": records.lists["actionItems"] },
        "publications": { "nodes": records.lists["publications"] },
        "examinations": { "nodes": records.lists["examinations"] },
        "liaisonStatements": { "nodes": records.lists["liaisonStatements"] },
        "activities": { "nodes": records.lists["activities"] },
    });
    schema.register(query).data(Root(root)).finish().unwrap()
}

/// The data of the root fields.
struct Root(Value);

fn field(name: &str, kind: &Kind, records: &Arc<Records>) -> Field {
    let ty = match kind {
        Kind::Leaf | Kind::Text => TypeRef::named("Any"),
        Kind::One(ty) => TypeRef::named(ty),
        Kind::Node => TypeRef::named("Node"),
        Kind::Many(ty) => TypeRef::named_nn_list_nn(ty),
        Kind::Page(ty) => TypeRef::named_nn(format!("{ty}Connection")),
    };
    let (key, kind, records) = (name.to_owned(), kind.clone(), records.clone());
    let field = Field::new(name, ty, move |ctx| {
        let parent = ctx.parent_value.try_downcast_ref::<Value>();
        let parent = parent.unwrap_or_else(|_| &ctx.data_unchecked::<Root>().0);
        let found = &parent[&key];
        let whole = |record: &Value| {
            let id = record["id"].as_str().unwrap_or_default();
            FieldValue::owned_any(records.by_id.get(id).unwrap_or(record).clone())
        };
        let value = match &kind {
            Kind::Text => {
                let asked = ctx.args.get("language");
                let asked = asked.map(|language| language.enum_name().unwrap().to_owned());
                let context = &ctx.data_unchecked::<Context>().0;
                let languages: Vec<&String> = asked.iter().chain(context).collect();
                let text = shown(parent, &key, &languages);
                FieldValue::value(async_graphql::Value::from_json(text).unwrap())
            }
            Kind::Leaf => {
                FieldValue::value(async_graphql::Value::from_json(found.clone()).unwrap())
            }
            Kind::One(_) if found.is_null() => return FieldFuture::Value(None),
            Kind::One(_) => whole(found),
            Kind::Node => whole(found).with_type(found["__typename"].as_str().unwrap().to_owned()),
            Kind::Many(_) => FieldValue::list(found.as_array().unwrap().iter().map(whole)),
            Kind::Page(_) => {
                let first = ctx
                    .args
                    .get("first")
                    .map_or(20, |first| first.u64().unwrap());
                let first = usize::try_from(first).unwrap();
                let nodes: Vec<&Value> = found["nodes"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .take(first)
                    .collect();
                let edges: Vec<Value> = nodes.iter().map(|node| json!({ "node": node })).collect();
                FieldValue::owned_any(json!({ "nodes": nodes, "edges": edges }))
            }
        };
        FieldFuture::Value(Some(value))
    });
    field
        .argument(InputValue::new("first", TypeRef::named(TypeRef::INT)))
        .argument(InputValue::new("language", TypeRef::named("Any")))
}

/// Returns a text of a record in the first of these languages that it is there in, or the language itself.
fn shown(record: &Value, key: &str, languages: &[&String]) -> Value {
    let (name, is_language) = match key.strip_suffix("Language") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let original = &record["originalLanguage"];
    if record[name].is_null() {
        return Value::Null;
    }
    for language in languages {
        if *original == language.as_str() {
            break;
        }
        let mut translations = record["translations"].as_array().unwrap().iter();
        let translation = translations.find(|translation| {
            translation["field"] == name.to_uppercase()
                && translation["language"] == language.as_str()
        });
        if let Some(translation) = translation {
            return translation[if is_language { "language" } else { "text" }].clone();
        }
    }
    if is_language {
        original.clone()
    } else {
        record[name].clone()
    }
}

/// A generator of random documents that are valid for both.
pub struct Writer<'a> {
    shapes: &'a Shapes,
    /// The page arguments. They are part of the response key, so that fields of one key have the same.
    pub pages: &'a [String],
    /// Variables that are true and false.
    pub always: &'a str,
    pub never: &'a str,
    random: &'a mut TestRng,
    fragments: String,
    names: usize,
}

impl<'a> Writer<'a> {
    pub fn new(shapes: &'a Shapes, pages: &'a [String], random: &'a mut TestRng) -> Self {
        Self {
            shapes,
            pages,
            always: "true",
            never: "false",
            random,
            fragments: String::new(),
            names: 0,
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    pub fn document(mut self) -> String {
        let mut roots = String::new();
        for _ in 0..=self.below(2) {
            let (list, ty) = ROOTS[self.below(8) as usize];
            let kind = Kind::Page(ty.to_owned());
            roots += &self.field(list, &kind, 3);
        }
        format!(
            "{{ __typename @skip(if: {}) a: __typename @include(if: {}) {roots} }}{}",
            self.never, self.always, self.fragments
        )
    }

    /// Returns some fields of a type, some of them twice, in fragments, aliased, or skipped.
    fn selection(&mut self, ty: &str, depth: u32) -> String {
        let fields: Vec<(String, Kind)> = self.shapes.0[ty]
            .iter()
            .filter(|field| depth > 0 || matches!(field.1, Kind::Leaf | Kind::Text))
            .map(|(name, kind)| (name.clone(), kind.clone()))
            .collect();
        let mut text = " __typename".to_owned();
        for _ in 0..=self.below(4) {
            let place = self.below(u32::try_from(fields.len()).unwrap()) as usize;
            let (name, kind) = &fields[place];
            let field = self.field(name, kind, depth);
            let chosen = match self.below(8) {
                0 => format!(" ... on {ty} {{{field} }}"),
                1 => format!(" ... @include(if: {}) {{{field} }}", self.always),
                2 => format!(" ... @skip(if: {}) {{{field} }}", self.always),
                3 if self.shapes.is_node(ty) => {
                    format!(" ... on Node {{ id ... on {ty} {{{field} }} }}")
                }
                4 => {
                    self.names += 1;
                    let name = format!("F{}", self.names);
                    write!(self.fragments, " fragment {name} on {ty} {{{field} }}").unwrap();
                    format!(" ...{name} ...{name}")
                }
                5 => format!("{field}{field}"),
                _ => field,
            };
            text.push_str(&chosen);
        }
        text
    }

    fn field(&mut self, name: &str, kind: &Kind, depth: u32) -> String {
        let alias = if self.below(4) == 0 {
            format!("{name}_too: ")
        } else {
            String::new()
        };
        let inner = depth.saturating_sub(1);
        match kind {
            // The language is part of the response key, as the page arguments are.
            Kind::Text if self.below(2) == 0 => {
                let language = LANGUAGES[self.below(5) as usize];
                format!(" {name}_{language}: {name}(language: {language})")
            }
            Kind::Leaf | Kind::Text => format!(" {alias}{name}"),
            Kind::One(ty) | Kind::Many(ty) => {
                format!(" {alias}{name} {{{} }}", self.selection(ty, inner))
            }
            Kind::Node => {
                // Response keys contain the type, because fields of one name may differ between types.
                let types: Vec<String> = self.shapes.0.keys().cloned().collect();
                let nodes: Vec<String> = types
                    .into_iter()
                    .filter(|name| self.shapes.is_node(name))
                    .collect();
                let place = self.below(u32::try_from(nodes.len()).unwrap()) as usize;
                let ty = &nodes[place];
                let fields = self.selection(ty, inner);
                format!(" {name}_{ty}: {name} {{ __typename id ... on {ty} {{{fields} }} }}")
            }
            Kind::Page(ty) => {
                let place = self.below(u32::try_from(self.pages.len()).unwrap()) as usize;
                let arguments = &self.pages[place];
                let mut page = String::new();
                for _ in 0..=self.below(2) {
                    let nodes = self.selection(ty, inner);
                    let chosen = match self.below(3) {
                        0 => format!(" edges {{ node {{{nodes} }} }}"),
                        _ => format!(" nodes {{{nodes} }}"),
                    };
                    page.push_str(&chosen);
                }
                format!(" {name}_{place}: {name}({arguments}) {{ __typename{page} }}")
            }
        }
    }
}
