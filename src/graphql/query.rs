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

use super::node::{node, node_types, parse_ids};
use super::request::OperationContext;
use super::viewer::Viewer;
use crate::error::Result;
use crate::graphql::{
    action_item, activity, committee, examination, exchange, in_context, liaison_statement,
    mandate, organization, overlap, publication, report, search, topic, webhook,
};
use crate::planner::arguments::Args;
use crate::planner::planning::Planner;
use crate::planner::schema::{self, Arg, Connection, ObjectRef, arg, col};
use crate::planner::selection::{CollectedField, Selections};
use crate::planner::{
    ExecutionContext, FieldLocation, FieldResult, Reader, RecordQuery, RootArguments, register,
};

/// The root of all queries.
pub struct Query;

/// A root field.
pub(super) struct RootField {
    name: &'static str,
    description: &'static str,
    args: Vec<Arg>,
    source: RootResolver,
}

enum RootResolver {
    /// The token's claims, resolved by async-graphql.
    Viewer,
    /// A record of any type by its id, or null.
    Node,
    /// Records of any type by their ids, each possibly null.
    Nodes,
    /// A record, or null.
    One(ObjectRef, fn(&Args<'_>) -> Result<RecordQuery>),
    /// All records of a type with few records.
    Mandates,
    Webhooks,
    Search,
    Overlaps,
    Page(&'static Connection),
    /// A summary that depends on the arguments, with the error message if it does not exist.
    About(
        ObjectRef,
        fn(&Args<'_>) -> Result<(RootArguments, RecordQuery)>,
        &'static str,
    ),
}

static ROOT_FIELDS: LazyLock<Vec<RootField>> = LazyLock::new(|| {
    let root = |name, description, args, source| RootField {
        name,
        description,
        args,
        source,
    };
    let page = |name, description, list: &'static Connection| {
        root(name, description, list.args(), RootResolver::Page(list))
    };
    vec![
        root(
            "node",
            "Looks up a record of any type by its global id; null if there is none or the viewer may not see it. A malformed id causes the error BAD_USER_INPUT.",
            vec![arg::<ID>("id", "The global id.")],
            RootResolver::Node,
        ),
        root(
            "nodes",
            "Looks up records of any types by their global ids. The result has the order of `ids`, with null for each id that does not exist or that the viewer may not see. A malformed id causes the error BAD_USER_INPUT.",
            vec![arg::<Vec<ID>>("ids", "The global ids, at most 100.")],
            RootResolver::Nodes,
        ),
        root(
            "viewer",
            "Who sends the request, and what the sender may do.",
            Vec::new(),
            RootResolver::Viewer,
        ),
        root(
            "organization",
            "Looks up one organization; null if there is none.",
            vec![arg::<organization::OrganizationBy>(
                "by",
                "How to identify it.",
            )],
            RootResolver::One(organization::object_type, organization::find),
        ),
        page(
            "organizations",
            "The organizations, sorted by acronym unless `orderBy` is given.",
            &organization::ORGANIZATIONS,
        ),
        root(
            "committee",
            "Looks up one committee; null if there is none.",
            vec![arg::<committee::CommitteeBy>("by", "How to identify it.")],
            RootResolver::One(committee::object_type, committee::find),
        ),
        page(
            "committees",
            "The committees of all organizations and periods, sorted by code (SG2 before SG12) unless `orderBy` is given.",
            &committee::COMMITTEES,
        ),
        root(
            "topic",
            "Looks up one topic; null if there is none.",
            vec![arg::<topic::TopicBy>("by", "How to identify it.")],
            RootResolver::One(topic::object_type, topic::find),
        ),
        page(
            "topics",
            "The topics with any status, sorted by code unless `orderBy` is given.",
            &topic::TOPICS,
        ),
        root(
            "actionItem",
            "Looks up one action item; null if there is none.",
            vec![arg::<action_item::ActionItemBy>(
                "by",
                "How to identify it.",
            )],
            RootResolver::One(action_item::object_type, action_item::find),
        ),
        page(
            "actionItems",
            "The action items of all topics, with any status, sorted by code unless `orderBy` is given.",
            &action_item::ACTION_ITEMS,
        ),
        root(
            "publication",
            "Looks up one publication; null if there is none.",
            vec![arg::<publication::PublicationBy>(
                "by",
                "How to identify it.",
            )],
            RootResolver::One(publication::object_type, publication::find),
        ),
        page(
            "publications",
            "The publications of both sides and of partners, in all editions, sorted by number unless `orderBy` is given.",
            &publication::PUBLICATIONS,
        ),
        root(
            "liaisonStatement",
            "Looks up one liaison statement; null if there is none.",
            vec![arg::<liaison_statement::LiaisonStatementBy>(
                "by",
                "How to identify it.",
            )],
            RootResolver::One(liaison_statement::object_type, liaison_statement::find),
        ),
        page(
            "liaisonStatements",
            "The liaison statements, sorted by code unless `orderBy` is given.",
            &liaison_statement::STATEMENTS,
        ),
        page(
            "examinations",
            "The joint examinations of publications, complete or not. Sorted by `createdAt`, oldest first, unless `orderBy` is given.",
            &examination::EXAMINATIONS,
        ),
        root(
            "exchange",
            "The shared topics, open action items and unanswered liaison statements between two committees, in both directions. An unknown id, or the same committee twice, causes the error BAD_USER_INPUT.",
            vec![
                arg::<ID>("committee", "The id of one committee."),
                arg::<ID>("counterpart", "The id of the other committee."),
            ],
            RootResolver::About(exchange::object_type, exchange::find, exchange::MISSING),
        ),
        root(
            "report",
            "The figures of a period for each of the two sides, as the TSB needs them for its reports. If `from` is after `to`, the error is BAD_USER_INPUT.",
            vec![
                arg::<Date>("from", "The first day of the period (UTC)."),
                arg::<Date>("to", "The last day of the period (UTC), inclusive."),
            ],
            RootResolver::About(report::object_type, report::find, report::MISSING),
        ),
        page(
            "activities",
            "The history of the whole register, oldest first. To get only new activities, pass the last cursor that you have as `after`.",
            &activity::ACTIVITIES,
        ),
        root(
            "mandate",
            "Looks up one mandate; null if there is none.",
            vec![arg::<String>(
                "code",
                "Its code. Example: `RES-11-DUBAI-2012`.",
            )],
            RootResolver::One(mandate::object_type, mandate::find),
        ),
        root(
            "mandates",
            "The mandates on which the collaboration is based, sorted by code.",
            Vec::new(),
            RootResolver::Mandates,
        ),
        root(
            "webhooks",
            "The webhooks of the viewer's own party, oldest first. Without a token the error is UNAUTHENTICATED. With a token that has no role, or several roles but no header `Acting-As`, it is FORBIDDEN.",
            Vec::new(),
            RootResolver::Webhooks,
        ),
        root(
            "search",
            "Searches organizations, committees, topics, action items, publications, liaison statements and notes in all their languages. The best matches come first. Changes that were made before the request are included.",
            search::args(),
            RootResolver::Search,
        ),
        root(
            "overlaps",
            "Pairs of an ITU and a UPU text that have unusual words in common, and are neither related nor dismissed: both sides may work on the same subject. Most similar first. Two texts are a pair if at least one of them is among the 10 texts most similar to the other.",
            overlap::args(),
            RootResolver::Overlaps,
        ),
    ]
});

/// Returns the types that the root fields lead to.
pub(super) fn root_types() -> impl Iterator<Item = &'static schema::ObjectType> {
    ROOT_FIELDS.iter().flat_map(RootField::objects)
}

impl RootField {
    /// Returns the root field with this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ROOT_FIELDS.iter().find(|field| field.name == name)
    }

    fn ty(&self, registry: &mut Registry) -> String {
        match &self.source {
            RootResolver::Viewer => Viewer::create_type_info(registry),
            RootResolver::Node => register::node(registry, &node_types()),
            RootResolver::Nodes => format!("[{}]!", register::node(registry, &node_types())),
            RootResolver::One(object, _) => register::object(registry, object()).to_owned(),
            RootResolver::Mandates => {
                format!("[{}!]!", register::object(registry, mandate::object_type()))
            }
            RootResolver::Webhooks => {
                format!("[{}!]!", register::object(registry, webhook::object_type()))
            }
            RootResolver::Search => {
                format!("{}!", register::object(registry, search::connection()))
            }
            RootResolver::Overlaps => {
                format!("{}!", register::object(registry, overlap::connection()))
            }
            RootResolver::Page(list) => register::connection(registry, list),
            RootResolver::About(object, ..) => format!("{}!", register::object(registry, object())),
        }
    }

    /// Returns the types that the field leads to.
    fn objects(&self) -> Vec<&'static schema::ObjectType> {
        match &self.source {
            RootResolver::Viewer => Vec::new(),
            RootResolver::Node | RootResolver::Nodes => node_types(),
            RootResolver::One(object, _) | RootResolver::About(object, ..) => vec![object()],
            RootResolver::Mandates => vec![mandate::object_type()],
            RootResolver::Webhooks => vec![webhook::object_type()],
            RootResolver::Search => vec![search::connection()],
            RootResolver::Overlaps => vec![overlap::connection()],
            RootResolver::Page(list) => list.objects(),
        }
    }

    /// Returns whether the query planner resolves the field.
    pub(super) fn planned(&self) -> bool {
        !matches!(self.source, RootResolver::Viewer)
    }

    /// Returns whether the field is nullable.
    pub(super) fn nullable(&self) -> bool {
        matches!(self.source, RootResolver::Node | RootResolver::One(..))
    }

    /// Resolves the field with the query planner; `None` if it is not planned.
    pub(super) async fn resolve<'a>(
        &self,
        document: Selections<'a>,
        selected: &CollectedField<'a>,
        request: &OperationContext,
        at: &FieldLocation,
    ) -> ServerResult<Option<FieldResult>> {
        let sets = selected.sets();
        let env = request.env();
        let planner = Planner {
            document,
            env: &env,
        };
        let args = planner.args(selected.field());
        let result = match &self.source {
            RootResolver::Viewer => return Ok(None),
            RootResolver::Node => {
                let id: ID = at.check(args.get("id"))?;
                let node = at.check(node(&id))?;
                planner.fetch_nodes(at, &[node], &sets, true).await?
            }
            RootResolver::Nodes => {
                let nodes = at.check(args.get("ids").and_then(|ids: Vec<ID>| parse_ids(&ids)))?;
                planner.fetch_nodes(at, &nodes, &sets, false).await?
            }
            RootResolver::One(object, find) => {
                let find = at.check(find(&args))?;
                planner.fetch_one(at, object(), &sets, find).await?
            }
            RootResolver::Mandates => {
                let all = RecordQuery {
                    condition: Condition::all(),
                    order: vec![(col(mandates::Column::Code), Direction::Asc)],
                };
                planner.all(at, mandate::object_type(), &sets, all).await?
            }
            RootResolver::Webhooks => {
                let own = at.check(webhook::own(request))?;
                planner.all(at, webhook::object_type(), &sets, own).await?
            }
            RootResolver::Search => {
                let found = search::find(&request.search, document, selected, &args).await;
                let page = at.check(found)?;
                // Not from the snapshot of the operation, which may be older than what was found.
                let env = ExecutionContext {
                    db: Reader::Pool(&request.db.read_pool),
                    ..env
                };
                let planner = Planner {
                    env: &env,
                    ..planner
                };
                planner
                    .fetch_composite(at, search::connection(), &sets, &page)
                    .await?
            }
            RootResolver::Overlaps => {
                let found = overlap::find(&request.search, &args, &request.viewer).await;
                let page = at.check(found)?;
                planner
                    .fetch_composite(at, overlap::connection(), &sets, &page)
                    .await?
            }
            RootResolver::Page(list) => planner.fetch_connection(at, list, selected).await?,
            RootResolver::About(object, find, missing) => {
                let (about, find) = at.check(find(&args))?;
                let env = ExecutionContext { about, ..env };
                let planner = Planner {
                    env: &env,
                    ..planner
                };
                planner
                    .fetch_required(at, object(), &sets, find, missing)
                    .await?
            }
        };
        Ok(Some(result))
    }
}

impl FieldResult {
    /// Returns the serialized value, and adds its errors and truncated lists to the request's.
    pub fn into_value(self, ctx: &Context<'_>) -> Value {
        OperationContext::of(ctx).add_truncated(self.truncated);
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
        in_context::register(registry);
        let name = Self::type_name();
        let fields = ROOT_FIELDS.iter().map(|root| {
            let ty = root.ty(registry);
            register::meta_field(registry, root.name, root.description, &root.args, ty)
        });
        let fields = fields.collect();
        register::object_type(
            registry,
            &name,
            "All data of the register. Everything except webhooks and `Activity.actor` can be read without a token.",
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
        let selected = CollectedField {
            key: ctx.item.node.response_key().node.as_str(),
            fields: vec![ctx.item],
        };
        let Some(root) = RootField::named(selected.name()) else {
            return Ok(None);
        };
        let ctx_set = ctx.with_selection_set(&ctx.item.node.selection_set);
        let request = OperationContext::of(ctx);
        let document = Selections::of(&ctx_set);
        let at = FieldLocation::of(ctx);
        match root.resolve(document, &selected, request, &at).await {
            Ok(Some(result)) => Ok(Some(result.into_value(ctx))),
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
