//! Bundles the GraphiQL explorer in `graphiql/` into the binary, so that pages load nothing from other hosts.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [&str; 14] = [
    ".npmrc",
    "bar.js",
    "build.mjs",
    "examples.js",
    "icon.svg",
    "index.html",
    "main.jsx",
    "package-lock.json",
    "package.json",
    "page.css",
    "service.js",
    "strict-styles.js",
    "tabs.js",
    "workers.js",
];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed=graphiql/{source}");
    }
    if let Err(problem) = explorer() {
        for line in problem.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

/// Writes the files of the explorer as the Rust array that `http::graphiql` includes; without the feature it is empty.
fn explorer() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let is_wanted = env::var_os("CARGO_FEATURE_EXPLORER").is_some();
    let assets = if is_wanted {
        table(&bundle(&out)?)?
    } else {
        "[]".to_owned()
    };
    fs::write(out.join("explorer.rs"), assets)?;
    Ok(())
}

/// Returns the directory with the bundled files.
fn bundle(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let work = out.join("graphiql"); // the source tree stays as it is
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    for source in SOURCES {
        fs::copy(Path::new("graphiql").join(source), work.join(source))?;
    }
    npm(
        &work,
        "ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund",
    )?;
    npm(&work, "run build")?;
    fs::remove_dir_all(work.join("node_modules"))?; // 200 MB for each profile otherwise
    Ok(work.join("dist"))
}

fn npm(work: &Path, arguments: &str) -> Result<(), String> {
    let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(name)
        .args(arguments.split(' '))
        .current_dir(work)
        .output()
        .map_err(|problem| {
            format!(
                "npm did not start ({problem}): the explorer needs Node 20 or newer with npm; \
                 `--no-default-features` builds without the explorer"
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`npm {arguments}` failed: the explorer needs Node 20 or newer with npm, and the npm registry the first time\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ))
}

/// Returns the bundled files as a Rust array.
fn table(dist: &Path) -> Result<String, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dist)? {
        let name = entry?.file_name().into_string();
        names.push(name.map_err(|name| format!("{} is not UTF-8", name.display()))?);
    }
    names.sort();
    let mut table = String::from("[\n");
    for file in names {
        let name = file.trim_end_matches(".gz");
        let content_type = match name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("png") => "image/png",
            Some("svg") => "image/svg+xml",
            Some("ttf") => "font/ttf",
            Some("woff") => "font/woff",
            Some("woff2") => "font/woff2",
            _ => return Err(format!("no content type is known for {name}").into()),
        };
        writeln!(
            table,
            "    Asset {{ name: {name:?}, content_type: {content_type:?}, \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})) }},",
            format!("/graphiql/dist/{file}"),
        )?;
    }
    table.push(']');
    Ok(table)
}
