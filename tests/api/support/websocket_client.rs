//! A `graphql-transport-ws` client that sends exactly what a test specifies.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A generous timeout, which only failing tests reach.
const TIMEOUT: Duration = Duration::from_mins(1);

pub const PROTOCOL: &str = "graphql-transport-ws";

pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens a WebSocket at `http://…` with this subprotocol and header, and sends nothing.
    pub async fn connect_without_init(
        address: &str,
        protocol: Option<&str>,
        header: Option<(&'static str, &str)>,
    ) -> Self {
        let host = address.trim_start_matches("http://");
        let url = format!("ws://{host}/graphql/ws");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        if let Some(protocol) = protocol {
            let protocol = HeaderValue::from_str(protocol).unwrap();
            headers.insert("sec-websocket-protocol", protocol);
        }
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = TcpStream::connect(host).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        Self(socket)
    }

    /// Opens a WebSocket and initialises the connection with this payload.
    pub async fn open(address: &str, payload: Value) -> Self {
        let mut socket = Self::connect_without_init(address, Some(PROTOCOL), None).await;
        let init = json!({ "type": "connection_init", "payload": payload });
        socket.say(&init).await;
        assert_eq!(
            socket.receive_json().await,
            json!({ "type": "connection_ack" })
        );
        socket
    }

    pub async fn anonymous(address: &str) -> Self {
        Self::open(address, json!({})).await
    }

    pub async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends any message.
    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, document: &str, variables: Value) {
        let payload = json!({ "query": document, "variables": variables });
        let message = json!({ "id": id, "type": "subscribe", "payload": payload });
        self.say(&message).await;
    }

    /// Returns the next message unchanged.
    pub async fn receive(&mut self) -> Message {
        let received = timeout(TIMEOUT, self.0.next()).await;
        received
            .expect("a message before the timeout")
            .unwrap()
            .unwrap()
    }

    /// Returns the next message except pings.
    pub async fn receive_json(&mut self) -> Value {
        let heard = timeout(TIMEOUT, self.listen()).await;
        heard.expect("a message other than ping")
    }

    async fn listen(&mut self) -> Value {
        loop {
            match self.receive().await {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] != "ping" {
                        return message;
                    }
                    self.say(&json!({ "type": "pong" })).await;
                }
                Message::Close(frame) => panic!("{frame:?}"),
                _ => {}
            }
        }
    }

    /// Returns the payload of the next `next` message of this operation.
    pub async fn next(&mut self, id: &str) -> Value {
        let mut message = self.receive_json().await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["id"], id, "{message}");
        message["payload"].take()
    }

    /// Returns the next activity of this subscription.
    pub async fn activity(&mut self, id: &str) -> Value {
        let mut payload = self.next(id).await;
        assert_eq!(payload.get("errors"), None, "{payload}");
        payload["data"]["activity"].take()
    }

    /// Executes an operation with a single response.
    pub async fn run(&mut self, document: &str, variables: Value) -> Value {
        self.subscribe("once", document, variables).await;
        let payload = self.next("once").await;
        let complete = json!({ "id": "once", "type": "complete" });
        assert_eq!(self.receive_json().await, complete);
        payload
    }

    /// Returns the code and reason of the close frame, skipping earlier messages.
    pub async fn end(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.receive().await {
                let frame = frame.expect("a close frame with a code");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    /// Waits this long for a message; `None` if there is none or the connection ends.
    pub async fn within(&mut self, time: Duration) -> Option<Option<Message>> {
        let received = timeout(time, self.0.next()).await.ok()?;
        Some(received.and_then(Result::ok))
    }
}
