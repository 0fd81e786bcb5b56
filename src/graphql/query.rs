//! The root of all queries: each field is described once, as those of types are.

use std::borrow::Cow;
use std::sync::LazyLock;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, ID, ObjectType, OutputType, Positioned, ServerResult, Value,
};
use entity::id::split;
use entity::mandate as mandates;
use sea_orm::prelude::Uuid;

use super::request::Request;
use super::viewer::Viewer;
use super::{action_item, committee, mandate, organization, topic};
use crate::error::{Error, Result};
use crate::read::args::Args;
use crate::read::document::{Document, Merged};
use crate::read::plan::Planner;
use crate::read::shape::{Arg, List, Object, ObjectRef, arg, col};
use crate::read::{Answer, At, Find, registry};

/// The root of all queries.
pub struct Query;

/// A field of the root.
struct Root {
    name: &'static str,
    description: &'static str,
    args: Vec<Arg>,
    source: Source,
}

enum Source {
    Viewer,
    /// Any record by its id, or null.
    Node,
    /// Any records by their ids, each or null.
    Nodes,
    /// One record, or null.
    One(ObjectRef, fn(&Args<'_>) -> Result<Find>),
    /// All records of a type that has few.
    Mandates,
    Page(&'static List),
}

/// The types that have an id, and so are a `Node`.
fn nodes() -> [&'static Object; 6] {
    [
        organization::object(),
        committee::object(),
        mandate::object(),
        mandate::provision(),
        topic::object(),
        action_item::object(),
    ]
}

/// As many as a page holds.
const NODES: usize = 100;

static ROOTS: LazyLock<Vec<Root>> = LazyLock::new(|| {
    let root = |name, description, args, source| Root {
        name,
        description,
        args,
        source,
    };
    let page = |name, description, list: &'static List| {
        root(name, description, list.args(), Source::Page(list))
    };
    vec![
        root(
            "node",
            "The record with this id, whatever its type; null where there is none.",
            vec![arg::<ID>("id", "An id that the register gave.")],
            Source::Node,
        ),
        root(
            "nodes",
            "The records with these ids, in the order asked; null in the place of one that there is not.",
            vec![arg::<Vec<ID>>("ids", "At most 100 ids, of any types.")],
            Source::Nodes,
        ),
        root(
            "viewer",
            "Who is asking, as the bearer token says.",
            Vec::new(),
            Source::Viewer,
        ),
        root(
            "organization",
            "One organization; null where there is none.",
            vec![arg::<organization::OrganizationBy>("by", "What names it.")],
            Source::One(organization::object, organization::find),
        ),
        page(
            "organizations",
            "The organizations; by acronym.",
            &organization::ORGANIZATIONS,
        ),
        root(
            "committee",
            "One committee; null where there is none.",
            vec![arg::<committee::CommitteeBy>("by", "What names it.")],
            Source::One(committee::object, committee::find),
        ),
        page(
            "committees",
            "The committees of all organizations and periods; by code, SG2 before SG12.",
            &committee::COMMITTEES,
        ),
        root(
            "topic",
            "One topic; null where there is none.",
            vec![arg::<topic::TopicBy>("by", "What names it.")],
            Source::One(topic::object, topic::find),
        ),
        page(
            "topics",
            "The topics of common interest, in any state; by code.",
            &topic::TOPICS,
        ),
        root(
            "actionItem",
            "One action item; null where there is none.",
            vec![arg::<action_item::ActionItemBy>("by", "What names it.")],
            Source::One(action_item::object, action_item::find),
        ),
        page(
            "actionItems",
            "The action items on all topics, in any state; by number.",
            &action_item::ACTION_ITEMS,
        ),
        root(
            "mandate",
            "One mandate; null where there is none.",
            vec![arg::<String>("code", "Its code: RES-11-DUBAI-2012.")],
            Source::One(mandate::object, mandate::find),
        ),
        root(
            "mandates",
            "The mandates that the collaboration rests on, by code.",
            Vec::new(),
            Source::Mandates,
        ),
    ]
});

impl Root {
    fn ty(&self, registry: &mut Registry) -> String {
        match &self.source {
            Source::Viewer => Viewer::create_type_info(registry),
            Source::Node => registry::node(registry, &nodes()),
            Source::Nodes => format!("[{}]!", registry::node(registry, &nodes())),
            Source::One(object, _) => registry::object(registry, object()).to_owned(),
            Source::Mandates => format!("[{}!]!", registry::object(registry, mandate::object())),
            Source::Page(list) => registry::connection(registry, list),
        }
    }

    /// Null takes the place of what failed, where the schema lets it.
    fn nullable(&self) -> bool {
        matches!(self.source, Source::Node | Source::One(..))
    }

    async fn answer(&self, ctx: &Context<'_>) -> ServerResult<Value> {
        let selected = Merged {
            key: ctx.item.node.response_key().node.as_str(),
            fields: vec![ctx.item],
        };
        let sets = selected.sets();
        let ctx_set = ctx.with_selection_set(&ctx.item.node.selection_set);
        let request = Request::of(ctx);
        let env = request.env();
        let planner = Planner {
            document: Document::of(&ctx_set),
            env: &env,
        };
        let args = planner.args(ctx.item);
        let at = At::of(ctx);
        let answer = match &self.source {
            Source::Viewer => {
                let viewer = Viewer::from(&request.viewer);
                return viewer.resolve(&ctx_set, ctx.item).await;
            }
            Source::Node => {
                let id: ID = at.check(args.get("id"))?;
                let node = at.check(node(&id))?;
                planner.nodes(&at, &[node], &sets, true).await?
            }
            Source::Nodes => {
                let nodes = at.check(args.get("ids").and_then(|ids: Vec<ID>| many(&ids)))?;
                planner.nodes(&at, &nodes, &sets, false).await?
            }
            Source::One(object, find) => {
                let find = at.check(find(&args))?;
                planner.first(&at, object(), &sets, find).await?
            }
            Source::Mandates => {
                let order = col(mandates::Column::Code);
                planner.all(&at, mandate::object(), &sets, order).await?
            }
            Source::Page(list) => planner.list(&at, list, &selected).await?,
        };
        Ok(answer.into_value(ctx))
    }
}

/// What an id names.
fn node(id: &ID) -> Result<(&'static Object, Uuid)> {
    let found = split(id).and_then(|(prefix, key)| {
        let object = nodes()
            .into_iter()
            .find(|it| it.table().prefix == Some(prefix))?;
        Some((object, key))
    });
    found.ok_or_else(|| {
        Error::BadInput(
            "This is not an id of the register: ids look like `topic_01h455vb4pex5vsknk084sn02q`."
                .to_owned(),
        )
    })
}

fn many(ids: &[ID]) -> Result<Vec<(&'static Object, Uuid)>> {
    if ids.len() > NODES {
        return Err(Error::BadInput(format!(
            "`ids` has {} ids; ask for {NODES} at most at a time.",
            ids.len()
        )));
    }
    ids.iter().map(node).collect()
}

impl Answer {
    /// The answer as a value that is already text, its errors among the request's.
    pub fn into_value(self, ctx: &Context<'_>) -> Value {
        for error in self.errors {
            ctx.add_error(error);
        }
        Value::Binary(self.json.into())
    }
}

impl OutputType for Query {
    fn type_name() -> Cow<'static, str> {
        "Query".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let name = Self::type_name();
        let fields = ROOTS.iter().map(|root| {
            let ty = root.ty(registry);
            registry::meta_field(registry, root.name, root.description, &root.args, ty)
        });
        let fields = fields.collect();
        registry::object_type(
            registry,
            &name,
            "All that can be asked. Anyone may ask, without a token.",
            fields,
        );
        Self::qualified_type_name()
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl ContainerType for Query {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let name = ctx.item.node.name.node.as_str();
        let Some(root) = ROOTS.iter().find(|it| it.name == name) else {
            return Ok(None);
        };
        match root.answer(ctx).await {
            Err(error) if root.nullable() => {
                ctx.add_error(error);
                Ok(Some(Value::Null))
            }
            answer => answer.map(Some),
        }
    }
}

impl ObjectType for Query {}
