//! The schema's view of the type descriptions: types, fields and arguments in async-graphql's registry.

use async_graphql::registry::{
    CacheControl, Deprecation, MetaField, MetaInputValue, MetaType, Registry,
};
use async_graphql::{OutputType, indexmap::IndexMap};
use entity::id;

use crate::planner::composite::Union;
use crate::planner::counts::{self, Counts};
use crate::planner::page::page_info;
use crate::planner::schema::{Arg, Connection, Field, FieldSource, ObjectType};

/// Registers a type with all types that its fields lead to. Returns its name.
pub fn object(registry: &mut Registry, object: &'static ObjectType) -> &'static str {
    if registry.types.contains_key(object.name) {
        return object.name;
    }
    // Registered before its fields, because they can refer back to this type.
    object_type(registry, object.name, object.description, Vec::new());
    if object.is(id::NODE) {
        registry.add_implements(object.name, id::NODE);
    }
    let fields = object
        .fields
        .iter()
        .map(|declared| field(registry, declared))
        .collect();
    object_type(registry, object.name, object.description, fields);
    object.name
}

fn field(registry: &mut Registry, field: &Field) -> MetaField {
    let ty = match &field.source {
        FieldSource::Cell { register, .. }
        | FieldSource::Selected { register, .. }
        | FieldSource::Computed { register, .. }
        | FieldSource::Key(register) => register(registry),
        FieldSource::One {
            object: target,
            nullable,
            ..
        } => {
            let name = object(registry, target());
            let end = if *nullable { "" } else { "!" };
            format!("{name}{end}")
        }
        FieldSource::Parts(parts) => format!("[{}!]!", object(registry, parts[0]())),
        FieldSource::Many { object: target, .. } => format!("[{}!]!", object(registry, target())),
        FieldSource::Page { list, .. } => connection(registry, list),
        FieldSource::Node { objects, .. } => format!("{}!", node(registry, &objects())),
        FieldSource::Found {
            object: of, list, ..
        }
        | FieldSource::Nested { object: of, list } => {
            let name = object(registry, of());
            listed(name, list.is_some())
        }
        FieldSource::Derived { object: of, .. } => format!("[{}!]!", object(registry, of())),
        FieldSource::Reference {
            union: of,
            many,
            nullable,
        } => {
            let name = union(registry, of);
            if *nullable {
                name.to_owned()
            } else {
                listed(name, *many)
            }
        }
        FieldSource::Stored {
            object: of, list, ..
        } => {
            let name = object(registry, of());
            if list.is_some() {
                format!("[{name}!]!")
            } else {
                name.to_owned()
            }
        }
    };
    meta_field(registry, field.name, field.description, &field.args, ty)
}

/// Registers a connection type with its edge type. Returns its type reference, such as `TopicConnection!`.
pub fn connection(registry: &mut Registry, list: &'static Connection) -> String {
    let ty = format!("{}!", list.type_name);
    if registry.types.contains_key(list.type_name) {
        return ty;
    }
    object_type(registry, list.type_name, "", Vec::new());
    let node = object(registry, list.object());
    let plain = |registry: &mut Registry, name, description, ty: String| {
        meta_field(registry, name, description, &[], ty)
    };
    let int = i32::create_type_info(registry);
    let text = String::create_type_info(registry);

    let edge = vec![
        plain(
            registry,
            "cursor",
            "The position of this record in the list, to pass as `after` or `before`.",
            text,
        ),
        plain(registry, "node", "The record.", format!("{node}!")),
    ];
    object_type(
        registry,
        list.edge,
        "A record of a page, with its cursor.",
        edge,
    );

    let info = object(registry, page_info());

    let mut fields = vec![
        plain(
            registry,
            "edges",
            "The records of this page, each with its cursor.",
            format!("[{}!]!", list.edge),
        ),
        plain(
            registry,
            "nodes",
            "The records of this page: a shortcut for `edges { node }`.",
            format!("[{node}!]!"),
        ),
        plain(
            registry,
            "pageInfo",
            "Whether there are more pages, and the cursors to get them.",
            format!("{info}!"),
        ),
        plain(
            registry,
            "totalCount",
            "How many records match the filter, on all pages. Computed only if it is selected.",
            int,
        ),
    ];
    fields.extend(
        list.counts
            .as_ref()
            .map(|counts| counts_field(registry, counts)),
    );
    object_type(
        registry,
        list.type_name,
        "One page of a list, with the cursors to get the next and the previous page.",
        fields,
    );
    ty
}

/// The field of a connection that counts its records by status.
fn counts_field(registry: &mut Registry, counts: &Counts) -> MetaField {
    let count = object(registry, (counts.object)());
    let description = "The number of records in each status, on all pages together. It lists every status in the order of the enum, with 0 for those without records. All conditions of `filter` apply, including `status`. Computed only if it is selected.";
    meta_field(
        registry,
        counts::FIELD,
        description,
        &[],
        format!("[{count}!]!"),
    )
}

fn listed(name: &str, many: bool) -> String {
    if many {
        format!("[{name}!]!")
    } else {
        format!("{name}!")
    }
}

/// Registers a union with its types. Returns its name.
pub fn union(registry: &mut Registry, union: &'static Union) -> &'static str {
    if registry.types.contains_key(union.name) {
        return union.name;
    }
    let names = (union.objects)()
        .into_iter()
        .map(|member| object(registry, member).to_owned());
    let entry = MetaType::Union {
        name: union.name.to_owned(),
        description: Some(union.description.to_owned()),
        possible_types: names.collect(),
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        rust_typename: None,
        directive_invocations: Vec::new(),
    };
    registry.types.insert(union.name.to_owned(), entry);
    union.name
}

/// Enters the interface of all types that have an id.
pub fn node(registry: &mut Registry, types: &[&'static ObjectType]) -> String {
    let names: Vec<&str> = types.iter().map(|node| object(registry, node)).collect();
    let id = async_graphql::ID::create_type_info(registry);
    let field = meta_field(
        registry,
        "id",
        "The global id of the record, unique among all types. It never changes. Treat it as opaque: store and compare it, do not parse it.",
        &[],
        id,
    );
    let entry = MetaType::Interface {
        name: id::NODE.to_owned(),
        description: Some("A record with a global id, which `node(id:)` looks up.".to_owned()),
        fields: IndexMap::from([(field.name.clone(), field)]),
        possible_types: names.into_iter().map(str::to_owned).collect(),
        extends: false,
        inaccessible: false,
        tags: Vec::new(),
        keys: None,
        visible: None,
        rust_typename: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    };
    registry.types.insert(id::NODE.to_owned(), entry);
    id::NODE.to_owned()
}

/// Registers an object type with these fields.
pub fn object_type(registry: &mut Registry, name: &str, description: &str, fields: Vec<MetaField>) {
    let entry = MetaType::Object {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        fields: fields
            .into_iter()
            .map(|field| (field.name.clone(), field))
            .collect(),
        cache_control: CacheControl::default(),
        extends: false,
        shareable: false,
        resolvable: true,
        inaccessible: false,
        interface_object: false,
        tags: Vec::new(),
        keys: None,
        visible: None,
        is_subscription: false,
        rust_typename: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    };
    registry.types.insert(name.to_owned(), entry);
}

/// Returns the registry's form of a field.
pub fn meta_field(
    registry: &mut Registry,
    name: &str,
    description: &str,
    args: &[Arg],
    ty: String,
) -> MetaField {
    let args = args.iter().map(|arg| {
        let value = MetaInputValue {
            name: arg.name.to_owned(),
            description: Some(arg.description.to_owned()),
            ty: (arg.register)(registry),
            deprecation: Deprecation::NoDeprecated,
            default_value: None,
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            is_secret: false,
            directive_invocations: Vec::new(),
        };
        (arg.name.to_owned(), value)
    });
    MetaField {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        args: args.collect(),
        ty,
        deprecation: Deprecation::NoDeprecated,
        cache_control: CacheControl::default(),
        external: false,
        requires: None,
        provides: None,
        visible: None,
        shareable: false,
        inaccessible: false,
        tags: Vec::new(),
        override_from: None,
        compute_complexity: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}
