//! The query root. Each root field is described once, like the fields of types.

use std::borrow::Cow;
use std::sync::LazyLock;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, ID, ObjectType, OutputType, Positioned, ServerResult, Value,
};
use entity::mandate as mandates;
use entity::scalar::Date;
use sea_orm::Order as Direction;
use sea_orm::sea_query::Condition;

use super::node::{many, node, nodes, seen};
use super::request::Request;
use super::viewer::Viewer;
use super::{
    action_item, activity, committee, examination, exchange, mandate, organization, publication,
    report, statement, topic, webhook,
};
use crate::error::Result;
use crate::read::args::Args;
use crate::read::document::{Document, Merged};
use crate::read::plan::Planner;
use crate::read::shape::{Arg, List, ObjectRef, arg, col};
use crate::read::{About, Answer, At, Env, Find, registry};

/// The root of all queries.
pub struct Query;

/// A root field.
pub(super) struct Root {
    name: &'static str,
    description: &'static str,
    args: Vec<Arg>,
    source: Source,
}

enum Source {
    /// The token's claims, resolved by async-graphql.
    Viewer,
    /// A record of any type by its id, or null.
    Node,
    /// Records of any type by their ids, each possibly null.
    Nodes,
    /// A record, or null.
    One(ObjectRef, fn(&Args<'_>) -> Result<Find>),
    /// All records of a type with few records.
    Mandates,
    Webhooks,
    Page(&'static List),
    /// A summary that depends on the arguments, with the error message if it does not exist.
    About(
        ObjectRef,
        fn(&Args<'_>) -> Result<(About, Find)>,
        &'static str,
    ),
}

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
            "Looks up a record of any type by its global id; null if there is none.",
            vec![arg::<ID>("id", "The global id.")],
            Source::Node,
        ),
        root(
            "nodes",
            "Looks up records of any types by their global ids, in the order of `ids`; null in place of each that does not exist.",
            vec![arg::<Vec<ID>>("ids", "The global ids, at most 100.")],
            Source::Nodes,
        ),
        root(
            "viewer",
            "Who sends the request, and what they may do.",
            Vec::new(),
            Source::Viewer,
        ),
        root(
            "organization",
            "Looks up one organization; null if there is none.",
            vec![arg::<organization::OrganizationBy>(
                "by",
                "How to identify it.",
            )],
            Source::One(organization::object, organization::find),
        ),
        page(
            "organizations",
            "The organizations; by acronym unless `orderBy` is given.",
            &organization::ORGANIZATIONS,
        ),
        root(
            "committee",
            "Looks up one committee; null if there is none.",
            vec![arg::<committee::CommitteeBy>("by", "How to identify it.")],
            Source::One(committee::object, committee::find),
        ),
        page(
            "committees",
            "The committees of all organizations and periods; by code, SG2 before SG12, unless `orderBy` is given.",
            &committee::COMMITTEES,
        ),
        root(
            "topic",
            "Looks up one topic; null if there is none.",
            vec![arg::<topic::TopicBy>("by", "How to identify it.")],
            Source::One(topic::object, topic::find),
        ),
        page(
            "topics",
            "The topics with any status; by code unless `orderBy` is given.",
            &topic::TOPICS,
        ),
        root(
            "actionItem",
            "Looks up one action item; null if there is none.",
            vec![arg::<action_item::ActionItemBy>(
                "by",
                "How to identify it.",
            )],
            Source::One(action_item::object, action_item::find),
        ),
        page(
            "actionItems",
            "The action items on all topics, with any status; by code unless `orderBy` is given.",
            &action_item::ACTION_ITEMS,
        ),
        root(
            "publication",
            "Looks up one publication; null if there is none.",
            vec![arg::<publication::PublicationBy>(
                "by",
                "How to identify it.",
            )],
            Source::One(publication::object, publication::find),
        ),
        page(
            "publications",
            "The publications of both sides and of partners, in all editions; by number unless `orderBy` is given.",
            &publication::PUBLICATIONS,
        ),
        root(
            "liaisonStatement",
            "Looks up one liaison statement; null if there is none.",
            vec![arg::<statement::LiaisonStatementBy>(
                "by",
                "How to identify it.",
            )],
            Source::One(statement::object, statement::find),
        ),
        page(
            "liaisonStatements",
            "The liaison statements; by code.",
            &statement::STATEMENTS,
        ),
        page(
            "examinations",
            "The joint examinations of publications, open and complete; oldest first.",
            &examination::EXAMINATIONS,
        ),
        root(
            "exchange",
            "What is open between two committees, whichever of the two comes first.",
            vec![
                arg::<ID>("committee", "The id of one committee."),
                arg::<ID>("counterpart", "The id of the other committee."),
            ],
            Source::About(exchange::object, exchange::find, exchange::MISSING),
        ),
        root(
            "report",
            "The figures of a period, for both sides: what the TSB reports.",
            vec![
                arg::<Date>("from", "The first day of the period (UTC)."),
                arg::<Date>("to", "The last day of the period (UTC), inclusive."),
            ],
            Source::About(report::object, report::find, report::MISSING),
        ),
        page(
            "activities",
            "The history of the whole register, oldest first. To learn what has changed since, pass the last cursor that you have seen as `after`.",
            &activity::ACTIVITIES,
        ),
        root(
            "mandate",
            "Looks up one mandate; null if there is none.",
            vec![arg::<String>(
                "code",
                "Its code. Example: `RES-11-DUBAI-2012`.",
            )],
            Source::One(mandate::object, mandate::find),
        ),
        root(
            "mandates",
            "The mandates on which the collaboration is based, by code.",
            Vec::new(),
            Source::Mandates,
        ),
        root(
            "webhooks",
            "The webhooks of the viewer's own party, oldest first. Without a token or a role the error is UNAUTHENTICATED or FORBIDDEN.",
            Vec::new(),
            Source::Webhooks,
        ),
    ]
});

impl Root {
    /// Returns the root field with this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ROOTS.iter().find(|field| field.name == name)
    }

    fn ty(&self, registry: &mut Registry) -> String {
        match &self.source {
            Source::Viewer => Viewer::create_type_info(registry),
            Source::Node => registry::node(registry, &nodes()),
            Source::Nodes => format!("[{}]!", registry::node(registry, &nodes())),
            Source::One(object, _) => registry::object(registry, object()).to_owned(),
            Source::Mandates => format!("[{}!]!", registry::object(registry, mandate::object())),
            Source::Webhooks => format!("[{}!]!", registry::object(registry, webhook::object())),
            Source::Page(list) => registry::connection(registry, list),
            Source::About(object, ..) => format!("{}!", registry::object(registry, object())),
        }
    }

    /// Returns whether the query planner resolves the field.
    pub(super) fn planned(&self) -> bool {
        !matches!(self.source, Source::Viewer)
    }

    /// Returns whether the field is nullable.
    pub(super) fn nullable(&self) -> bool {
        matches!(self.source, Source::Node | Source::One(..))
    }

    /// Resolves the field with the query planner; `None` if it is not planned.
    pub(super) async fn answer<'a>(
        &self,
        document: Document<'a>,
        selected: &Merged<'a>,
        request: &Request,
        at: &At,
    ) -> ServerResult<Option<Answer>> {
        let sets = selected.sets();
        let env = request.env();
        let planner = Planner {
            document,
            env: &env,
        };
        let args = planner.args(selected.field());
        let answer = match &self.source {
            Source::Viewer => return Ok(None),
            Source::Node => {
                let id: ID = at.check(args.get("id"))?;
                let node = at.check(node(&id))?;
                planner.nodes(at, &[node], &sets, true, seen).await?
            }
            Source::Nodes => {
                let nodes = at.check(args.get("ids").and_then(|ids: Vec<ID>| many(&ids)))?;
                planner.nodes(at, &nodes, &sets, false, seen).await?
            }
            Source::One(object, find) => {
                let find = at.check(find(&args))?;
                planner.first(at, object(), &sets, find).await?
            }
            Source::Mandates => {
                let all = Find {
                    condition: Condition::all(),
                    order: Some((col(mandates::Column::Code), Direction::Asc)),
                };
                planner.all(at, mandate::object(), &sets, all).await?
            }
            Source::Webhooks => {
                let own = at.check(webhook::own(request))?;
                planner.all(at, webhook::object(), &sets, own).await?
            }
            Source::Page(list) => planner.list(at, list, selected).await?,
            Source::About(object, find, missing) => {
                let (about, find) = at.check(find(&args))?;
                let env = Env { about, ..env };
                let planner = Planner {
                    env: &env,
                    ..planner
                };
                planner.only(at, object(), &sets, find, missing).await?
            }
        };
        Ok(Some(answer))
    }
}

impl Answer {
    /// Returns the serialized value, and adds its errors to the request's.
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
            "All data of the register. Everything but webhooks can be read without a token.",
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
        let selected = Merged {
            key: ctx.item.node.response_key().node.as_str(),
            fields: vec![ctx.item],
        };
        let Some(root) = Root::named(selected.name()) else {
            return Ok(None);
        };
        let ctx_set = ctx.with_selection_set(&ctx.item.node.selection_set);
        let request = Request::of(ctx);
        let document = Document::of(&ctx_set);
        let at = At::of(ctx);
        match root.answer(document, &selected, request, &at).await {
            Ok(Some(answer)) => Ok(Some(answer.into_value(ctx))),
            Ok(None) => Viewer.resolve(&ctx_set, ctx.item).await.map(Some),
            Err(error) if root.nullable() => {
                ctx.add_error(error);
                Ok(Some(Value::Null))
            }
            Err(error) => Err(error),
        }
    }
}

impl ObjectType for Query {}
