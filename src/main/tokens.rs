//! Signs tokens, and keeps the signing key of development runs.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use liaison::config::{self, StartupError, Token};
use liaison::http::auth::claims::{TokenPolicy, sign};
use liaison::http::auth::keys::SigningKey;
use liaison::store::sqlite_file;

use crate::print::print_line;

/// Prints a signed token.
pub fn token(settings: &Token, now: DateTime<Utc>) -> Result<(), StartupError> {
    let wrong = |what: String| StartupError::new(format!("--key: {what}"));
    let content = config::read_file(&settings.key).map_err(wrong)?;
    let key = SigningKey::of_file(&content).map_err(wrong)?;
    let rules = TokenPolicy::new(
        settings.token_issuer.clone(),
        settings.token_audience.clone(),
        Vec::new(),
    );
    let (subject, roles, ttl) = (&settings.sub, &settings.role, settings.ttl);
    let token = sign(&key, &rules, subject, roles, ttl, now).map_err(StartupError::new)?;
    print_line(token)
}

/// Returns the signing key of development runs on this database. It is kept beside the SQLite file, for PostgreSQL in
/// the working directory, so that tokens that were printed before still count after a restart.
pub fn dev_key(database_url: &str) -> Result<[u8; 32], StartupError> {
    let mut path = sqlite_file(database_url)
        .unwrap_or_else(|| "liaison".into())
        .into_os_string();
    path.push(".dev-key");
    let path = PathBuf::from(path);
    let stored = || {
        let key = fs::read(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let wrong_length =
            |_| io::Error::other("it is not of 32 bytes: delete it, and a new one is made");
        <[u8; 32]>::try_from(key).map_err(wrong_length)
    };
    let make = || {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        // `liaison token` takes a line break off the end of a secret.
        key[31] |= 0x80;
        // Linked after it is complete: another run may read it at the same time.
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&key)?;
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        linked
    };
    let key = match stored() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make() {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => stored(),
        },
        stored => stored,
    };
    key.map_err(|error| StartupError::new(format!("the signing key {}: {error}", path.display())))
}
