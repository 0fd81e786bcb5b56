//! Metrics of a running program, read as Prometheus reads them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::binary::RunningProcess;

/// A generous timeout, which only failing tests reach.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What one scrape has returned: values by series, written as `name{label="value"}`.
#[derive(Debug)]
pub struct Scrape {
    pub text: String,
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Reads the metrics from this address.
    pub fn of(address: &str) -> Self {
        Self::read(address).expect("metrics are served")
    }

    /// Returns `None` if the connection is refused.
    pub fn read(address: &str) -> Option<Self> {
        let mut connection = TcpStream::connect(address.trim_start_matches("http://")).ok()?;
        let head = b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        connection.write_all(head).ok()?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply).ok()?;
        let (head, text) = reply.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let text = text.to_owned();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        let series = samples.collect();
        Some(Self { text, series })
    }

    /// Scrapes until a condition holds.
    pub fn eventually(address: &str, holds: impl Fn(&Self) -> bool) -> Self {
        let started_at = Instant::now();
        loop {
            if let Some(scrape) = Self::read(address).filter(&holds) {
                return scrape;
            }
            assert!(started_at.elapsed() < TIMEOUT, "{}", Self::of(address).text);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the value of a series; 0 if there is none.
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// Returns the values of all series of a metric.
    pub fn all(&self, metric: &str) -> BTreeMap<&str, f64> {
        let series = self.series.iter();
        let series = series.filter(|(name, _)| name.split('{').next() == Some(metric));
        series
            .map(|(name, value)| (name.as_str(), *value))
            .collect()
    }
}

impl RunningProcess {
    /// Returns the URL where metrics are served, from the log.
    pub fn metrics_address(&mut self) -> String {
        const LINE: &str = "serving metrics address=";
        let log = self.logged(|log| log.contains(LINE));
        let rest = log.split(LINE).nth(1).unwrap();
        format!("http://{}", rest.lines().next().unwrap().trim())
    }
}
