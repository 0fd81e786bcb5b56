//! Writes files that are whole or not there: exports and backups.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use liaison::config::{self, StartupError};
use liaison::import_export::{self, ImportError};
use liaison::store::{Database, sqlite_file};
use tempfile::NamedTempFile;

use super::database::{close, found};
use super::print::print_line;

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
    replace(path, permissions, File::sync_all, async |file| {
        import_export::export(db, BufWriter::new(file.as_file())).await
    })
    .await
}

/// Copies the `SQLite` file while it is in use.
pub async fn backup(settings: &config::Backup) -> Result<(), StartupError> {
    let path = &settings.file;
    let Some(source) = sqlite_file(&settings.database.database_url) else {
        return Err(StartupError::new(
            "--database-url: this command copies an SQLite file; for PostgreSQL use `pg_dump --format=custom --file=FILE \
             DATABASE`, and `pg_restore` to restore it (docs/operations.md, Backup)"
                .to_owned(),
        ));
    };
    let wrong =
        |what: &dyn std::fmt::Display| StartupError::new(format!("{}: {what}", path.display()));
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
    let copied = replace(path, private, File::sync_all, async |file| {
        db.copy_to(file.path()).await?;
        Ok(file.path().metadata()?.len())
    });
    let bytes = copied.await.map_err(|fault| match fault {
        ImportError::File(error) => wrong(&error),
        fault => wrong(&format!("the backup has failed: {}", fault.line())),
    })?;
    close(&db).await;
    print_line(format_args!("{bytes} bytes"))
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}

/// Writes beside the file and renames at the end, so that a failure leaves an earlier one as it is. `sync` has the disk
/// store a file or a directory: the content before it gets the name, and then the name.
async fn replace<T>(
    path: &Path,
    permissions: Permissions,
    mut sync: impl FnMut(&File) -> io::Result<()>,
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
        .tempfile_in(directory)
        .map_err(|error| {
            let directory = directory.display();
            let what = format!(
                "no file can be written to the directory {directory}: {}",
                error.kind()
            );
            io::Error::new(error.kind(), what)
        })?;
    let written = write(&file).await?;
    sync(file.as_file())?;
    file.persist(&path).map_err(|error| error.error)?;
    sync(&File::open(directory)?)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// Returns for each sync the content at the path, whether a file or a directory was synced, and the length.
    async fn replaced(path: &Path, sync: impl Fn() -> io::Result<()>) -> Vec<(String, bool, u64)> {
        let mut stored = Vec::new();
        let note = |file: &File| {
            let metadata = file.metadata()?;
            let content = fs::read_to_string(path)?;
            stored.push((content, metadata.is_file(), metadata.len()));
            sync()
        };
        let private = Permissions::from_mode(0o600);
        let written = replace(path, private, note, async |file| {
            Ok(file.as_file().write_all(b"newer")?)
        });
        assert_eq!(written.await.is_ok(), sync().is_ok());
        stored
    }

    #[tokio::test]
    async fn the_file_is_synced_before_it_is_renamed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.jsonl");
        fs::write(&path, "old").unwrap();
        // A disk that fails leaves the earlier file as it is.
        let failed = replaced(&path, || Err(io::ErrorKind::Other.into())).await;
        assert_eq!(failed, [("old".to_owned(), true, 5)]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let stored = replaced(&path, || Ok(())).await;
        let [content, name] = &stored[..] else {
            panic!("{stored:?}")
        };
        assert_eq!(content, &("old".to_owned(), true, 5));
        assert_eq!((&*name.0, name.1), ("newer", false));
    }
}
