//! Signs messages as Standard Webhooks has it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use entity::webhook::Model;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::graphql::webhook::event::Message;

/// What `webhook-signature` says: a signature by the secret, and for a day after a rotation one by the secret before.
pub fn sign(webhook: &Model, message: &Message, now: DateTime<Utc>) -> String {
    let former = webhook.former_until.filter(|until| now < *until);
    let former = former.and(webhook.former_secret.as_deref());
    let secrets = [Some(webhook.secret.as_str()), former];
    let signatures = secrets.into_iter().flatten();
    let signatures: Vec<String> = signatures.map(|it| by(it, message, now)).collect();
    signatures.join(" ")
}

fn by(secret: &str, message: &Message, now: DateTime<Utc>) -> String {
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = BASE64_STANDARD.decode(key).unwrap_or_default();
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return String::new();
    };
    mac.update(format!("{}.{}.{}", message.id, now.timestamp(), message.body).as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}
