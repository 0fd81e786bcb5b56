//! The settings of connections, timeouts, rate limits, proxies and CORS.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use hyper::header::HeaderValue;
use ipnet::IpNet;

use crate::config::environment::listen_address;
use crate::http::duration::{duration, timeout};
use crate::http::middleware::client_ip::{ProxyHeader, TrustedProxies};
use crate::http::middleware::cors::origin;
use crate::http::middleware::rate_limit::{Failures, RateLimiter};
use crate::http::number::number;
use crate::http::server::accept::ServerLimits;
use crate::http::server::stream_limit::ConcurrencyLimiter;
use crate::http::{HttpState, ResponseBudget, STREAMS, SUBSCRIPTIONS};

/// Limits of connections and clients, trusted proxies, and allowed origins.
#[derive(Clone, Debug, Args)]
pub struct HttpArgs {
    /// Maximum number of open connections. Further ones wait for a few seconds, except for /livez and /readyz. WebSockets and event streams take at most half of them, those without a token at most a quarter.
    #[arg(long, env = "LIAISON_MAX_CONNECTIONS", default_value_t = 2000, value_parser = number::<u32>(1..=1_000_000))]
    pub max_connections: u32,
    /// Maximum number of connections per client address, except for trusted proxies; 0 is no limit.
    #[arg(long, env = "LIAISON_MAX_CONNECTIONS_PER_IP", default_value_t = 200, value_parser = number::<u32>(0..=u32::MAX.into()))]
    pub max_connections_per_ip: u32,
    /// Maximum number of open WebSockets and event streams per token subject; a client address without a token may have a quarter of it, also behind a trusted proxy. 0 is no limit.
    #[arg(long, env = "LIAISON_MAX_STREAMS_PER_CLIENT", default_value_t = 200, value_parser = number::<u32>(0..=u32::MAX.into()))]
    pub max_streams_per_client: u32,
    /// Maximum number of active subscriptions; those without a token may be half of them. One with a large document or large variables counts as several.
    #[arg(long, env = "LIAISON_MAX_SUBSCRIPTIONS", default_value_t = 4000, value_parser = number::<u32>(1..=u32::MAX.into()))]
    pub max_subscriptions: u32,
    /// Maximum number of active subscriptions per token subject; a client address without a token may have a quarter of it. 0 is no limit.
    #[arg(
        long,
        env = "LIAISON_MAX_SUBSCRIPTIONS_PER_CLIENT",
        default_value_t = 1000,
        value_parser = number::<u32>(0..=u32::MAX.into())
    )]
    pub max_subscriptions_per_client: u32,
    /// Timeout for reading the head of a request, and idle timeout of a connection between two requests, such as `20s`.
    #[arg(long, env = "LIAISON_HEADER_READ_TIMEOUT", default_value = "20s", value_parser = timeout)]
    pub header_read_timeout: Duration,
    /// Timeout for reading a request's body, and for a client that stops reading a response, such as `20s`.
    #[arg(long, env = "LIAISON_BODY_TIMEOUT", default_value = "20s", value_parser = timeout)]
    pub body_timeout: Duration,
    /// Maximum memory in bytes of all responses in progress, besides `--response-cache-bytes`. A large response beyond it is refused with `SERVICE_UNAVAILABLE`.
    #[arg(long, env = "LIAISON_RESPONSE_MEMORY_BYTES", default_value_t = 256_000_000, value_parser = number::<usize>(1..))]
    pub response_memory_bytes: usize,
    /// How long the service keeps serving after the signal to stop, such as `10s`. Meanwhile /readyz responds with 503, so that a load balancer takes the instance out.
    #[arg(long, env = "LIAISON_SHUTDOWN_DELAY", default_value = "0s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// The address and port where Prometheus reads `/metrics`, such as `127.0.0.1:9464`. Not served by default. Keep it from the public.
    #[arg(long, env = "LIAISON_METRICS_LISTEN", value_parser = listen_address)]
    pub metrics_listen: Option<String>,
    /// Query cost per minute and client address without a token; 0 is no limit.
    #[arg(long, env = "LIAISON_RATE_LIMIT", default_value_t = 10_000_000, value_parser = number::<u32>(0..=u32::MAX.into()))]
    pub rate_limit: u32,
    /// Query cost per minute and token subject; 0 is no limit.
    #[arg(
        long,
        env = "LIAISON_RATE_LIMIT_AUTHENTICATED",
        default_value_t = 100_000_000,
        value_parser = number::<u32>(0..=u32::MAX.into())
    )]
    pub rate_limit_authenticated: u32,
    /// Maximum number of requests that are refused before they run (an invalid token, document, body or message, an unknown document hash, too high a cost) per minute and client address; 0 is no limit.
    #[arg(long, env = "LIAISON_FAILURE_LIMIT", default_value_t = 1000, value_parser = number::<u32>(0..=u32::MAX.into()))]
    pub failure_limit: u32,
    /// Addresses or networks (10.0.0.0/8) of reverse proxies whose forwarding header is trusted.
    #[arg(long, env = "LIAISON_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which trusted proxies forward the client address.
    #[arg(
        long,
        env = "LIAISON_PROXY_HEADER",
        default_value = "X-Forwarded-For",
        ignore_case = true
    )]
    pub proxy_header: ProxyHeader,
    /// Origins that may send cross-origin requests, such as `https://app.example.org`; `localhost` allows all local
    /// origins, `*` allows all.
    #[arg(long, env = "LIAISON_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<HeaderValue>,
}

impl HttpArgs {
    /// Returns the configuration of the HTTP server. Cached responses are in memory, too: `cache` is the size of the response cache in bytes.
    #[must_use]
    pub fn http_config(&self, cache: u64) -> HttpState {
        let cache = usize::try_from(cache).unwrap_or(usize::MAX);
        HttpState {
            server_limits: ServerLimits {
                connections: self.max_connections,
                max_connections_per_ip: self.max_connections_per_ip,
                header_read_timeout: self.header_read_timeout,
                body_timeout: self.body_timeout,
            },
            trusted_proxies: TrustedProxies {
                trusted: self.trusted_proxies.clone(),
                header: self.proxy_header,
            },
            failures: Failures::new(self.failure_limit),
            rate_limiter: RateLimiter::new(self.rate_limit, self.rate_limit_authenticated),
            streams: ConcurrencyLimiter::new(
                STREAMS,
                u64::from(self.max_connections).div_ceil(2),
                self.max_streams_per_client.into(),
            ),
            subscriptions: ConcurrencyLimiter::new(
                SUBSCRIPTIONS,
                self.max_subscriptions.into(),
                self.max_subscriptions_per_client.into(),
            ),
            responses: ResponseBudget::new(self.response_memory_bytes.saturating_add(cache)),
            shutdown_delay: self.shutdown_delay,
            allowed_origins: self.allowed_origins.clone(),
            ..HttpState::default()
        }
    }
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address());
    network.map_err(|_| "write an address, or a network as 10.0.0.0/8".to_owned())
}
