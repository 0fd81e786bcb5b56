//! The settings of trusted documents, the document cache and the response cache.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use entity::party::Role;

use super::{StartupError, read_file};
use crate::http::auth::claims::role;
use crate::http::graphql::response_cache::ResponseCache;
use crate::http::number::number;
use crate::http::validation::trusted_documents::TrustedDocuments;

/// Trusted documents and the document cache.
#[derive(Clone, Debug, Args)]
pub struct DocumentArgs {
    /// Size of the cache of validated documents in bytes.
    #[arg(long, env = "LIAISON_DOCUMENT_CACHE_BYTES", default_value_t = DOCUMENT_CACHE, value_parser = number::<u64>(0..))]
    pub document_cache_bytes: u64,
    /// A JSON file with trusted documents by their SHA-256: all others are rejected.
    #[arg(long, env = "LIAISON_TRUSTED_DOCUMENTS")]
    pub trusted_documents: Option<PathBuf>,
    /// The role that may execute other documents too.
    #[arg(long, env = "LIAISON_TRUSTED_DOCUMENTS_EXEMPT", value_parser = role)]
    pub trusted_documents_exempt: Option<Role>,
}

/// Default size of the document cache in bytes.
pub const DOCUMENT_CACHE: u64 = 20_000_000;

/// The response cache.
#[derive(Clone, Debug, Args)]
pub struct ResponseCacheArgs {
    /// Size of the response cache in bytes; entries are valid until the data changes; 0 disables the cache.
    #[arg(long, env = "LIAISON_RESPONSE_CACHE_BYTES", default_value_t = Self::DEFAULT.response_cache_bytes, value_parser = number::<u64>(0..))]
    pub response_cache_bytes: u64,
    /// Maximum staleness with respect to writes of other instances, on PostgreSQL, such as `500ms`; `0s` queries the
    /// database before each cached response. Without it nothing is cached on PostgreSQL.
    #[arg(long, env = "LIAISON_RESPONSE_CACHE_MAX_STALENESS", value_parser = crate::http::duration::duration)]
    pub response_cache_max_staleness: Option<Duration>,
}

impl ResponseCacheArgs {
    /// The default settings.
    pub const DEFAULT: Self = Self {
        response_cache_bytes: 16_000_000,
        response_cache_max_staleness: None,
    };

    /// Creates the cache, if it is enabled for this kind of database.
    #[must_use]
    pub fn memory(&self, shared: bool) -> Option<ResponseCache> {
        // A single instance knows about all writes.
        let staleness = if shared {
            self.response_cache_max_staleness?
        } else {
            Duration::ZERO
        };
        let unknown = staleness;
        (self.response_cache_bytes > 0)
            .then(|| ResponseCache::new(self.response_cache_bytes, unknown))
    }
}

impl DocumentArgs {
    /// Returns the trusted documents; `None` if all documents may be executed.
    ///
    /// # Errors
    /// Returns one line with the invalid setting.
    pub fn trusted(&self) -> Result<Option<TrustedDocuments>, StartupError> {
        let Some(path) = &self.trusted_documents else {
            return match self.trusted_documents_exempt {
                None => Ok(None),
                Some(_) => Err(StartupError::new(
                    "--trusted-documents-exempt requires --trusted-documents: without it all documents may be executed".to_owned(),
                )),
            };
        };
        let read = read_file(path)
            .and_then(|content| TrustedDocuments::read(&content, self.trusted_documents_exempt));
        match read {
            Ok(trusted) => Ok(Some(trusted)),
            Err(what) => Err(StartupError::new(format!(
                "--trusted-documents {}: {what}",
                path.display()
            ))),
        }
    }
}
