//! Forged tokens, and tokens for other purposes.

use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use crate::support::identity_provider::{
    ED25519_PUBLIC, P256_PUBLIC, RSA_PUBLIC, encoded, private, public, signed, token,
};

/// Returns invalid tokens with their names, made from claims that are valid at `now` and from keys named r, e and d;
/// `evil` is the URL of an attacker's keys.
#[expect(clippy::too_many_lines, reason = "one table of all that is forged")]
pub fn forged(good: &Value, now: i64, evil: &str) -> Vec<(String, String)> {
    let issuer = good["iss"].as_str().unwrap();
    let ed = private("EdDSA");
    let genuine = token("EdDSA", "d", good);
    let parts: Vec<&str> = genuine.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let mut forged: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| forged.push((name.to_owned(), token));

    // No signature, or one by another key.
    for name in ["none", "None", "NONE", "nOnE"] {
        let head = encoded(json!({ "alg": name, "typ": "JWT" }).to_string());
        add(&format!("alg {name}"), format!("{head}.{payload}."));
        add(
            &format!("alg {name}, without the last dot"),
            format!("{head}.{payload}"),
        );
        add(
            &format!("alg {name}, signed"),
            format!("{head}.{payload}.{signature}"),
        );
    }
    add("no signature", format!("{header}.{payload}."));
    add("cut short", genuine[..genuine.len() - 4].to_owned());
    add("padding", format!("{genuine}=="));
    add("four parts", format!("{genuine}.{signature}"));
    add(
        "five parts, as an encrypted one has",
        format!("{genuine}.AA.AA"),
    );
    add(
        "all zero",
        format!("{header}.{payload}.{}", encoded([0; 64])),
    );
    for (alg, bytes) in [("ES256", 64), ("RS256", 256)] {
        let head = encoded(json!({ "alg": alg }).to_string());
        add(
            &format!("{alg}, all zero"),
            format!("{head}.{payload}.{}", encoded(vec![0; bytes])),
        );
    }
    let root = encoded(with("sub", json!("root")).to_string());
    add("other claims", format!("{header}.{root}.{signature}"));

    // A public key used as an HMAC secret.
    for (name, pem) in [
        ("RSA", RSA_PUBLIC),
        ("P-256", P256_PUBLIC),
        ("Ed25519", ED25519_PUBLIC),
    ] {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
        let secrets = [
            ("its PEM", pem.as_bytes().to_vec()),
            ("its PEM, trimmed", pem.trim().as_bytes().to_vec()),
            ("its PEM, with CR", pem.replace('\n', "\r\n").into_bytes()),
            ("its DER", der.clone()),
            ("its last 32 bytes", der[der.len() - 32..].to_vec()),
        ];
        for (form, secret) in secrets {
            for kid in [None, Some("r"), Some("e"), Some("d")] {
                let head = json!({ "alg": "HS256", "typ": "JWT", "kid": kid });
                let key = EncodingKey::from_secret(&secret);
                add(
                    &format!("HS256 with {name}, {form}, kid {kid:?}"),
                    signed(&head, good, "HS256", &key),
                );
            }
        }
    }
    for kid in ["r", "e", "d"] {
        let alg = [("r", "RS256"), ("e", "ES256"), ("d", "EdDSA")]
            .iter()
            .find(|key| key.0 == kid)
            .unwrap()
            .1;
        let key = EncodingKey::from_secret(public(alg, kid).to_string().as_bytes());
        add(
            &format!("HS256 with the JWK {kid}"),
            signed(&json!({ "alg": "HS256", "kid": kid }), good, "HS256", &key),
        );
    }
    add(
        "HS256 with no secret",
        signed(
            &json!({ "alg": "HS256" }),
            good,
            "HS256",
            &EncodingKey::from_secret(b""),
        ),
    );
    add(
        "RS384 with the key",
        signed(
            &json!({ "alg": "RS384", "kid": "r" }),
            good,
            "RS384",
            &private("RS384"),
        ),
    );
    add(
        "PS256 with the key",
        signed(
            &json!({ "alg": "PS256", "kid": "r" }),
            good,
            "PS256",
            &private("PS256"),
        ),
    );
    add(
        "eddsa in small letters",
        signed(&json!({ "alg": "eddsa", "kid": "d" }), good, "EdDSA", &ed),
    );

    // The `kid`.
    let stranger = EncodingKey::from_ed_pem(include_bytes!("../keys/stranger.pem")).unwrap();
    for kid in [
        json!("d"),
        json!("r"),
        json!(""),
        json!("../../../../dev/null"),
        json!("/proc/self/environ"),
        json!("d' or '1'='1"),
        json!("d\u{0}"),
        json!("http://evil.example/key"),
        json!(["d"]),
        json!({ "d": 1 }),
        json!(null),
        json!(0),
    ] {
        add(
            &format!("a stranger's, kid {kid}"),
            signed(
                &json!({ "alg": "EdDSA", "kid": kid }),
                good,
                "EdDSA",
                &stranger,
            ),
        );
    }
    for kid in ["r", "e", "D", "d ", "unknown"] {
        add(
            &format!("the right key by the name {kid}"),
            signed(&json!({ "alg": "EdDSA", "kid": kid }), good, "EdDSA", &ed),
        );
    }
    let mut own = public("EdDSA", "d");
    own["x"] = encoded([9; 32]).into();
    for (name, value) in [
        ("jwk", own),
        ("jku", json!(format!("{evil}/keys"))),
        ("x5u", json!(format!("{evil}/keys"))),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
    ] {
        for kid in ["d", "evil"] {
            let mut head = json!({ "alg": "EdDSA", "kid": kid });
            head[name] = value.clone();
            add(
                &format!("{name} with kid {kid}"),
                signed(&head, good, "EdDSA", &stranger),
            );
        }
    }
    add(
        "crit, by the right key",
        signed(
            &json!({ "alg": "EdDSA", "kid": "d", "crit": ["b64"], "b64": false }),
            good,
            "EdDSA",
            &ed,
        ),
    );
    for typ in ["logout+jwt", "dpop+jwt", "JWE", "secevent+jwt"] {
        add(
            &format!("typ {typ}"),
            signed(
                &json!({ "alg": "EdDSA", "kid": "d", "typ": typ }),
                good,
                "EdDSA",
                &ed,
            ),
        );
    }

    // Correctly signed, but for another purpose.
    let hour = 3600;
    for (name, value) in [
        ("iss", json!("")),
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{issuer}/"))),
        ("iss", json!([issuer])),
        ("iss", json!({ "iss": issuer })),
        ("iss", json!(null)),
        ("aud", json!("")),
        ("aud", json!("other")),
        ("aud", json!("Liaison")),
        ("aud", json!([])),
        ("aud", json!(["other"])),
        ("aud", json!([["liaison"]])),
        ("aud", json!(["liaison", 1])),
        ("aud", json!({ "liaison": true })),
        ("aud", json!(null)),
        ("exp", json!(now - hour)),
        ("exp", json!(now - 30)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!((now + hour).to_string())),
        ("exp", json!([now + hour])),
        ("exp", json!(true)),
        ("exp", json!(null)),
        ("nbf", json!(now + hour)),
        ("nbf", json!(now + 31)),
        ("nbf", json!("soon")),
        ("nbf", json!([now])),
        ("nbf", json!(null)),
        ("sub", json!("")),
        ("sub", json!("  ")),
        ("sub", json!("a\u{0}b")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(7)),
        ("sub", json!(["a.editor"])),
        ("sub", json!(null)),
        ("roles", json!(7)),
        ("roles", json!({ "TSB_EDITOR": true })),
        ("roles", json!(["TSB_EDITOR", 1])),
        ("roles", json!([["TSB_EDITOR"]])),
        ("roles", json!(["ITU_EDITOR", "UPU_EDITOR"])),
        ("roles", json!(["ITU_EDITOR", "TSB_EDITOR", "UPU_EDITOR"])),
    ] {
        let claims = with(name, value.clone());
        let shown: String = value.to_string().chars().take(40).collect();
        add(&format!("{name} is {shown}"), token("EdDSA", "d", &claims));
    }
    for name in ["iss", "aud", "exp", "sub"] {
        add(&format!("no {name}"), token("EdDSA", "d", &without(name)));
    }
    for payload in [
        "",
        "[]",
        "\"a\"",
        "null",
        "{",
        "{\"sub\":\"a\",\"sub\":\"b\"}",
    ] {
        let text = format!(
            "{}.{}",
            encoded(r#"{"alg":"EdDSA","kid":"d"}"#),
            encoded(payload)
        );
        let signature =
            jsonwebtoken::crypto::sign(text.as_bytes(), &ed, jsonwebtoken::Algorithm::EdDSA)
                .unwrap();
        add(
            &format!("the claims are {payload}"),
            format!("{text}.{signature}"),
        );
    }
    for token in ["", ".", "..", "...", "token", "a.b.c", "\u{fffd}"] {
        add(&format!("the word {token:?}"), token.to_owned());
    }
    add("too long", format!("{genuine}{}", "A".repeat(9000)));
    forged
}
