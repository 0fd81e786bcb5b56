//! Traces: the W3C trace context of requests, and the spans that the feature `otlp` exports.

use std::sync::Arc;

use tracing::Span;

/// The target of the spans that are exported. Their level is below that of the log.
pub const SPANS: &str = "liaison::trace";

/// The names of the spans that begin a trace, or continue that of a client: a request, and a delivery to a webhook.
pub const ROOT_SPANS: [&str; 2] = ["request", "deliver"];

/// The length of a `traceparent` in version 00.
const LENGTH: usize = 55;

/// A position in a trace: the value of the header `traceparent`, in version 00 of the
/// [specification](https://www.w3.org/TR/trace-context/#traceparent-header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(Arc<str>);

impl TraceParent {
    /// Parses the header; `None` if it is invalid: the specification wants it to be ignored then.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let parts: Vec<&str> = known.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else {
            return None;
        };
        let has_lengths = [version, trace, parent, flags].map(str::len) == [2, 32, 16, 2];
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        // Later versions may have further parts.
        let is_known = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        (has_lengths && known.bytes().all(is_hex) && !is_zero(trace) && !is_zero(parent))
            .then(|| Self(format!("00-{trace}-{parent}-{flags}").into()))
            .filter(|_| is_known)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the spans of the trace are recorded: the lowest bit of the flags.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.0[53..], 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Returns the id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

/// Makes a span a child of a position in a trace. Returns the position of the span, or `parent` if spans are not
/// exported.
#[must_use]
#[cfg(not(feature = "otlp"))]
pub fn continue_trace(_: &Span, parent: Option<TraceParent>) -> Option<TraceParent> {
    parent
}

/// Makes a span a child of a position in a trace. Returns the position of the span, or `parent` if spans are not
/// exported.
#[must_use]
#[cfg(feature = "otlp")]
pub fn continue_trace(span: &Span, parent: Option<TraceParent>) -> Option<TraceParent> {
    use opentelemetry::trace::TraceContextExt;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return parent;
    }
    if let Some(context) = parent.as_ref().and_then(TraceParent::context) {
        // Fails only if spans are not exported.
        let _ = span.set_parent(context);
    }
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return parent;
    }
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags());
    Some(TraceParent(
        format!("00-{trace}-{id}-{:02x}", flags.to_u8()).into(),
    ))
}

#[cfg(feature = "otlp")]
impl TraceParent {
    fn context(&self) -> Option<opentelemetry::Context> {
        use opentelemetry::trace::{
            SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
        };

        let span = SpanContext::new(
            TraceId::from_hex(self.trace_id()).ok()?,
            SpanId::from_hex(&self.0[36..52]).ok()?,
            TraceFlags::new(u8::from_str_radix(&self.0[53..], 16).ok()?),
            true,
            TraceState::default(),
        );
        Some(opentelemetry::Context::new().with_remote_span_context(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_only_from_a_valid_header() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parsed = TraceParent::parse(good).unwrap();
        assert_eq!(parsed.as_str(), good);
        assert_eq!(parsed.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(parsed.is_sampled());
        let later = good.replacen("00", "cc", 1) + "-more";
        assert_eq!(TraceParent::parse(&later), Some(parsed));
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
