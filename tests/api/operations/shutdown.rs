//! Graceful shutdown: readiness fails first, while requests are still served.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::server::{one, serve};
use crate::support::binary::Workspace;
use crate::support::raw_http;

on_both_empty_databases! {
    clients_that_follow_readiness_lose_no_request
}

async fn clients_that_follow_readiness_lose_no_request(url: &str) {
    let workspace = Workspace::new();
    let (service, address) = serve(&workspace, url, &["--shutdown-delay", "2s"]);
    let answered = Arc::new(AtomicUsize::new(0));
    let unready = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let (address, answered, unready) = (address.clone(), answered.clone(), unready.clone());
            // Like a load balancer: keep-alive connections, or one per request.
            let keeps = number < 6;
            thread::spawn(move || {
                let host = address.trim_start_matches("http://").to_owned();
                while !unready.load(Ordering::Relaxed) {
                    let mut connection = TcpStream::connect(&host).unwrap();
                    let read_timeout = Some(Duration::from_secs(20));
                    connection.set_read_timeout(read_timeout).unwrap();
                    while one(&mut connection, !keeps).unwrap() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < 200 {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
    let started_at = Instant::now();
    service.terminate();
    while raw_http::get(&address, "/readyz").status != 503 {
        assert!(started_at.elapsed() < Duration::from_secs(1));
        thread::sleep(Duration::from_millis(20));
    }
    unready.store(true, Ordering::Relaxed);
    // Requests are still served.
    assert_eq!(raw_http::get(&address, "/livez").status, 200);
    for client in clients {
        client.join().unwrap();
    }
    let ended = service.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let took = started_at.elapsed();
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}
