//! CORS: the origins that may send cross-origin requests.

use std::time::Duration;

use axum::http::header::{ETAG, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use url::{Host, Url};

use crate::http::middleware::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::http::middleware::request_context::REQUEST_ID;

/// Cache lifetime of preflight responses.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(1);

/// Stands for all origins on localhost, at any port.
pub const LOCAL_PAGES: HeaderValue = HeaderValue::from_static("localhost");

/// Parses an allowed origin: an origin as browsers send it, `*`, or `localhost`.
///
/// # Errors
/// Returns an error if it is none of these.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = || {
        let url = Url::parse(text).ok()?;
        (url.origin().ascii_serialization() == text).then_some(())
    };
    if text == "*" || text == "localhost" || is_origin().is_some() {
        return text.parse().map_err(|_| "it is no origin".to_owned());
    }
    Err("write an origin as https://app.example.org, without a path, localhost for the pages of this machine, or * for all".to_owned())
}

/// Returns whether an origin is allowed.
#[must_use]
pub fn is_allowed(origins: &[HeaderValue], origin: &HeaderValue) -> bool {
    let mut allowed = origins.iter();
    allowed.any(|allowed| {
        allowed == "*" || allowed == origin || (*allowed == LOCAL_PAGES && is_local(origin))
    })
}

/// Returns whether an origin is on this machine, at any port.
fn is_local(origin: &HeaderValue) -> bool {
    let url = origin
        .to_str()
        .ok()
        .and_then(|origin| Url::parse(origin).ok());
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns whether a WebSocket may be opened. Browsers send no preflight request for a handshake, so the service checks
/// `Origin` itself. Other clients send no origin; the service's own pages send its own host.
pub fn may_open_socket(origins: &[HeaderValue], headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let is_own = || {
        let (_, host) = origin.to_str().ok()?.split_once("://")?;
        Some(host.eq_ignore_ascii_case(headers.get(HOST)?.to_str().ok()?))
    };
    is_allowed(origins, origin) || is_own().unwrap_or(false)
}

/// Creates the CORS middleware. An empty list allows no origin. There is no cookie authentication and a page must
/// provide its own token, so an allowed origin can do no more than any other client.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        let origins = origins.to_vec();
        AllowOrigin::predicate(move |origin, _| is_allowed(&origins, origin))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        // Clients and tracing libraries add headers of their own.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            ETAG,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            HeaderName::from_static(REQUEST_ID),
            HeaderName::from_static(RATE_LIMIT),
            HeaderName::from_static(RATE_LIMIT_POLICY),
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}
