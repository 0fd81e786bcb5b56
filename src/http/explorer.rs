//! The explorer at `/graphiql`, held in the binary as `build.rs` bundled it.

use std::io::Read;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use flate2::read::GzDecoder;

/// A file of the bundle. Its name carries the hash of its content, so it is the entity tag too.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = &include!(concat!(env!("OUT_DIR"), "/explorer.rs"));

/// Nothing from elsewhere, nothing inline, nothing evaluated, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/graphiql", get(page))
        // Relative, so that a proxy may serve the page under a prefix.
        .route(
            "/graphiql/",
            get(|| async { Redirect::permanent("../graphiql") }),
        )
        .route("/graphiql/assets/{name}", get(asset))
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
    if lists(headers, &IF_NONE_MATCH, &tag) {
        return (StatusCode::NOT_MODIFIED, common, [(ETAG, tag)]).into_response();
    }
    if lists(headers, &ACCEPT_ENCODING, "gzip") {
        return (
            common,
            [(ETAG, tag)],
            [(CONTENT_ENCODING, "gzip")],
            asset.gzip,
        )
            .into_response();
    }
    // Every browser takes gzip; this is for those who look with curl.
    let mut plain = Vec::new();
    match GzDecoder::new(asset.gzip).read_to_end(&mut plain) {
        Ok(_) => (common, [(ETAG, tag)], plain).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether a header that is a list names `wanted`; with the weight 0 it refuses it.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (item, weight) = item.split_once(";q=").unwrap_or((item, "1"));
        item.trim() == wanted && weight.trim().parse() != Ok(0.0)
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::HeaderValue;

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
    async fn the_page_reads_the_same_with_and_without_gzip() {
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

    #[tokio::test]
    async fn whoever_has_the_page_is_told_so() {
        let first = page(HeaderMap::new()).await;
        let tag = first.headers()[ETAG].to_str().unwrap();
        let second = page(headers(IF_NONE_MATCH, &format!("\"other\", {tag}"))).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(read(second).await.is_empty());
    }

    #[tokio::test]
    async fn every_address_in_the_page_is_served() {
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
