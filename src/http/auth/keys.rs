//! The keys that sign and verify tokens, each bound to one algorithm.

use clap::ValueEnum;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{
    AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Header, Validation,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The payload of a token.
pub type Claims = Map<String, Value>;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
pub enum Algorithm {
    /// HMAC with a secret that issuer and service share.
    #[serde(rename = "HS256")]
    #[value(name = "HS256")]
    Hs256,
    /// An RSA key of 2048 to 4096 bits.
    #[serde(rename = "RS256")]
    #[value(name = "RS256")]
    Rs256,
    /// A key on the curve P-256.
    #[serde(rename = "ES256")]
    #[value(name = "ES256")]
    Es256,
    /// An Ed25519 key.
    #[serde(rename = "EdDSA")]
    #[value(name = "EdDSA")]
    EdDsa,
}

/// A set of verification keys.
#[derive(Clone, Debug)]
pub struct Keys {
    keys: Vec<Key>,
    /// The signing key, if it is known.
    signing: Option<SigningKey>,
}

#[derive(Clone, Debug)]
struct Key {
    // Derived from the key, never from a token: otherwise a public key could be used as an HMAC secret.
    algorithm: Algorithm,
    kid: Option<String>,
    decodes: DecodingKey,
}

/// A signing key.
#[derive(Clone, Debug)]
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Keys {
    /// Creates the key for HS256. The content of a file must go through [`secret_of`] first.
    pub fn secret(secret: &[u8]) -> Result<Self, String> {
        // Everybody who knows the public key could sign tokens with it as the secret.
        if is_pem(secret) || serde_json::from_slice::<Claims>(secret).is_ok() {
            return Err("This is a key in PEM or JSON, not a secret for HS256.".to_owned());
        }
        Ok(Self {
            keys: vec![Key::of(None, DecodingKey::from_secret(secret))?],
            signing: Some(SigningKey {
                algorithm: Algorithm::Hs256,
                key: EncodingKey::from_secret(secret),
            }),
        })
    }

    /// Parses one public key in PEM: RSA, P-256 or Ed25519.
    pub fn pem(text: &str) -> Result<Self, String> {
        let bytes = text.as_bytes();
        one_pem(
            text,
            &["PUBLIC KEY", "RSA PUBLIC KEY"],
            "`openssl pkey -in key.pem -pubout` makes one of a private key, `openssl x509 -in certificate.pem -pubkey -noout` of a certificate.",
        )?;
        // Each parser checks the type of the key. An RSA key is converted to its components, which are validated.
        let key = DecodingKey::from_rsa_pem(bytes)
            .and_then(|key| DecodingKey::from_jwk(&Jwk::from_decoding_key(&key, None)?))
            .or_else(|_| DecodingKey::from_ec_pem(bytes))
            .or_else(|_| DecodingKey::from_ed_pem(bytes))
            .map_err(|_| {
                "The PEM text is no public key of RSA, P-256 or Ed25519 that can be read."
                    .to_owned()
            })?;
        Ok(Self::public(vec![Key::of(None, key)?]))
    }

    /// Parses a JSON Web Key Set. Unusable keys, such as encryption keys, are ignored, as RFC 7517 requires.
    pub fn jwks(text: &str) -> Result<Self, String> {
        let set: RawJwkSet = serde_json::from_str(text)
            .map_err(|error| format!("The key set is not a JSON Web Key Set: {error}."))?;
        let mut keys = Vec::<Key>::new();
        let mut passed_over = Vec::new();
        for (number, json) in (1..).zip(set.keys) {
            // Such a set has been published by mistake, or will be.
            if json.get("d").is_some() || json.get("kty").is_some_and(|kty| kty == "oct") {
                return Err(format!(
                    "Key {number} of the key set is a private key or a shared secret: list public keys alone."
                ));
            }
            match RawJwk::deserialize(json)
                .map_err(|error| format!("{error}."))
                .and_then(RawJwk::key)
            {
                Ok(key) if keys.iter().any(|other| other.duplicate_kid(&key)) => {
                    return Err(format!(
                        "Key {number} of the key set is ambiguous with another one for {}: give each its own `kid`.",
                        key.algorithm.name()
                    ));
                }
                Ok(key) => keys.push(key),
                Err(why) => passed_over.push(format!(" Key {number}: {why}")),
            }
        }
        if keys.is_empty() {
            return Err(format!(
                "The key set has no key that can verify a token.{}",
                passed_over.concat()
            ));
        }
        Ok(Self::public(keys))
    }

    fn public(keys: Vec<Key>) -> Self {
        Self {
            keys,
            signing: None,
        }
    }

    /// Keeps the keys for the given algorithms.
    pub(super) fn retain(mut self, algorithms: &[Algorithm]) -> Result<Self, String> {
        let serves: Vec<_> = self.keys.iter().map(|key| key.algorithm.name()).collect();
        self.keys.retain(|key| algorithms.contains(&key.algorithm));
        if self.keys.is_empty() {
            return Err(format!(
                "No key serves an allowed algorithm: there are keys for {}.",
                serves.join(", ")
            ));
        }
        Ok(self)
    }

    /// Returns the key that signs tokens for these keys; `None` if they are public.
    pub(super) const fn signing(&self) -> Option<&SigningKey> {
        self.signing.as_ref()
    }

    /// Returns whether the key set contains the key id of a token. True for a token without one.
    pub(super) fn contains_kid(&self, token: &str) -> bool {
        let header = jsonwebtoken::decode_header(token).ok();
        let kid = header.and_then(|header| header.kid);
        kid.is_none_or(|kid| self.keys.iter().any(|key| key.kid.as_ref() == Some(&kid)))
    }

    /// Verifies the signature of a token and returns its claims, which are not validated.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        // `crit` lists extensions that must be supported, and there are none; the library ignores it.
        if header.crit.is_some() || !is_access_token(header.typ.as_deref()) {
            return None;
        }
        let key = self.find(header.alg, header.kid.as_deref())?;
        // The library's checks read the system clock, and accept a wrong or missing `aud` or `iss` more easily. Only
        // its signature check is used.
        let mut validation = Validation::new(key.algorithm.into());
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &key.decodes, &validation)
            .ok()
            .map(|token| token.claims)
    }

    /// Returns the key for a token. A token without a `kid` is accepted only if a single key fits its algorithm: OpenID
    /// Connect requires a `kid` otherwise, all providers send it, and trying every key would let an attacker multiply
    /// the work for a forged token.
    fn find(&self, algorithm: jsonwebtoken::Algorithm, kid: Option<&str>) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| {
            algorithm == key.algorithm.into()
                && match (key.kid.as_deref(), kid) {
                    (Some(ours), Some(theirs)) => ours == theirs,
                    _ => true,
                }
        });
        let key = fitting.next();
        key.filter(|_| fitting.next().is_none())
    }
}

impl Key {
    /// Rejects keys at startup that the library would reject, or panic at, only with the first token.
    fn of(kid: Option<String>, key: DecodingKey) -> Result<Self, String> {
        let algorithm = Algorithm::of(key.family());
        let usable = || jsonwebtoken::crypto::verify("", b"", &key, algorithm.into()).is_ok();
        let sound = match (algorithm, key.kind()) {
            (Algorithm::Hs256, DecodingKeyKind::SecretOrDer(secret)) => secret.len() >= 32,
            (Algorithm::Rs256, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
                (256..=512).contains(&n.len())
            }
            (Algorithm::Es256, DecodingKeyKind::SecretOrDer(_)) => usable(),
            (Algorithm::EdDsa, DecodingKeyKind::SecretOrDer(point)) => {
                point.len() == 32 && usable()
            }
            _ => false,
        };
        if sound {
            Ok(Self {
                algorithm,
                kid,
                decodes: key,
            })
        } else {
            Err(algorithm.requirements().to_owned())
        }
    }

    /// Returns whether a token could refer to both keys.
    fn duplicate_kid(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm
            && (self.kid == other.kid || self.kid.is_none() || other.kid.is_none())
    }
}

impl SigningKey {
    /// Creates the key for HS256.
    pub fn secret(secret: &[u8]) -> Result<Self, String> {
        let keys = Keys::secret(secret)?;
        keys.signing
            .ok_or_else(|| Algorithm::Hs256.requirements().to_owned())
    }

    /// Parses the content of a key file: a private key in PEM, or a secret for HS256.
    pub fn of_file(content: &[u8]) -> Result<Self, String> {
        if !is_pem(content) {
            return Self::secret(secret_of(content));
        }
        one_pem(
            &String::from_utf8_lossy(content),
            &["PRIVATE KEY", "RSA PRIVATE KEY"],
            "`openssl pkcs8 -topk8 -nocrypt -in key.pem` brings others into this form.",
        )?;
        let key = EncodingKey::from_rsa_pem(content)
            .or_else(|_| EncodingKey::from_ec_pem(content))
            .or_else(|_| EncodingKey::from_ed_pem(content))
            .map_err(|_| {
                "The PEM text is no private key of RSA, P-256 or Ed25519 that can be read."
                    .to_owned()
            })?;
        let key = Self {
            algorithm: Algorithm::of(key.family()),
            key,
        };
        // An unsupported curve is detected only when the key signs.
        key.sign(&Claims::new())?;
        Ok(key)
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, String> {
        jsonwebtoken::encode(&Header::new(self.algorithm.into()), claims, &self.key)
            .map_err(|_| self.algorithm.requirements().to_owned())
    }
}

impl Algorithm {
    /// Returns the `alg` value of the algorithm.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn of(family: AlgorithmFamily) -> Self {
        match family {
            AlgorithmFamily::Hmac => Self::Hs256,
            AlgorithmFamily::Rsa => Self::Rs256,
            AlgorithmFamily::Ec => Self::Es256,
            AlgorithmFamily::Ed => Self::EdDsa,
        }
    }

    const fn requirements(self) -> &'static str {
        match self {
            Self::Hs256 => "A secret for HS256 has at least 32 bytes.",
            Self::Rs256 => "An RSA key has 2048 to 4096 bits.",
            Self::Es256 => "A key for ES256 is on the curve P-256.",
            Self::EdDsa => "A key for EdDSA is an Ed25519 key of 32 bytes.",
        }
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Es256 => Self::ES256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// Returns the secret in a file, without a trailing line break.
#[must_use]
pub fn secret_of(file: &[u8]) -> &[u8] {
    let line = file.strip_suffix(b"\n").unwrap_or(file);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[derive(Deserialize)]
struct RawJwkSet {
    keys: Vec<Value>,
}

/// A JSON Web Key. The library's type accepts keys of any curve and length.
#[derive(Deserialize)]
struct RawJwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl RawJwk {
    fn key(self) -> Result<Key, String> {
        let verifies = self
            .key_ops
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !verifies || self.purpose.is_some_and(|purpose| purpose != "sig") {
            return Err("It is not for signatures.".to_owned());
        }
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => match (self.n, self.e) {
                (Some(n), Some(e)) => DecodingKey::from_rsa_components(&n, &e),
                _ => return Err("`n` or `e` is missing.".to_owned()),
            },
            ("EC", Some("P-256")) => match (self.x, self.y) {
                (Some(x), Some(y)) => DecodingKey::from_ec_components(&x, &y),
                _ => return Err("`x` or `y` is missing.".to_owned()),
            },
            ("OKP", Some("Ed25519")) => match self.x {
                Some(x) => DecodingKey::from_ed_components(&x),
                None => return Err("`x` is missing.".to_owned()),
            },
            _ => return Err("It is of another kind than RSA, P-256 or Ed25519.".to_owned()),
        };
        let key = Key::of(
            self.kid,
            key.map_err(|_| "Its numbers are not in base64url.".to_owned())?,
        )?;
        match self.alg {
            Some(alg) if alg != key.algorithm.name() => {
                Err("It is for another algorithm than RS256, ES256 or EdDSA.".to_owned())
            }
            _ => Ok(key),
        }
    }
}

/// Returns whether a `typ` denotes an access token. Other types are used for other purposes, such as logout (RFC 8725,
/// 3.11).
fn is_access_token(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        ["JWT", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    })
}

fn is_pem(content: &[u8]) -> bool {
    content.windows(10).any(|window| window == b"-----BEGIN")
}

/// Checks that a text is a single PEM block of a supported type. The library would read the first of several.
fn one_pem(text: &str, labels: &[&str], hint: &str) -> Result<(), String> {
    let is_labelled = labels
        .iter()
        .any(|label| text.contains(&format!("-----BEGIN {label}-----")));
    if is_labelled && text.matches("-----BEGIN").count() == 1 {
        return Ok(());
    }
    Err(format!(
        "The PEM text must be one block, `{}`; {hint}",
        labels.join("` or `")
    ))
}
