//! An issuer of tokens: the required claims of its tokens, and its keys.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::claims::{self, EXPIRED, TokenPolicy, sign};
use super::keys::{Algorithm, Keys};
use super::{AuthError, INVALID_TOKEN};
use crate::domain::viewer::Viewer;
use crate::http::auth::jwks::{JwksSource, RemoteJwks};

const MAX_LEEWAY: Duration = Duration::from_hours(1);

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) rules: TokenPolicy,
    keys: KeySource,
}

#[derive(Clone, Debug)]
enum KeySource {
    Fixed(Keys),
    Published(Arc<RemoteJwks>),
}

impl Issuer {
    /// Creates an issuer with fixed keys. The error is a message for operators.
    pub fn with_keys(rules: TokenPolicy, keys: Keys) -> Result<Self, String> {
        check(&rules)?;
        let keys = KeySource::Fixed(keys.retain(&rules.algorithms)?);
        Ok(Self { rules, keys })
    }

    /// Creates an issuer that publishes its keys. They are fetched later.
    pub fn publishing(rules: TokenPolicy, source: JwksSource) -> Result<Self, String> {
        check(&rules)?;
        if rules
            .algorithms
            .iter()
            .all(|algorithm| *algorithm == Algorithm::Hs256)
        {
            return Err(
                "A secret for HS256 is not published: name the file that holds it.".to_owned(),
            );
        }
        let published = RemoteJwks::new(source, rules.algorithms.clone())?;
        let keys = KeySource::Published(Arc::new(published));
        Ok(Self { rules, keys })
    }

    /// Fetches published keys, so that the first token need not wait. With a shared secret, signs and verifies a token
    /// for each role as a self-test.
    pub(super) async fn prepare(&self, now: DateTime<Utc>) -> Result<(), String> {
        match &self.keys {
            KeySource::Published(keys) => {
                keys.fetched(TimeDelta::zero(), now).await;
                Ok(())
            }
            KeySource::Fixed(keys) => self.self_test(keys, now),
        }
    }

    /// Returns whether its keys are available. If they were never fetched, starts another attempt.
    pub(super) fn has_keys(&self, now: DateTime<Utc>) -> bool {
        match &self.keys {
            KeySource::Fixed(_) => true,
            KeySource::Published(keys) => keys.has_keys(now),
        }
    }

    fn self_test(&self, keys: &Keys, now: DateTime<Utc>) -> Result<(), String> {
        let Some(key) = keys.signing() else {
            return Ok(());
        };
        for role in self.rules.roles() {
            let token = sign(key, &self.rules, "start-up check", &[role], 60, now)?;
            let viewer = keys
                .verify(&token)
                .ok_or_else(|| INVALID_TOKEN.to_owned())
                .and_then(|claims| claims::viewer(&self.rules, &claims, now));
            if viewer?.roles != [role] {
                return Err(format!(
                    "A token with the role {} that was signed to try it out does not grant it.",
                    claims::role_name(role)
                ));
            }
        }
        Ok(())
    }

    /// Verifies a token and returns its holder.
    pub(super) async fn authenticate(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Viewer, AuthError> {
        let claims = match &self.keys {
            KeySource::Fixed(keys) => keys.verify(token),
            KeySource::Published(keys) => keys.verify(token, now).await?,
        };
        let claims = claims.ok_or_else(|| AuthError::invalid_token(INVALID_TOKEN))?;
        claims::viewer(&self.rules, &claims, now).map_err(|reason| {
            tracing::info!(reason, "token rejected");
            AuthError::invalid_token(if reason == EXPIRED {
                EXPIRED
            } else {
                INVALID_TOKEN
            })
        })
    }
}

/// Rejects rules that would accept every token or none.
fn check(rules: &TokenPolicy) -> Result<(), String> {
    // An empty name would match a token with an empty claim.
    if rules.issuer.is_empty() || rules.audience.is_empty() {
        return Err("Tokens are checked for their issuer and audience: name both.".to_owned());
    }
    if rules.roles_claim.is_empty() || rules.role_names.is_empty() {
        return Err(
            "No token could grant a role: name the claim that holds the roles, and what it says for each role.".to_owned(),
        );
    }
    if rules.leeway > MAX_LEEWAY {
        return Err(format!(
            "The leeway for clocks is at most {} seconds.",
            MAX_LEEWAY.as_secs()
        ));
    }
    Ok(())
}
