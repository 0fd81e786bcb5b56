//! The explorer, as a browser shows it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use liaison::config::DOCUMENT_CACHE;
use liaison::graphql;
use liaison::http::limits::Limits;
use liaison::http::validation::Documents;
use liaison::http::validation::trusted_documents::TrustedDocuments;
use liaison::webhooks::WebhookTargets;
use reqwest::Method;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::support::harness::{Client, Server};

on_both_databases! {
    graphiql_works_in_a_browser
    graphiql_is_served_with_a_trailing_slash
}

async fn graphiql_works_in_a_browser(server: &Server) {
    let trusted = server
        .beside(|app| {
            let schema = graphql::schema(WebhookTargets::Any);
            let trusted = TrustedDocuments::read(b"{}", None).unwrap();
            let documents =
                Documents::new(&schema, &Limits::default(), DOCUMENT_CACHE, Some(trusted));
            app.documents = Arc::new(documents.unwrap());
        })
        .await;
    let line = |role: &str, client: Client<'_>| format!("{role} {}", client.token.unwrap());
    let output = Command::new("node")
        .arg("explorer.mjs")
        .current_dir(playwright().await)
        .env("CHROMIUM", chromium())
        .env("ADDRESS", &server.address)
        .env("TRUSTED_ADDRESS", &trusted.address)
        .env("ITU_LINE", line("ITU_EDITOR", server.itu()))
        .env("UPU_LINE", line("UPU_EDITOR", server.upu()))
        .env("TSB_LINE", line("TSB_EDITOR", server.tsb()))
        .output()
        .await
        .expect("this test needs Node 20 or newer with npm: install it");
    let problems = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problems}{errors}");
    assert_eq!(problems.trim(), "");
}

async fn graphiql_is_served_with_a_trailing_slash(server: &Server) {
    let client = server.anonymous();
    let page = client.send(Method::GET, "/graphiql/", &[], "").await;
    assert!(page.text.contains("liaison: explore the API"));
}

/// Returns the directory of the script with what it needs, installed once.
async fn playwright() -> PathBuf {
    static INSTALLED: LazyLock<Mutex<bool>> = LazyLock::new(Mutex::default);
    let mut installed = INSTALLED.lock().await;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    if *installed {
        return place;
    }
    fs::create_dir_all(&place).unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
    for source in fs::read_dir(sources).unwrap() {
        let source = source.unwrap();
        if source.file_type().unwrap().is_file() {
            fs::copy(source.path(), place.join(source.file_name())).unwrap();
        }
    }
    let install = "ci --ignore-scripts --prefer-offline --no-audit --no-fund";
    let output = Command::new("npm")
        .args(install.split(' '))
        .current_dir(&place)
        .output();
    let output = output
        .await
        .expect("this test needs Node 20 or newer with npm: install it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    *installed = true;
    place
}

/// Returns the path of Chromium: the variable `CHROMIUM`, else the `PATH`.
fn chromium() -> PathBuf {
    if let Some(path) = env::var_os("CHROMIUM") {
        return path.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)))
        .find(|file| file.exists())
        .expect("this test needs Chromium: `apt-get install chromium`, or name it by the variable CHROMIUM")
}
