//! Responses are compressed for clients that accept it.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    responses_are_compressed_by_accept_encoding
    event_streams_and_small_responses_are_not_compressed
    zstd_is_used_only_without_gzip
}

fn decoded(encoding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    let read = match encoding {
        "gzip" => GzDecoder::new(bytes).read_to_string(&mut text),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text),
        "zstd" => zstd::Decoder::new(bytes).unwrap().read_to_string(&mut text),
        _ => panic!("{encoding}"),
    };
    read.unwrap();
    text
}

async fn responses_are_compressed_by_accept_encoding(server: &Server) {
    let query = "{organizations{nodes{name}}committees(first:50){nodes{name}}}";
    let client = reqwest::Client::new();
    for path in [
        "/schema.graphql".to_owned(),
        "/graphiql".to_owned(),
        format!("/graphql?query={query}"),
    ] {
        let address = format!("{}{path}", server.address);
        let plain = client.get(&address).send().await.unwrap();
        assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
        let plain = plain.text().await.unwrap();
        for encoding in ["gzip", "br", "zstd"] {
            let request = client.get(&address).header(ACCEPT_ENCODING, encoding);
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()[CONTENT_ENCODING], encoding);
            let varies = response.headers().get_all(VARY).iter();
            let mut varies = varies.map(|value| value.to_str().unwrap().to_lowercase());
            assert!(varies.any(|value| value.contains("accept-encoding")));
            let bytes = response.bytes().await.unwrap();
            assert!(bytes.len() < plain.len(), "{encoding} {path}");
            assert_eq!(decoded(encoding, &bytes), plain, "{encoding} {path}");
        }
    }
}

async fn zstd_is_used_only_without_gzip(server: &Server) {
    let client = reqwest::Client::new();
    for (accepted, chosen) in [
        ("gzip, deflate, br, zstd", "br"),
        ("zstd;q=1, gzip;q=0.5", "gzip"),
        ("br, zstd", "zstd"),
        ("gzip;q=0, zstd", "zstd"),
        ("ZSTD, GZIP", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0, *;q=0", ""),
        ("gzip;q=0.000, identity", ""),
        ("identity;q=1, gzip;q=0.5", ""),
    ] {
        let request = client.get(format!("{}/schema.graphql", server.address));
        let request = request.header(ACCEPT_ENCODING, accepted);
        let response = request.send().await.unwrap();
        let encoding = response.headers().get(CONTENT_ENCODING);
        let encoding = encoding.map_or("", |encoding| encoding.to_str().unwrap());
        assert_eq!(encoding, chosen, "{accepted}");
    }
}

async fn event_streams_and_small_responses_are_not_compressed(server: &Server) {
    let client = reqwest::Client::new();
    for (accept, query) in [
        ("text/event-stream", "subscription { activity { cursor } }"),
        ("application/json", "{ topics { totalCount } }"),
    ] {
        let request = client
            .post(format!("{}/graphql", server.address))
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT_ENCODING, "gzip, br, zstd")
            .body(json!({ "query": query }).to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with(accept), "{kind}");
        assert_eq!(response.headers().get(CONTENT_ENCODING), None);
    }
}
