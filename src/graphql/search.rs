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
    description: "A record that a search finds. Select its fields with fragments: `... on Topic { code title }`.",
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
            "What to look for; at most 500 characters. A record is found if it has all the words, in any order and in any of its languages, whatever their case, accents and endings: `service postal` finds `Services postaux`. The last word may be incomplete. Words in quotes have to stand together as they are: `\"quality of service\"`. Codes and numbers are found as people write them: `x1341` and `X.1341` are the same. Articles and the like are not required. There are no operators: all other characters separate words. A text without any word is the error BAD_USER_INPUT.",
        ),
        arg::<Option<Vec<SearchType>>>(
            "types",
            "Only records of these types. Left out or null: all types. An empty list finds nothing.",
        ),
        arg::<Option<Vec<Side>>>(
            "side",
            "Only records of one of these sides: the side of an organization, of a committee, of the owner of an action item, of the publisher of a publication, of the senders of a liaison statement, of the author of a note. A topic is of both sides; what belongs to partners is of none. Left out or null: all records. An empty list finds nothing.",
        ),
        arg::<Option<i32>>(
            "first",
            "How many results to return from the start of the list (after `after`), 0 to 100. Default: 20. With 0 only counts are read, such as `totalCount`.",
        ),
        arg::<Option<String>>(
            "after",
            "Return only results after this cursor. For the next page, pass `pageInfo.endCursor` with the same text, types and sides. Pages have every result once, also if records are written meanwhile; a record that is changed between two pages may change its place.",
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
                "The results of this page, each with its cursor, its score and where its words stand.",
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
                "How many records of each type are found, on all pages together: every type, in the order of the enum, also those without results. `types` and `side` apply.",
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
fn value<T: OutputType>(name: &'static str, description: &'static str) -> Field {
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
                },
            ),
            value::<f64>(
                "score",
                "How well the record matches; more is better. Compare scores within one search only. What is rare in the register, stands in a code, a title or a name, or in a short text, scores more.",
            ),
            field(
                "highlights",
                "Where the words stand: each text of the record that has some of them, in the order of its fields, the original before translations.",
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
        description: "A text of a result with the words that were looked for.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>(
                "field",
                "The field of the record that the text is of. Examples: `title`, `number`. The acronym of a committee's organization is `organization`.",
            ),
            value::<Language>(
                "language",
                "The language of the text: that of the original, or of a translation. Of liaison statements and notes, whose languages the register does not know, it is what the script suggests: AR, ZH, RU, or else EN.",
            ),
            field(
                "fragments",
                "The text in parts, in order; together they are the text, or of a long one the part around the first match. Plain text, no HTML: escape it like any other text.",
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
        description: "A part of a text with the words that were looked for.",
        cacheable: true,
        table: None,
        fields: vec![
            value::<String>("text", "The part as plain text."),
            value::<bool>(
                "isMatch",
                "Whether this part is what was looked for: show it marked.",
            ),
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
    let after = after.map(|cursor| scope.read(&cursor)).transpose()?;
    let after = after.as_ref().map(Place::of).transpose()?;
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
        let place = Place {
            score: hit.score,
            id: hit.id,
            statistics: hits.statistics.clone(),
        };
        scope.write(&place.position())
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
    let count = |ty| hits.counts.get(&ty).copied().unwrap_or(0);
    let counts = SearchType::ALL.map(|ty| json!({ "type": word(ty), "count": count(ty) }));
    json!({
        "edges": edges.collect::<Vec<_>>(),
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": hits.has_more,
            "hasPreviousPage": has_previous,
            "startCursor": cursors.first(),
            "endCursor": cursors.last(),
        },
        "totalCount": hits.counts.values().sum::<u32>(),
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
struct Place {
    score: f64,
    id: Uuid,
    statistics: Statistics,
}

impl Place {
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
