//! Content negotiation: the media type of a response.

use axum::http::{HeaderMap, header};
use mediatype::{MediaType, MediaTypeList, ReadParams};

const GRAPHQL_RESPONSE_JSON: &str = "graphql-response+json";

/// The media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// The HTTP status shows whether the request was executed.
    GraphqlResponseJson,
    /// A well-formed request always has status 200.
    Json,
}

impl ResponseFormat {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponseJson => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// Returns the media type that `Accept` prefers; `None` if it accepts neither. On a tie it is JSON, for legacy clients.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accept = Accept::of(headers);
        if accept.is_empty {
            return Some(Self::Json);
        }
        let modern = accept.quality("application", GRAPHQL_RESPONSE_JSON);
        let json = accept.quality("application", "json");
        // On equal quality, a client that names the newer type gets it: it knows the type.
        let named = accept
            .ranges
            .iter()
            .any(|range| range.subtype == GRAPHQL_RESPONSE_JSON);
        match (modern, json) {
            (0, 0) => None,
            _ if modern > json || (modern == json && named) => Some(Self::GraphqlResponseJson),
            _ => Some(Self::Json),
        }
    }
}

/// The parsed header `Accept`.
pub struct Accept {
    is_empty: bool,
    /// The valid entries that accept UTF-8.
    ranges: Vec<MediaRange>,
}

/// An entry of `Accept`, in lower case.
struct MediaRange {
    kind: String,
    subtype: String,
    /// Quality in thousandths.
    quality: u32,
}

impl Accept {
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let texts: Vec<&str> = values
            .map(|value| value.to_str().unwrap_or("unreadable"))
            .collect();
        let entries = texts.iter().flat_map(|text| MediaTypeList::new(text));
        Self {
            is_empty: texts
                .iter()
                .all(|text| text.trim_matches([' ', '\t', ',']).is_empty()),
            ranges: entries
                .filter_map(|entry| MediaRange::read(&entry.ok()?))
                .collect(),
        }
    }

    /// Returns the quality by the most specific matching entry; 0 if none matches.
    fn quality(&self, kind: &str, subtype: &str) -> u32 {
        let of = |kind: &str, subtype: &str| {
            let ranges = self.ranges.iter();
            let found = ranges.filter(|range| range.kind == kind && range.subtype == subtype);
            found.map(|range| range.quality).max()
        };
        of(kind, subtype)
            .or_else(|| of(kind, "*"))
            .or_else(|| of("*", "*"))
            .unwrap_or(0)
    }

    /// Returns whether it names an event stream. `*/*` does not count.
    pub fn takes_events(&self) -> bool {
        let named = ["event-stream", "*"];
        let mut ranges = self.ranges.iter();
        ranges.any(|range| range.kind == "text" && named.contains(&range.subtype.as_str()))
            && self.quality("text", "event-stream") > 0
    }
}

impl MediaRange {
    fn read(entry: &MediaType<'_>) -> Option<Self> {
        let mut quality = 1000;
        for (name, value) in entry.params() {
            let value = value.unquoted_str();
            if name.as_str().eq_ignore_ascii_case("q") {
                let given: f64 = value.parse().ok()?;
                // A quality has at most three decimals; values above 1 count as 1.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped right before"
                )]
                let thousandths = (given.clamp(0.0, 1.0) * 1000.0).round() as u32;
                quality = thousandths;
            } else if name.as_str().eq_ignore_ascii_case("charset")
                && !value.eq_ignore_ascii_case("utf-8")
            {
                return None;
            }
        }
        let suffix = entry
            .suffix
            .map_or_else(String::new, |suffix| format!("+{suffix}"));
        Some(Self {
            kind: entry.ty.as_str().to_ascii_lowercase(),
            subtype: format!("{}{suffix}", entry.subty).to_ascii_lowercase(),
            quality,
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_most_preferred_media_type_is_chosen() {
        let modern = Some(ResponseFormat::GraphqlResponseJson);
        let json = Some(ResponseFormat::Json);
        for (accept, expected) in [
            ("application/json", json),
            ("application/graphql-response+json", modern),
            (
                "application/graphql-response+json, application/json",
                modern,
            ),
            (
                "application/json, application/graphql-response+json",
                modern,
            ),
            (
                "application/graphql-response+json;q=0.5, application/json;q=0.9",
                json,
            ),
            (
                "application/graphql-response+json;q=0.9, application/json;q=0.5",
                modern,
            ),
            ("application/graphql-response+json;q=0, */*", json),
            ("application/json;q=0, */*;q=0.1", modern),
            ("application/graphql-response+json, */*;q=0.1", modern),
            ("*/*", json),
            ("application/*", json),
            ("text/html, */*;q=0.1", json),
            ("APPLICATION/JSON; charset=UTF-8", json),
            ("application/json; charset=latin1", None),
            ("application/json;q=0", None),
            ("text/html", None),
            ("text/*", None),
            ("image/png, text/html;q=0.9", None),
            ("application/json;q=much", None),
            ("", json),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(ResponseFormat::accepted(&headers), expected, "{accept}");
        }
        assert_eq!(ResponseFormat::accepted(&HeaderMap::new()), json);
    }

    #[test]
    fn event_streams_require_the_accept_header() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("TEXT/Event-Stream; q=0.1, application/json", true),
            ("text/*", true),
            ("text/event-stream;q=0", false),
            ("text/*, text/event-stream;q=0", false),
            ("text/html, */*", false),
            ("text/html", false),
            ("*/*", false),
            ("application/json", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Accept::of(&headers).takes_events(), expected, "{accept}");
        }
    }
}
