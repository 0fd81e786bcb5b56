//! The HTTP client for webhooks. URLs come from users, so redirects, response size, time and target addresses are
//! limited.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::iter::successors;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Response, StatusCode};
use rustls::CertificateError;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tracing::Instrument;
use tracing::field::Empty;

use crate::domain::webhook::{WebhookTargets, validate_url};
use crate::graphql::webhook::event::CloudEvent;
use crate::metrics;
use crate::store::delivery::Outcome;
use crate::trace::{SPANS, TraceParent, continue_trace};

/// For a connection, its TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one attempt, from the first byte sent to the last read.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for the start of the body once the status is known.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of bytes of a response body that are read and stored.
const MAX_RESPONSE_BYTES: usize = 1024;

/// An HTTP client. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    targets: WebhookTargets,
    has_proxy: bool,
}

impl Client {
    /// Makes a client that calls what `targets` allows, by way of a proxy if there is one.
    ///
    /// # Errors
    /// Returns an error if there is no TLS, or the URL of the proxy cannot be parsed.
    pub fn new(targets: WebhookTargets, proxy: Option<&str>) -> Result<Self, String> {
        // It fails if a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The error itself says only which step failed.
        let wrong = |error: reqwest::Error| {
            let why = causes(&error).last().map(ToString::to_string);
            format!("no client for webhooks: {}", why.unwrap_or_default())
        };
        let mut http = reqwest::Client::builder()
            // The target of a redirect is unchecked.
            .redirect(Policy::none())
            .no_proxy()
            .https_only(targets != WebhookTargets::Any)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")));
        http = match proxy {
            // The proxy resolves names itself, and its own address may be private.
            Some(proxy) => http.proxy(Proxy::all(proxy).map_err(wrong)?),
            None => http.dns_resolver(TargetResolver(targets.clone())),
        };
        Ok(Self {
            http: http.build().map_err(wrong)?,
            targets,
            has_proxy: proxy.is_some(),
        })
    }

    /// Makes one delivery attempt.
    pub async fn post(
        &self,
        url: &str,
        message: &CloudEvent,
        now: DateTime<Utc>,
        signature: &str,
    ) -> Outcome {
        let span = tracing::debug_span!(
            target: SPANS,
            "deliver",
            otel.name = "POST",
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            http.response.status_code = Empty,
            cloudevents.event_id = message.id,
        );
        let trace = continue_trace(&span, message.trace.clone());
        let attempt = self.attempt(url, message, now, signature, trace);
        let outcome = attempt.instrument(span.clone()).await;
        span.record("http.response.status_code", outcome.status.map(i64::from));
        if !outcome.delivered {
            span.record("otel.status_code", "ERROR");
        }
        metrics::record(|metrics| {
            let result = if outcome.delivered {
                "delivered"
            } else {
                "failed"
            };
            metrics.webhook_attempts.with(&[result]).inc();
        });
        outcome
    }

    async fn attempt(
        &self,
        url: &str,
        message: &CloudEvent,
        now: DateTime<Utc>,
        signature: &str,
        trace: Option<TraceParent>,
    ) -> Outcome {
        // The setting may have changed since the address was given.
        if let Err(why) = validate_url(url, &self.targets) {
            return failed_attempt(&why);
        }
        let mut request = self.http.post(url);
        if let Some(trace) = trace {
            request = request.header("traceparent", trace.as_str());
        }
        let sent = request
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", signature)
            .body(message.body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => outcome(response, now).await,
            Err(error) if error.is_connect() => failed_attempt(&self.connect_failure(&error)),
            Err(error) if error.is_timeout() => failed_attempt("No answer within 10 seconds."),
            Err(_) => failed_attempt("The connection broke off before there was an answer."),
        }
    }

    /// Returns why there is no connection, for the party whose webhook it is.
    fn connect_failure(&self, error: &reqwest::Error) -> String {
        for cause in causes(error) {
            if let Some(failed) = cause.downcast_ref::<LookupError>() {
                return failed.to_string();
            }
            if let Some(failed) = cause.downcast_ref::<rustls::Error>() {
                return tls_failure(failed);
            }
        }
        let refused = |cause: &(dyn Error + 'static)| {
            let error = cause.downcast_ref::<io::Error>();
            error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        let why = if self.has_proxy {
            "The address cannot be reached: there is no connection through the proxy of this service."
        } else if error.is_timeout() {
            "The address cannot be reached: there is no connection within 5 seconds."
        } else if causes(error).any(refused) {
            "The address cannot be reached: it refuses connections."
        } else {
            "The address cannot be reached: there is no connection."
        };
        why.to_owned()
    }
}

/// Returns an error and all its causes. `io::Error` hides one.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| {
        match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn tls_failure(error: &rustls::Error) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another name"
            }
            CertificateError::UnknownIssuer => "its issuer is not trusted",
            _ => "it cannot be verified",
        },
        _ => return "The address cannot be reached over TLS.".to_owned(),
    };
    format!("The certificate of the endpoint is invalid: {why}.")
}

async fn outcome(mut response: Response, now: DateTime<Utc>) -> Outcome {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|header| wait(header.to_str().ok()?, now));
    let mut start = Vec::new();
    // A timeout leaves what has been read until then.
    let _ = timeout(BODY_TIMEOUT, async {
        while start.len() < MAX_RESPONSE_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            start.extend_from_slice(&chunk[..chunk.len().min(MAX_RESPONSE_BYTES - start.len())]);
        }
    })
    .await;
    // The databases cannot store NUL in a text.
    let text = String::from_utf8_lossy(&start).replace('\0', "\u{fffd}");
    Outcome {
        delivered: status.is_success(),
        gone: status == StatusCode::GONE,
        status: Some(status.as_u16()),
        response: text,
        retry_after,
    }
}

fn failed_attempt(why: &str) -> Outcome {
    Outcome {
        delivered: false,
        gone: false,
        status: None,
        response: why.to_owned(),
        retry_after: None,
    }
}

/// Parses `Retry-After`: seconds, or a date.
fn wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (date.to_utc() - now).to_std().ok()
}

/// Why a name leads to no address that may be called.
#[derive(Debug)]
enum LookupError {
    Unknown,
    NotAllowed,
}

impl Display for LookupError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "The address cannot be reached: its name cannot be looked up.",
            Self::NotAllowed => {
                "The address is not public: its name leads to private networks alone, which this service does not call."
            }
        })
    }
}

impl Error for LookupError {}

/// Resolves names to addresses that may be called, against server-side request forgery (SSRF). A connection is made to
/// what was found here, so that a name cannot lead elsewhere in between (DNS rebinding).
struct TargetResolver(WebhookTargets);

impl Resolve for TargetResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0.clone();
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|_| LookupError::Unknown)?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| targets.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(LookupError::NotAllowed.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn host_names_of_loopback_addresses_are_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::new(WebhookTargets::PublicOnly, None).unwrap();
        let direct = client.http.post(format!("https://localhost:{port}/"));
        let error = direct.send().await.unwrap_err();
        let why = client.connect_failure(&error);
        assert!(why.starts_with("The address is not public"), "{why}");
        let unknown = client.http.post("https://nowhere.invalid/").send().await;
        let why = client.connect_failure(&unknown.unwrap_err());
        assert!(why.contains("cannot be looked up"), "{why}");
        let accepted = timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(accepted.is_err(), "a connection was made");
    }

    #[test]
    fn retry_after_is_parsed_as_seconds_or_a_date() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(wait(" 120 ", now), Some(Duration::from_mins(2)));
        let date = (now + chrono::TimeDelta::hours(1)).format("%a, %d %b %Y %H:%M:%S GMT");
        assert_eq!(wait(&date.to_string(), now), Some(Duration::from_hours(1)));
        assert_eq!(wait("Fri, 01 Jan 1999 00:00:00 GMT", now), None);
        assert_eq!(wait("soon", now), None);
    }
}
