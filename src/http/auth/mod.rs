//! From the headers of a request to its viewer.

pub mod claims;
pub mod keys;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{DateTime, Utc};
use entity::party::Role;

use self::claims::TokenRules;
use self::keys::Keys;
use crate::rules::viewer::Viewer;

/// The header that says in which of its token's roles a request acts.
pub const ACTING_AS: &str = "acting-as";

/// Beyond this a token is not looked at. Identity providers stay far below it.
const LONGEST_TOKEN: usize = 8 * 1024;

const LONGEST_LEEWAY_SECONDS: u32 = 3600;

/// Said of every token whose form, algorithm, key or signature is wrong, so that who forges one learns nothing.
const UNVERIFIED: &str =
    "The token could not be verified: sign in again at the identity provider of this service.";

/// Decides who is asking.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// None for a service that takes no tokens.
    trust: Option<Trust>,
}

#[derive(Clone, Debug)]
struct Trust {
    rules: TokenRules,
    keys: Keys,
}

/// Why a request goes no further; the message is for its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// What came as a token does not count here: status 401.
    BadToken(String),
    /// `Acting-As` names a role that the sender does not hold: status 403, code FORBIDDEN.
    Forbidden(String),
}

impl Verifier {
    /// A verifier for tokens of one issuer; the error is a line for whoever set it up.
    pub fn new(rules: TokenRules, keys: Keys) -> Result<Self, String> {
        // An empty name would match a token that names nobody.
        if rules.issuer.is_empty() || rules.audience.is_empty() {
            return Err("Tokens are checked for their issuer and audience: name both.".to_owned());
        }
        if rules.roles_claim.is_empty() || rules.role_names.is_empty() {
            return Err(
                "No token could grant a role: name the claim that holds the roles, and what it says for each role.".to_owned(),
            );
        }
        if rules.leeway_seconds > LONGEST_LEEWAY_SECONDS {
            return Err(format!(
                "The leeway for clocks is at most {LONGEST_LEEWAY_SECONDS} seconds."
            ));
        }
        let keys = keys.only(&rules.algorithms)?;
        Ok(Self {
            trust: Some(Trust { rules, keys }),
        })
    }

    /// For a service that is only read: without a key no token can be believed, so each is refused.
    #[must_use]
    pub const fn without_keys() -> Self {
        Self { trust: None }
    }

    /// The sender of a request; nobody in particular without a token. A bad token is never taken for none.
    pub fn viewer(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Viewer, Denied> {
        let viewer = match bearer(headers)? {
            Some(token) => self.holder(token, now)?,
            None => Viewer::default(),
        };
        let acting_as = acting_as(headers, &viewer)?;
        Ok(Viewer {
            acting_as,
            ..viewer
        })
    }

    fn holder(&self, token: &str, now: DateTime<Utc>) -> Result<Viewer, Denied> {
        let Some(Trust { rules, keys }) = &self.trust else {
            return Err(Denied::bad_token(
                "This service is only for reading and takes no tokens: leave out the header `Authorization`.",
            ));
        };
        let claims = keys
            .claims(token)
            .ok_or_else(|| Denied::bad_token(UNVERIFIED))?;
        claims::viewer(rules, &claims, now).map_err(Denied::bad_token)
    }
}

impl Denied {
    fn bad_token(message: impl Into<String>) -> Self {
        Self::BadToken(message.into())
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Denied::bad_token(
            "Send the header `Authorization` once only.",
        ));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim_matches(' '))
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            Denied::bad_token("The header `Authorization` must read `Bearer` and the token.")
        })?;
    if token.len() > LONGEST_TOKEN {
        return Err(Denied::bad_token(format!(
            "The token is too long: at most {LONGEST_TOKEN} bytes are read."
        )));
    }
    Ok(Some(token))
}

fn acting_as(headers: &HeaderMap, viewer: &Viewer) -> Result<Option<Role>, Denied> {
    let mut values = headers.get_all(ACTING_AS).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let named = value.to_str().ok().and_then(|name| claims::role(name).ok());
    match named {
        Some(role) if viewer.roles.contains(&role) && values.next().is_none() => Ok(Some(role)),
        _ if viewer.roles.is_empty() => Err(Denied::Forbidden(
            "The header `Acting-As` goes with a token that has a role: send such a token, or leave the header out."
                .to_owned(),
        )),
        _ => Err(Denied::Forbidden(format!(
            "The header `Acting-As` must name one role, and one that the token has: {}.",
            claims::listed(&viewer.roles, "or")
        ))),
    }
}

#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
