//! The origins whose pages may call from a browser.

use std::time::Duration;

use axum::http::header::{ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use super::visit::REQUEST_ID;

/// How long a browser need not ask again.
const REMEMBERED: Duration = Duration::from_hours(1);

/// An origin as browsers send it, or `*` for all of them.
///
/// # Errors
/// What is wrong with it.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = || {
        let url = url::Url::parse(text).ok()?;
        (url.origin().ascii_serialization() == text).then_some(())
    };
    if text == "*" || is_origin().is_some() {
        return text.parse().map_err(|_| "it is no origin".to_owned());
    }
    Err("write an origin as https://app.example.org, without a path, or * for all".to_owned())
}

/// Answers the questions that browsers ask before and after a call; none may call where the list is empty.
/// A page brings its token itself and no cookie counts, so an origin that may call gains no more than a program.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let allowed = if origins.iter().any(|it| it == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().cloned())
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
        ])
        .max_age(REMEMBERED)
}
