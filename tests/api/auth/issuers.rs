//! Several issuers: their roles, their keys, and configuration errors.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::databases::{Backend, TestDatabase};
use crate::support::identity_provider::{Provider, public, token};
use crate::support::raw_http;

on_both_backends! {
    each_issuer_has_its_own_token_policy
    jwks_are_fetched_over_tls_with_the_system_trust_store
}

fn serve(
    workspace: &Workspace,
    url: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> RunningProcess {
    let common = [
        "serve",
        "--database-url",
        url,
        "--listen",
        "127.0.0.1:0",
        "--config",
        "liaison.toml",
    ];
    workspace.start_with(&[&common[..], more].concat(), environment)
}

/// Seconds since 1970: the service uses the system clock here.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// Returns the status and the viewer.
fn viewer(address: &str, token: &str) -> (u16, Value) {
    let query = json!({ "query": "{ viewer { subject roles } }" }).to_string();
    let reply = raw_http::post(address, Some(token), &query);
    (reply.status, reply.json()["data"]["viewer"].clone())
}

/// A token in the format of Keycloak.
fn keycloak(issuer: &str, role: &str) -> Value {
    json!({
        "exp": now() + 300, "iat": now(), "auth_time": now() - 10, "jti": "onrtac:6f1d8e0e-6f0c-4b43-9e0f-2f5a3f2f6b0e",
        "iss": issuer, "aud": ["liaison", "account"], "sub": "f:2b1c3e0a-9d1f-4a0e-8a43-0d2f5e7b9c11:hzimmer",
        "typ": "Bearer", "azp": "liaison-web", "sid": "7d2c4a60-59f3-4a7e-a6a2-b0a6f7c9d9a1", "acr": "1",
        "allowed-origins": ["https://app.example.org"],
        "realm_access": { "roles": ["default-roles-standards", "offline_access", role, "uma_authorization"] },
        "resource_access": { "account": { "roles": ["manage-account", "view-profile"] } },
        "scope": "openid profile email", "email_verified": true, "preferred_username": "hzimmer",
    })
}

/// A token in the format of Entra ID (v2.0).
fn entra(issuer: &str, audience: &str, roles: &[&str]) -> Value {
    json!({
        "aud": audience, "iss": issuer, "iat": now() - 5, "nbf": now() - 5, "exp": now() + 4200,
        "aio": "ATQAy/8TAAAA", "azp": "1c9d1b8f-0a5c-43b8-9a0c-0b9f4d6d1a55", "azpacr": "1", "name": "A. Editor",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "preferred_username": "a.editor@example.org", "rh": "I",
        "roles": roles, "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
    })
}

const APPLICATION: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";

async fn each_issuer_has_its_own_token_policy(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let url = &*database.url;
    let sso = Provider::start("/realms/standards", vec![public("RS256", "r")]).await;
    // Its key sets have no `alg`.
    let mut key = public("ES256", "-sxMJMLCIDWMTPvZyJ6tx-CDxw0");
    key.as_object_mut().unwrap().remove("alg");
    key["x5t"] = "-sxMJMLCIDWMTPvZyJ6tx-CDxw0".into();
    key["x5c"] = json!(["MIIC/jCCAeagAwIBAgIJ"]);
    let tenant = Provider::start("/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", vec![key]).await;
    let workspace = Workspace::new();
    workspace.write("ed25519.pem", include_str!("../keys/ed25519.pub.pem"));
    workspace.write(
        "liaison.toml",
        format!(
            "token-issuer = \"{sso}\"\n\
             token-audience = \"liaison\"\n\
             roles-claim = \"realm_access.roles\"\n\
             role-mapping = {{ \"bureau\" = \"TSB_EDITOR\", \"itu-editors\" = \"ITU_EDITOR\" }}\n\
             [[issuer]]\n\
             issuer = \"{tenant}\"\n\
             audience = \"{APPLICATION}\"\n\
             key = \"{tenant}/keys\"\n\
             algorithms = [\"ES256\"]\n\
             roles-claim = \"roles\"\n\
             role-mapping = {{ \"Liaison.Upu\" = \"UPU_EDITOR\" }}\n\
             leeway = \"0s\"\n\
             [[issuer]]\n\
             issuer = \"robots\"\n\
             key = \"ed25519.pem\"\n\
             roles-claim = \"roles\"\n",
            sso = sso.issuer,
            tenant = tenant.issuer,
        ),
    );
    let mut service = serve(&workspace, url, &[], &[]);
    let address = service.address();
    // Both key sets were fetched before the first token.
    assert_eq!(sso.times(), 1);
    assert_eq!(tenant.times(), 1);

    let kid = "-sxMJMLCIDWMTPvZyJ6tx-CDxw0";
    let of_sso = |claims: &Value| token("RS256", "r", claims);
    let of_tenant = |claims: &Value| token("ES256", kid, claims);
    let (status, asks) = viewer(&address, &of_sso(&keycloak(&sso.issuer, "bureau")));
    assert_eq!(status, 200);
    assert_eq!(asks["roles"], json!(["TSB_EDITOR"]));
    let upu = entra(
        &tenant.issuer,
        APPLICATION,
        &["Liaison.Upu", "Liaison.Other"],
    );
    let (status, asks) = viewer(&address, &of_tenant(&upu));
    assert_eq!(status, 200);
    assert_eq!(asks["roles"], json!(["UPU_EDITOR"]));
    let robot = json!({ "iss": "robots", "aud": "liaison", "sub": "robot", "exp": now() + 60, "roles": ["bureau"] });
    let (status, asks) = viewer(&address, &token("EdDSA", "any", &robot));
    assert_eq!(status, 200);
    assert_eq!(asks, json!({ "subject": "robot", "roles": ["TSB_EDITOR"] }));

    // Role names of one issuer are meaningless from another, and no issuer can sign for another.
    let (_, asks) = viewer(&address, &of_sso(&keycloak(&sso.issuer, "Liaison.Upu")));
    assert_eq!(asks["roles"], json!([]));
    for (what, token) in [
        ("the realm in the tenant's name", of_sso(&upu)),
        (
            "the tenant in the realm's name",
            of_tenant(&keycloak(&sso.issuer, "bureau")),
        ),
        (
            "the robot in the realm's name",
            token("EdDSA", "r", &keycloak(&sso.issuer, "bureau")),
        ),
        (
            "nobody's",
            of_sso(&keycloak("https://evil.example", "bureau")),
        ),
        (
            "no issuer",
            of_sso(&json!({ "aud": "liaison", "sub": "a", "exp": now() + 60 })),
        ),
        (
            "the realm's audience at the tenant",
            of_tenant(&entra(&tenant.issuer, "liaison", &[])),
        ),
        ("another algorithm", token("RS256", kid, &upu)),
    ] {
        assert_eq!(viewer(&address, &token).0, 401, "{what}");
    }
    // Each issuer has its own leeway.
    let mut late = keycloak(&sso.issuer, "bureau");
    late["exp"] = (now() - 5).into();
    assert_eq!(viewer(&address, &of_sso(&late)).0, 200);
    let mut late = upu;
    late["exp"] = (now() - 5).into();
    assert_eq!(viewer(&address, &of_tenant(&late)).0, 401);
}

async fn jwks_are_fetched_over_tls_with_the_system_trust_store(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let url = &*database.url;
    let provider = Provider::over_tls(vec![public("RS256", "r")]).await;
    let workspace = Workspace::new();
    workspace.write("authority.pem", include_str!("../keys/tls-authority.pem"));
    workspace.write("liaison.toml", "");
    let issuer = ["--token-issuer", &*provider.issuer];
    let claims = json!({ "iss": provider.issuer, "aud": "liaison", "sub": "a", "exp": now() + 60 });
    let good = token("RS256", "r", &claims);

    let trusted = [("SSL_CERT_FILE", "authority.pem")];
    let mut service = serve(&workspace, url, &issuer, &trusted);
    assert_eq!(viewer(&service.address(), &good).0, 200);
    assert_eq!(provider.times(), 1);

    // Its certificate authority is not trusted by the system.
    let mut service = serve(&workspace, url, &issuer, &[]);
    assert_eq!(viewer(&service.address(), &good).0, 503);
    assert_eq!(provider.times(), 0);
    let log = service.stop().err;
    assert!(log.contains("JWKS fetch failed"), "{log}");
}

#[test]
fn settings_that_reject_every_token_fail_at_startup() {
    let workspace = Workspace::new();
    workspace.write("secret", "a secret in a file, of 32 bytes and more\n");
    let secret = "token-key = \"secret\"\ntoken-algorithms = [\"HS256\"]\n";
    for (content, named) in [
        // A test token is signed with the secret: here the roles claim collides with another claim.
        (format!("{secret}roles-claim = \"sub\""), "--token-key: The claim `sub`"),
        (format!("{secret}roles-claim = \"aud\""), "--token-key: The token is for another service"),
        ("token-key = \"http://id.example.org/keys\"".to_owned(), "must start with https://"),
        ("token-issuer = \"http://id.example.org\"".to_owned(), "must start with https://"),
        ("token-key = \"https://\"".to_owned(), "--token-key: `https://` is no address"),
        (
            "token-issuer = \"https://id.example.org\"\ntoken-algorithms = [\"HS256\"]".to_owned(),
            "HS256",
        ),
        ("[[issuer]]\naudience = \"x\"".to_owned(), "[[issuer]]"),
        ("[[issuer]]\nissuer = \"x\"".to_owned(), "[[issuer]]: `key`"),
        (
            "[[issuer]]\nissuer = \"x\"\ncolour = \"red\"".to_owned(),
            "colour",
        ),
        (
            "[[issuer]]\nissuer = \"https://a.example\"\n[[issuer]]\nissuer = \"x\"\nkey = \"none.pem\"".to_owned(),
            "[[issuer]]: --token-key: the file cannot be read: No such file or directory (os error 2) (set by settings.toml, line 3)",
        ),
        (
            "[[issuer]]\nissuer = \"https://a.example\"\n[[issuer]]\nissuer = \"https://a.example\"".to_owned(),
            "named twice",
        ),
        (
            "[[issuer]]\nissuer = \"https://a.example\"\nrole-mapping = { \"x\" = \"BOSS\" }".to_owned(),
            "[[issuer]]: A role is one of",
        ),
        ("trusted-proxies = [\"10.0.0.0/40\"]".to_owned(), "--trusted-proxies"),
        ("allowed-origins = [\"https://app.example.org/path\"]".to_owned(), "--allowed-origins"),
        ("proxy-header = \"X-Real-IP\"".to_owned(), "--proxy-header"),
        ("header-read-timeout = \"0s\"".to_owned(), "--header-read-timeout"),
    ] {
        workspace.write("settings.toml", &content);
        let line = workspace.refusal(&["serve", "--config", "settings.toml", "--listen", "127.0.0.1:0"]);
        assert!(line.contains(named), "{content}: {line}");
    }
}
