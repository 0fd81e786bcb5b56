//! Closed-loop HTTP clients: each sends its next request when it has a response, on its own connection.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;
use crate::workloads::Moved;

/// The endpoint of a service, and the token.
#[derive(Clone)]
pub struct Address {
    pub port: u16,
    pub path: String,
    pub token: Option<String>,
}

/// The requests of a workload.
#[derive(Clone)]
pub enum RequestSource {
    /// These requests in turn.
    Bodies(Vec<String>),
    /// Moves of one action item per connection, each of which needs the previous response.
    Moves(Vec<Moved>, fn(&Moved) -> String),
}

/// The results of a measurement.
#[derive(Default)]
pub struct Measured {
    pub requests: usize,
    pub seconds: f64,
    /// Latency of each request in microseconds, sorted.
    pub latencies: Vec<u32>,
}

impl Measured {
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        f64::from(self.latencies[index])
    }
}

impl Address {
    fn request(&self, body: &str) -> Vec<u8> {
        let token = match &self.token {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nAccept: application/json\r\n{token}Content-Length: {}\r\n\r\n{body}",
            self.path,
            self.port,
            body.len()
        )
        .into_bytes()
    }
}

/// Sends a request and returns its response.
pub async fn ask(address: &Address, body: &str) -> Result<Value> {
    let mut connection = Connection::open(address.port).await?;
    let response = connection.ask(&address.request(body)).await?;
    serde_json::from_slice(response).map_err(|error| error.to_string())
}

/// Sends requests on several connections for some time.
pub async fn measure(
    address: &Address,
    source: &mut RequestSource,
    connections: usize,
    duration: Duration,
) -> Result<Measured> {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    let end = start + duration;
    for index in 0..connections {
        let address = address.clone();
        match source {
            RequestSource::Bodies(bodies) => {
                let requests: Vec<_> = bodies.iter().map(|body| address.request(body)).collect();
                clients.spawn(async move {
                    let mut connection = Connection::open(address.port).await?;
                    let mut latencies = Vec::new();
                    for request in requests.iter().cycle().skip(index) {
                        let sent_at = Instant::now();
                        if sent_at >= end {
                            break;
                        }
                        connection.ask_checked(request).await?;
                        latencies.push(microseconds(sent_at));
                    }
                    Ok::<_, String>((index, None, latencies))
                });
            }
            RequestSource::Moves(moved, body) => {
                let (mut moved, body) = (moved[index], *body);
                clients.spawn(async move {
                    let mut connection = Connection::open(address.port).await?;
                    let mut latencies = Vec::new();
                    loop {
                        let sent_at = Instant::now();
                        if sent_at >= end {
                            break;
                        }
                        let request = address.request(&body(&moved));
                        connection.ask_checked(&request).await?;
                        latencies.push(microseconds(sent_at));
                        moved.next();
                    }
                    Ok((index, Some(moved), latencies))
                });
            }
        }
    }
    let mut measured = Measured::default();
    while let Some(done) = clients.join_next().await {
        let (index, state, mut latencies) = done.map_err(|error| error.to_string())??;
        measured.latencies.append(&mut latencies);
        if let (Some(state), RequestSource::Moves(moved, _)) = (state, &mut *source) {
            moved[index] = state;
        }
    }
    measured.seconds = start.elapsed().as_secs_f64();
    measured.requests = measured.latencies.len();
    measured.latencies.sort_unstable();
    Ok(measured)
}

fn microseconds(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a request and checks that the response has no errors.
    async fn ask_checked(&mut self, request: &[u8]) -> Result<()> {
        let response = self.ask(request).await?;
        let well = response.starts_with(b"{\"data\"")
            && !response
                .windows(23)
                .any(|window| window == b"\"userErrors\":[{\"message");
        if well {
            return Ok(());
        }
        let response = String::from_utf8_lossy(&response[..response.len().min(500)]);
        Err(format!("a response with errors: {response}"))
    }

    /// Returns the body of the response.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        let lost = |error: std::io::Error| format!("the connection: {error}");
        self.stream.write_all(request).await.map_err(lost)?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                return Err("the connection was closed".to_owned());
            }
            if let Some((start, length)) = head(&self.buffer)? {
                while self.buffer.len() < start + length {
                    if self.stream.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                        return Err("the connection was closed".to_owned());
                    }
                }
                return Ok(&self.buffer[start..]);
            }
        }
    }
}

/// Returns the start and the length of the body, once the head is complete.
fn head(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    match length {
        Some(length) => Ok(Some((end + 4, length))),
        None => Err(format!("a response of unknown length: {head}")),
    }
}
