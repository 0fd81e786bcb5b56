//! Identity providers over HTTP: key rotation, outages, and tokens that they did not sign.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::join_all;
use liaison::http::auth::Verifier;
use liaison::http::auth::claims::TokenPolicy;
use liaison::http::auth::issuer::Issuer;
use liaison::http::auth::jwks::JwksSource;
use liaison::http::auth::keys::Algorithm;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::forged_tokens::forged;
use crate::support::harness::{Answer, Backend, Server};
use crate::support::identity_provider::{Mood, Provider, encoded, public, token};

on_both_backends! {
    keys_are_found_by_discovery_or_by_their_address_and_kept
    a_new_key_counts_without_a_restart_and_an_old_one_no_longer
    many_who_need_the_keys_at_once_fetch_them_once
    keys_that_nobody_has_are_asked_for_once_a_minute
    who_goes_away_while_keys_are_fetched_stops_nobody
    the_last_good_keys_count_while_the_provider_is_down
    without_any_keys_tokens_wait_and_reading_goes_on
    what_a_provider_should_not_say_is_not_believed
    every_forged_token_is_refused
}

const NOW: i64 = 1_800_000_000;

/// A service that trusts one provider and whose clock only the test advances.
struct Trusting {
    server: Server,
    clock: Arc<AtomicI64>,
}

impl Trusting {
    async fn start(backend: Backend, issuer: &str, place: Result<JwksSource, String>) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW));
        let time = clock.clone();
        let issuer = Issuer::publishing(rules(issuer), place.unwrap()).unwrap();
        let server = Server::start_with(backend, |app| {
            app.verifier = Arc::new(Verifier::of(vec![issuer]).unwrap());
            app.clock = Arc::new(move || {
                DateTime::from_timestamp(time.load(Ordering::Relaxed), 0).unwrap()
            });
        });
        Self {
            server: server.await,
            clock,
        }
    }

    /// Starts one that discovers the provider's keys from its issuer URL.
    async fn of(backend: Backend, provider: &Provider) -> Self {
        let place = JwksSource::discovery(&provider.issuer);
        Self::start(backend, &provider.issuer, place).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn ask(&self, token: &str) -> Answer {
        let client = self.server.anonymous().with_token(token);
        client.post("{ viewer { roles } }", json!({})).await
    }

    async fn status(&self, token: &str) -> StatusCode {
        self.ask(token).await.status
    }
}

pub fn rules(issuer: &str) -> TokenPolicy {
    TokenPolicy::new(
        issuer.to_owned(),
        "liaison".to_owned(),
        vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
    )
}

fn claims(issuer: &str) -> Value {
    json!({ "iss": issuer, "aud": "liaison", "sub": "a.editor", "exp": NOW + 86_400, "roles": ["TSB_EDITOR"] })
}

async fn keys_are_found_by_discovery_or_by_their_address_and_kept(backend: Backend) {
    let provider = Provider::start("/realms/standards", vec![public("RS256", "r")]).await;
    let name = &provider.issuer;
    let good = token("RS256", "r", &claims(name));

    let by_name = Trusting::of(backend, &provider).await;
    for _ in 0..3 {
        let answer = by_name.ask(&good).await;
        let roles = &answer.json()["data"]["viewer"]["roles"];
        assert_eq!(roles, &json!(["TSB_EDITOR"]), "{}", answer.text);
    }
    assert_eq!(
        provider.asked(),
        [
            "/realms/standards/.well-known/openid-configuration",
            "/realms/standards/keys"
        ]
    );
    let by_address = Trusting::start(backend, name, JwksSource::key_set(&provider.key_set())).await;
    for _ in 0..3 {
        assert_eq!(by_address.status(&good).await, 200);
    }
    assert_eq!(provider.asked(), ["/realms/standards/keys"]);
}

async fn a_new_key_counts_without_a_restart_and_an_old_one_no_longer(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "old")]).await;
    let old = token("RS256", "old", &claims(&provider.issuer));
    let new = token("ES256", "new", &claims(&provider.issuer));
    let service = Trusting::of(backend, &provider).await;
    assert_eq!(service.status(&old).await, 200);

    // Providers announce a key before they sign with it, and keep the old one for a while.
    provider.publish(vec![public("RS256", "old"), public("ES256", "new")]);
    service.pass(61);
    assert_eq!(service.status(&new).await, 200);
    assert_eq!(service.status(&old).await, 200);
    assert_eq!(provider.times(), 2);

    // A revoked key becomes invalid once the cached keys are refreshed in the background.
    provider.publish(vec![public("ES256", "new")]);
    service.pass(601);
    for _ in 0..200 {
        if service.status(&old).await == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.status(&old).await, 401);
    assert_eq!(service.status(&new).await, 200);
    assert_eq!(provider.times(), 1);
}

async fn many_who_need_the_keys_at_once_fetch_them_once(backend: Backend) {
    let provider = Provider::start("", vec![public("EdDSA", "d")]).await;
    provider.becomes(Mood::Slowly(Duration::from_millis(200)));
    let good = token("EdDSA", "d", &claims(&provider.issuer));
    let service = Trusting::of(backend, &provider).await;
    let statuses = join_all((0..20).map(|_| service.status(&good))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(provider.times(), 1);
}

async fn keys_that_nobody_has_are_asked_for_once_a_minute(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    let service = Trusting::of(backend, &provider).await;
    let claims = claims(&provider.issuer);
    let good = token("RS256", "r", &claims);
    assert_eq!(service.status(&good).await, 200);
    assert_eq!(provider.times(), 1);
    for minute in 0..3 {
        service.pass(60);
        let forged: Vec<String> = (0..20)
            .map(|number| token("EdDSA", &format!("{minute}-{number}"), &claims))
            .collect();
        let statuses = join_all(forged.iter().map(|token| service.status(token))).await;
        assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
        assert_eq!(provider.times(), 1, "minute {minute}");
    }
    assert_eq!(service.status(&good).await, 200);
    assert_eq!(provider.times(), 0);
}

async fn who_goes_away_while_keys_are_fetched_stops_nobody(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    provider.becomes(Mood::Slowly(Duration::from_millis(300)));
    let service = Trusting::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let impatient = tokio::time::timeout(Duration::from_millis(100), service.status(&good)).await;
    assert!(impatient.is_err());
    assert_eq!(service.status(&good).await, 200);
    assert_eq!(provider.times(), 1);
}

async fn the_last_good_keys_count_while_the_provider_is_down(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    let service = Trusting::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    assert_eq!(service.status(&good).await, 200);
    for mood in [
        Mood::Down,
        Mood::Keys("{\"keys\":[]}".to_owned()),
        Mood::Keys("<html>We are back soon</html>".to_owned()),
    ] {
        provider.becomes(mood);
        for _ in 0..3 {
            service.pass(3600);
            assert_eq!(service.status(&good).await, 200);
        }
        let unknown = token("EdDSA", "d", &claims(&provider.issuer));
        assert_eq!(service.status(&unknown).await, 401);
    }
    provider.becomes(Mood::Well);
    provider.publish(vec![public("RS256", "r"), public("EdDSA", "d")]);
    service.pass(61);
    let unknown = token("EdDSA", "d", &claims(&provider.issuer));
    assert_eq!(service.status(&unknown).await, 200);
}

async fn without_any_keys_tokens_wait_and_reading_goes_on(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    provider.becomes(Mood::Down);
    let service = Trusting::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let answer = service.ask(&good).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.headers["retry-after"], "10");
    let error = &answer.json()["errors"][0];
    assert_eq!(error["extensions"]["code"], "SERVICE_UNAVAILABLE");
    assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
    let anonymous = service.server.anonymous();
    anonymous.data("{ topics { totalCount } }", json!({})).await;

    provider.becomes(Mood::Well);
    assert_eq!(service.status(&good).await, 503, "it was asked just now");
    service.pass(10);
    assert_eq!(service.status(&good).await, 200);
}

async fn what_a_provider_should_not_say_is_not_believed(backend: Backend) {
    let keys = vec![public("RS256", "r")];
    let provider = Provider::start("", keys.clone()).await;
    let other = Provider::start("", keys.clone()).await;
    let service = Trusting::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let mut with_private = public("EdDSA", "d");
    with_private["d"] = "AAAA".into();
    let secret = json!({ "kty": "oct", "k": encoded([7; 32]), "alg": "HS256", "kid": "s" });
    let padding = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let of = |issuer: &str, keys: &str| {
        Mood::Description(json!({ "issuer": issuer, "jwks_uri": keys }).to_string())
    };
    let moods = [
        ("a redirect", Mood::Elsewhere(other.key_set())),
        ("too much", Mood::Keys(padding)),
        ("no JSON", Mood::Keys("keys".to_owned())),
        ("a list", Mood::Keys("[]".to_owned())),
        (
            "a private key",
            Mood::Keys(json!({ "keys": [keys[0], with_private] }).to_string()),
        ),
        (
            "a secret",
            Mood::Keys(json!({ "keys": [keys[0], secret] }).to_string()),
        ),
        (
            "the description of another",
            of(&other.issuer, &other.key_set()),
        ),
        ("no description", Mood::Description("{}".to_owned())),
        (
            "keys without TLS",
            of(&provider.issuer, "http://192.0.2.1/keys"),
        ),
        ("keys in a file", of(&provider.issuer, "file:///dev/zero")),
        ("keys nowhere", of(&provider.issuer, "nowhere")),
    ];
    for (what, mood) in moods {
        provider.becomes(mood);
        service.pass(10);
        assert_eq!(service.status(&good).await, 503, "{what}");
    }
    assert_eq!(other.asked(), Vec::<String>::new());
    provider.becomes(Mood::Well);
    service.pass(10);
    assert_eq!(service.status(&good).await, 200);
}

async fn every_forged_token_is_refused(backend: Backend) {
    let keys = vec![
        public("RS256", "r"),
        public("ES256", "e"),
        public("EdDSA", "d"),
    ];
    let provider = Provider::start("", keys.clone()).await;
    let evil = Provider::start("", vec![]).await;
    let service = Trusting::of(backend, &provider).await;
    for (algorithm, kid) in [("RS256", "r"), ("ES256", "e"), ("EdDSA", "d")] {
        let genuine = token(algorithm, kid, &claims(&provider.issuer));
        assert_eq!(service.status(&genuine).await, 200, "{algorithm}");
    }
    let forged = forged(&claims(&provider.issuer), NOW, &evil.issuer);
    println!("{} forged tokens", forged.len());
    assert_eq!(forged.len(), 182);
    let mut bodies = BTreeSet::new();
    for (what, token) in &forged {
        let answer = service.ask(token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        bodies.insert(answer.text.clone());
        let json = answer.json();
        let code = &json["errors"][0]["extensions"]["code"];
        assert_eq!(code, "UNAUTHENTICATED", "{what}");
        assert_eq!(json.get("data"), None, "{what}");
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
    }
    assert_eq!(evil.asked(), Vec::<String>::new());
    // One for all that is wrong, one for a token that has expired, and one for a header without any.
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
}
