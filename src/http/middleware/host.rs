//! Middleware that requires exactly one `Host` header (RFC 9112, section 3.2).

use axum::extract::Request;
use axum::http::Version;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;

use crate::http::error::RequestError;
use crate::http::graphql::response::respond;

/// Rejects a request without `Host` or with several, which proxies and servers could interpret differently.
pub async fn require_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(HOST).iter().count();
    let is_optional = request.version() < Version::HTTP_11;
    if hosts == 1 || (hosts == 0 && is_optional) {
        return next.run(request).await;
    }
    let refused =
        RequestError::bad_request("The request has no `Host` header, or several: send one.");
    respond(request.headers(), Err(refused))
}
