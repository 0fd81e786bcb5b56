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
use crate::support::harness::{Backend, Server, TestResponse};
use crate::support::identity_provider::{Provider, ProviderBehavior, encoded, public, token};

on_both_backends! {
    jwks_are_found_by_discovery_or_by_url_and_cached
    keys_are_rotated_without_a_restart
    concurrent_requests_share_one_jwks_fetch
    an_unknown_kid_refetches_the_jwks_at_most_once_a_minute
    a_client_that_disconnects_during_a_jwks_fetch_delays_no_other
    cached_keys_stay_valid_while_the_provider_is_down
    without_keys_tokens_get_503_and_anonymous_reads_succeed
    invalid_provider_responses_are_rejected
    every_forged_token_is_refused
}

const NOW: i64 = 1_800_000_000;

/// A service that trusts one provider and whose clock only the test advances.
struct TestService {
    server: Server,
    clock: Arc<AtomicI64>,
}

impl TestService {
    async fn start(
        backend: Backend,
        issuer: &str,
        jwks_source: Result<JwksSource, String>,
    ) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW));
        let time = clock.clone();
        let issuer = Issuer::publishing(rules(issuer), jwks_source.unwrap()).unwrap();
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
        let jwks_source = JwksSource::discovery(&provider.issuer);
        Self::start(backend, &provider.issuer, jwks_source).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn query_viewer(&self, token: &str) -> TestResponse {
        let client = self.server.anonymous().with_token(token);
        client.post("{ viewer { roles } }", json!({})).await
    }

    async fn status(&self, token: &str) -> StatusCode {
        self.query_viewer(token).await.status
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

async fn jwks_are_found_by_discovery_or_by_url_and_cached(backend: Backend) {
    let provider = Provider::start("/realms/standards", vec![public("RS256", "r")]).await;
    let name = &provider.issuer;
    let good = token("RS256", "r", &claims(name));

    let by_name = TestService::of(backend, &provider).await;
    for _ in 0..3 {
        let response = by_name.query_viewer(&good).await;
        let roles = &response.json()["data"]["viewer"]["roles"];
        assert_eq!(roles, &json!(["TSB_EDITOR"]), "{}", response.text);
    }
    assert_eq!(
        provider.requested_paths(),
        [
            "/realms/standards/.well-known/openid-configuration",
            "/realms/standards/keys"
        ]
    );
    let by_address =
        TestService::start(backend, name, JwksSource::key_set(&provider.key_set())).await;
    for _ in 0..3 {
        assert_eq!(by_address.status(&good).await, 200);
    }
    assert_eq!(provider.requested_paths(), ["/realms/standards/keys"]);
}

async fn keys_are_rotated_without_a_restart(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "old")]).await;
    let old = token("RS256", "old", &claims(&provider.issuer));
    let new = token("ES256", "new", &claims(&provider.issuer));
    let service = TestService::of(backend, &provider).await;
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

async fn concurrent_requests_share_one_jwks_fetch(backend: Backend) {
    let provider = Provider::start("", vec![public("EdDSA", "d")]).await;
    provider.becomes(ProviderBehavior::Slowly(Duration::from_millis(200)));
    let good = token("EdDSA", "d", &claims(&provider.issuer));
    let service = TestService::of(backend, &provider).await;
    let statuses = join_all((0..20).map(|_| service.status(&good))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(provider.times(), 1);
}

async fn an_unknown_kid_refetches_the_jwks_at_most_once_a_minute(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    let service = TestService::of(backend, &provider).await;
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

async fn a_client_that_disconnects_during_a_jwks_fetch_delays_no_other(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    provider.becomes(ProviderBehavior::Slowly(Duration::from_millis(300)));
    let service = TestService::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let impatient = tokio::time::timeout(Duration::from_millis(100), service.status(&good)).await;
    assert!(impatient.is_err());
    assert_eq!(service.status(&good).await, 200);
    assert_eq!(provider.times(), 1);
}

async fn cached_keys_stay_valid_while_the_provider_is_down(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    let service = TestService::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    assert_eq!(service.status(&good).await, 200);
    for behavior in [
        ProviderBehavior::Down,
        ProviderBehavior::Keys("{\"keys\":[]}".to_owned()),
        ProviderBehavior::Keys("<html>We are back soon</html>".to_owned()),
    ] {
        provider.becomes(behavior);
        for _ in 0..3 {
            service.pass(3600);
            assert_eq!(service.status(&good).await, 200);
        }
        let unknown = token("EdDSA", "d", &claims(&provider.issuer));
        assert_eq!(service.status(&unknown).await, 401);
    }
    provider.becomes(ProviderBehavior::Well);
    provider.publish(vec![public("RS256", "r"), public("EdDSA", "d")]);
    service.pass(61);
    let unknown = token("EdDSA", "d", &claims(&provider.issuer));
    assert_eq!(service.status(&unknown).await, 200);
}

async fn without_keys_tokens_get_503_and_anonymous_reads_succeed(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "r")]).await;
    provider.becomes(ProviderBehavior::Down);
    let service = TestService::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let response = service.query_viewer(&good).await;
    assert_eq!(response.status, 503, "{}", response.text);
    assert_eq!(response.headers["retry-after"], "10");
    let error = &response.json()["errors"][0];
    assert_eq!(error["extensions"]["code"], "SERVICE_UNAVAILABLE");
    assert!(!response.text.contains("127.0.0.1"), "{}", response.text);
    let anonymous = service.server.anonymous();
    anonymous.data("{ topics { totalCount } }", json!({})).await;

    provider.becomes(ProviderBehavior::Well);
    assert_eq!(
        service.status(&good).await,
        503,
        "the keys were requested just now"
    );
    service.pass(10);
    assert_eq!(service.status(&good).await, 200);
}

async fn invalid_provider_responses_are_rejected(backend: Backend) {
    let keys = vec![public("RS256", "r")];
    let provider = Provider::start("", keys.clone()).await;
    let other = Provider::start("", keys.clone()).await;
    let service = TestService::of(backend, &provider).await;
    let good = token("RS256", "r", &claims(&provider.issuer));
    let mut with_private = public("EdDSA", "d");
    with_private["d"] = "AAAA".into();
    let secret = json!({ "kty": "oct", "k": encoded([7; 32]), "alg": "HS256", "kid": "s" });
    let padding = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let of = |issuer: &str, keys: &str| {
        ProviderBehavior::Description(json!({ "issuer": issuer, "jwks_uri": keys }).to_string())
    };
    let behaviors = [
        ("a redirect", ProviderBehavior::Elsewhere(other.key_set())),
        ("too much", ProviderBehavior::Keys(padding)),
        ("no JSON", ProviderBehavior::Keys("keys".to_owned())),
        ("a list", ProviderBehavior::Keys("[]".to_owned())),
        (
            "a private key",
            ProviderBehavior::Keys(json!({ "keys": [keys[0], with_private] }).to_string()),
        ),
        (
            "a secret",
            ProviderBehavior::Keys(json!({ "keys": [keys[0], secret] }).to_string()),
        ),
        (
            "the description of another",
            of(&other.issuer, &other.key_set()),
        ),
        (
            "no description",
            ProviderBehavior::Description("{}".to_owned()),
        ),
        (
            "keys without TLS",
            of(&provider.issuer, "http://192.0.2.1/keys"),
        ),
        ("keys in a file", of(&provider.issuer, "file:///dev/zero")),
        ("keys nowhere", of(&provider.issuer, "nowhere")),
    ];
    for (what, behavior) in behaviors {
        provider.becomes(behavior);
        service.pass(10);
        assert_eq!(service.status(&good).await, 503, "{what}");
    }
    assert_eq!(other.requested_paths(), Vec::<String>::new());
    provider.becomes(ProviderBehavior::Well);
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
    let service = TestService::of(backend, &provider).await;
    for (algorithm, kid) in [("RS256", "r"), ("ES256", "e"), ("EdDSA", "d")] {
        let genuine = token(algorithm, kid, &claims(&provider.issuer));
        assert_eq!(service.status(&genuine).await, 200, "{algorithm}");
    }
    let forged = forged(&claims(&provider.issuer), NOW, &evil.issuer);
    println!("{} forged tokens", forged.len());
    assert_eq!(forged.len(), 182);
    let mut bodies = BTreeSet::new();
    for (what, token) in &forged {
        let response = service.query_viewer(token).await;
        assert_eq!(response.status, 401, "{what}: {}", response.text);
        bodies.insert(response.text.clone());
        let json = response.json();
        let code = &json["errors"][0]["extensions"]["code"];
        assert_eq!(code, "UNAUTHENTICATED", "{what}");
        assert_eq!(json.get("data"), None, "{what}");
        assert!(response.headers.contains_key("www-authenticate"), "{what}");
    }
    assert_eq!(evil.requested_paths(), Vec::<String>::new());
    // One for all that is wrong, one for a token that has expired, and one for a header without any.
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
}
