//! The settings for verifying tokens.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use entity::party::Role;
use serde::Deserialize;

use super::{StartupError, read_file};
use crate::http::auth::claims::{TokenPolicy, role};
use crate::http::auth::issuer::Issuer;
use crate::http::auth::jwks::JwksSource;
use crate::http::auth::keys::{Algorithm, Keys, secret_of};
use crate::http::duration::duration;

/// How tokens are verified.
#[derive(Clone, Debug, Args)]
pub struct Tokens {
    /// The verification key: the https:// URL of a JSON Web Key Set, or a file with one, with a public key in PEM, or
    /// with --token-algorithms HS256 the secret. May be omitted if --token-issuer is an https:// URL: then the keys
    /// come from OpenID Connect discovery.
    #[arg(long, env = "LIAISON_TOKEN_KEY")]
    pub token_key: Option<String>,
    /// The issuer of the tokens (`iss`).
    #[arg(long, env = "LIAISON_TOKEN_ISSUER", default_value = "liaison")]
    pub token_issuer: String,
    /// The audience of the tokens (`aud`).
    #[arg(long, env = "LIAISON_TOKEN_AUDIENCE", default_value = "liaison")]
    pub token_audience: String,
    /// The allowed signature algorithms.
    #[arg(
        long,
        env = "LIAISON_TOKEN_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA"
    )]
    pub token_algorithms: Vec<Algorithm>,
    /// The claim with the roles; dots separate nested claims: `realm_access.roles`.
    #[arg(long, env = "LIAISON_ROLES_CLAIM", default_value = "roles")]
    pub roles_claim: String,
    /// Maps a value of the claim to a role, as `word=ROLE`; repeatable, or separated by commas. By default the values
    /// are the names of the roles.
    #[arg(long, env = "LIAISON_ROLE_MAPPING", value_delimiter = ',', value_parser = role_word)]
    pub role_mapping: Vec<(String, Role)>,
    /// Allowed clock skew, such as `30s`.
    #[arg(long, env = "LIAISON_TOKEN_LEEWAY", default_value = "30s", value_parser = duration)]
    pub token_leeway: Duration,
}

/// A table `[[issuer]]` of the settings file. Omitted values default to the flags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherIssuer {
    /// The file and the line, for error messages.
    #[serde(skip)]
    pub source: String,
    issuer: String,
    key: Option<String>,
    audience: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    roles_claim: Option<String>,
    role_mapping: Option<HashMap<String, String>>,
    leeway: Option<String>,
}

impl OtherIssuer {
    /// Records where its table is in the settings file.
    pub fn at(self, source: String) -> Self {
        Self { source, ..self }
    }
}

impl Tokens {
    /// Returns the issuer that the flags configure; `None` if there is neither a key nor an issuer URL.
    pub fn issuer(&self) -> Result<Option<Issuer>, StartupError> {
        let key = self.token_key.as_deref();
        // The key is not quoted: it may be the secret itself instead of its file.
        let setting = match key {
            Some(_) => "--token-key".to_owned(),
            None if self.token_issuer.contains("://") => {
                format!("--token-issuer {}", self.token_issuer)
            }
            None => return Ok(None),
        };
        let issuer = match key {
            None => JwksSource::discovery(&self.token_issuer)
                .and_then(|source| Issuer::publishing(self.rules(), source)),
            Some(address) if address.contains("://") => JwksSource::key_set(address)
                .and_then(|source| Issuer::publishing(self.rules(), source)),
            Some(path) => self
                .keys(Path::new(path))
                .and_then(|keys| Issuer::with_keys(self.rules(), keys)),
        };
        match issuer {
            Ok(issuer) => Ok(Some(issuer)),
            Err(what) => Err(StartupError::new(format!("{setting}: {what}"))),
        }
    }

    fn keys(&self, file: &Path) -> Result<Keys, String> {
        let content = read_file(file)?;
        if self.token_algorithms == [Algorithm::Hs256] {
            return Keys::secret(secret_of(&content));
        }
        match std::str::from_utf8(&content) {
            Ok(text) if text.trim_start().starts_with('{') => Keys::jwks(text),
            Ok(text) if text.contains("-----BEGIN") => Keys::pem(text),
            _ => Err("the file holds neither PEM nor a JSON Web Key Set. If it is a shared secret, say so: --token-algorithms HS256".to_owned()),
        }
    }

    /// Returns the settings for another issuer.
    pub fn of(&self, other: &OtherIssuer) -> Result<Self, String> {
        let mut tokens = Self {
            token_key: other.key.clone(),
            token_issuer: other.issuer.clone(),
            ..self.clone()
        };
        if let Some(audience) = &other.audience {
            tokens.token_audience.clone_from(audience);
        }
        if let Some(algorithms) = &other.algorithms {
            tokens.token_algorithms.clone_from(algorithms);
        }
        if let Some(claim) = &other.roles_claim {
            tokens.roles_claim.clone_from(claim);
        }
        if let Some(map) = &other.role_mapping {
            let words = map
                .iter()
                .map(|(word, name)| Ok((word.clone(), role(name)?)));
            tokens.role_mapping = words.collect::<Result<_, String>>()?;
        }
        if let Some(leeway) = &other.leeway {
            tokens.token_leeway = duration(leeway)?;
        }
        Ok(tokens)
    }

    fn rules(&self) -> TokenPolicy {
        let mut rules = TokenPolicy::new(
            self.token_issuer.clone(),
            self.token_audience.clone(),
            self.token_algorithms.clone(),
        );
        rules.roles_claim.clone_from(&self.roles_claim);
        rules.leeway = self.token_leeway;
        if !self.role_mapping.is_empty() {
            rules.role_names = self.role_mapping.iter().cloned().collect();
        }
        rules
    }
}

fn role_word(text: &str) -> Result<(String, Role), String> {
    let (word, name) = text
        .rsplit_once('=')
        .ok_or("write it as word=ROLE, such as itu-editors=ITU_EDITOR")?;
    Ok((word.to_owned(), role(name)?))
}
