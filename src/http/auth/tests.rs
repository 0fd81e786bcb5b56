//! Tests of valid and forged tokens.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use entity::party::Role;
use futures_util::FutureExt;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::claims::{EXPIRED, TokenPolicy, role, sign};
use super::keys::{Algorithm, Keys, SigningKey, secret_of};
use super::test_keys::*;
use super::{AuthError, INVALID_TOKEN, Verifier};
use crate::domain::viewer::Viewer;

const SECRET: &[u8] = b"only for tests, and long enough ";
const ALL: [Algorithm; 4] = [
    Algorithm::Hs256,
    Algorithm::Rs256,
    Algorithm::Es256,
    Algorithm::EdDsa,
];

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn rules() -> TokenPolicy {
    TokenPolicy::new(
        "https://id.example.org".to_owned(),
        "liaison".to_owned(),
        ALL.to_vec(),
    )
}

fn good_claims() -> Value {
    json!({
        "iss": "https://id.example.org", "aud": "liaison", "sub": "a.editor",
        "exp": now().timestamp() + 600, "roles": ["TSB_EDITOR"],
    })
}

/// Returns the valid claims with some replaced; null removes a claim.
fn with(changes: &Value) -> Value {
    let mut claims = good_claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key(algorithm: &str) -> EncodingKey {
    match algorithm {
        "HS256" | "HS512" => EncodingKey::from_secret(SECRET),
        "RS256" | "RS384" | "PS256" => EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(),
        "ES256" => EncodingKey::from_ec_pem(P256_PRIVATE.as_bytes()).unwrap(),
        "ES384" => EncodingKey::from_ec_pem(P384_PRIVATE.as_bytes()).unwrap(),
        _ => EncodingKey::from_ed_pem(ED25519_PRIVATE.as_bytes()).unwrap(),
    }
}

/// Signs exactly what it is given: `algorithm` selects how, whatever the header says.
fn token_of(header: &str, claims: &str, algorithm: &str, key: &EncodingKey) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm.parse().unwrap()).unwrap();
    format!("{message}.{signature}")
}

fn token(algorithm: &str, claims: &Value) -> String {
    let header = json!({ "alg": algorithm, "typ": "JWT" }).to_string();
    token_of(&header, &claims.to_string(), algorithm, &key(algorithm))
}

fn public_jwk(algorithm: &str, kid: &str) -> Value {
    let key = match algorithm {
        "RS256" => DecodingKey::from_rsa_pem(RSA_PUBLIC.as_bytes()),
        "ES256" => DecodingKey::from_ec_pem(P256_PUBLIC.as_bytes()),
        _ => DecodingKey::from_ed_pem(ED25519_PUBLIC.as_bytes()),
    };
    let jwk = Jwk::from_decoding_key(&key.unwrap(), Some(algorithm.parse().unwrap())).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// A key set like those of identity providers: with an encryption key and a key of an unknown type.
fn provider_keys() -> Keys {
    let mut for_encryption = public_jwk("RS256", "enc");
    for_encryption["use"] = "enc".into();
    for_encryption["alg"] = "RSA-OAEP".into();
    Keys::jwks(&key_set(&[
        for_encryption,
        json!({ "kty": "AKP", "kid": "later", "alg": "ML-DSA-44", "pub": "AAAA" }),
        public_jwk("RS256", "r"),
        public_jwk("ES256", "e"),
        public_jwk("EdDSA", "d"),
    ]))
    .unwrap()
}

fn verifier(keys: Keys) -> Verifier {
    Verifier::new(rules(), keys).unwrap()
}

fn headers(values: &[(&str, &str)]) -> HeaderMap {
    values
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect()
}

/// Fixed keys need no waiting.
fn settled<T>(result: impl Future<Output = T>) -> T {
    result.now_or_never().unwrap()
}

fn ask(verifier: &Verifier, token: &str) -> Result<Viewer, AuthError> {
    settled(verifier.viewer(
        &headers(&[("authorization", &format!("Bearer {token}"))]),
        now(),
    ))
}

/// Returns the result for these claims when they are signed correctly.
fn claims(claims: &Value) -> Result<Viewer, AuthError> {
    ask(
        &verifier(Keys::secret(SECRET).unwrap()),
        &token("HS256", claims),
    )
}

fn granted(verifier: &Verifier, claims: &Value) -> Vec<Role> {
    ask(verifier, &token("HS256", claims)).unwrap().roles
}

#[test]
fn every_key_type_verifies_signatures_of_its_private_key() {
    let secret = SigningKey::secret(SECRET).unwrap();
    let file = |text: &str| SigningKey::of_file(text.as_bytes()).unwrap();
    let one = |algorithm| Keys::jwks(&key_set(&[public_jwk(algorithm, "k")])).unwrap();
    let table = [
        ("secret", secret, Keys::secret(SECRET)),
        (
            "secret in a file",
            SigningKey::of_file(&[SECRET, b"\r\n"].concat()).unwrap(),
            Keys::secret(secret_of(&[SECRET, b"\n"].concat())),
        ),
        ("RSA", file(RSA_PRIVATE), Keys::pem(RSA_PUBLIC)),
        (
            "RSA, PKCS #1",
            file(RSA_PRIVATE),
            Keys::pem(RSA_PUBLIC_PKCS1),
        ),
        ("P-256", file(P256_PRIVATE), Keys::pem(P256_PUBLIC)),
        ("Ed25519", file(ED25519_PRIVATE), Keys::pem(ED25519_PUBLIC)),
        ("set of RSA", file(RSA_PRIVATE), Ok(one("RS256"))),
        ("set of P-256", file(P256_PRIVATE), Ok(one("ES256"))),
        ("set of Ed25519", file(ED25519_PRIVATE), Ok(one("EdDSA"))),
        ("set, RSA", file(RSA_PRIVATE), Ok(provider_keys())),
        ("set, P-256", file(P256_PRIVATE), Ok(provider_keys())),
        ("set, Ed25519", file(ED25519_PRIVATE), Ok(provider_keys())),
    ];
    for (name, key, keys) in table {
        let token = sign(
            &key,
            &rules(),
            "a.editor",
            &[Role::UpuEditor, Role::TsbEditor],
            600,
            now(),
        )
        .unwrap();
        let expected = Viewer {
            subject: Some("a.editor".to_owned()),
            roles: vec![Role::UpuEditor, Role::TsbEditor],
            acting_as: None,
            expires_at: Some(now() + TimeDelta::minutes(10)),
        };
        assert_eq!(
            ask(&verifier(keys.unwrap()), &token),
            Ok(expected),
            "{name}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of all forged tokens")]
fn untrusted_signatures_all_get_the_same_error() {
    let from_set = verifier(provider_keys());
    let from_secret = verifier(Keys::secret(SECRET).unwrap());
    let from_pem = |pem| verifier(Keys::pem(pem).unwrap());
    let good = good_claims().to_string();
    let stranger = EncodingKey::from_ed_pem(OTHER_ED25519_PRIVATE.as_bytes()).unwrap();
    let strangers_jwk = {
        let mut jwk = serde_json::to_value(
            Jwk::from_encoding_key(&stranger, "EdDSA".parse().unwrap()).unwrap(),
        )
        .unwrap();
        jwk["kid"] = "d".into();
        jwk
    };
    let ed = |header: Value| token_of(&header.to_string(), &good, "EdDSA", &key("EdDSA"));
    let ed_raw = |header: &str, claims: &str| token_of(header, claims, "EdDSA", &key("EdDSA"));
    let by_stranger =
        |header: Value| token_of(&header.to_string(), &good, "EdDSA", &stranger.clone());
    let hs256_with = |secret: &[u8]| {
        token_of(
            r#"{"alg":"HS256"}"#,
            &good,
            "HS256",
            &EncodingKey::from_secret(secret),
        )
    };
    let signed = ed(json!({ "alg": "EdDSA", "kid": "d" }));
    let parts: Vec<_> = signed.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let unsigned =
        |algorithm: &str| base64(json!({ "alg": algorithm }).to_string()) + "." + payload + ".";
    let other_payload = base64(with(&json!({ "roles": ["ITU_EDITOR"] })).to_string());
    let in_pieces = |pem: &str| {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        base64::engine::general_purpose::STANDARD
            .decode(body)
            .unwrap()
    };
    assert!(ask(&from_set, &signed).is_ok());

    let table = [
        // Shape
        ("dots alone", &from_set, "..".to_owned()),
        ("a word", &from_set, "token".to_owned()),
        ("two parts", &from_set, format!("{header}.{payload}")),
        ("four parts", &from_set, format!("{signed}.{signature}")),
        ("five parts", &from_set, format!("{signed}.AA.AA")),
        ("a space within", &from_set, signed.replacen('.', ". ", 1)),
        ("a second token", &from_set, format!("{signed}, {signed}")),
        ("padding", &from_set, format!("{signed}==")),
        (
            "payload is no JSON",
            &from_set,
            ed_raw(r#"{"alg":"EdDSA"}"#, "roles"),
        ),
        (
            "payload is a list",
            &from_set,
            ed_raw(r#"{"alg":"EdDSA"}"#, "[]"),
        ),
        (
            "payload is a string",
            &from_set,
            ed_raw(r#"{"alg":"EdDSA"}"#, r#""a""#),
        ),
        (
            "payload is too deep",
            &from_set,
            ed_raw(
                r#"{"alg":"EdDSA"}"#,
                &good.replacen(
                    '{',
                    &format!(r#"{{"x":{}{},"#, "[".repeat(500), "]".repeat(500)),
                    1,
                ),
            ),
        ),
        (
            "subject twice",
            &from_set,
            ed_raw(
                r#"{"alg":"EdDSA"}"#,
                &good.replacen('{', r#"{"sub":"b","#, 1),
            ),
        ),
        ("header is a list", &from_set, ed_raw("[]", &good)),
        ("header is no JSON", &from_set, ed_raw("EdDSA", &good)),
        ("no algorithm", &from_set, ed_raw(r#"{"typ":"JWT"}"#, &good)),
        (
            "algorithm is a list",
            &from_set,
            ed_raw(r#"{"alg":["EdDSA"]}"#, &good),
        ),
        (
            "algorithm twice",
            &from_set,
            ed_raw(r#"{"alg":"none","alg":"EdDSA"}"#, &good),
        ),
        // Algorithm
        ("none", &from_set, unsigned("none")),
        ("None", &from_set, unsigned("None")),
        ("NONE", &from_secret, unsigned("NONE")),
        ("none, but signed", &from_set, unsigned("none") + signature),
        ("EdDSA, not signed", &from_set, unsigned("EdDSA")),
        ("in small letters", &from_set, ed(json!({ "alg": "eddsa" }))),
        (
            "HS512 with the secret",
            &from_secret,
            token("HS512", &good_claims()),
        ),
        (
            "RS384 with the key",
            &from_set,
            token("RS384", &good_claims()),
        ),
        (
            "PS256 with the key",
            &from_set,
            token("PS256", &good_claims()),
        ),
        (
            "ES384",
            &from_pem(P256_PUBLIC),
            token("ES384", &good_claims()),
        ),
        (
            "RS256 for a secret",
            &from_secret,
            token("RS256", &good_claims()),
        ),
        (
            "HS256 for RSA",
            &from_pem(RSA_PUBLIC),
            hs256_with(RSA_PUBLIC.as_bytes()),
        ),
        (
            "HS256, trimmed",
            &from_pem(RSA_PUBLIC),
            hs256_with(RSA_PUBLIC.trim().as_bytes()),
        ),
        (
            "HS256 with DER",
            &from_pem(RSA_PUBLIC),
            hs256_with(&in_pieces(RSA_PUBLIC)),
        ),
        (
            "HS256 with PKCS #1",
            &from_pem(RSA_PUBLIC_PKCS1),
            hs256_with(&in_pieces(RSA_PUBLIC_PKCS1)),
        ),
        (
            "HS256 for P-256",
            &from_pem(P256_PUBLIC),
            hs256_with(P256_PUBLIC.as_bytes()),
        ),
        (
            "HS256 with the point",
            &from_pem(P256_PUBLIC),
            hs256_with(&in_pieces(P256_PUBLIC)[26..]),
        ),
        (
            "HS256 for Ed25519",
            &from_pem(ED25519_PUBLIC),
            hs256_with(&in_pieces(ED25519_PUBLIC)[12..]),
        ),
        (
            "HS256 with the JWK",
            &from_set,
            hs256_with(public_jwk("RS256", "r").to_string().as_bytes()),
        ),
        ("HS256 with no secret", &from_secret, hs256_with(b"")),
        // Key
        (
            "unknown kid",
            &from_set,
            ed(json!({ "alg": "EdDSA", "kid": "x" })),
        ),
        (
            "empty kid",
            &from_set,
            ed(json!({ "alg": "EdDSA", "kid": "" })),
        ),
        (
            "kid of another key",
            &from_set,
            ed(json!({ "alg": "EdDSA", "kid": "r" })),
        ),
        (
            "kid of the key for encryption",
            &from_set,
            token_of(
                r#"{"alg":"RS256","kid":"enc"}"#,
                &good,
                "RS256",
                &key("RS256"),
            ),
        ),
        (
            "kid is a list",
            &from_set,
            ed(json!({ "alg": "EdDSA", "kid": ["d"] })),
        ),
        (
            "kid is a path",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "../../../dev/null" })),
        ),
        (
            "kid is a query",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d' or '1'='1" })),
        ),
        (
            "a stranger",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d" })),
        ),
        (
            "brings its key",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d", "jwk": strangers_jwk })),
        ),
        (
            "brings its key alone",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "jwk": strangers_jwk })),
        ),
        (
            "jku",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d", "jku": "https://evil.example/keys" })),
        ),
        (
            "x5u",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d", "x5u": "https://evil.example/cert" })),
        ),
        (
            "x5c",
            &from_set,
            by_stranger(json!({ "alg": "EdDSA", "kid": "d", "x5c": ["MIIB"] })),
        ),
        // Header
        (
            "crit",
            &from_set,
            ed(json!({ "alg": "EdDSA", "crit": ["exp"] })),
        ),
        (
            "not in base64",
            &from_set,
            ed(json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false })),
        ),
        (
            "announces a sign-out",
            &from_set,
            ed(json!({ "alg": "EdDSA", "typ": "logout+jwt" })),
        ),
        (
            "proves a key",
            &from_set,
            ed(json!({ "alg": "EdDSA", "typ": "dpop+jwt" })),
        ),
        // Signature
        (
            "cut short",
            &from_set,
            signed[..signed.len() - 4].to_owned(),
        ),
        (
            "other payload",
            &from_set,
            format!("{header}.{other_payload}.{signature}"),
        ),
        (
            "other header",
            &from_set,
            format!("{}.{payload}.{signature}", base64(r#"{"alg":"EdDSA"}"#)),
        ),
        (
            "all zero",
            &from_set,
            format!("{header}.{payload}.{}", base64([0; 64])),
        ),
        (
            "P-256, all zero",
            &from_pem(P256_PUBLIC),
            format!(
                "{}.{payload}.{}",
                base64(r#"{"alg":"ES256"}"#),
                base64([0; 64])
            ),
        ),
        (
            "RSA, all zero",
            &from_pem(RSA_PUBLIC),
            format!(
                "{}.{payload}.{}",
                base64(r#"{"alg":"RS256"}"#),
                base64([0; 256])
            ),
        ),
        (
            "for another secret",
            &from_secret,
            hs256_with(b"only for tests, and long enough!"),
        ),
    ];
    for (name, verifier, token) in &table {
        assert_eq!(
            ask(verifier, token),
            Err(AuthError::InvalidToken(INVALID_TOKEN.to_owned())),
            "{name}"
        );
    }
}

#[test]
fn missing_or_invalid_claims_are_refused() {
    let in_seconds = |seconds: i64| now().timestamp() + seconds;
    let table = [
        ("`iss`", json!({ "iss": null })),
        ("`iss`", json!({ "iss": ["https://id.example.org"] })),
        ("`iss`", json!({ "iss": 1 })),
        ("another issuer", json!({ "iss": "" })),
        (
            "another issuer",
            json!({ "iss": "https://id.example.org/" }),
        ),
        ("another issuer", json!({ "iss": "https://ID.example.org" })),
        ("`aud`", json!({ "aud": null })),
        ("`aud`", json!({ "aud": { "liaison": true } })),
        ("`aud`", json!({ "aud": ["liaison", 1] })),
        ("`aud`", json!({ "aud": [["liaison"]] })),
        ("another service", json!({ "aud": [] })),
        ("another service", json!({ "aud": "" })),
        ("another service", json!({ "aud": "liaison2" })),
        ("another service", json!({ "aud": "other liaison" })),
        ("another service", json!({ "aud": ["account", "other"] })),
        ("`exp`", json!({ "exp": null })),
        ("`exp`", json!({ "exp": in_seconds(600).to_string() })),
        ("`exp`", json!({ "exp": true })),
        ("`exp`", json!({ "exp": -1 })),
        ("`exp`", json!({ "exp": 1e300 })),
        ("`exp`", json!({ "exp": in_seconds(600) * 1000 })),
        ("expired", json!({ "exp": 0 })),
        ("expired", json!({ "exp": in_seconds(-600) })),
        ("expired", json!({ "exp": in_seconds(-30) })),
        ("`nbf`", json!({ "nbf": "soon" })),
        ("not valid yet", json!({ "nbf": in_seconds(31) })),
        ("`sub`", json!({ "sub": null })),
        ("`sub`", json!({ "sub": "" })),
        ("`sub`", json!({ "sub": "  " })),
        ("`sub`", json!({ "sub": 7 })),
        ("`sub`", json!({ "sub": ["a.editor"] })),
        ("`sub`", json!({ "sub": "a\0editor" })),
        ("`sub`", json!({ "sub": "a\neditor" })),
        ("`sub`", json!({ "sub": "a\u{85}editor" })),
        ("`sub`", json!({ "sub": "a".repeat(256) })),
        ("roles", json!({ "roles": 1 })),
        ("roles", json!({ "roles": { "TSB_EDITOR": true } })),
        ("roles", json!({ "roles": ["TSB_EDITOR", 1] })),
        ("roles", json!({ "roles": [["TSB_EDITOR"]] })),
        (
            "both sides",
            json!({ "roles": ["UPU_EDITOR", "TSB_EDITOR", "ITU_EDITOR"] }),
        ),
    ];
    for (words, changes) in table {
        let result = claims(&with(&changes));
        let message = if words == "expired" {
            EXPIRED
        } else {
            INVALID_TOKEN
        };
        assert_eq!(
            result,
            Err(AuthError::InvalidToken(message.to_owned())),
            "{words}: {changes}"
        );
    }
    for name in ["iss", "aud", "exp", "nbf", "sub"] {
        let mut null = good_claims();
        null[name] = Value::Null;
        assert!(claims(&null).is_err(), "{name} is null");
    }
}

#[test]
fn claims_within_their_bounds_are_accepted() {
    let in_seconds = |seconds: i64| now().timestamp() + seconds;
    let table = [
        json!({ "aud": ["account", "liaison"] }),
        json!({ "exp": in_seconds(-29) }),
        json!({ "exp": 1_772_370_000.75 }),
        json!({ "exp": 9_999_999_999_i64 }),
        json!({ "nbf": in_seconds(30) }),
        json!({ "nbf": 0, "iat": in_seconds(5), "jti": "1", "scope": "openid" }),
        json!({ "sub": "é".repeat(255) }),
        json!({ "sub": "auth0|5f7c8ec7c33c6c004bbafe82" }),
    ];
    for changes in table {
        let viewer = claims(&with(&changes)).unwrap();
        assert_eq!(viewer.roles, [Role::TsbEditor], "{changes}");
    }
    let viewer = claims(&with(&json!({ "exp": 1_772_370_000.75 }))).unwrap();
    assert_eq!(
        viewer.expires_at,
        Some("2026-03-01T13:00:00.750Z".parse().unwrap())
    );
}

#[test]
fn roles_are_those_that_the_token_names_and_no_others() {
    let all = verifier(Keys::secret(SECRET).unwrap());
    let table = [
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!(""), vec![]),
        (json!("ITU_EDITOR"), vec![Role::ItuEditor]),
        (json!("ITU_EDITOR TSB_EDITOR"), vec![]),
        (
            json!(["offline_access", "tsb_editor", "TSB_EDITOR "]),
            vec![],
        ),
        (
            json!(["TSB_EDITOR", "admin", "UPU_EDITOR", "TSB_EDITOR"]),
            vec![Role::UpuEditor, Role::TsbEditor],
        ),
    ];
    for (roles, expected) in table {
        let claims = with(&json!({ "roles": roles }));
        assert_eq!(granted(&all, &claims), expected, "{roles}");
    }
}

#[test]
fn the_roles_claim_is_found_at_the_configured_path() {
    let claims = with(&json!({
        "realm_access": { "roles": ["ITU_EDITOR"], "nothing": null, "list": [{ "roles": "ITU_EDITOR" }] },
        "https://liaison.example/roles": ["UPU_EDITOR"],
        "a.b": { "c.d": "TSB_EDITOR" },
        "a": { "b.c": { "d": "UPU_EDITOR" } },
    }));
    let table = [
        ("roles", vec![Role::TsbEditor]),
        ("realm_access.roles", vec![Role::ItuEditor]),
        ("https://liaison.example/roles", vec![Role::UpuEditor]),
        ("a.b.c.d", vec![Role::TsbEditor]),
        ("realm_access", vec![]),
        ("realm_access.", vec![]),
        (".roles", vec![]),
        ("roles.0", vec![]),
        ("realm_access.list.roles", vec![]),
        ("other", vec![]),
        (".", vec![]),
        ("...", vec![]),
    ];
    for (path, expected) in table {
        let mut rules = rules();
        rules.roles_claim = path.to_owned();
        let verifier = Verifier::new(rules, Keys::secret(SECRET).unwrap()).unwrap();
        let result = ask(&verifier, &token("HS256", &claims));
        if path == "realm_access" {
            assert!(result.is_err(), "an object is no list of roles");
        } else {
            assert_eq!(result.unwrap().roles, expected, "{path}");
        }
    }
}

#[test]
fn a_keycloak_token_is_accepted() {
    let mut rules = rules();
    rules.issuer = "https://sso.example.org/realms/standards".to_owned();
    rules.roles_claim = "realm_access.roles".to_owned();
    rules.algorithms = vec![Algorithm::Rs256];
    let claims = json!({
        "exp": 1_772_366_700, "iat": 1_772_366_400, "auth_time": 1_772_366_390,
        "jti": "onrtac:6f1d8e0e-6f0c-4b43-9e0f-2f5a3f2f6b0e",
        "iss": "https://sso.example.org/realms/standards", "aud": ["liaison", "account"],
        "sub": "f:2b1c3e0a-9d1f-4a0e-8a43-0d2f5e7b9c11:hzimmer", "typ": "Bearer", "azp": "liaison-web",
        "sid": "7d2c4a60-59f3-4a7e-a6a2-b0a6f7c9d9a1", "acr": "1", "allowed-origins": ["https://app.example.org"],
        "realm_access": { "roles": ["default-roles-standards", "offline_access", "TSB_EDITOR", "uma_authorization"] },
        "resource_access": { "account": { "roles": ["manage-account", "view-profile"] } },
        "scope": "openid profile email", "email_verified": true, "preferred_username": "hzimmer",
    });
    let header = r#"{"alg":"RS256","typ":"JWT","kid":"r"}"#;
    let token = token_of(header, &claims.to_string(), "RS256", &key("RS256"));

    let viewer = ask(
        &Verifier::new(rules.clone(), provider_keys()).unwrap(),
        &token,
    )
    .unwrap();
    assert_eq!(viewer.roles, [Role::TsbEditor]);

    // The roles of a client whose name contains dots.
    let mut claims = claims;
    claims["resource_access"]["org.example.liaison"] = json!({ "roles": ["UPU_EDITOR"] });
    rules.roles_claim = "resource_access.org.example.liaison.roles".to_owned();
    let token = token_of(header, &claims.to_string(), "RS256", &key("RS256"));
    let viewer = ask(&Verifier::new(rules, provider_keys()).unwrap(), &token).unwrap();
    assert_eq!(viewer.roles, [Role::UpuEditor]);
}

#[test]
fn an_entra_id_token_is_accepted() {
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let mut rules = rules();
    rules.issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    rules.audience = "6e74172b-be56-4843-9ff4-e66a39bb12e3".to_owned();
    rules.role_names = [
        ("Liaison.Itu".to_owned(), Role::ItuEditor),
        ("Liaison.Upu".to_owned(), Role::UpuEditor),
        ("Liaison.Bureau".to_owned(), Role::TsbEditor),
    ]
    .into();
    // Its key sets have no `alg`.
    let mut key_of_tenant = public_jwk("RS256", "-sxMJMLCIDWMTPvZyJ6tx-CDxw0");
    key_of_tenant.as_object_mut().unwrap().remove("alg");
    key_of_tenant["x5t"] = "-sxMJMLCIDWMTPvZyJ6tx-CDxw0".into();
    key_of_tenant["x5c"] = json!(["MIIC/jCCAeagAwIBAgIJ"]);
    key_of_tenant["issuer"] = rules.issuer.as_str().into();
    let keys = Keys::jwks(&key_set(&[key_of_tenant])).unwrap();
    let claims = json!({
        "aud": rules.audience, "iss": rules.issuer, "iat": 1_772_366_100, "nbf": 1_772_366_100, "exp": 1_772_370_300,
        "aio": "ATQAy/8TAAAA", "azp": "1c9d1b8f-0a5c-43b8-9a0c-0b9f4d6d1a55", "azpacr": "1", "name": "A. Editor",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "preferred_username": "a.editor@example.org",
        "rh": "I", "roles": ["Liaison.Upu", "Liaison.Bureau"], "scp": "access_as_user",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": tenant, "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
    });
    let header = r#"{"typ":"JWT","alg":"RS256","kid":"-sxMJMLCIDWMTPvZyJ6tx-CDxw0","x5t":"-sxMJMLCIDWMTPvZyJ6tx-CDxw0"}"#;
    let token = token_of(header, &claims.to_string(), "RS256", &key("RS256"));

    let viewer = ask(&Verifier::new(rules, keys).unwrap(), &token).unwrap();
    assert_eq!(viewer.roles, [Role::UpuEditor, Role::TsbEditor]);
}

#[test]
fn the_authorization_header_must_be_one_bearer_token() {
    let verifier = verifier(Keys::secret(SECRET).unwrap());
    let token = token("HS256", &good_claims());
    let long = "a".repeat(8193);
    let good = [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER   {token} "),
    ];
    for value in &good {
        let viewer = settled(verifier.viewer(&headers(&[("authorization", value)]), now()));
        assert_eq!(viewer.unwrap().roles, [Role::TsbEditor], "{value}");
    }
    let bad = [
        String::new(),
        " ".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer    ".to_owned(),
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!(" Bearer {token}"),
        format!("Bearer: {token}"),
        format!("Token {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token},"),
        format!("Bearer é{token}"),
        format!("Bearer {long}"),
        format!("Bearer {token}{long}"),
        "Basic YWxhZGRpbjpvcGVuc2VzYW1l".to_owned(),
    ];
    for value in &bad {
        let result = settled(verifier.viewer(&headers(&[("authorization", value)]), now()));
        assert!(matches!(result, Err(AuthError::InvalidToken(_))), "{value}");
    }
    for second in [good[0].as_str(), "", "Basic YQ=="] {
        let twice = headers(&[("authorization", &good[0]), ("authorization", second)]);
        let result = settled(verifier.viewer(&twice, now()));
        assert!(
            matches!(result, Err(AuthError::InvalidToken(_))),
            "{second}"
        );
    }
}

#[test]
fn without_a_token_the_viewer_is_anonymous() {
    for verifier in [
        verifier(Keys::secret(SECRET).unwrap()),
        Verifier::without_keys(),
    ] {
        assert_eq!(
            settled(verifier.viewer(&HeaderMap::new(), now())),
            Ok(Viewer::default())
        );
    }
}

#[test]
fn a_service_without_keys_refuses_every_token() {
    let result = ask(&Verifier::without_keys(), &token("HS256", &good_claims()));
    assert!(
        matches!(result, Err(AuthError::InvalidToken(message)) if message.contains("takes no tokens"))
    );
}

#[test]
fn acting_as_requires_a_role_of_the_token() {
    let verifier = verifier(Keys::secret(SECRET).unwrap());
    let bearer = |roles: Value| {
        format!(
            "Bearer {}",
            token("HS256", &with(&json!({ "roles": roles })))
        )
    };
    let two = bearer(json!(["UPU_EDITOR", "TSB_EDITOR"]));
    let none = bearer(json!([]));

    let two = [("authorization", two.as_str())];
    let none = [("authorization", none.as_str())];
    let anonymous = [];
    let table = [
        (&two[..], vec![], Ok(None)),
        (&two, vec!["TSB_EDITOR"], Ok(Some(Role::TsbEditor))),
        (&two, vec!["UPU_EDITOR"], Ok(Some(Role::UpuEditor))),
        (&two, vec!["ITU_EDITOR"], Err("UPU_EDITOR or TSB_EDITOR")),
        (&two, vec!["tsb_editor"], Err("UPU_EDITOR or TSB_EDITOR")),
        (&two, vec!["TSB"], Err("UPU_EDITOR or TSB_EDITOR")),
        (&two, vec![""], Err("UPU_EDITOR or TSB_EDITOR")),
        (&two, vec!["é"], Err("UPU_EDITOR or TSB_EDITOR")),
        (&two, vec!["TSB_EDITOR, UPU_EDITOR"], Err("name one role")),
        (&two, vec!["TSB_EDITOR", "TSB_EDITOR"], Err("name one role")),
        (&none, vec![], Ok(None)),
        (&none, vec!["TSB_EDITOR"], Err("leave the header out")),
        (&anonymous, vec![], Ok(None)),
        (&anonymous, vec!["TSB_EDITOR"], Err("leave the header out")),
        (&anonymous, vec![""], Err("leave the header out")),
    ];
    for (token, acting_as, expected) in table {
        let sent = acting_as.iter().map(|value| ("Acting-As", *value));
        let headers = headers(&token.iter().copied().chain(sent).collect::<Vec<_>>());
        match (settled(verifier.viewer(&headers, now())), expected) {
            (Ok(viewer), Ok(role)) => assert_eq!(viewer.acting_as, role, "{acting_as:?}"),
            (Err(AuthError::Forbidden(message)), Err(words)) => {
                assert!(message.contains("`Acting-As`"), "{message}");
                assert!(message.contains(words), "{message}");
            }
            (result, _) => panic!("{acting_as:?}: {result:?}"),
        }
    }
    // An invalid token takes precedence over an invalid role.
    let both = headers(&[("authorization", "Bearer x"), ("acting-as", "TSB_EDITOR")]);
    assert!(matches!(
        settled(verifier.viewer(&both, now())),
        Err(AuthError::InvalidToken(_))
    ));
}

#[test]
fn a_token_without_a_kid_needs_a_single_matching_key() {
    let header = r#"{"alg":"EdDSA"}"#;
    let unnamed = token_of(header, &good_claims().to_string(), "EdDSA", &key("EdDSA"));
    let mut older = serde_json::to_value(
        Jwk::from_encoding_key(
            &EncodingKey::from_ed_pem(OTHER_ED25519_PRIVATE.as_bytes()).unwrap(),
            "EdDSA".parse().unwrap(),
        )
        .unwrap(),
    )
    .unwrap();
    older["kid"] = "older".into();
    let rotating = Keys::jwks(&key_set(&[older, public_jwk("EdDSA", "newer")])).unwrap();

    assert!(ask(&verifier(provider_keys()), &unnamed).is_ok());
    assert!(ask(&verifier(rotating.clone()), &unnamed).is_err());
    for (kid, counts) in [("newer", true), ("older", false)] {
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        let named = token_of(&header, &good_claims().to_string(), "EdDSA", &key("EdDSA"));
        assert_eq!(
            ask(&verifier(rotating.clone()), &named).is_ok(),
            counts,
            "{kid}"
        );
    }
    // A key in PEM has no id, so the `kid` of a token does not matter.
    let header = r#"{"alg":"EdDSA","kid":"any","typ":"at+jwt"}"#;
    let named = token_of(header, &good_claims().to_string(), "EdDSA", &key("EdDSA"));
    assert!(ask(&verifier(Keys::pem(ED25519_PUBLIC).unwrap()), &named).is_ok());
}

#[test]
fn unusable_keys_are_refused_at_startup() {
    let jwk = |algorithm: &str, changes: Value| {
        let mut jwk = public_jwk(algorithm, "k");
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        Keys::jwks(&key_set(&[jwk]))
    };
    let two = |one: Value, other: Value| Keys::jwks(&key_set(&[one, other]));
    let mut nameless = public_jwk("ES256", "");
    nameless.as_object_mut().unwrap().remove("kid");
    let half_point = base64([9; 31]);
    let long_point = base64([9; 33]);
    let table = [
        ("at least 32 bytes", Keys::secret(b"")),
        ("at least 32 bytes", Keys::secret(&SECRET[1..])),
        ("not a secret", Keys::secret(RSA_PUBLIC.as_bytes())),
        (
            "not a secret",
            Keys::secret(key_set(&[public_jwk("ES256", "k")]).as_bytes()),
        ),
        ("one block", Keys::pem("")),
        ("one block", Keys::pem(RSA_PRIVATE)),
        (
            "one block",
            Keys::pem(&RSA_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE")),
        ),
        ("one block", Keys::pem(&[RSA_PUBLIC, P256_PUBLIC].concat())),
        ("can be read", Keys::pem("-----BEGIN PUBLIC KEY-----")),
        ("can be read", Keys::pem(&RSA_PUBLIC.replace('M', "A"))),
        ("can be read", Keys::pem(ED448_PUBLIC)),
        ("2048 to 4096 bits", Keys::pem(RSA_1024_PUBLIC)),
        ("P-256", Keys::pem(P384_PUBLIC)),
        ("P-256", Keys::pem(SECP256K1_PUBLIC)),
        ("JSON Web Key Set", Keys::jwks("")),
        ("JSON Web Key Set", Keys::jwks("[]")),
        (
            "JSON Web Key Set",
            Keys::jwks(&public_jwk("RS256", "r").to_string()),
        ),
        ("no key", Keys::jwks(r#"{"keys":[]}"#)),
        ("missing field", Keys::jwks(r#"{"keys":[{}]}"#)),
        ("invalid type", Keys::jwks(r#"{"keys":[7]}"#)),
        (
            "private key or a shared secret",
            two(
                public_jwk("ES256", "k"),
                json!({ "kty": "oct", "k": base64(SECRET), "alg": "HS256" }),
            ),
        ),
        (
            "private key or a shared secret",
            jwk("EdDSA", json!({ "d": base64([7; 32]) })),
        ),
        ("not for signatures", jwk("RS256", json!({ "use": "enc" }))),
        (
            "not for signatures",
            jwk("RS256", json!({ "key_ops": ["encrypt"] })),
        ),
        ("another algorithm", jwk("RS256", json!({ "alg": "PS256" }))),
        ("another algorithm", jwk("RS256", json!({ "alg": "ES256" }))),
        ("another algorithm", jwk("RS256", json!({ "alg": "HS256" }))),
        ("another kind", jwk("ES256", json!({ "crv": "P-384" }))),
        ("another kind", jwk("EdDSA", json!({ "crv": "X25519" }))),
        ("another kind", jwk("ES256", json!({ "kty": "OKP" }))),
        ("missing", jwk("EdDSA", json!({ "x": null }))),
        ("base64url", jwk("RS256", json!({ "n": "+/==" }))),
        ("2048 to 4096 bits", jwk("RS256", json!({ "n": "AQAB" }))),
        ("P-256", jwk("ES256", json!({ "x": half_point }))),
        ("P-256", jwk("ES256", json!({ "x": base64([9; 32]) }))),
        ("32 bytes", jwk("EdDSA", json!({ "x": "" }))),
        ("32 bytes", jwk("EdDSA", json!({ "x": half_point }))),
        ("32 bytes", jwk("EdDSA", json!({ "x": long_point }))),
        (
            "own `kid`",
            two(public_jwk("ES256", "k"), public_jwk("ES256", "k")),
        ),
        ("own `kid`", two(public_jwk("ES256", "k"), nameless)),
    ];
    for (words, keys) in table {
        let message = keys.map(|_| words).unwrap_err();
        assert!(message.contains(words), "{words}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

type Change = fn(&mut TokenPolicy);

#[test]
fn settings_that_would_accept_any_or_no_token_are_refused() {
    let set = |change: fn(&mut TokenPolicy)| {
        let mut rules = rules();
        change(&mut rules);
        Verifier::new(rules, Keys::secret(SECRET).unwrap()).map(|_| ())
    };
    assert_eq!(set(|_| ()), Ok(()));
    let table: [(&str, Change); 7] = [
        ("issuer", |rules| rules.issuer.clear()),
        ("audience", |rules| rules.audience.clear()),
        ("claim", |rules| rules.roles_claim.clear()),
        ("role", |rules| rules.role_names.clear()),
        ("leeway", |rules| rules.leeway = Duration::from_secs(3601)),
        ("HS256", |rules| rules.algorithms.clear()),
        ("HS256", |rules| rules.algorithms = vec![Algorithm::Rs256]),
    ];
    for (words, change) in table {
        assert!(set(change).unwrap_err().contains(words), "{words}");
    }
}

#[test]
fn only_allowed_algorithms_are_accepted() {
    let mut rules = rules();
    rules.algorithms = vec![Algorithm::Es256];
    let verifier = Verifier::new(rules, provider_keys()).unwrap();
    assert!(ask(&verifier, &token("ES256", &good_claims())).is_ok());
    assert!(ask(&verifier, &token("RS256", &good_claims())).is_err());
}

#[test]
fn a_token_is_signed_only_if_it_would_be_accepted() {
    let key = SigningKey::secret(SECRET).unwrap();
    let signed = |rules: &TokenPolicy, subject: &str, roles: &[Role], ttl| {
        sign(&key, rules, subject, roles, ttl, now())
    };
    let sides = [Role::ItuEditor, Role::UpuEditor];
    assert!(signed(&rules(), "a", &sides, 1).is_err());
    assert!(signed(&rules(), "", &[Role::ItuEditor], 1).is_err());
    assert!(signed(&rules(), "a", &[Role::ItuEditor], 0).is_err());
    assert!(signed(&rules(), "a", &[], 1).is_ok());
    assert!(signed(&rules(), "a", &[Role::ItuEditor], u32::MAX).is_ok());

    // The settings determine the claim and the names of the roles.
    let mut rules = rules();
    rules.roles_claim = "realm_access.roles".to_owned();
    rules.role_names = [("bureau".to_owned(), Role::TsbEditor)].into();
    assert!(signed(&rules, "a", &[Role::ItuEditor], 1).is_err());
    let token = signed(&rules, "a", &[Role::TsbEditor], 1).unwrap();
    let verifier = Verifier::new(rules, Keys::secret(SECRET).unwrap()).unwrap();
    assert_eq!(ask(&verifier, &token).unwrap().roles, [Role::TsbEditor]);
}

#[test]
fn files_that_cannot_sign_are_refused() {
    let table = [
        ("32 bytes", "short\n"),
        ("one block", RSA_PUBLIC),
        ("one block", P256_PRIVATE_SEC1),
        ("P-256", P384_PRIVATE),
        ("can be read", "-----BEGIN PRIVATE KEY-----"),
    ];
    for (words, file) in table {
        let message = SigningKey::of_file(file.as_bytes())
            .map(|_| ())
            .unwrap_err();
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn role_names_are_parsed_and_others_refused() {
    assert_eq!(role("UPU_EDITOR"), Ok(Role::UpuEditor));
    for name in ["", "upu_editor", "UPU", "UPU_EDITOR "] {
        assert_eq!(
            role(name),
            Err("A role is one of ITU_EDITOR, UPU_EDITOR and TSB_EDITOR.".to_owned())
        );
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let shown = format!(
        "{:?} {:?}",
        verifier(Keys::secret(SECRET).unwrap()),
        SigningKey::secret(SECRET).unwrap()
    );
    assert!(!shown.contains("only for tests"), "{shown}");
    assert!(!shown.contains(&format!("{SECRET:?}")), "{shown}");
}

#[test]
fn any_changed_character_invalidates_a_token() {
    for algorithm in ["HS256", "ES256", "EdDSA"] {
        let keys = match algorithm {
            "HS256" => Keys::secret(SECRET).unwrap(),
            _ => provider_keys(),
        };
        let verifier = verifier(keys);
        let token = token(algorithm, &good_claims());
        assert!(ask(&verifier, &token).is_ok());
        for place in 0..token.len() {
            for other in ["A", "B", "_", "."] {
                let mut changed = token.clone();
                changed.replace_range(place..=place, other);
                if changed != token {
                    assert!(ask(&verifier, &changed).is_err(), "{place} {other}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_header_bytes_are_handled(
        authorization in proptest::collection::vec(any::<u8>(), 0..300),
        acting_as in proptest::collection::vec(any::<u8>(), 0..30),
        bearer: bool,
    ) {
        let verifier = verifier(provider_keys());
        let prefix: &[u8] = if bearer { b"Bearer " } else { b"" };
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&[prefix, &authorization].concat()) {
            headers.insert(AUTHORIZATION, value);
        }
        if let Ok(value) = HeaderValue::from_bytes(&acting_as) {
            headers.insert("acting-as", value);
        }
        if !headers.is_empty() {
            prop_assert!(settled(verifier.viewer(&headers, now())).is_err());
        }
    }

    #[test]
    fn any_three_unsigned_parts_are_refused(
        header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>(), algorithm in 0..4_usize,
    ) {
        let header = match ALL.get(algorithm) {
            Some(algorithm) if payload.len() % 2 == 0 => format!(r#"{{"alg":"{}"}}"#, algorithm.name()).into_bytes(),
            _ => header,
        };
        let token = [header, payload, signature].map(base64).join(".");
        for keys in [provider_keys(), Keys::secret(SECRET).unwrap()] {
            prop_assert!(ask(&verifier(keys), &token).is_err());
        }
    }

    #[test]
    fn any_signed_payload_is_handled(
        name in "iss|aud|sub|exp|nbf|roles", raw in r#"[0-9]{1,25}|-?[0-9]\.[0-9]e-?[0-9]{1,4}|"\PC*"|\[("TSB_EDITOR",)*1?\]|\PC*"#,
    ) {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().remove(&name);
        let claims = claims.to_string().replacen('{', &format!("{{\"{name}\":{raw},"), 1);
        let token = token_of(r#"{"alg":"HS256"}"#, &claims, "HS256", &key("HS256"));
        if let Ok(viewer) = ask(&verifier(Keys::secret(SECRET).unwrap()), &token) {
            prop_assert!(viewer.subject.is_some_and(|subject| !subject.is_empty()));
            prop_assert!(viewer.expires_at.is_some_and(|end| end > now() - TimeDelta::seconds(30)));
        }
    }

    #[test]
    fn any_key_text_is_handled(text in r#"(-----BEGIN (PUBLIC|PRIVATE) KEY-----)?\PC*|\{"keys":\[\PC*\]\}"#) {
        let _ = (Keys::secret(text.as_bytes()), Keys::pem(&text), Keys::jwks(&text), SigningKey::of_file(text.as_bytes()));
    }

    #[test]
    fn a_corrupted_key_is_handled(place in 27..400_usize, byte in "[A-Za-z0-9+/]") {
        for pem in [RSA_PUBLIC, P256_PUBLIC, ED25519_PUBLIC, RSA_PRIVATE, P256_PRIVATE, ED25519_PRIVATE] {
            let mut pem = pem.to_owned();
            if pem.get(place..=place).is_some_and(|old| old != "\n") {
                pem.replace_range(place..=place, &byte);
            }
            if let Ok(keys) = Keys::pem(&pem) {
                let _ = ask(&verifier(keys), &token("EdDSA", &good_claims()));
                let _ = SigningKey::of_file(pem.as_bytes());
            }
        }
    }
}
