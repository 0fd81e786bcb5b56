//! An issuer of tokens: the required claims of its tokens, and its keys.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::claims::{self, EXPIRED, TokenRules, sign};
use super::keys::{Algorithm, Keys};
use super::published::{Place, Published};
use super::{Denied, UNVERIFIED};
use crate::rules::viewer::Viewer;

const LONGEST_LEEWAY: Duration = Duration::from_secs(3600);

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) rules: TokenRules,
    keys: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Fixed(Keys),
    Published(Arc<Published>),
}

impl Issuer {
    /// Creates an issuer with fixed keys. The error is a message for operators.
    pub fn with_keys(rules: TokenRules, keys: Keys) -> Result<Self, String> {
        check(&rules)?;
        let keys = Source::Fixed(keys.only(&rules.algorithms)?);
        Ok(Self { rules, keys })
    }

    /// Creates an issuer that publishes its keys. They are fetched later.
    pub fn publishing(rules: TokenRules, place: Place) -> Result<Self, String> {
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
        let published = Published::new(place, rules.algorithms.clone())?;
        let keys = Source::Published(Arc::new(published));
        Ok(Self { rules, keys })
    }

    /// Fetches published keys, so that the first token need not wait. With a shared secret, signs and verifies a token
    /// for each role as a self-test.
    pub(super) async fn prepare(&self, now: DateTime<Utc>) -> Result<(), String> {
        match &self.keys {
            Source::Published(keys) => {
                keys.fetched(TimeDelta::zero(), now).await;
                Ok(())
            }
            Source::Fixed(keys) => self.try_out(keys, now),
        }
    }

    /// Returns whether its keys are available. If they were never fetched, starts another attempt.
    pub(super) fn has_keys(&self, now: DateTime<Utc>) -> bool {
        match &self.keys {
            Source::Fixed(_) => true,
            Source::Published(keys) => keys.are_fetched(now),
        }
    }

    fn try_out(&self, keys: &Keys, now: DateTime<Utc>) -> Result<(), String> {
        let Some(key) = keys.signing() else {
            return Ok(());
        };
        for role in self.rules.roles() {
            let token = sign(key, &self.rules, "start-up check", &[role], 60, now)?;
            let viewer = keys
                .claims(&token)
                .ok_or_else(|| UNVERIFIED.to_owned())
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
    pub(super) async fn holder(&self, token: &str, now: DateTime<Utc>) -> Result<Viewer, Denied> {
        let claims = match &self.keys {
            Source::Fixed(keys) => keys.claims(token),
            Source::Published(keys) => keys.claims(token, now).await?,
        };
        let claims = claims.ok_or_else(|| Denied::bad_token(UNVERIFIED))?;
        claims::viewer(&self.rules, &claims, now).map_err(|reason| {
            tracing::info!(reason, "token rejected");
            Denied::bad_token(if reason == EXPIRED {
                EXPIRED
            } else {
                UNVERIFIED
            })
        })
    }
}

/// Rejects rules that would accept every token or none.
fn check(rules: &TokenRules) -> Result<(), String> {
    // An empty name would match a token with an empty claim.
    if rules.issuer.is_empty() || rules.audience.is_empty() {
        return Err("Tokens are checked for their issuer and audience: name both.".to_owned());
    }
    if rules.roles_claim.is_empty() || rules.role_names.is_empty() {
        return Err(
            "No token could grant a role: name the claim that holds the roles, and what it says for each role.".to_owned(),
        );
    }
    if rules.leeway > LONGEST_LEEWAY {
        return Err(format!(
            "The leeway for clocks is at most {} seconds.",
            LONGEST_LEEWAY.as_secs()
        ));
    }
    Ok(())
}
