//! TLS with PostgreSQL: what fails at each attempt ends the start at once.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::binary::Workspace;

/// Starts a server that offers TLS as PostgreSQL does. Returns its port.
async fn server() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = include_bytes!("../keys/tls.crt.pem");
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../keys/tls.pem")).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"S").await.unwrap();
            // Clients that do not trust the certificate disconnect.
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_error_fails_startup_at_once() {
    let port = server().await;
    let workspace = Workspace::new();
    workspace.write("ca.pem", include_bytes!("../keys/tls-authority.pem"));
    let start = |host: &str, authority: &str, environment: &[(&str, &str)]| {
        let url = format!("postgres://u@{host}:{port}/d?sslmode=verify-full{authority}");
        let command = ["serve", "--read-only", "--database-wait", "1h"];
        let arguments = [&command[..], &["--database-url", &url]].concat();
        let ended = workspace.run_with(&arguments, environment);
        assert!(!ended.err.contains("waiting"), "{ended:?}");
        ended.refusal()
    };
    let line = start("localhost", "&sslrootcert=no.pem", &[]);
    assert!(line.contains("sslrootcert no.pem: No such file"), "{line}");
    let line = start("localhost", "", &[("PGSSLROOTCERT", "no.pem")]);
    assert!(
        line.contains("PGSSLROOTCERT no.pem: No such file"),
        "{line}"
    );
    let line = start("localhost", "", &[]);
    assert!(line.contains("UnknownIssuer"), "{line}");
    assert!(line.contains("`sslrootcert`"), "{line}");
    let line = start("127.0.0.2", "&sslrootcert=ca.pem", &[]);
    assert!(line.contains("not valid for name"), "{line}");
}
