//! The client address of requests that come through proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use clap::ValueEnum;
use ipnet::IpNet;

/// The trusted proxies and their forwarding header.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Their networks.
    pub trusted: Vec<IpNet>,
    pub header: ProxyHeader,
}

/// The forwarding header. Only one is used, because a proxy forwards the other unchecked from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// The header that most proxies extend.
    #[default]
    #[value(name = "X-Forwarded-For")]
    XForwardedFor,
    /// The header of RFC 7239.
    #[value(name = "Forwarded")]
    Forwarded,
}

impl TrustedProxies {
    /// Returns the client address, as far as it can be trusted: each proxy appends the address that it received the
    /// request from, so entries are read from the end, up to the first that is not a trusted proxy.
    #[must_use]
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return client;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let lines = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for hop in hops.into_iter().rev() {
            let Some(sender) = self.parse_hop(hop) else {
                break;
            };
            client = sender;
            if !self.contains(client) {
                break;
            }
        }
        client
    }

    /// Returns whether an address is a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Parses the address of an entry; `None` if it is obfuscated or malformed.
    fn parse_hop(&self, hop: &str) -> Option<IpAddr> {
        let node = match self.header {
            ProxyHeader::XForwardedFor => hop,
            ProxyHeader::Forwarded => hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then_some(value)
            })?,
        };
        let node = node.trim().trim_matches('"');
        let bare = node
            .strip_prefix('[')
            .and_then(|address| address.strip_suffix(']'));
        let address = bare.unwrap_or(node).parse();
        let with_port = || Some(node.parse::<SocketAddr>().ok()?.ip());
        Some(address.ok().or_else(with_port)?.to_canonical())
    }
}

/// Returns the address that limits apply to: an IPv6 client usually has a /64 network, so that counts as one.
#[must_use]
pub fn ip_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_ip_is_the_last_untrusted_address() {
        let table = [
            // A client that is not a proxy can write anything.
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1",
                "1.1.1.1, 198.51.100.1, 10.2.3.4",
                "198.51.100.1",
            ),
            ("10.0.0.1", "10.9.9.9,10.2.3.4", "10.9.9.9"),
            ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, x, 10.2.3.4", "10.2.3.4"),
            ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
            ("10.0.0.1", "[2001:db8::7]:80", "2001:db8::7"),
            ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("fd00::1", "198.51.100.1", "198.51.100.1"),
        ];
        for (peer, line, expected) in table {
            check(ProxyHeader::XForwardedFor, peer, line, expected);
        }
        let table = [
            ("10.0.0.1", "for=198.51.100.1;proto=https", "198.51.100.1"),
            ("10.0.0.1", "For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            (
                "10.0.0.1",
                "for=1.1.1.1, proto=https;for=198.51.100.1",
                "198.51.100.1",
            ),
            ("10.0.0.1", "for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("10.0.0.1", "by=198.51.100.1", "10.0.0.1"),
        ];
        for (peer, line, expected) in table {
            check(ProxyHeader::Forwarded, peer, line, expected);
        }
    }

    fn check(header: ProxyHeader, peer: &str, line: &str, expected: &str) {
        let proxies = TrustedProxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            header,
        };
        let mut headers = HeaderMap::new();
        for name in ["x-forwarded-for", "forwarded"] {
            let other = "192.0.2.66".parse().unwrap();
            headers.insert(name, other);
        }
        let name = match header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        headers.insert(name, line.parse().unwrap());
        let client = proxies.client_ip(peer.parse().unwrap(), &headers);
        assert_eq!(
            client,
            expected.parse::<IpAddr>().unwrap(),
            "{peer}: {line}"
        );
    }
}
