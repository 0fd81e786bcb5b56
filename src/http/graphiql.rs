//! The GraphiQL explorer at `/graphiql`, embedded in the binary by `build.rs`.

use std::io::Read;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use flate2::read::GzDecoder;
use futures_util::stream;

use crate::http::graphql::etag::if_none_match;
use crate::http::middleware::accept_encoding::accepts_gzip;

/// A file of the bundle. Its name contains the hash of its content, so it also serves as the entity tag.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = &include!(concat!(env!("OUT_DIR"), "/explorer.rs"));

/// Forbids other origins, inline scripts and styles, `eval`, and framing.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/graphiql", get(page))
        .route("/graphiql/", get(redirect_to_page))
        .route("/graphiql/assets/{name}", get(asset))
}

/// Redirects to the page, with the operation that the query string names. The address is relative, so that a
/// proxy may serve the page under a prefix.
async fn redirect_to_page(RawQuery(query): RawQuery) -> Redirect {
    match query {
        Some(query) => Redirect::permanent(&format!("../graphiql?{query}")),
        None => Redirect::permanent("../graphiql"),
    }
}

async fn page(headers: HeaderMap) -> Response {
    let page = ASSETS
        .iter()
        .find(|asset| asset.content_type.starts_with("text/html"));
    serve(page, &headers, "no-cache")
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    serve(asset, &headers, "public, max-age=31536000, immutable")
}

fn serve(asset: Option<&Asset>, headers: &HeaderMap, cache: &'static str) -> Response {
    let Some(asset) = asset else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("W/\"{}\"", asset.name); // weak: the same with and without gzip
    let common = [
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CONTENT_TYPE, asset.content_type),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if if_none_match(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, common, [(ETAG, tag)]).into_response();
    }
    if accepts_gzip(headers) {
        return (
            common,
            [(ETAG, tag)],
            [(CONTENT_ENCODING, "gzip")],
            asset.gzip,
        )
            .into_response();
    }
    // Browsers accept gzip; this serves clients such as curl. One chunk at a time is in memory.
    let mut decoder = GzDecoder::new(asset.gzip);
    let chunks = std::iter::from_fn(move || {
        let mut chunk = vec![0; CHUNK];
        let read = decoder.read(&mut chunk).map(|length| {
            chunk.truncate(length);
            chunk
        });
        Some(read).filter(|read| !read.as_ref().is_ok_and(Vec::is_empty))
    });
    let plain = Body::from_stream(stream::iter(chunks));
    (common, [(ETAG, tag)], plain).into_response()
}

/// Bytes that are unpacked at a time.
const CHUNK: usize = 16 * 1024;

#[cfg(feature = "explorer")]
#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT_ENCODING;
    use axum::http::header::{HeaderName, IF_NONE_MATCH};

    use super::*;

    async fn read(response: Response) -> Vec<u8> {
        to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap()
            .to_vec()
    }

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[tokio::test]
    async fn the_page_is_the_same_with_and_without_gzip() {
        let zipped = page(headers(ACCEPT_ENCODING, "br, gzip;q=0.5")).await;
        assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
        let mut unzipped = Vec::new();
        GzDecoder::new(&*read(zipped).await)
            .read_to_end(&mut unzipped)
            .unwrap();
        let plain = page(headers(ACCEPT_ENCODING, "gzip;q=0")).await;
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(read(plain).await, unzipped);
    }

    #[test]
    fn gzip_is_sent_to_clients_that_accept_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("gzip;q=0.5", true),
            ("br , GZIP ; q=0.5", true),
            ("*", true),
            ("gzip;q=0, *;q=0", false),
            ("gzip;q=0.000, *", false),
            ("gzip; q=0", false),
            ("identity", false),
        ] {
            let allowed = accepts_gzip(&headers(ACCEPT_ENCODING, accept));
            assert_eq!(allowed, expected, "{accept}");
        }
    }

    #[tokio::test]
    async fn a_matching_etag_gets_304() {
        let first = page(HeaderMap::new()).await;
        let tag = first.headers()[ETAG].to_str().unwrap();
        let second = page(headers(IF_NONE_MATCH, &format!("\"other\", {tag}"))).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(read(second).await.is_empty());
    }

    #[tokio::test]
    async fn every_url_in_the_page_is_served() {
        let page = String::from_utf8(read(page(HeaderMap::new()).await).await).unwrap();
        let names: Vec<_> = page.split("\"graphiql/assets/").skip(1).collect();
        assert_eq!(names.len(), 3, "icon, style and script");
        for rest in names {
            let name = rest.split('"').next().unwrap();
            let response = asset(Path(name.to_owned()), HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::OK, "{name}");
        }
        let none = asset(Path("none.js".to_owned()), HeaderMap::new()).await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
    }
}
