//! Bearer tokens: who one is, and what is taken for nobody's.

use chrono::Duration;
use entity::party::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::harness::{SECRET, Server};

on_both_databases! {
    several_roles_act_in_the_one_that_is_named
    a_bad_token_is_refused_outright
    a_token_tells_who_is_asking
}

async fn several_roles_act_in_the_one_that_is_named(server: &Server) {
    let both = server.editor(&[Role::ItuEditor, Role::TsbEditor]);
    let input = json!({ "title": "T", "summary": "S" });
    let answer = both
        .run("mutation($input: TopicProposeInput!) { topicPropose(input: $input) { topic { proposedBy } } }", json!({ "input": input }))
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("Acting-As")
    );
    assert_eq!(answer["data"], json!({ "topicPropose": null }));

    let acting = both.clone().acting_as("TSB_EDITOR");
    assert_eq!(
        acting.change("topicPropose", input, "proposedBy").await["proposedBy"],
        "TSB"
    );
    let viewer = "{ viewer { roles party } }";
    let data = both.data(viewer, json!({})).await;
    assert_eq!(
        data["viewer"],
        json!({ "roles": ["ITU_EDITOR", "TSB_EDITOR"], "party": null })
    );
    assert_eq!(
        acting.data(viewer, json!({})).await["viewer"]["party"],
        "TSB"
    );
    let stranger = both.acting_as("UPU_EDITOR").post(viewer, json!({})).await;
    assert_eq!(stranger.status, 403);
    assert_eq!(
        stranger.json()["errors"][0]["extensions"]["code"],
        "FORBIDDEN"
    );
}

async fn a_bad_token_is_refused_outright(server: &Server) {
    let now = server.now();
    let good = json!({ "iss": "liaison tests", "aud": "liaison tests", "sub": "somebody", "roles": ["ITU_EDITOR"],
        "exp": (now + Duration::hours(1)).timestamp() });
    let signed = |claims: &Value, algorithm, secret: &[u8]| {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret),
        )
        .unwrap()
    };
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims, Algorithm::HS256, SECRET)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        signed(&claims, Algorithm::HS256, SECRET)
    };
    let token = signed(&good, Algorithm::HS256, SECRET);
    let body = token.split('.').nth(1).unwrap();
    let forged = [
        ("no token at all", "nonsense".to_owned()),
        (
            "another secret",
            signed(
                &good,
                Algorithm::HS256,
                b"another secret of thirty-two bytes",
            ),
        ),
        ("another algorithm", signed(&good, Algorithm::HS512, SECRET)),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{body}.")),
        ("cut off", token[..token.len() - 2].to_owned()),
        ("another issuer", with("iss", json!("somebody else"))),
        ("another audience", with("aud", json!(["somebody else"]))),
        (
            "expired",
            with("exp", json!((now - Duration::hours(1)).timestamp())),
        ),
        (
            "not yet",
            with("nbf", json!((now + Duration::hours(1)).timestamp())),
        ),
        ("an end in words", with("exp", json!("tomorrow"))),
        ("a subject that is a list", with("sub", json!(["somebody"]))),
        (
            "both sides",
            with("roles", json!(["ITU_EDITOR", "UPU_EDITOR"])),
        ),
        ("no issuer", without("iss")),
        ("no audience", without("aud")),
        ("no end", without("exp")),
        ("no subject", without("sub")),
    ];
    for (what, token) in forged {
        let answer = server
            .anonymous()
            .with_token(&token)
            .post("{ viewer { roles } }", json!({}))
            .await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        let json = answer.json();
        assert_eq!(
            json["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
            "{what}"
        );
        assert_eq!(json.get("data"), None, "{what}");
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer"),
            "{what}"
        );
    }
    let answer = server
        .anonymous()
        .with_token(&token)
        .post("{ viewer { roles } }", json!({}))
        .await;
    assert_eq!(answer.status, 200, "the same, not forged: {}", answer.text);
}

async fn a_token_tells_who_is_asking(server: &Server) {
    let viewer = "{ viewer { subject roles party expiresAt } }";
    let data = server.anonymous().data(viewer, json!({})).await;
    assert_eq!(
        data["viewer"],
        json!({ "subject": null, "roles": [], "party": null, "expiresAt": null })
    );
    let data = server.upu().data(viewer, json!({})).await;
    assert_eq!(data["viewer"]["subject"], "test:editor");
    assert_eq!(
        (&data["viewer"]["roles"], &data["viewer"]["party"]),
        (&json!(["UPU_EDITOR"]), &json!("UPU"))
    );
    assert!(data["viewer"]["expiresAt"].as_str().unwrap().ends_with('Z'));
}
