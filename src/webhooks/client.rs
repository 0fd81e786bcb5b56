//! Sends messages to addresses that strangers have chosen: slow ones, endless ones, and ones behind our own walls.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::graphql::webhook::event::Message;
use crate::rules::webhook::{Reach, is_public, url_fits};
use crate::store::delivery::Outcome;

/// For one attempt, from the first byte sent to the last read.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the start of an answer whose status is known.
const PATIENCE_FOR_BODY: Duration = Duration::from_secs(2);
/// Bytes of an answer that are kept; more is not read.
const KEPT: usize = 1024;

/// Sends by HTTP. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    reach: Reach,
}

impl Client {
    /// # Errors
    /// Why there is no TLS, in a line.
    pub fn new(reach: Reach) -> Result<Self, String> {
        // Several may be built in one process: the first is it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            // Where a redirect leads, nobody has looked.
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")));
        if reach == Reach::Public {
            http = http.https_only(true).dns_resolver(PublicOnly);
        }
        let http = http
            .build()
            .map_err(|error| format!("no client for webhooks: {error}"))?;
        Ok(Self { http, reach })
    }

    /// Makes one attempt.
    pub async fn post(
        &self,
        url: &str,
        message: &Message,
        now: DateTime<Utc>,
        signature: &str,
    ) -> Outcome {
        // The setting may have changed since the address was given.
        if let Err(why) = url_fits(url, self.reach) {
            return unanswered(&why);
        }
        let sent = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", signature)
            .body(message.body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => outcome(response, now).await,
            Err(error) if error.is_timeout() => unanswered("No answer within 10 seconds."),
            Err(error) if error.is_connect() => unanswered(
                "No connection: the address cannot be reached, is not public, or its certificate does not hold.",
            ),
            Err(_) => unanswered("The connection broke off before there was an answer."),
        }
    }
}

async fn outcome(mut response: Response, now: DateTime<Utc>) -> Outcome {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|it| wait(it.to_str().ok()?, now));
    let mut start = Vec::new();
    // What was read by then will do.
    let _ = timeout(PATIENCE_FOR_BODY, async {
        while start.len() < KEPT
            && let Ok(Some(chunk)) = response.chunk().await
        {
            start.extend_from_slice(&chunk[..chunk.len().min(KEPT - start.len())]);
        }
    })
    .await;
    // No text of the databases holds NUL.
    let text = String::from_utf8_lossy(&start).replace('\0', "\u{fffd}");
    Outcome {
        delivered: status.is_success(),
        gone: status == StatusCode::GONE,
        status: Some(status.as_u16()),
        response: text,
        retry_after,
    }
}

fn unanswered(why: &str) -> Outcome {
    Outcome {
        delivered: false,
        gone: false,
        status: None,
        response: why.to_owned(),
        retry_after: None,
    }
}

/// What `Retry-After` asks for: seconds, or a date.
fn wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (date.to_utc() - now).to_std().ok()
}

/// Finds addresses of the open Internet alone. A connection is made to what was found here, so that a name cannot
/// lead elsewhere in between.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err("the name leads to no public address".into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::new(Reach::Public).unwrap();
        let direct = client.http.post(format!("https://localhost:{port}/"));
        assert!(direct.send().await.unwrap_err().is_connect());
        let name = "localhost".parse().unwrap();
        assert!(PublicOnly.resolve(name).await.is_err());
        let accepted = timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(accepted.is_err(), "somebody was called");
    }

    #[test]
    fn an_endpoint_asks_to_wait_by_seconds_or_a_date() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(wait(" 120 ", now), Some(Duration::from_mins(2)));
        let date = (now + chrono::TimeDelta::hours(1)).format("%a, %d %b %Y %H:%M:%S GMT");
        assert_eq!(wait(&date.to_string(), now), Some(Duration::from_hours(1)));
        assert_eq!(wait("Fri, 01 Jan 1999 00:00:00 GMT", now), None);
        assert_eq!(wait("soon", now), None);
    }
}
