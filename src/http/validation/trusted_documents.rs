//! Trusted documents: a list of the only documents that a service executes.

use std::collections::HashMap;

use entity::party::Role;
use sha2::{Digest, Sha256};

use crate::domain::viewer::Viewer;
use crate::http::validation::{Hash, parse_hex};

/// The trusted documents, and the role that is exempt.
#[derive(Clone, Debug)]
pub struct TrustedDocuments {
    documents: HashMap<Hash, String>,
    exempt: Option<Role>,
}

impl TrustedDocuments {
    /// Parses a JSON object of documents by their SHA-256, as client tools write it. Viewers with the role `exempt` may
    /// send any document.
    ///
    /// # Errors
    /// Returns a message for operators if the JSON is invalid.
    pub fn read(json: &[u8], exempt: Option<Role>) -> Result<Self, String> {
        let listed: HashMap<String, String> = serde_json::from_slice(json)
            .map_err(|_| "it must be a JSON object with documents by their SHA-256.".to_owned())?;
        let documents = listed.into_iter().map(|(name, text)| {
            let hash = Hash::from(Sha256::digest(&text));
            let named = name.strip_prefix("sha256:").unwrap_or(&name);
            if parse_hex(named) == Some(hash) {
                Ok((hash, text))
            } else {
                Err(format!("`{name}` is not the SHA-256 of its document."))
            }
        });
        Ok(Self {
            documents: documents.collect::<Result<_, _>>()?,
            exempt,
        })
    }

    /// Returns whether this viewer may execute the document with this hash.
    pub(super) fn allows(&self, hash: &Hash, viewer: &Viewer) -> bool {
        let exempt = self.exempt.is_some_and(|role| viewer.roles.contains(&role));
        exempt || self.documents.contains_key(hash)
    }

    pub(super) fn text(&self, hash: &Hash) -> Option<&str> {
        self.documents.get(hash).map(String::as_str)
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&Hash, &str)> {
        self.documents
            .iter()
            .map(|(hash, text)| (hash, text.as_str()))
    }
}
