//! An identity provider that can be made to misbehave, and tokens signed by it or by a forger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use reqwest::StatusCode;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub const RSA: &str = include_str!("../keys/rsa.pem");
pub const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub.pem");
pub const P256: &str = include_str!("../keys/p256.pem");
pub const P256_PUBLIC: &str = include_str!("../keys/p256.pub.pem");
pub const ED25519: &str = include_str!("../keys/ed25519.pem");
pub const ED25519_PUBLIC: &str = include_str!("../keys/ed25519.pub.pem");

/// How the provider responds.
#[derive(Clone, Default)]
pub enum ProviderBehavior {
    #[default]
    Well,
    /// After a delay.
    Slowly(Duration),
    /// With status 500.
    Down,
    /// With a redirect to another URL.
    Elsewhere(String),
    /// With this text instead of the keys.
    Keys(String),
    /// With this text instead of the discovery document.
    Description(String),
}

/// A provider on a local port.
#[derive(Clone)]
pub struct Provider {
    /// Its `iss`.
    pub issuer: String,
    state: Arc<Mutex<ProviderState>>,
}

#[derive(Default)]
struct ProviderState {
    issuer: String,
    keys: Vec<Value>,
    behavior: ProviderBehavior,
    requested_paths: Vec<String>,
}

impl Provider {
    /// Starts a provider below `path` that publishes these keys.
    pub async fn start(path: &str, keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}{path}", listener.local_addr().unwrap());
        let (provider, router) = Self::of(issuer, keys);
        tokio::spawn(axum::serve(listener, router).into_future());
        provider
    }

    /// Starts a provider with TLS and a certificate of a test CA.
    pub async fn over_tls(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (provider, router) = Self::of(format!("https://localhost:{port}"), keys);
        let certificate = include_bytes!("../keys/tls.crt.pem");
        let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../keys/tls.pem")).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Clients that do not trust the certificate disconnect.
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let service = TowerToHyperService::new(router.clone());
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        provider
    }

    fn of(issuer: String, keys: Vec<Value>) -> (Self, Router) {
        let state = Arc::new(Mutex::new(ProviderState {
            issuer: issuer.clone(),
            keys,
            ..ProviderState::default()
        }));
        let router = Router::new().fallback(respond).with_state(state.clone());
        (Self { issuer, state }, router)
    }

    pub fn key_set(&self) -> String {
        format!("{}/keys", self.issuer)
    }

    pub fn publish(&self, keys: Vec<Value>) {
        self.state.lock().unwrap().keys = keys;
    }

    pub fn becomes(&self, behavior: ProviderBehavior) {
        self.state.lock().unwrap().behavior = behavior;
    }

    /// Takes the paths that were requested since the last call.
    pub fn requested_paths(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requested_paths)
    }

    /// Returns how often the keys were requested since the last call.
    pub fn times(&self) -> usize {
        let requested_paths = self.requested_paths();
        requested_paths
            .iter()
            .filter(|path| path.ends_with("/keys"))
            .count()
    }
}

async fn respond(State(state): State<Arc<Mutex<ProviderState>>>, uri: Uri) -> Response {
    let path = uri.path();
    let (behavior, issuer, keys) = {
        let mut state = state.lock().unwrap();
        state.requested_paths.push(path.to_owned());
        (
            state.behavior.clone(),
            state.issuer.clone(),
            state.keys.clone(),
        )
    };
    let keys_asked = path.ends_with("/keys");
    let described = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "subject_types_supported": ["public"] });
    let good = if keys_asked {
        json!({ "keys": keys }).to_string()
    } else if path.ends_with("/.well-known/openid-configuration") {
        described.to_string()
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match behavior {
        ProviderBehavior::Slowly(pause) => {
            tokio::time::sleep(pause).await;
            good.into_response()
        }
        ProviderBehavior::Down => (StatusCode::INTERNAL_SERVER_ERROR, good).into_response(),
        ProviderBehavior::Elsewhere(address) => Redirect::temporary(&address).into_response(),
        ProviderBehavior::Keys(text) if keys_asked => Body::from(text).into_response(),
        ProviderBehavior::Description(text) if !keys_asked => Body::from(text).into_response(),
        _ => good.into_response(),
    }
}

/// Returns the public key as a JSON Web Key.
pub fn public(algorithm: &str, kid: &str) -> Value {
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

/// Returns the private key.
pub fn private(algorithm: &str) -> EncodingKey {
    match algorithm {
        "RS256" | "RS384" | "PS256" => EncodingKey::from_rsa_pem(RSA.as_bytes()),
        "ES256" => EncodingKey::from_ec_pem(P256.as_bytes()),
        _ => EncodingKey::from_ed_pem(ED25519.as_bytes()),
    }
    .unwrap()
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs a token with exactly this header and these claims; `algorithm` selects the signature, whatever the header
/// says.
pub fn signed(header: &Value, claims: &Value, algorithm: &str, key: &EncodingKey) -> String {
    let text = format!(
        "{}.{}",
        encoded(header.to_string()),
        encoded(claims.to_string())
    );
    let signature =
        jsonwebtoken::crypto::sign(text.as_bytes(), key, algorithm.parse().unwrap()).unwrap();
    format!("{text}.{signature}")
}

/// Signs a token as the provider does.
pub fn token(algorithm: &str, kid: &str, claims: &Value) -> String {
    let header = json!({ "alg": algorithm, "typ": "JWT", "kid": kid });
    signed(&header, claims, algorithm, &private(algorithm))
}
