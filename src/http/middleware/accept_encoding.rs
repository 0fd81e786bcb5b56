//! The codings of responses that a client accepts.

use std::collections::HashMap;

use axum::extract::Request;
use axum::http::header::ACCEPT_ENCODING;
use axum::http::{HeaderMap, HeaderValue};

/// Returns each named coding in lower case, and whether it is accepted.
fn codings(headers: &HeaderMap) -> impl Iterator<Item = (String, bool)> {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| {
        let (coding, quality) = item.split_once(';').unwrap_or((item, "q=1"));
        let quality = quality
            .trim()
            .split_once('=')
            .map(|(_, value)| value.trim());
        let allowed = quality
            .and_then(|value| value.parse::<f32>().ok())
            .is_some_and(|value| value > 0.0);
        (coding.trim().to_ascii_lowercase(), allowed)
    })
}

/// Returns whether `Accept-Encoding` allows gzip: by name, or by `*` if it is not named.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings: HashMap<String, bool> = codings(headers).collect();
    let gzip = codings.get("gzip").or_else(|| codings.get("*"));
    gzip.copied().unwrap_or(false)
}

/// Chooses zstd only for clients that do not accept gzip: some accept it by default on runtimes that cannot decode it,
/// such as `@whatwg-node/fetch` on Node 20.
pub async fn prefer_gzip(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if accepts_gzip(headers) && codings(headers).any(|(coding, _)| coding == "zstd") {
        let others = codings(headers).filter(|(coding, allowed)| *allowed && coding != "zstd");
        let others: Vec<String> = others.map(|(coding, _)| coding).collect();
        if let Ok(others) = HeaderValue::try_from(others.join(", ")) {
            headers.insert(ACCEPT_ENCODING, others);
        }
    }
    request
}
