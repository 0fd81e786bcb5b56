//! The settings that say what connections and senders may take.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use hyper::header::HeaderValue;
use ipnet::IpNet;

use crate::http::Around;
use crate::http::cors::origin;
use crate::http::proxies::{Proxies, ProxyHeader};
use crate::http::rate::Rates;
use crate::http::server::Bounds;

/// What connections and senders may take, and who may send from where.
#[derive(Clone, Debug, Args)]
pub struct Surroundings {
    /// How many connections are open at most; who comes then waits.
    #[arg(long, env = "LIAISON_CONNECTIONS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// How many of them each address may have that is no trusted proxy's; 0 is no bound.
    #[arg(long, env = "LIAISON_CONNECTIONS_EACH", default_value_t = 200)]
    pub connections_each: u32,
    /// Seconds for the head of a request, and for a connection to do nothing between two.
    #[arg(long, env = "LIAISON_HEAD_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
    /// Seconds for the body of a request, and for a client to take nothing of an answer.
    #[arg(long, env = "LIAISON_BODY_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub body_timeout: u64,
    /// Seconds for which the service answers on when it is told to stop, while /readyz says that nobody is to be sent any more.
    #[arg(long, env = "LIAISON_DRAIN", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain: u64,
    /// The cost that each address may ask for per minute without a token; 0 is no limit.
    #[arg(long, env = "LIAISON_RATE_LIMIT", default_value_t = 10_000_000)]
    pub rate_limit: u32,
    /// The cost that the subject of each token may ask for per minute; 0 is no limit.
    #[arg(long, env = "LIAISON_RATE_LIMIT_TOKEN", default_value_t = 100_000_000)]
    pub rate_limit_token: u32,
    /// Addresses or networks (10.0.0.0/8) of proxies that are believed when they say for whom they send.
    #[arg(long, env = "LIAISON_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it.
    #[arg(
        long,
        env = "LIAISON_PROXY_HEADER",
        default_value = "X-Forwarded-For",
        ignore_case = true
    )]
    pub proxy_header: ProxyHeader,
    /// Origins, such as `https://app.example.org`, whose pages may call from a browser; `localhost` is all pages of this machine, `*` is all.
    #[arg(long, env = "LIAISON_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<HeaderValue>,
}

impl Surroundings {
    /// As the service takes them.
    #[must_use]
    pub fn around(&self) -> Around {
        Around {
            bounds: Bounds {
                connections: self.connections,
                each: self.connections_each,
                head: Duration::from_secs(self.head_timeout),
                body: Duration::from_secs(self.body_timeout),
            },
            proxies: Proxies {
                trusted: self.trusted_proxies.clone(),
                header: self.proxy_header,
            },
            rates: Rates::new(self.rate_limit, self.rate_limit_token),
            drain: Duration::from_secs(self.drain),
            origins: self.allowed_origins.clone(),
            ..Around::default()
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address());
    network.map_err(|_| "write an address, or a network as 10.0.0.0/8".to_owned())
}
