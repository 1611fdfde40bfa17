//! A name, what it says and its samples go in, one family of the text form comes out.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::upstream::Spread;

/// One family: its name without the prefix, what it says, and its samples by label.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<Sample>,
}

/// Labels with their words, and the value that they have.
pub(super) type Sample = (Vec<(&'static str, String)>, Value);

/// What a sample says.
pub(super) enum Value {
    /// A number of things.
    Whole(u64),
    /// A measure.
    Real(f64),
    /// How many were how large.
    Spread(Spread),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Spread> for Value {
    fn from(value: Spread) -> Self {
        Self::Spread(value)
    }
}

/// A gauge without labels.
pub(super) fn gauge(name: &'static str, help: &'static str, value: u64) -> Family {
    family(name, help, MetricType::Gauge, [(Vec::new(), value)])
}

/// A counter without labels.
pub(super) fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    family(name, help, MetricType::Counter, [(Vec::new(), value)])
}

/// A family of samples.
pub(super) fn family<V: Into<Value>>(
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, V)>,
) -> Family {
    let samples = samples.into_iter().map(|(labels, value)| (labels, value.into())).collect();
    Family { name, help, kind, samples }
}

impl Family {
    pub(super) fn encode(self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self { name, help, kind, samples } = self;
        let mut family = out.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                encode(&mut family, kind, &value)?;
            } else {
                encode(&mut family.encode_family(&labels)?, kind, &value)?;
            }
        }
        Ok(())
    }
}

fn encode(sample: &mut MetricEncoder<'_>, kind: MetricType, value: &Value) -> fmt::Result {
    match (kind, value) {
        (MetricType::Counter, Value::Whole(value)) => {
            sample.encode_counter::<NoLabelSet, _, u64>(value, None)
        }
        (_, Value::Whole(value)) => sample.encode_gauge(value),
        (_, Value::Real(value)) => sample.encode_gauge(value),
        (_, Value::Spread(Spread { sum, count, buckets })) => {
            sample.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}
