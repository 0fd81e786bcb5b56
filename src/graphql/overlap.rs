//! Overlaps: pairs of texts of both sides on the same ground.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::LazyLock;

use async_graphql::parser::types::Field as SelectedField;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, Object, OutputType, PathSegment, Positioned, ServerResult, Value,
};
use entity::permission::Permission;
use sea_orm::prelude::Uuid;
use serde_json::{Value as Json, json};

use super::enum_names::word;
use super::payload::{UserError, split_rejections};
use super::request::OperationContext;
use super::search::{SEARCH_RESULT, value};
use crate::domain::overlap::permissions;
use crate::domain::viewer::Viewer;
use crate::error::{Error, Result, is_overloaded, is_too_long};
use crate::planner::arguments::Args;
use crate::planner::composite::reference_to;
use crate::planner::cursor::{CursorCodec, CursorPosition};
use crate::planner::page::{self, page_info};
use crate::planner::planning::Planner;
use crate::planner::schema::{Arg, Field, FieldSource, ListLength, ObjectType, arg, field};
use crate::planner::selection::Selections;
use crate::planner::{FieldLocation, register};
use crate::search::{PairKey, PairPage, Search};
use crate::store::overlap::{self as store, OverlapDismissInput, TextRef};

/// The least score of a pair, unless the client asks for another.
const DEFAULT_MINIMUM: f64 = 0.3;

/// Returns the arguments of the field `overlaps`.
pub fn args() -> Vec<Arg> {
    vec![
        arg::<Option<i32>>(
            "first",
            "How many pairs to return from the start of the list, or after `after`: 0 to 100. Default: 20. Use 0 to get `totalCount` without pairs. More than 100 causes the error BAD_USER_INPUT.",
        ),
        arg::<Option<String>>(
            "after",
            "Return only pairs after this cursor. For the next page, pass `pageInfo.endCursor` with the same `minimum`.",
        ),
        arg::<Option<f64>>(
            "minimum",
            "Only pairs with at least this score, 0 to 1. Default: 0.3. Pairs below 0.2 are never listed.",
        ),
    ]
}

/// Returns the type of a page of overlaps.
pub fn connection() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "OverlapConnection",
        description: "One page of the overlaps, most similar first.",
        cacheable: true,
        table: None,
        fields: vec![
            field(
                "edges",
                "The overlaps of this page, each with its cursor.",
                FieldSource::Nested {
                    object: edge,
                    list: Some(ListLength::Short),
                },
            ),
            field(
                "nodes",
                "The overlaps of this page: a shortcut for `edges { node }`.",
                FieldSource::Nested {
                    object: overlap,
                    list: Some(ListLength::Short),
                },
            ),
            field(
                "pageInfo",
                "Whether there are more pages, and the cursors to get them.",
                FieldSource::Nested {
                    object: page_info,
                    list: None,
                },
            ),
            value::<i32>("totalCount", "How many overlaps there are, on all pages."),
        ],
    });
    &OBJECT
}

fn edge() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "OverlapEdge",
        description: "An overlap of a page, with its cursor.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>(
                "cursor",
                "The position of this overlap in the list, to pass as `after`.",
            ),
            field(
                "node",
                "The overlap.",
                FieldSource::Nested {
                    object: overlap,
                    list: None,
                },
            ),
        ],
    });
    &OBJECT
}

fn text(name: &'static str, description: &'static str, nullable: bool) -> Field {
    let source = FieldSource::Reference {
        union: &SEARCH_RESULT,
        many: false,
        nullable,
    };
    field(name, description, source)
}

fn overlap() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Overlap",
        description: "An ITU and a UPU text that have unusual words in common, and that are neither related nor linked to the same topic: both sides may work on the same subject. Relate them with `publicationRelate`, link both to a topic, or dismiss the pair with `overlapDismiss`.",
        cacheable: true,
        table: None,
        fields: vec![
            text(
                "itu",
                "The ITU text: a publication of ITU, or an open topic that ITU proposed.",
                false,
            ),
            text(
                "upu",
                "The UPU text: a publication of the UPU, or an open topic that the UPU proposed.",
                false,
            ),
            value::<f64>(
                "score",
                "How similar they are, 0 to 1: the cosine of their words, weighted by how rare they are, in the language in which they are most similar. 1 means that they use the same words.",
            ),
            value::<Vec<String>>(
                "sharedTerms",
                "The words that both have, in lower case, as in the ITU text: the rarest first, at most 10.",
            ),
            value::<Vec<Permission>>(
                "viewerPermissions",
                "What the viewer may do with this overlap now: DISMISS for editors of ITU and of the UPU. Empty for all others.",
            ),
        ],
    });
    &OBJECT
}

/// Returns a page of overlaps as JSON, with references to the records.
///
/// # Errors
/// Returns a bad-input error if an argument is invalid, or another error if the database cannot be read.
pub async fn find(search: &Search, args: &Args<'_>, viewer: &Viewer) -> Result<Json> {
    let minimum = args
        .get::<Option<f64>>("minimum")?
        .unwrap_or(DEFAULT_MINIMUM);
    if !(0.0..=1.0).contains(&minimum) {
        return Err(Error::BadInput(format!(
            "`minimum` is {minimum}; scores are 0 to 1."
        )));
    }
    let scope = CursorCodec::of_parts(&["Query.overlaps", &minimum.to_string()]);
    let after = args.get::<Option<String>>("after")?;
    let after = after.map(|cursor| scope.decode(&cursor)).transpose()?;
    let after = after.as_ref().map(pair_key).transpose()?;
    let first = page::size(args, "first")?.unwrap_or(page::DEFAULT);
    let first = usize::try_from(first).unwrap_or(0);
    let page = search.overlaps(minimum, first, after).await?;
    let permissions = permissions(viewer.party()).into_iter().map(word);
    let permissions: Vec<&str> = permissions.collect();
    Ok(page_value(&page, &scope, after.is_some(), &permissions))
}

fn position((score, itu, upu): PairKey) -> CursorPosition {
    CursorPosition::keyed(itu, format!("{} {upu}", score.0))
}

fn pair_key(position: &CursorPosition) -> Result<PairKey> {
    let parts = position.key().split_once(' ');
    let pair_key = parts.and_then(|(score, upu)| {
        let upu = Uuid::try_parse(upu).ok()?;
        Some((Reverse(score.parse().ok()?), position.id(), upu))
    });
    pair_key.ok_or(Error::InvalidCursor)
}

fn page_value(
    page: &PairPage,
    scope: &CursorCodec,
    has_previous: bool,
    permissions: &[&str],
) -> Json {
    let cursors = page
        .pairs
        .iter()
        .map(|(key, _)| scope.encode(&position(*key)));
    let cursors: Vec<String> = cursors.collect();
    let nodes = page.pairs.iter().map(|(_, pair)| {
        json!({
            "itu": reference_to(pair.itu.0.type_name(), pair.itu.1),
            "upu": reference_to(pair.upu.0.type_name(), pair.upu.1),
            "score": pair.score,
            "sharedTerms": pair.shared_terms,
            "viewerPermissions": permissions,
        })
    });
    let nodes: Vec<Json> = nodes.collect();
    let edges = cursors.iter().zip(&nodes);
    let edges = edges.map(|(cursor, node)| json!({ "cursor": cursor, "node": node }));
    json!({
        "edges": edges.collect::<Vec<_>>(),
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": page.has_more,
            "hasPreviousPage": has_previous,
            "startCursor": cursors.first(),
            "endCursor": cursors.last(),
        },
        "totalCount": page.total,
    })
}

/// What can be done to overlaps.
#[derive(Default)]
pub struct OverlapMutation;

#[Object]
impl OverlapMutation {
    /// Removes a pair (an ITU text and a UPU text) from the list of overlaps, because their subjects are different. Only ITU and the UPU may do so; the pair is removed for both sides. If it was dismissed before, nothing changes.
    async fn overlap_dismiss(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The two texts, and why they are different.")] input: OverlapDismissInput,
    ) -> Option<Result<OverlapDismissPayload>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        let done = store::dismiss(db, viewer, *now, input).await;
        Some(OverlapDismissPayload::of(done))
    }
}

/// The response to `overlapDismiss`.
pub struct OverlapDismissPayload {
    texts: Option<(TextRef, TextRef)>,
    user_errors: Vec<UserError>,
}

impl OverlapDismissPayload {
    fn of(done: Result<(TextRef, TextRef)>) -> Result<Self> {
        let (texts, user_errors) = split_rejections(done)?;
        Ok(Self { texts, user_errors })
    }

    fn object() -> &'static ObjectType {
        static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
            name: "OverlapDismissPayload",
            description: "The result of `overlapDismiss`.",
            cacheable: true,
            table: None,
            fields: vec![
                text(
                    "itu",
                    "The ITU text. Null if the request was refused; `userErrors` says why.",
                    true,
                ),
                text(
                    "upu",
                    "The UPU text. Null if the request was refused; `userErrors` says why.",
                    true,
                ),
                field(
                    "userErrors",
                    "What is wrong with the input; empty if the pair is dismissed.",
                    FieldSource::Nested {
                        object: UserError::object_type,
                        list: Some(ListLength::Short),
                    },
                ),
            ],
        });
        &OBJECT
    }
}

impl OutputType for OverlapDismissPayload {
    fn type_name() -> Cow<'static, str> {
        Self::object().name.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        // Before what is nested in it, so that all payloads share it.
        <Vec<UserError> as OutputType>::create_type_info(registry);
        register::object(registry, Self::object());
        Self::qualified_type_name()
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        selected: &Positioned<SelectedField>,
    ) -> ServerResult<Value> {
        let errors = self.user_errors.iter().map(UserError::json);
        let errors: Vec<Json> = errors.collect();
        let payload = |texts: Option<(TextRef, TextRef)>| {
            let (itu, upu) = texts.unzip();
            let reference = |text: Option<TextRef>| text.map(|(ty, key)| reference_to(ty, key));
            json!({ "itu": reference(itu), "upu": reference(upu), "userErrors": errors })
        };
        let at = FieldLocation {
            path: vec![PathSegment::Field(
                selected.node.response_key().node.to_string(),
            )],
            pos: selected.pos,
        };
        let env = OperationContext::of(&ctx.with_field(selected)).env();
        let planner = Planner {
            document: Selections::of(ctx),
            env: &env,
        };
        let sets = [&ctx.item.node];
        let fetch = async |payload: Json| {
            let fetched = planner.fetch_composite(&at, Self::object(), &sets, &payload);
            fetched.await
        };
        let field = ctx.with_field(selected);
        let read = match fetch(payload(self.texts)).await {
            // The change is committed: texts that cannot be read are null with an error.
            Err(mut error) if self.texts.is_some() => {
                if is_too_long(&error) || is_overloaded(&error) {
                    error.message.push_str(" The change itself is made.");
                }
                field.add_error(error);
                fetch(payload(None)).await?
            }
            read => read?,
        };
        Ok(read.into_value(&field))
    }
}
