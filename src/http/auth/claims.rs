//! What a token must say to count here, and what it grants.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::party::Role;
use serde_json::Value;

use super::keys::{Algorithm, Claims, SigningKey};
use crate::rules::viewer::Viewer;

/// The last second of the year 9999: times in answers have four digits for the year.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Why a token is refused that was accepted before.
pub(super) const EXPIRED: &str = "The token has expired: sign in again.";

const LONGEST_SUBJECT: usize = 255;

const ROLES: [Role; 3] = [Role::ItuEditor, Role::UpuEditor, Role::TsbEditor];

/// How tokens are checked.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The only `iss` that counts.
    pub issuer: String,
    /// This service, as `aud` names it.
    pub audience: String,
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Where a token lists its roles: the name of a claim, or a path of names with dots between them.
    pub roles_claim: String,
    /// What a token says for each role; several words may stand for one.
    pub role_names: HashMap<String, Role>,
    /// How far the issuer's clock may be from ours.
    pub leeway_seconds: u32,
}

impl TokenRules {
    /// The rules for tokens that list our own names of roles in `roles`.
    #[must_use]
    pub fn new(issuer: String, audience: String, algorithms: Vec<Algorithm>) -> Self {
        Self {
            issuer,
            audience,
            algorithms,
            roles_claim: "roles".to_owned(),
            role_names: ROLES.map(|role| (role_name(role).to_owned(), role)).into(),
            leeway_seconds: 30,
        }
    }

    /// The roles that a token can grant.
    pub(super) fn roles(&self) -> Vec<Role> {
        let named = |role: &Role| self.role_names.values().any(|it| it == role);
        ROLES.into_iter().filter(named).collect()
    }

    fn leeway(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.leeway_seconds))
    }
}

/// The name of a role, as settings and the header `Acting-As` write it.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::ItuEditor => "ITU_EDITOR",
        Role::UpuEditor => "UPU_EDITOR",
        Role::TsbEditor => "TSB_EDITOR",
    }
}

/// The role of a name.
pub fn role(name: &str) -> Result<Role, String> {
    ROLES
        .into_iter()
        .find(|role| role_name(*role) == name)
        .ok_or_else(|| format!("A role is one of {}.", listed(&ROLES, "and")))
}

/// The names of roles in a sentence.
pub(super) fn listed(roles: &[Role], conjunction: &str) -> String {
    let names: Vec<_> = roles.iter().map(|role| role_name(*role)).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {conjunction} {last}", first.join(", "))
        }
        _ => names.concat(),
    }
}

/// A new token that this service, or another with the same rules, takes.
pub fn sign(
    key: &SigningKey,
    rules: &TokenRules,
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
        // Of several words for a role the first of the alphabet, so that equal requests have equal tokens.
        let word = rules
            .role_names
            .iter()
            .filter(|(_, named)| *named == role)
            .map(|(word, _)| word.as_str())
            .min();
        words.push(
            word.ok_or_else(|| format!("No word of a token stands for {}.", role_name(*role)))?,
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
    // A path with dots is looked for as the name of one claim first, so this is found whatever it is.
    claims.insert(rules.roles_claim.clone(), words.into());
    viewer(rules, &claims, now)?;
    key.sign(&claims)
}

/// Whom the claims of a verified token are about; the error is the reason why it is refused.
pub(super) fn viewer(
    rules: &TokenRules,
    claims: &Claims,
    now: DateTime<Utc>,
) -> Result<Viewer, String> {
    let expected =
        |name: &str| format!("The claim `{name}` of the token is missing or not as it should be.");

    let issuer = text(claims.get("iss")).ok_or_else(|| expected("iss"))?;
    if issuer != rules.issuer {
        return Err("The token comes from another issuer: sign in at the identity provider of this service.".to_owned());
    }
    let audiences = texts(claims.get("aud")).ok_or_else(|| expected("aud"))?;
    if !audiences.contains(&rules.audience.as_str()) {
        return Err(
            "The token is for another service: ask for one with this service as its audience."
                .to_owned(),
        );
    }
    let expires_at = time(claims.get("exp")).ok_or_else(|| expected("exp"))?;
    if expires_at + rules.leeway() <= now {
        return Err(EXPIRED.to_owned());
    }
    if let Some(not_before) = claims.get("nbf") {
        let not_before = time(Some(not_before)).ok_or_else(|| expected("nbf"))?;
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

/// What the token grants, in the order of the roles; words that mean nothing here are other services' business.
fn roles(rules: &TokenRules, claims: &Claims) -> Result<Vec<Role>, String> {
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
            "The token has the roles ITU_EDITOR and UPU_EDITOR, and no one speaks for both sides: sign in with one of them."
                .to_owned(),
        );
    }
    Ok(roles)
}

/// The value at a path of names with dots between them. Names have dots of their own
/// (`https://example.org/roles`, a client's name in Keycloak), so the longest is tried first.
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
        && subject.chars().count() <= LONGEST_SUBJECT
        && !subject.chars().any(char::is_control)
}

fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

/// One string, or a list of nothing but strings.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Seconds since 1970; fractions are allowed.
fn time(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let seconds = value?.as_f64().filter(|seconds| *seconds <= LAST_SECOND)?;
    let since = TimeDelta::from_std(Duration::try_from_secs_f64(seconds).ok()?).ok()?;
    DateTime::UNIX_EPOCH.checked_add_signed(since)
}
