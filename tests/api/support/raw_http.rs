//! Raw HTTP connections, for requests that client libraries would not send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A raw response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The lines of the head, in lower case.
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Opens a connection to `http://…` with timeouts of half a minute.
pub fn connect(address: &str) -> TcpStream {
    let connection = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    let read_timeout = Some(Duration::from_secs(30));
    connection.set_read_timeout(read_timeout).unwrap();
    connection.set_write_timeout(read_timeout).unwrap();
    connection
}

/// Reads until the other side closes the connection.
pub fn reply(mut connection: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    // A server that responds before it has read the whole request may reset the connection; the response still counts.
    let _ = connection.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// Sends the lines of a head and a body unchanged; adds `Host` and `Connection: close`.
pub fn exchange(address: &str, head: &[&str], body: &[u8]) -> Reply {
    let mut connection = connect(address);
    let head = format!(
        "{}\r\nHost: test\r\nConnection: close\r\n\r\n",
        head.join("\r\n")
    );
    connection.write_all(head.as_bytes()).unwrap();
    // A rejected body cannot be sent completely.
    let _ = connection.write_all(body);
    reply(connection)
}

pub fn get(address: &str, path: &str) -> Reply {
    exchange(address, &[&format!("GET {path} HTTP/1.1")], b"")
}

/// Sends a GraphQL request.
pub fn post(address: &str, token: Option<&str>, body: &str) -> Reply {
    let length = format!("Content-Length: {}", body.len());
    let token = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut head = vec![
        "POST /graphql HTTP/1.1",
        "Content-Type: application/json",
        &length,
    ];
    head.extend(token.as_deref());
    exchange(address, &head, body.as_bytes())
}
