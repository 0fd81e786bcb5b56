//! The results as Markdown tables.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::client::Measured;
use crate::data::Size;
use crate::services::Kind;
use crate::workloads::WORKLOADS;

/// What was measured, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub database: &'static str,
    pub workload: usize,
    pub connections: usize,
}

#[derive(Default)]
pub struct Table {
    figures: BTreeMap<Place, BTreeMap<Kind, Figures>>,
    memory: Vec<(&'static str, Kind, f64)>,
}

/// The figures of each round.
#[derive(Default)]
struct Figures {
    /// Requests per second.
    throughput: Vec<f64>,
    /// Latencies in microseconds.
    half: Vec<f64>,
    most: Vec<f64>,
    /// Processor time per request in microseconds, in the service and in the database.
    service: Vec<f64>,
    database: Vec<f64>,
}

impl Table {
    /// Adds a measurement; `used` is the processor time of the service and of the database in seconds.
    pub fn add(&mut self, place: Place, kind: Kind, measured: &Measured, used: (f64, f64)) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the number of requests is far below 2^52"
        )]
        let requests = measured.requests as f64;
        let services = self.figures.entry(place).or_default();
        let figures = services.entry(kind).or_default();
        figures.throughput.push(requests / measured.seconds);
        figures.half.push(measured.percentile(50));
        figures.most.push(measured.percentile(99));
        figures.service.push(used.0 * 1e6 / requests);
        figures.database.push(used.1 * 1e6 / requests);
    }

    pub fn memory(&mut self, database: &'static str, kind: Kind, megabytes: f64) {
        self.memory.push((database, kind, megabytes));
    }

    pub fn markdown(&self, scale: f64, size: Size) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text, scale, size);
        text
    }

    fn write(&self, text: &mut String, scale: f64, size: Size) -> std::fmt::Result {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        writeln!(
            text,
            "`cargo run --release -p benches -- {}` on {}; {} topics, {} action items (scale {scale}).\n",
            arguments.join(" "),
            machine(),
            size.topics,
            size.action_items,
        )?;
        writeln!(
            text,
            "Throughput in requests a second; ratios to hand-written SQL (> 1: more requests), to PostGraphile and to the usual stack (async-graphql, sea-orm, DataLoader); times in ms; CPU in µs of a request, service + database.\n"
        )?;
        writeln!(
            text,
            "| | clients | liaison | ÷ SQL | ÷ PostGraphile | ÷ stack | p50 | p99 | p99 of SQL | CPU | CPU of SQL | ratio |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|---|---|---|---|---|")?;
        for (place, services) in &self.figures {
            let Some(ours) = services.get(&Kind::Service) else {
                continue;
            };
            let limit = services.get(&Kind::Limit);
            let node = services.get(&Kind::Postgraphile);
            let stock = services.get(&Kind::Stock);
            let ratio = |other: Option<&Figures>| {
                other.map(|other| quotient(&ours.throughput, &other.throughput))
            };
            writeln!(
                text,
                "| {} {} | {} | {:.0} | {} | {} | {} | {:.2} | {:.2} | {} | {:.0} + {:.0} | {} | {} |",
                WORKLOADS[place.workload].name,
                place.database,
                place.connections,
                median(&ours.throughput),
                decimals(ratio(limit)),
                decimals(ratio(node)),
                decimals(ratio(stock)),
                median(&ours.half) / 1e3,
                median(&ours.most) / 1e3,
                decimals(limit.map(|limit| median(&limit.most) / 1e3)),
                median(&ours.service),
                median(&ours.database),
                limit.map_or_else(String::new, |limit| format!(
                    "{:.0} + {:.0}",
                    median(&limit.service),
                    median(&limit.database)
                )),
                decimals(limit.map(|limit| quotient(&ours.processor(), &limit.processor()))),
            )?;
        }
        writeln!(text)?;
        for (place, workload) in WORKLOADS.iter().enumerate() {
            if self.figures.keys().any(|key| key.workload == place) {
                writeln!(text, "- {}: {}", workload.name, workload.what)?;
            }
        }
        writeln!(
            text,
            "\nAnswers from memory, in requests a second; ratios to a handler that returns as many fixed bytes:\n"
        )?;
        writeln!(text, "| | clients | from memory | fixed bytes | ratio |")?;
        writeln!(text, "|---|---|---|---|---|")?;
        for (place, services) in &self.figures {
            let (Some(memory), Some(fixed)) =
                (services.get(&Kind::Remembering), services.get(&Kind::Fixed))
            else {
                continue;
            };
            let (memory, fixed) = (&memory.throughput, &fixed.throughput);
            writeln!(
                text,
                "| {} {} | {} | {:.0} | {:.0} | {:.2} |",
                WORKLOADS[place.workload].name,
                place.database,
                place.connections,
                median(memory),
                median(fixed),
                quotient(memory, fixed),
            )?;
        }
        writeln!(text, "\nMost memory held, in MB:\n")?;
        for (database, kind, megabytes) in &self.memory {
            writeln!(text, "- {} on {database}: {megabytes:.0}", kind.name())?;
        }
        Ok(())
    }
}

impl Figures {
    fn processor(&self) -> Vec<f64> {
        let both = self.service.iter().zip(&self.database);
        both.map(|(service, database)| service + database).collect()
    }
}

fn decimals(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| format!("{number:.2}"))
}

/// Returns the ratio as a median of the rounds: within a round, both ran directly one after the other.
fn quotient(ours: &[f64], others: &[f64]) -> f64 {
    let rounds = ours.iter().zip(others);
    median(&rounds.map(|(ours, other)| ours / other).collect::<Vec<_>>())
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        f64::midpoint(figures[middle - 1], figures[middle])
    }
}

/// Returns the processor and its number of cores.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("an unknown processor", |name| {
        name.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores of {name}")
}
