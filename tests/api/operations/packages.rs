//! The files in `deploy/` start the program as it is.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use liaison::config;
use serde_json::json;

use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::raw_http;

on_both_empty_databases! {
    the_systemd_unit_starts_the_service_and_receives_its_state
    the_image_starts_the_service_and_checks_its_health
}

const FREE_PORT: &str = "127.0.0.1:0";
const KEY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/api/keys/ed25519.pub.pem"
);

fn read(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The values that a unit or a container file has for a key at the start of a line.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix(key)).collect()
}

/// The words of a JSON array at the end of a line.
fn words(line: &str) -> Vec<String> {
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

/// Waits for the next datagram.
fn notification(systemd: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = systemd.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

async fn the_systemd_unit_starts_the_service_and_receives_its_state(url: &str) {
    let workspace = Workspace::new();
    let unit = read("deploy/liaison.service");
    let directory = workspace.path("credentials");
    fs::create_dir(&directory).unwrap();
    for credential in values(&unit, "LoadCredential=") {
        let (name, source) = credential.split_once(':').unwrap();
        let shipped = source.replace("/etc/liaison", "deploy");
        fs::write(directory.join(name), read(&shipped)).unwrap();
    }
    let directory = directory.to_str().unwrap();
    let command = values(&unit, "ExecStart=")[0].replace("${CREDENTIALS_DIRECTORY}", directory);
    let arguments: Vec<_> = command.split(' ').collect();
    assert_eq!(arguments[0], "/usr/bin/liaison");

    let socket = workspace.path("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let mut service = workspace.start_with(
        &arguments[1..],
        &[
            ("NOTIFY_SOCKET", socket.to_str().unwrap()),
            ("CREDENTIALS_DIRECTORY", directory),
            // Instead of what the shipped settings say and leave open.
            ("LIAISON_LISTEN", FREE_PORT),
            ("LIAISON_DATABASE_URL", url),
            ("LIAISON_TOKEN_KEY", KEY),
        ],
    );
    assert_eq!(values(&unit, "Type="), ["notify"]);
    assert_eq!(notification(&systemd), "READY=1\n");
    let address = service.address();
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
    systemd.set_nonblocking(true).unwrap();
    let more = systemd.recv(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(more, Err(ErrorKind::WouldBlock), "it is not stopping");
    systemd.set_nonblocking(false).unwrap();
    service.terminate();
    assert_eq!(notification(&systemd), "STOPPING=1\n");
    assert_eq!(service.ended().status.code(), Some(0));
}

async fn the_image_starts_the_service_and_checks_its_health(url: &str) {
    let workspace = Workspace::new();
    let file = read("deploy/Containerfile");
    let mut arguments = words(values(&file, "ENTRYPOINT ")[0]);
    assert_eq!(arguments.remove(0), "/usr/bin/liaison");
    arguments.extend(words(values(&file, "CMD ")[0]));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let of_image = values(&file, "ENV ");
    let of_image = of_image.iter().map(|line| line.split_once('=').unwrap());
    let mut environment: Vec<_> = of_image.collect();
    assert!(environment.contains(&("LIAISON_LISTEN", "0.0.0.0:8080")));
    // A port is free for once, and what the image leaves open; the log is read below.
    environment
        .retain(|variable| variable.0 != "LIAISON_LISTEN" && variable.0 != "LIAISON_LOG_FORMAT");
    environment.extend([("LIAISON_DATABASE_URL", url), ("LIAISON_TOKEN_KEY", KEY)]);
    environment.push(("LIAISON_LISTEN", "0.0.0.0:0"));
    let mut service = workspace.start_with(&arguments, &environment);
    let address = service.address();

    environment.pop();
    environment.push(("LIAISON_LISTEN", address.trim_start_matches("http://")));
    let check = words(values(&file, "HEALTHCHECK ")[0]);
    assert_eq!(check[0], "/usr/bin/liaison");
    let check: Vec<_> = check[1..].iter().map(String::as_str).collect();
    let healthy = workspace.run_with(&check, &environment);
    assert_eq!(healthy.status.code(), Some(0), "{healthy:?}");
    assert!(healthy.out.contains("\"status\":\"ready\""), "{healthy:?}");
    service.stop();
    let gone = workspace.run_with(&check, &environment);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
}

/// Returns the part of the compose file that describes a service.
fn composed(service: &str) -> String {
    let compose = read("deploy/compose.yml");
    let (_, rest) = compose.split_once(&format!("\n  {service}:\n")).unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("    "));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_composed_services_seed_postgresql_and_serve() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let workspace = Workspace::new();
    let [seed, service] = ["seed", "liaison"].map(composed);
    let url = "postgres://liaison:${POSTGRES_PASSWORD:?}@database/liaison";
    for part in [&seed, &service] {
        assert_eq!(values(part, "LIAISON_DATABASE_URL: "), [url]);
    }
    let at_database = [("LIAISON_DATABASE_URL", database.url.as_str())];
    let command = values(&seed, "command: ")[0].trim_matches(['[', ']']);
    // It runs at each start.
    for _ in 0..2 {
        let seeded = workspace.run_with(&[command], &at_database);
        assert_eq!(seeded.status.code(), Some(0), "{seeded:?}");
    }

    let file = read("deploy/Containerfile");
    let command = words(values(&file, "CMD ")[0]);
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let read_only = values(&service, "LIAISON_READ_ONLY: ")[0].trim_matches('"');
    let own = [
        ("LIAISON_READ_ONLY", read_only),
        ("LIAISON_LISTEN", FREE_PORT),
    ];
    let mut service = workspace.start_with(&command, &[&at_database[..], &own].concat());
    let address = service.address();
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
    let query = json!({ "query": "{ topics { totalCount } }" }).to_string();
    let topics = raw_http::post(&address, None, &query).json();
    assert_eq!(topics["data"]["topics"]["totalCount"], 8, "{topics}");
}

#[test]
fn the_image_uses_the_pinned_compiler_and_an_unprivileged_user() {
    let toolchain = read("rust-toolchain.toml");
    let version = values(&toolchain, "channel = ")[0].trim_matches('"');
    let image = format!("BUILD_IMAGE=docker.io/library/rust:{version}-");
    let file = read("deploy/Containerfile");
    assert!(file.contains(&image), "{image}");
    assert_eq!(values(&file, "USER "), ["65532:65532"]);
    let release = read(".github/workflows/release.yml");
    let image = format!("rust:{version}-");
    assert!(release.contains(&image), "{image}");
}

#[test]
fn every_setting_in_the_files_exists() {
    let reference = config::reference();
    let mut found = 0;
    for file in ["deploy/Containerfile", "deploy/compose.yml"] {
        let text = read(file);
        for rest in text.split("LIAISON_").skip(1) {
            let is_name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
            let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
            let name = format!("`LIAISON_{}`", &rest[..end]);
            assert!(reference.contains(&name), "{file}: {name}");
            found += 1;
        }
    }
    let settings = read("deploy/liaison.toml");
    for line in settings.lines().filter(|line| line.contains(" = ")) {
        let name = line.trim_start_matches("# ").split(" = ").next().unwrap();
        assert!(reference.contains(&format!("`--{name}`")), "{name}");
        found += 1;
    }
    assert!(found > 5, "{found}");
}
