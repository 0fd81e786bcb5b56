//! A metric with labels, and a limited number of label sets.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{self, Registry};

use crate::metrics::OTHER;
use crate::metrics::catalogue::{Metric, MetricKind};

type LabelSet = Vec<(&'static str, String)>;

/// The series of a metric by their labels.
#[derive(Debug)]
pub struct BoundedFamily<M> {
    metric: &'static Metric,
    series: Family<LabelSet, M, NewSeries>,
    /// The number of series, without that of `other`.
    created: Mutex<usize>,
}

/// Creates a series of a metric.
#[derive(Clone, Debug)]
pub struct NewSeries(&'static Metric);

impl MetricConstructor<Counter> for NewSeries {
    fn new_metric(&self) -> Counter {
        Counter::default()
    }
}

impl<N, A: Default> MetricConstructor<Gauge<N, A>> for NewSeries {
    fn new_metric(&self) -> Gauge<N, A> {
        Gauge::default()
    }
}

impl MetricConstructor<Histogram> for NewSeries {
    fn new_metric(&self) -> Histogram {
        let bounds = match self.0.kind {
            MetricKind::Histogram(bounds) => bounds,
            MetricKind::Counter | MetricKind::Gauge => &[],
        };
        Histogram::new(bounds.iter().copied())
    }
}

impl<M: Clone + Debug> BoundedFamily<M>
where
    NewSeries: MetricConstructor<M>,
    Family<LabelSet, M, NewSeries>: registry::Metric,
{
    pub fn register(registry: &mut Registry, metric: &'static Metric) -> Self {
        let series = Family::new_with_constructor(NewSeries(metric));
        // The library adds `_total` to the names of counters, and a full stop to descriptions.
        let name = metric.name.trim_end_matches("_total");
        registry.register(name, metric.description, series.clone());
        let family = Self {
            metric,
            series,
            created: Mutex::default(),
        };
        if metric.labels.is_empty() {
            // Shown from the start, as 0.
            family.with(&[]);
        }
        family
    }

    /// Returns the series with these values of the labels. Each value is `other` if there are as many series as there
    /// may be.
    pub fn with(&self, values: &[&str]) -> M {
        // If the values are unbounded, one series is reserved for `other`.
        let limit = self.metric.max_label_sets - usize::from(self.metric.is_open);
        self.within(limit, values).unwrap_or_else(|| {
            let other = vec![OTHER; values.len()];
            self.series.get_or_create_owned(&self.labels(&other))
        })
    }

    /// Returns the series with these values of the labels; `None` if it is a new one, and there are `limit` or more.
    pub fn within(&self, limit: usize, values: &[&str]) -> Option<M> {
        let labels = self.labels(values);
        if let Some(series) = self.series.get(&labels) {
            return Some(series.clone());
        }
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        if self.series.get(&labels).is_none() {
            if *created >= limit {
                return None;
            }
            *created += 1;
        }
        Some(self.series.get_or_create_owned(&labels))
    }

    fn labels(&self, values: &[&str]) -> LabelSet {
        let names = self.metric.labels.iter().copied();
        names
            .zip(values.iter().map(|value| (*value).to_owned()))
            .collect()
    }
}
