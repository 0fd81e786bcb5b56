//! The validation of a token's claims, and the roles that they grant.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::party::Role;
use serde_json::Value;

use super::keys::{Algorithm, Claims, SigningKey};
use crate::domain::viewer::Viewer;

/// The last second of the year 9999: the API formats years with four digits.
const MAX_TIMESTAMP: f64 = 253_402_300_799.0;

/// Why a token is refused that was accepted before.
pub(super) const EXPIRED: &str = "The token has expired: sign in again.";

const MAX_SUBJECT_LENGTH: usize = 255;

const ROLES: [Role; 3] = [Role::ItuEditor, Role::UpuEditor, Role::TsbEditor];

/// How tokens are validated.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// The required `iss`.
    pub issuer: String,
    /// The required `aud`: this service.
    pub audience: String,
    /// The allowed signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The claim with the roles: its name, or a path of names separated by dots.
    pub roles_claim: String,
    /// The role for each value of the claim. Several values may map to one role.
    pub role_names: HashMap<String, Role>,
    /// Allowed clock skew.
    pub leeway: Duration,
}

impl TokenPolicy {
    /// Creates the rules for tokens with role names in the claim `roles`.
    #[must_use]
    pub fn new(issuer: String, audience: String, algorithms: Vec<Algorithm>) -> Self {
        Self {
            issuer,
            audience,
            algorithms,
            roles_claim: "roles".to_owned(),
            role_names: ROLES.map(|role| (role_name(role).to_owned(), role)).into(),
            leeway: Duration::from_secs(30),
        }
    }

    /// Returns the roles that a token can grant.
    pub(super) fn roles(&self) -> Vec<Role> {
        let named = |role: &Role| self.role_names.values().any(|named| named == role);
        ROLES.into_iter().filter(named).collect()
    }

    fn leeway(&self) -> TimeDelta {
        TimeDelta::from_std(self.leeway).unwrap_or(TimeDelta::MAX)
    }
}

/// Returns the name of a role in settings and in the header `Acting-As`.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::ItuEditor => "ITU_EDITOR",
        Role::UpuEditor => "UPU_EDITOR",
        Role::TsbEditor => "TSB_EDITOR",
    }
}

/// Parses the name of a role.
pub fn role(name: &str) -> Result<Role, String> {
    ROLES
        .into_iter()
        .find(|role| role_name(*role) == name)
        .ok_or_else(|| format!("A role is one of {}.", role_list(&ROLES, "and")))
}

/// Joins the names of roles in a sentence.
pub(super) fn role_list(roles: &[Role], conjunction: &str) -> String {
    let names: Vec<_> = roles.iter().map(|role| role_name(*role)).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {conjunction} {last}", first.join(", "))
        }
        _ => names.concat(),
    }
}

/// Signs a token that a service with the same rules accepts.
pub fn sign(
    key: &SigningKey,
    rules: &TokenPolicy,
    subject: &str,
    roles: &[Role],
    ttl_seconds: u32,
    now: DateTime<Utc>,
) -> Result<String, String> {
    if ttl_seconds == 0 {
        return Err("A token lasts at least one second.".to_owned());
    }
    let mut words = Vec::new();
    for role in roles {
        // The first value in alphabetical order, so that equal arguments give equal tokens.
        let word = rules
            .role_names
            .iter()
            .filter(|(_, named)| *named == role)
            .map(|(word, _)| word.as_str())
            .min();
        words.push(
            word.ok_or_else(|| {
                format!("No value of the roles claim maps to {}.", role_name(*role))
            })?,
        );
    }
    let mut claims = Claims::new();
    claims.insert("iss".to_owned(), rules.issuer.as_str().into());
    claims.insert("aud".to_owned(), rules.audience.as_str().into());
    claims.insert("sub".to_owned(), subject.into());
    claims.insert("iat".to_owned(), now.timestamp().into());
    claims.insert(
        "exp".to_owned(),
        now.timestamp()
            .saturating_add(i64::from(ttl_seconds))
            .into(),
    );
    // The lookup tries a path with dots as the name of a single claim first, so it finds this claim.
    claims.insert(rules.roles_claim.clone(), words.into());
    viewer(rules, &claims, now)?;
    key.sign(&claims)
}

/// Whom the claims of a verified token are about; the error is the reason why it is refused.
pub(super) fn viewer(
    rules: &TokenPolicy,
    claims: &Claims,
    now: DateTime<Utc>,
) -> Result<Viewer, String> {
    let expected =
        |name: &str| format!("The claim `{name}` of the token is missing or has the wrong type.");

    let issuer = text(claims.get("iss")).ok_or_else(|| expected("iss"))?;
    if issuer != rules.issuer {
        return Err("The token comes from another issuer: sign in at the identity provider of this service.".to_owned());
    }
    let audiences = texts(claims.get("aud")).ok_or_else(|| expected("aud"))?;
    if !audiences.contains(&rules.audience.as_str()) {
        return Err(
            "The token is for another service: request one with this service as its audience."
                .to_owned(),
        );
    }
    let expires_at = timestamp(claims.get("exp")).ok_or_else(|| expected("exp"))?;
    if expires_at + rules.leeway() <= now {
        return Err(EXPIRED.to_owned());
    }
    if let Some(not_before) = claims.get("nbf") {
        let not_before = timestamp(Some(not_before)).ok_or_else(|| expected("nbf"))?;
        if not_before > now + rules.leeway() {
            return Err("The token is not valid yet: try again later.".to_owned());
        }
    }
    let subject = text(claims.get("sub"))
        .filter(|subject| is_name(subject))
        .ok_or_else(|| expected("sub"))?;
    Ok(Viewer {
        subject: Some(subject.to_owned()),
        roles: roles(rules, claims)?,
        acting_as: None,
        expires_at: Some(expires_at),
    })
}

/// Returns the roles that a token grants. Values that are not mapped belong to other services and are ignored.
fn roles(rules: &TokenPolicy, claims: &Claims) -> Result<Vec<Role>, String> {
    let Some(value) = at_path(claims, &rules.roles_claim) else {
        return Ok(Vec::new());
    };
    let words = texts(Some(value))
        .ok_or_else(|| "The roles of the token must be a list of words, or one word.".to_owned())?;
    let mut roles: Vec<_> = words
        .iter()
        .filter_map(|word| rules.role_names.get(*word).copied())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.contains(&Role::ItuEditor) && roles.contains(&Role::UpuEditor) {
        return Err(
            "The token has the roles ITU_EDITOR and UPU_EDITOR, but nobody may speak for both sides: sign in with one of them."
                .to_owned(),
        );
    }
    Ok(roles)
}

/// Returns the value at a path of names separated by dots. Names can contain dots themselves
/// (`https://example.org/roles`, a client's name in Keycloak), so the longest prefix is tried first.
fn at_path<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        path.rmatch_indices('.').find_map(|(dot, _)| {
            let inner = claims.get(&path[..dot])?.as_object()?;
            at_path(inner, &path[dot + 1..])
        })
    })
}

fn is_name(subject: &str) -> bool {
    !subject.trim().is_empty()
        && subject.chars().count() <= MAX_SUBJECT_LENGTH
        && !subject.chars().any(char::is_control)
}

fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

/// Returns the strings of a single string or of a list of strings.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Parses seconds since 1970, possibly with a fraction.
fn timestamp(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let seconds = value?
        .as_f64()
        .filter(|seconds| *seconds <= MAX_TIMESTAMP)?;
    let since = TimeDelta::from_std(Duration::try_from_secs_f64(seconds).ok()?).ok()?;
    DateTime::UNIX_EPOCH.checked_add_signed(since)
}
