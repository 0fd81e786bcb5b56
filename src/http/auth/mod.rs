//! Authentication: determines the viewer of a request from the JWT in its headers.

pub mod claims;
pub mod issuer;
pub mod jwks;
pub mod keys;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use entity::party::Role;
use serde::Deserialize;

use self::claims::TokenPolicy;
use self::issuer::Issuer;
use self::keys::Keys;
use crate::domain::viewer::Viewer;
use crate::http::auth::jwks::{JwksUnavailable, RETRY};

/// The header that selects one of the token's roles.
pub const ACTING_AS: &str = "acting-as";

/// Maximum length of a token in bytes. Tokens of identity providers are far shorter.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The message for every token that is not accepted, unless it has expired: an attacker learns nothing. The log has the
/// reason if the signature was right.
const INVALID_TOKEN: &str =
    "The token could not be verified: sign in again at the identity provider of this service.";

/// Verifies tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// Empty for a service that accepts no tokens.
    issuers: Vec<Issuer>,
}

/// The reason why authentication failed. Messages are for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The token is invalid: status 401.
    InvalidToken(String),
    /// `Acting-As` names a role that the viewer does not have: status 403, code FORBIDDEN.
    Forbidden(String),
    /// The issuer's keys are unavailable, so the token cannot be verified: status 503.
    KeysUnavailable {
        /// Seconds until the next attempt is useful.
        seconds: u64,
    },
}

impl From<JwksUnavailable> for AuthError {
    fn from(_: JwksUnavailable) -> Self {
        Self::KeysUnavailable {
            seconds: RETRY.num_seconds().unsigned_abs(),
        }
    }
}

impl Verifier {
    /// Creates a verifier for one issuer with fixed keys. The error is a message for operators.
    pub fn new(rules: TokenPolicy, keys: Keys) -> Result<Self, String> {
        Ok(Self {
            issuers: vec![Issuer::with_keys(rules, keys)?],
        })
    }

    /// Creates a verifier for several issuers, each with its own rules and keys.
    pub fn of(issuers: Vec<Issuer>) -> Result<Self, String> {
        let mut names: Vec<&str> = issuers
            .iter()
            .map(|issuer| issuer.rules.issuer.as_str())
            .collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("The issuer {} is named twice.", pair[0])),
            None => Ok(Self { issuers }),
        }
    }

    /// Prepares for the first token: fetches published keys, and tests each secret.
    pub async fn prepare(&self, now: DateTime<Utc>) -> Result<(), String> {
        for issuer in &self.issuers {
            issuer.prepare(now).await?;
        }
        Ok(())
    }

    /// Creates the verifier of a read-only service, which rejects every token.
    #[must_use]
    pub const fn without_keys() -> Self {
        Self {
            issuers: Vec::new(),
        }
    }

    /// Returns whether tokens are accepted at all.
    #[must_use]
    pub const fn accepts_tokens(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Returns whether the keys of each issuer are available. Keys that were never fetched are requested again.
    #[must_use]
    pub fn has_keys(&self, now: DateTime<Utc>) -> bool {
        // Without short-circuiting, so that all issuers are tried.
        let missing = self.issuers.iter().filter(|issuer| !issuer.has_keys(now));
        missing.count() == 0
    }

    /// Returns the viewer of a request; anonymous without a token. An invalid token is an error, never anonymous.
    pub async fn viewer(
        &self,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<Viewer, AuthError> {
        let viewer = match bearer(headers)? {
            Some(token) => self.authenticate(token, now).await?,
            None => Viewer::default(),
        };
        let acting_as = acting_as(headers, &viewer)?;
        Ok(Viewer {
            acting_as,
            ..viewer
        })
    }

    /// Returns the holder of a token from any source, with its expiry. No role is selected yet.
    pub async fn authenticate(&self, token: &str, now: DateTime<Utc>) -> Result<Viewer, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::invalid_token(INVALID_TOKEN));
        }
        let issuer = match self.issuers.as_slice() {
            [] => {
                return Err(AuthError::invalid_token(
                    "This service is only for reading and takes no tokens: leave out the header `Authorization`.",
                ));
            }
            [only] => Some(only),
            several => {
                let named = unverified_issuer(token);
                several
                    .iter()
                    .find(|issuer| named.as_ref() == Some(&issuer.rules.issuer))
            }
        };
        match issuer {
            Some(issuer) => issuer.authenticate(token, now).await,
            None => Err(AuthError::invalid_token(INVALID_TOKEN)),
        }
    }
}

/// Returns the unverified issuer of a token, which only selects the keys to verify it with.
fn unverified_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct UnverifiedClaims {
        iss: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let named: UnverifiedClaims = serde_json::from_slice(&payload).ok()?;
    Some(named.iss)
}

impl AuthError {
    fn invalid_token(message: impl Into<String>) -> Self {
        Self::InvalidToken(message.into())
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_only = values.next().is_none();
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| is_only && scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim_matches(' '))
        .filter(|token| !token.is_empty())
        .map(Some)
        .ok_or_else(|| {
            AuthError::invalid_token(
                "Send the header `Authorization` once, with `Bearer` and the token.",
            )
        })
}

fn acting_as(headers: &HeaderMap, viewer: &Viewer) -> Result<Option<Role>, AuthError> {
    let mut values = headers.get_all(ACTING_AS).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let named = value.to_str().ok().and_then(|name| claims::role(name).ok());
    match named {
        Some(role) if viewer.roles.contains(&role) && values.next().is_none() => Ok(Some(role)),
        _ if viewer.roles.is_empty() => Err(AuthError::Forbidden(
            "The header `Acting-As` goes with a token that has a role: send such a token, or leave the header out."
                .to_owned(),
        )),
        _ => Err(AuthError::Forbidden(format!(
            "The header `Acting-As` must name one role, and one that the token has: {}.",
            claims::role_list(&viewer.roles, "or")
        ))),
    }
}

#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
