//! Conditional requests: `ETag` and `If-None-Match`.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::http::graphql::response::{VARY, respond};

/// The response may be stored, by the client alone if the request has a token, and must be revalidated on each use.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");
const PRIVATE_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Returns the response with an entity tag; status 304 without a body if the client has it already.
pub fn with_etag(headers: &HeaderMap, text: Bytes) -> Response {
    let tag = weak_tag(&text);
    let mut response = if if_none_match(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        respond(headers, Ok(text))
    };
    let cache_control = if headers.contains_key(header::AUTHORIZATION) {
        PRIVATE_CACHE_CONTROL
    } else {
        CACHE_CONTROL
    };
    let about = response.headers_mut();
    about.insert(header::CACHE_CONTROL, cache_control);
    about.insert(header::VARY, HeaderValue::from_static(VARY));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        about.insert(header::ETAG, tag);
    }
    response
}

/// Returns the entity tag of a text. It is weak, as it is the same for all media types and encodings.
pub fn weak_tag(text: &[u8]) -> String {
    format!("W/\"{}\"", &hex(&Sha256::digest(text))[..32])
}

/// Returns whether `If-None-Match` names the tag.
pub fn if_none_match(headers: &HeaderMap, tag: &str) -> bool {
    let shown = headers.typed_get::<IfNoneMatch>();
    let tag = tag.parse::<ETag>().ok();
    shown
        .zip(tag)
        .is_some_and(|(shown, tag)| !shown.precondition_passes(&tag))
}
