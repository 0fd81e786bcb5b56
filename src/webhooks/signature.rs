//! Signs messages according to Standard Webhooks.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use entity::webhook::Model;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::graphql::webhook::event::CloudEvent;

/// Returns the header `webhook-signature`: a signature with the secret, and after a rotation one with the previous
/// secret.
pub fn sign(webhook: &Model, message: &CloudEvent, now: DateTime<Utc>) -> String {
    let former = webhook.former_until.filter(|until| now < *until);
    let former = former.and(webhook.former_secret.as_deref());
    let secrets = [Some(webhook.secret.as_str()), former];
    let signatures = secrets.into_iter().flatten();
    let signatures: Vec<String> = signatures.map(|secret| by(secret, message, now)).collect();
    signatures.join(" ")
}

fn by(secret: &str, message: &CloudEvent, now: DateTime<Utc>) -> String {
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = BASE64_STANDARD.decode(key).unwrap_or_default();
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return String::new();
    };
    mac.update(format!("{}.{}.{}", message.id, now.timestamp(), message.body).as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}
