//! GraphQL requests, parsed from a request body or from query parameters.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use mediatype::{MediaType, ReadParams, names};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::http::error::RequestError;

/// A GraphQL request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphqlRequest {
    /// The document; `None` if `extensions` contains its hash.
    pub query: Option<String>,
    pub operation_name: Option<String>,
    /// An object or null.
    #[serde(default)]
    pub variables: Value,
    #[serde(default, deserialize_with = "object_or_null")]
    pub extensions: Option<Extensions>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extensions {
    #[serde(default, deserialize_with = "object_or_null")]
    pub persisted_query: Option<PersistedQuery>,
}

/// A reference to a document by its hash, in the protocol of Apollo's automatic persisted queries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistedQuery {
    pub version: u32,
    /// In hexadecimal.
    pub sha256_hash: String,
}

/// Deserializes an object or null. serde alone also accepts an array of the field values.
fn object_or_null<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    json: D,
) -> Result<Option<T>, D::Error> {
    let object = Option::<Map<String, Value>>::deserialize(json)?;
    let read = object.map(|object| serde_json::from_value(Value::Object(object)));
    read.transpose().map_err(D::Error::custom)
}

/// The query parameters of a request, with objects as JSON texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryParams {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl GraphqlRequest {
    /// Parses a JSON body of at most `limit` bytes.
    pub async fn from_body(
        headers: &HeaderMap,
        body: Body,
        limit: usize,
    ) -> Result<Self, RequestError> {
        require_json(headers)?;
        let body = read_body(body, headers, limit).await?;
        if body.trim_ascii_start().starts_with(b"[") {
            let message = "The body is a list: send one request at a time, as an object.";
            return Err(RequestError::bad_request(message).with_limit("batch"));
        }
        serde_json::from_slice(&body).map_err(|_| {
            RequestError::bad_request("The body is not a request: send JSON such as {\"query\": \"{ viewer { roles } }\", \"variables\": {}}.")
        })
    }

    /// Parses the query parameters of a URL.
    pub fn from_query_string(address: &Uri) -> Result<Self, RequestError> {
        let Ok(Query(address)) = Query::<QueryParams>::try_from_uri(address) else {
            return Err(RequestError::bad_request(
                "The query string cannot be parsed: give `query`, `operationName`, `variables` and `extensions` at most once each.",
            ));
        };
        let extensions = object("extensions", address.extensions)?;
        let extensions = object_or_null(extensions).map_err(|_| {
            RequestError::bad_request("`extensions` is invalid: this service supports `persistedQuery` of Apollo's clients.")
        })?;
        Ok(Self {
            query: address.query,
            operation_name: address.operation_name,
            variables: object("variables", address.variables)?,
            extensions,
        })
    }

    /// Takes the variables by name.
    pub fn take_variables(&mut self) -> Result<Map<String, Value>, RequestError> {
        match self.variables.take() {
            Value::Null => Ok(Map::new()),
            Value::Object(variables) => Ok(variables),
            _ => Err(RequestError::bad_request(
                "`variables` must be an object, such as {\"first\": 10}.",
            )),
        }
    }
}

fn object(name: &str, text: Option<String>) -> Result<Value, RequestError> {
    let text = text.filter(|text| !text.is_empty());
    serde_json::from_str(text.as_deref().unwrap_or("null")).map_err(|_| {
        RequestError::bad_request(format!(
            "`{name}` is not JSON: write it as {{\"first\": 10}}."
        ))
    })
}

fn require_json(headers: &HeaderMap) -> Result<(), RequestError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(unsupported(
            "Compressed bodies are not supported: send the body without `Content-Encoding`.",
        ));
    }
    if is_json(headers) {
        return Ok(());
    }
    Err(unsupported(
        "The body must be JSON in UTF-8: send `Content-Type: application/json`.",
    ))
}

/// Returns whether there is exactly one `Content-Type`, and it is JSON in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let media_type = value
        .to_str()
        .ok()
        .and_then(|value| MediaType::parse(value).ok());
    media_type.is_some_and(|media_type| {
        let mut params = media_type.params();
        media_type.essence() == MediaType::new(names::APPLICATION, names::JSON)
            && params.all(|(name, value)| {
                let value = value.unquoted_str();
                name != names::CHARSET
                    || value.eq_ignore_ascii_case("utf-8")
                    || value.eq_ignore_ascii_case("utf8")
            })
    })
}

fn unsupported(message: &str) -> RequestError {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    RequestError::new(status, "BAD_USER_INPUT", message)
}

async fn read_body(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, RequestError> {
    let declared = headers.get(header::CONTENT_LENGTH);
    let declared: Option<usize> = declared.and_then(|header| header.to_str().ok()?.parse().ok());
    let read = match declared {
        Some(declared) if declared > limit => None,
        _ => to_bytes(body, limit).await.ok(),
    };
    read.ok_or_else(|| {
        let has = declared.map_or("more".to_owned(), |declared| declared.to_string());
        let message = format!("The body has {has} bytes, but at most {limit} bytes are allowed.");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        RequestError::new(status, "REQUEST_TOO_LARGE", message).with_limit("body")
    })
}
