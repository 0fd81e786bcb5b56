//! The media type of an answer: what the client accepts best of the two that there are.

use axum::http::{HeaderMap, header};

/// In what form an answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Its status says whether the request was executed.
    Modern,
    /// A request that was read has status 200, whatever became of it.
    Json,
}

impl Media {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Modern => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// What fits the header `Accept` best; none where nothing does. Where both fit alike it is JSON,
    /// for those who never heard of the other.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).iter();
        let texts = values.map(|it| it.to_str().unwrap_or("unreadable"));
        let mut entries = texts
            .flat_map(|it| it.split(','))
            .filter(|it| !it.trim().is_empty())
            .peekable();
        if entries.peek().is_none() {
            return Some(Self::Json);
        }
        let ranges: Vec<Range<'_>> = entries.filter_map(Range::read).collect();
        let modern = weight(&ranges, "graphql-response+json");
        let json = weight(&ranges, "json");
        // Named alike, the modern one is meant: who names it knows it.
        let named = ranges
            .iter()
            .any(|it| it.subtype.eq_ignore_ascii_case("graphql-response+json"));
        match (modern, json) {
            (0, 0) => None,
            _ if modern > json || (modern == json && named) => Some(Self::Modern),
            _ => Some(Self::Json),
        }
    }
}

/// One entry of `Accept`.
struct Range<'a> {
    subtype: &'a str,
    /// In thousandths.
    weight: u32,
}

impl<'a> Range<'a> {
    /// None for what can be no answer of ours.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let fits = kind.eq_ignore_ascii_case("application") || (kind, subtype) == ("*", "*");
        let mut weight = 1000;
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            if name.trim().eq_ignore_ascii_case("q") {
                let given: f64 = value.trim().parse().ok()?;
                // A weight has three digits; what is beyond 1 is 1.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped right before"
                )]
                let thousandths = (given.clamp(0.0, 1.0) * 1000.0).round() as u32;
                weight = thousandths;
            } else if name.trim().eq_ignore_ascii_case("charset")
                && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            {
                return None;
            }
        }
        fits.then_some(Self { subtype, weight })
    }
}

/// The weight of the entry that names the subtype most closely; 0 where none does.
fn weight(ranges: &[Range<'_>], subtype: &str) -> u32 {
    let of = |wanted: &str| {
        let found = ranges
            .iter()
            .filter(|it| it.subtype.eq_ignore_ascii_case(wanted));
        found.map(|it| it.weight).max()
    };
    of(subtype).or_else(|| of("*")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_media_type_is_the_one_accepted_best() {
        let modern = Some(Media::Modern);
        let json = Some(Media::Json);
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
            assert_eq!(Media::accepted(&headers), expected, "{accept}");
        }
        assert_eq!(Media::accepted(&HeaderMap::new()), json);
    }
}
