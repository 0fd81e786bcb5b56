//! Writes files that are whole or not there: exports and backups.

use std::fs::{File, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use liaison::config::{self, StartupError};
use liaison::import_export::{self, ImportError};
use liaison::store::{Database, sqlite_file};
use tempfile::NamedTempFile;

use super::database::{close, found};

pub async fn export(db: &Database, path: &Path) -> Result<u64, ImportError> {
    // Pipes and devices are written to, not replaced.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return import_export::export(db, BufWriter::new(File::create(path)?)).await;
    }
    let permissions = match path.metadata() {
        Ok(there) => there.permissions(),
        // As for any new file: the process's mask applies.
        Err(_) => Permissions::from_mode(0o666),
    };
    replace(path, permissions, async |file| {
        import_export::export(db, BufWriter::new(file.as_file())).await
    })
    .await
}

/// Copies the `SQLite` file while it is in use.
pub async fn backup(settings: &config::Backup) -> Result<(), StartupError> {
    let path = &settings.file;
    let Some(source) = sqlite_file(&settings.database.database_url) else {
        return Err(StartupError(
            "--database-url: this command copies an SQLite file; for PostgreSQL use `pg_dump --format=custom --file=FILE \
             DATABASE`, and `pg_restore` to restore it (docs/operations.md, Backup)"
                .to_owned(),
        ));
    };
    let wrong = |what: &dyn std::fmt::Display| StartupError(format!("{}: {what}", path.display()));
    match path.metadata() {
        Ok(there) if !there.is_file() => {
            return Err(wrong(&"this is no file: name one to write or replace"));
        }
        Ok(_) if same_file(path, &source) => {
            return Err(wrong(&"this is the database itself"));
        }
        _ => {}
    }
    let db = found(&settings.database, None).await?;
    // It holds the secrets of webhooks.
    let private = Permissions::from_mode(0o600);
    let copied = replace(path, private, async |file| {
        db.copy_to(file.path()).await?;
        Ok(file.path().metadata()?.len())
    });
    let bytes = copied.await.map_err(|fault| match fault {
        ImportError::File(error) => wrong(&error),
        fault => wrong(&format!("the backup has failed: {}", fault.line())),
    })?;
    close(&db).await;
    println!("{bytes} bytes");
    Ok(())
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}

/// Writes beside the file and renames at the end, so that a failure leaves an earlier one as it is.
async fn replace<T>(
    path: &Path,
    permissions: Permissions,
    write: impl AsyncFnOnce(&NamedTempFile) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    // Through a link, the file that it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(".liaison-")
        .permissions(permissions)
        .tempfile_in(directory)?;
    let written = write(&file).await?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // The new name lasts as well.
    File::open(directory)?.sync_all()?;
    Ok(written)
}
