//! Checks a running instance, for container engines that run a program as their health check.

use std::error::Error;
use std::iter::successors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use liaison::config::{self, StartupError};

use crate::listener::resolve;
use crate::print::{print_error, print_line};

/// `/readyz` answers within two seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Prints what `/readyz` returns. The exit code is 0 if the instance is ready, and 1 otherwise.
pub async fn check(settings: &config::Health) -> Result<ExitCode, StartupError> {
    match readyz(&settings.listen).await {
        Ok(response) => {
            print_line(response.body)?;
            Ok(ExitCode::from(u8::from(!response.is_ready)))
        }
        Err(error) => {
            let cause = successors(Some(&*error), |&error| error.source()).last();
            let reason = cause.map(ToString::to_string).unwrap_or_default();
            print_error(format_args!("--listen {}: {reason}", settings.listen));
            Ok(ExitCode::FAILURE)
        }
    }
}

struct Response {
    is_ready: bool,
    body: String,
}

async fn readyz(listen: &str) -> Result<Response, Box<dyn Error>> {
    let addresses = resolve(listen).await?;
    let mut address = *addresses.first().ok_or("the host has no address")?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    // Another call may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        // The request is plain HTTP: a system without certificates can check, too.
        .tls_certs_only([])
        .timeout(TIMEOUT)
        .build()?;
    let response = client
        .get(format!("http://{address}/readyz"))
        .send()
        .await?;
    Ok(Response {
        is_ready: response.status().is_success(),
        body: response.text().await?,
    })
}
