//! The settings of deliveries to webhooks.

use clap::Args;
use clap::builder::BoolishValueParser;
use ipnet::IpNet;
use url::Url;

use crate::config::http::network;
use crate::http::redact::PROXY_FORM;

/// Settings of webhooks: allowed targets, proxy, and the source in events.
#[derive(Clone, Debug, Args)]
pub struct Webhooks {
    /// Allow webhook URLs with any address: private networks and this machine, also without TLS.
    #[arg(long, env = "LIAISON_ALLOW_PRIVATE_WEBHOOKS", value_parser = BoolishValueParser::new())]
    pub allow_private_webhooks: bool,
    /// Private networks (10.20.0.0/16) whose addresses webhook URLs may have, over TLS.
    #[arg(long, env = "LIAISON_WEBHOOK_NETWORKS", value_delimiter = ',', value_parser = network)]
    pub webhook_networks: Vec<IpNet>,
    /// The HTTP proxy that deliveries go through, such as `http://proxy:3128`. It then looks names up, so it must refuse private networks itself.
    #[arg(long, env = "LIAISON_WEBHOOK_PROXY", hide_env_values = true)]
    pub webhook_proxy: Option<String>,
    /// The `source` of events, an absolute URI. Give each register its own.
    #[arg(
        long,
        env = "LIAISON_WEBHOOK_SOURCE",
        default_value = "urn:liaison:register",
        value_parser = source
    )]
    pub webhook_source: String,
}

impl Webhooks {
    /// Checks the URL of the proxy. It may hold a password, so the error never shows any of it.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(proxy) = &self.webhook_proxy else {
            return Ok(());
        };
        let is_proxy = |url: Url| url.scheme() == "http" && url.host().is_some();
        if Url::parse(proxy).is_ok_and(is_proxy) {
            Ok(())
        } else {
            Err(PROXY_FORM.to_owned())
        }
    }
}

fn source(text: &str) -> Result<String, String> {
    if text.contains(char::is_whitespace) || Url::parse(text).is_err() {
        return Err(
            "write an absolute URI: urn:liaison:register, or https://register.example.org"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}
