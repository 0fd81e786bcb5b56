//! The published keys of an identity provider: fetched on demand and cached, also while the provider is unavailable.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::http::auth::keys::{Algorithm, Claims, Keys};
use crate::http::redact::redact;

/// Age after which keys are refreshed, so that revoked keys become invalid.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// Minimum time between two fetches for unknown keys, however many tokens refer to them.
const MIN_REFRESH_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// Minimum time between two fetches while there are no keys at all.
pub(super) const RETRY: TimeDelta = TimeDelta::seconds(10);

/// Timeout of a request to the provider.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of the provider's response in bytes.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// Where the keys of an issuer are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A JSON Web Key Set at this URL.
    KeySet(Url),
    /// The key set that OpenID Connect discovery finds for this issuer.
    Discovery(String),
}

impl JwksSource {
    /// Creates the source for a key set at a URL.
    pub fn key_set(address: &str) -> Result<Self, String> {
        Ok(Self::KeySet(require_https(address)?))
    }

    fn address(&self) -> &str {
        match self {
            Self::KeySet(address) => address.as_str(),
            Self::Discovery(issuer) => issuer,
        }
    }

    /// Creates the source for an issuer whose identifier is its URL, as OpenID Connect requires.
    pub fn discovery(issuer: &str) -> Result<Self, String> {
        configuration_url(issuer)?;
        Ok(Self::Discovery(issuer.to_owned()))
    }
}

/// The cached keys of an issuer.
#[derive(Debug)]
pub(super) struct RemoteJwks {
    source: JwksSource,
    algorithms: Vec<Algorithm>,
    client: Client,
    cached_keys: RwLock<Option<Arc<CachedKeys>>>,
    /// Time of the last attempt. Locked during a fetch, so that concurrent callers wait for the same one.
    tried: Mutex<Option<DateTime<Utc>>>,
}

#[derive(Debug)]
struct CachedKeys {
    keys: Keys,
    since: DateTime<Utc>,
}

/// There are no keys to verify a token with, whether it is valid or not.
pub(super) struct JwksUnavailable;

impl RemoteJwks {
    pub fn new(source: JwksSource, algorithms: Vec<Algorithm>) -> Result<Self, String> {
        // Fails if another provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            // The target of a redirect is unchecked.
            .redirect(Policy::none())
            .timeout(FETCH_TIMEOUT)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no client for the keys of an issuer: {error}"))?;
        Ok(Self {
            source,
            algorithms,
            client,
            cached_keys: RwLock::default(),
            tried: Mutex::default(),
        })
    }

    /// Verifies a token and returns its claims; `None` if no key has signed it.
    pub async fn verify(
        self: &Arc<Self>,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Claims>, JwksUnavailable> {
        let cached_keys = self.cached();
        let claims = cached_keys
            .as_ref()
            .and_then(|cached_keys| cached_keys.keys.verify(token));
        let pause = match &cached_keys {
            None => RETRY,
            Some(cached_keys) if claims.is_some() || cached_keys.keys.contains_kid(token) => {
                let idle = || {
                    let tried = self.tried.try_lock();
                    tried.is_ok_and(|tried| {
                        tried.is_none_or(|tried| elapsed(tried, MIN_REFRESH_INTERVAL, now))
                    })
                };
                if elapsed(cached_keys.since, MAX_AGE, now) && idle() {
                    // In the background: the current keys are valid until they are replaced.
                    tokio::spawn(self.clone().fetch(MIN_REFRESH_INTERVAL, now));
                }
                return Ok(claims);
            }
            Some(_) => MIN_REFRESH_INTERVAL,
        };
        self.fetched(pause, now).await;
        let cached_keys = self.cached().ok_or(JwksUnavailable)?;
        Ok(cached_keys.keys.verify(token))
    }

    /// Fetches the keys, if the last attempt is older than `pause`.
    pub async fn fetched(self: &Arc<Self>, pause: TimeDelta, now: DateTime<Utc>) {
        // In a task of its own: a client that disconnects must not cancel the shared fetch.
        let fetch = tokio::spawn(self.clone().fetch(pause, now));
        // Fails only if the runtime stops.
        let _ = fetch.await;
    }

    async fn fetch(self: Arc<Self>, pause: TimeDelta, now: DateTime<Utc>) {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|tried| !elapsed(tried, pause, now)) {
            return;
        }
        *tried = Some(now);
        match self.refresh().await {
            Ok(keys) => {
                let cached_keys = Arc::new(CachedKeys { keys, since: now });
                *self
                    .cached_keys
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Some(cached_keys);
            }
            Err(why) => tracing::warn!(
                address = redact(self.source.address()),
                why = redact(&why),
                "JWKS fetch failed"
            ),
        }
    }

    /// Returns whether there are keys, however old. If not, starts another attempt: a service that is not ready
    /// receives no tokens that would start one.
    pub fn has_keys(self: &Arc<Self>, now: DateTime<Utc>) -> bool {
        let are_fetched = self.cached().is_some();
        if !are_fetched {
            tokio::spawn(self.clone().fetch(RETRY, now));
        }
        are_fetched
    }

    fn cached(&self) -> Option<Arc<CachedKeys>> {
        let cached_keys = self
            .cached_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        cached_keys.clone()
    }

    async fn refresh(&self) -> Result<Keys, String> {
        let address = match &self.source {
            JwksSource::KeySet(address) => address.clone(),
            JwksSource::Discovery(issuer) => self.discover(issuer).await?,
        };
        Keys::jwks(&self.get(address).await?)?.retain(&self.algorithms)
    }

    async fn discover(&self, issuer: &str) -> Result<Url, String> {
        let address = configuration_url(issuer)?;
        let described: OpenIdConfiguration =
            serde_json::from_str(&self.get(address.clone()).await?)
                .map_err(|error| format!("{address} does not describe an issuer: {error}"))?;
        // Otherwise an issuer could impersonate another one (OpenID Connect Discovery 1.0, section 4.3).
        if described.issuer != issuer {
            return Err(format!(
                "{address} describes another issuer: {}",
                described.issuer
            ));
        }
        let keys = require_https(&described.jwks_uri)?;
        // A key set must not be less protected than the discovery document.
        if address.scheme() == "https" && keys.scheme() != "https" {
            return Err(format!("{keys} is not safe, and {address} is"));
        }
        Ok(keys)
    }

    async fn get(&self, address: Url) -> Result<String, String> {
        let failed = |error: reqwest::Error| {
            use std::error::Error;
            // The causes contain the details.
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        };
        let request = self.client.get(address.clone());
        let sent = request.header(ACCEPT, "application/json").send().await;
        let mut response = sent.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(format!("{address} answers {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_KEY_SET_BYTES {
                return Err(format!(
                    "{address} answers more than {MAX_KEY_SET_BYTES} bytes"
                ));
            }
        }
        String::from_utf8(bytes).map_err(|_| format!("{address} answers no text"))
    }
}

/// Returns whether two moments are at least `pause` apart, in either direction, because the clock may be set back.
fn elapsed(moment: DateTime<Utc>, pause: TimeDelta, now: DateTime<Utc>) -> bool {
    (now - moment).abs() >= pause
}

/// The used part of an OpenID Connect discovery document.
#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

/// Returns the URL of an issuer's discovery document.
fn configuration_url(issuer: &str) -> Result<Url, String> {
    let issuer = issuer.trim_end_matches('/');
    require_https(&format!("{issuer}/.well-known/openid-configuration"))
}

/// Parses a URL for keys. It must use TLS or a loopback address, because an attacker who can modify keys in transit can forge
/// tokens.
fn require_https(address: &str) -> Result<Url, String> {
    let url =
        Url::parse(address).map_err(|error| format!("`{address}` is no address: {error}."))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(format!(
            "`{address}` is not safe to fetch keys from: the address must start with https://."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwks_urls_are_https_or_loopback() {
        for address in [
            "https://id.example.org/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.1.2.3/keys",
            "http://localhost/keys",
            "http://[::1]:9/keys",
        ] {
            assert!(JwksSource::key_set(address).is_ok(), "{address}");
            assert!(JwksSource::discovery(address).is_ok(), "{address}");
        }
        for address in [
            "http://id.example.org/keys",
            "http://localhost.example.org/keys",
            "http://127.0.0.1.example.org/keys",
            "http://127.0.0.1@example.org/keys",
            "http://10.0.0.1/keys",
            "file:///etc/keys",
            "ftp://localhost/keys",
            "id.example.org",
            "liaison",
            "",
        ] {
            assert!(JwksSource::key_set(address).is_err(), "{address}");
            assert!(JwksSource::discovery(address).is_err(), "{address}");
        }
    }

    #[test]
    fn the_discovery_url_is_below_the_issuer_url() {
        for (issuer, expected) in [
            (
                "https://sso.example.org/realms/standards",
                "https://sso.example.org/realms/standards/.well-known/openid-configuration",
            ),
            (
                "https://accounts.example.org/",
                "https://accounts.example.org/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(configuration_url(issuer).unwrap().as_str(), expected);
        }
    }
}
