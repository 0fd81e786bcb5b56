//! Search: records of all types by their words.

use std::sync::LazyLock;

use async_graphql::OutputType;
use entity::id;
use entity::party::{Language, Side};
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

use super::enum_names::word;
use super::list;
use crate::error::{Error, Result};
use crate::graphql::node::node_types;
use crate::planner::arguments::Args;
use crate::planner::composite::{Union, reference_to};
use crate::planner::cursor::{CursorCodec, CursorPosition};
use crate::planner::page::{self, page_info};
use crate::planner::schema::{
    Arg, Field, FieldSource, ListLength, ObjectType, arg, distinct, field,
};
use crate::planner::selection::{CollectedField, Selections};
use crate::search::{
    Highlight, HitFilter, Query, Search, SearchPage, SearchRequest, SearchType, Statistics,
};

/// The longest text that can be searched for, in characters: as long as the longest title.
const MAX_LENGTH: usize = 500;

/// What a search finds.
pub static SEARCH_RESULT: Union = Union {
    name: id::SEARCH_RESULT,
    description: "A record that was found by a search. Select its fields with fragments: `... on Topic { code title }`.",
    objects: searched,
};

fn searched() -> Vec<&'static ObjectType> {
    let mut types = node_types();
    types.retain(|object| object.is(id::SEARCH_RESULT));
    types
}

/// Returns the arguments of the field `search`.
pub fn args() -> Vec<Arg> {
    vec![
        arg::<String>(
            "text",
            "The words to search for; at most 500 characters. A record must contain all of them, in any order and in any of its languages. Case, accents and endings make no difference: `service postal` finds `Services postaux`. The last word may be incomplete. Words in quotes must appear exactly and together: `\"quality of service\"`. `x1341` finds `X.1341`. Common words such as `the` and `de` are optional. A text without a letter or digit causes the error BAD_USER_INPUT.",
        ),
        arg::<Option<Vec<SearchType>>>(
            "types",
            "Search only records of these types. Default: all types. An empty list finds nothing.",
        ),
        arg::<Option<Vec<Side>>>(
            "side",
            "Search only records of these sides. Organizations, committees and publications have their `side`; action items the side of their committee; liaison statements the side of their senders; notes the side of their party (none for the TSB); topics both sides. Records of partners have none. Default: all records. An empty list finds nothing.",
        ),
        arg::<Option<i32>>(
            "first",
            "How many results to return from the start of the list, or after `after`: 0 to 100. Default: 20. Use 0 to get counts such as `totalCount` without results. More than 100 causes the error BAD_USER_INPUT.",
        ),
        arg::<Option<String>>(
            "after",
            "Return only results after this cursor. For the next page, pass `pageInfo.endCursor` with the same `text`, `types` and `side`. Changes of other records do not move a result to another page; a record that is changed between two pages can move.",
        ),
    ]
}

/// Returns the type of a page of results.
pub fn connection() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "SearchResultConnection",
        description: "One page of the results of a search, best first.",
        cacheable: true,
        table: None,
        fields: vec![
            field(
                "edges",
                "The results of this page, each with its cursor, score and highlights.",
                FieldSource::Nested {
                    object: edge,
                    list: Some(ListLength::Short),
                },
            ),
            field(
                "nodes",
                "The records of this page: a shortcut for `edges { node }`.",
                FieldSource::Reference {
                    union: &SEARCH_RESULT,
                    many: true,
                    nullable: false,
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
            value::<i32>("totalCount", "How many records are found, on all pages."),
            field(
                "countsByType",
                "The number of results of each type, on all pages together. It lists every type in the order of the enum, with 0 for those without results. The arguments `types` and `side` apply.",
                FieldSource::Nested {
                    object: count,
                    list: Some(ListLength::Fixed(SearchType::ALL.len() as u64)),
                },
            ),
        ],
    });
    &OBJECT
}

/// Returns a field with a value of the page as it stands there.
pub(super) fn value<T: OutputType>(name: &'static str, description: &'static str) -> Field {
    field(name, description, FieldSource::Key(T::create_type_info))
}

fn edge() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "SearchResultEdge",
        description: "A result of a search, with its cursor.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>(
                "cursor",
                "The position of this result in the list, to pass as `after`.",
            ),
            field(
                "node",
                "The record.",
                FieldSource::Reference {
                    union: &SEARCH_RESULT,
                    many: false,
                    nullable: false,
                },
            ),
            value::<f64>(
                "score",
                "How well the record matches: a higher score is better. Compare scores only within one search. Rare words score higher, and so do matches in codes, titles, names and short texts.",
            ),
            field(
                "highlights",
                "The texts of the record that contain words of the search. The texts of one field are together, the original before its translations.",
                FieldSource::Nested {
                    object: highlight,
                    list: Some(ListLength::Fixed(2)),
                },
            ),
        ],
    });
    &OBJECT
}

fn highlight() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Highlight",
        description: "A text of a found record, with the matching words marked.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>(
                "field",
                "The field of the record that has the text. Examples: `title`, `number`. For the acronym of a committee's organization it is `organization`.",
            ),
            value::<Language>(
                "language",
                "The language of the text. Liaison statements and notes have no recorded language; for them it is derived from the script: AR, ZH, RU, otherwise EN.",
            ),
            field(
                "fragments",
                "The parts of the text, in order. Joined, they are the whole text, or an excerpt around the first match if the text is long. They are plain text, not HTML: escape them like any other text.",
                FieldSource::Nested {
                    object: fragment,
                    list: Some(ListLength::Fixed(5)),
                },
            ),
        ],
    });
    &OBJECT
}

fn fragment() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "HighlightFragment",
        description: "A part of a highlighted text.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>("text", "The part as plain text."),
            value::<bool>("isMatch", "Whether this part is a match: show it marked."),
        ],
    });
    &OBJECT
}

fn count() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "SearchTypeCount",
        description: "How many records of one type a search finds.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<SearchType>("type", "The type."),
            value::<i32>("count", "How many records of this type are found."),
        ],
    });
    &OBJECT
}

/// Returns a page of results as JSON, with references to the records.
///
/// # Errors
/// Returns a bad-input error if an argument is invalid, or another error if the database cannot be read.
pub async fn find(
    search: &Search,
    document: Selections<'_>,
    selected: &CollectedField<'_>,
    args: &Args<'_>,
) -> Result<Value> {
    let text: String = args.get("text")?;
    if text.chars().count() > MAX_LENGTH {
        return Err(Error::BadInput(format!(
            "`text` has more than {MAX_LENGTH} characters: look for less."
        )));
    }
    let text = list::reject_nul("text", &text)?;
    let query = Query::parse(&text).ok_or_else(|| {
        Error::BadInput("`text` has no word: give at least one letter or digit.".to_owned())
    })?;
    let types: Option<Vec<SearchType>> = args.get("types")?;
    let sides: Option<Vec<Side>> = args.get("side")?;
    let filter = HitFilter {
        types: types.map(distinct),
        sides: sides.map(distinct),
    };
    let scope = CursorCodec::of_parts(&["Query.search", &text, &format!("{filter:?}")]);
    let after = args.get::<Option<String>>("after")?;
    let after = after.map(|cursor| scope.decode(&cursor)).transpose()?;
    let after = after.as_ref().map(HitPosition::of).transpose()?;
    let first = page::size(args, "first")?.unwrap_or(page::DEFAULT);
    let has_previous = after.is_some();
    let (after, statistics) = match after {
        Some(place) => (Some((place.score, place.id)), Some(place.statistics)),
        None => (None, None),
    };
    let request = SearchRequest {
        query,
        filter,
        first: usize::try_from(first).unwrap_or(0),
        after,
        statistics,
        highlights: selects_highlights(document, selected),
    };
    let page = search.search(request).await?;
    Ok(page_value(page, &scope, has_previous))
}

/// Whether the highlights of results are selected.
fn selects_highlights(document: Selections<'_>, selected: &CollectedField<'_>) -> bool {
    let of = |object: &'static ObjectType| move |condition: &str| object.is(condition);
    let fields = document.collect_fields(&selected.sets(), &of(connection()));
    let mut edges = fields.iter().filter(|field| field.name() == "edges");
    edges.any(|edges| {
        let fields = document.collect_fields(&edges.sets(), &of(edge()));
        fields.iter().any(|field| field.name() == "highlights")
    })
}

fn page_value(page: SearchPage, scope: &CursorCodec, has_previous: bool) -> Value {
    let SearchPage { hits, highlights } = page;
    let mut highlights = highlights.into_iter();
    let cursors = hits.page.iter().map(|hit| {
        let place = HitPosition {
            score: hit.score,
            id: hit.id,
            statistics: hits.statistics.clone(),
        };
        scope.encode(&place.position())
    });
    let cursors: Vec<String> = cursors.collect();
    let nodes = hits
        .page
        .iter()
        .map(|hit| reference_to(hit.ty.type_name(), hit.id));
    let nodes: Vec<Value> = nodes.collect();
    let edges = hits.page.iter().zip(&cursors).zip(&nodes);
    let edges = edges.map(|((hit, cursor), node)| {
        let highlights = highlights.next().unwrap_or_default();
        json!({
            "cursor": cursor,
            "node": node,
            "score": hit.score,
            "highlights": highlights.into_iter().map(highlight_value).collect::<Vec<_>>(),
        })
    });
    let counts =
        SearchType::ALL.map(|ty| json!({ "type": word(ty), "count": hits.counts[ty as usize] }));
    json!({
        "edges": edges.collect::<Vec<_>>(),
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": hits.has_more,
            "hasPreviousPage": has_previous,
            "startCursor": cursors.first(),
            "endCursor": cursors.last(),
        },
        "totalCount": hits.counts.iter().sum::<u32>(),
        "countsByType": counts,
    })
}

fn highlight_value(highlight: Highlight) -> Value {
    let fragments = highlight.fragments.into_iter();
    let fragments = fragments.map(|(text, is_match)| json!({ "text": text, "isMatch": is_match }));
    json!({
        "field": highlight.field,
        "language": word(highlight.language),
        "fragments": fragments.collect::<Vec<_>>(),
    })
}

/// The place of a result in the list, and the statistics by which the list is ranked.
struct HitPosition {
    score: f64,
    id: Uuid,
    statistics: Statistics,
}

impl HitPosition {
    fn position(&self) -> CursorPosition {
        let Statistics { records, matching } = &self.statistics;
        let mut key = format!("{:x} {records}", self.score.to_bits());
        for matching in matching {
            key.push(' ');
            key.push_str(&matching.to_string());
        }
        CursorPosition::keyed(self.id, key)
    }

    /// # Errors
    /// Returns an invalid-cursor error if the key is of another list. Only a forged cursor has such a key.
    fn of(position: &CursorPosition) -> Result<Self> {
        let mut parts = position.key().split(' ');
        let score = parts
            .next()
            .and_then(|bits| u64::from_str_radix(bits, 16).ok());
        let numbers: Option<Vec<u32>> = parts.map(|part| part.parse().ok()).collect();
        let numbers = numbers.unwrap_or_default();
        let (Some(score), Some((records, matching))) = (score, numbers.split_first()) else {
            return Err(Error::InvalidCursor);
        };
        Ok(Self {
            score: f64::from_bits(score),
            id: position.id(),
            statistics: Statistics {
                records: *records,
                matching: matching.to_vec(),
            },
        })
    }
}
