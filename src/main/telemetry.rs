//! The log, and the export of traces over OTLP.

use std::io::{self, IsTerminal};

use liaison::config::{Cli, LogFormat, StartupError};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Starts the log, and the export of traces if the environment names a collector.
///
/// # Errors
/// Returns an error if the environment variables of OpenTelemetry are invalid.
pub fn start(cli: &Cli) -> Result<Telemetry, StartupError> {
    let filter = EnvFilter::new(&cli.log_filter);
    let telemetry = Telemetry::from_environment()?;
    let Some(spans) = telemetry.layer() else {
        // A filter of the whole subscriber costs less than one of a layer.
        let subscriber = tracing_subscriber::registry().with(filter);
        subscriber.with(log(cli)).init();
        return Ok(telemetry);
    };
    let subscriber = tracing_subscriber::registry().with(spans);
    subscriber.with(log(cli).with_filter(filter)).init();
    Ok(telemetry)
}

fn log<S: Subscriber + for<'a> LookupSpan<'a>>(cli: &Cli) -> Box<dyn Layer<S> + Send + Sync> {
    let log = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match cli.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    }
}

#[cfg(not(feature = "otlp"))]
pub use self::none::Telemetry;
#[cfg(feature = "otlp")]
pub use self::otlp::Telemetry;

#[cfg(not(feature = "otlp"))]
mod none {
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::Identity;

    use super::{Layer, StartupError};

    /// No traces are exported: this program was built without the feature `otlp`.
    pub struct Telemetry;

    impl Telemetry {
        #[expect(clippy::unnecessary_wraps, reason = "as with the feature `otlp`")]
        pub fn from_environment() -> Result<Self, StartupError> {
            Ok(Self)
        }

        pub fn layer(&self) -> Option<impl Layer<Registry> + use<>> {
            None::<Identity>
        }

        #[expect(clippy::unused_async, reason = "as with the feature `otlp`")]
        pub async fn end(self) {}
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use std::time::Duration;

    use async_trait::async_trait;
    use liaison::config::exports_traces;
    use liaison::trace::{ROOT_SPANS, SPANS};
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
    use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::runtime::Handle;
    use tokio::task::spawn_blocking;
    use tracing::Metadata;
    use tracing::subscriber::Interest;
    use tracing_subscriber::Registry;
    use tracing_subscriber::filter::DynFilterFn;
    use tracing_subscriber::filter::LevelFilter;

    use super::{Layer, StartupError};

    /// The timeout of an export.
    const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

    /// How long the end of the program waits until the last spans are exported.
    const END_TIMEOUT: Duration = Duration::from_secs(5);

    /// The export of traces; it does nothing if there is no collector.
    pub struct Telemetry(Option<SdkTracerProvider>);

    impl Telemetry {
        /// Creates the exporter that the environment variables of OpenTelemetry describe: endpoint, headers, sampler,
        /// batches and resource attributes.
        ///
        /// # Errors
        /// Returns an error if they are invalid.
        pub fn from_environment() -> Result<Self, StartupError> {
            if !exports_traces() {
                return Ok(Self(None));
            }
            let wrong = |error: &dyn std::fmt::Display| {
                StartupError::new(format!(
                    "OTEL_EXPORTER_OTLP_ENDPOINT: traces cannot be exported: {error}"
                ))
            };
            let client = OtlpClient::new().map_err(|error| wrong(&error))?;
            let exporter = SpanExporter::builder().with_http().with_http_client(client);
            let exporter = exporter.build().map_err(|error| wrong(&error))?;
            let mut resource = Resource::builder();
            if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
                resource = resource.with_service_name("liaison");
            }
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource.build());
            Ok(Self(Some(provider.build())))
        }

        /// Returns the layer that exports spans; `None` if there is no collector.
        pub fn layer(&self) -> Option<impl Layer<Registry> + use<>> {
            let tracer = self.0.as_ref()?.tracer("liaison");
            let spans = tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false);
            // Within a request that is not sampled there is no current span: what it would contain costs nothing then.
            // Statements outside of requests, such as those of the feed, would each be a trace.
            let exported = DynFilterFn::new(|metadata, context| {
                let is_root = metadata.target() == SPANS && ROOT_SPANS.contains(&metadata.name());
                is_root || is_span_of_trace(metadata) && context.lookup_current().is_some()
            });
            // Otherwise the filter would run at each event of every library.
            let exported = exported.with_callsite_filter(|metadata| {
                if is_span_of_trace(metadata) {
                    Interest::sometimes()
                } else {
                    Interest::never()
                }
            });
            let exported = exported.with_max_level_hint(LevelFilter::DEBUG);
            Some(spans.with_filter(exported))
        }

        /// Exports the last spans, within a few seconds.
        pub async fn end(self) {
            if let Some(provider) = self.0 {
                // What cannot be exported is lost, as it would be while the service runs.
                let ended = spawn_blocking(move || provider.shutdown_with_timeout(END_TIMEOUT));
                let _ = ended.await;
            }
        }
    }

    /// Returns whether spans of this kind can be part of a trace.
    fn is_span_of_trace(metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.is_span() && (target == SPANS || target.starts_with("sea_orm"))
    }

    /// The HTTP client of the exporter. The exporter calls it from a thread without a runtime.
    #[derive(Debug)]
    struct OtlpClient {
        http: reqwest::Client,
        runtime: Handle,
    }

    impl OtlpClient {
        fn new() -> reqwest::Result<Self> {
            // It fails if a provider is installed already, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let http = reqwest::Client::builder().timeout(EXPORT_TIMEOUT).build()?;
            let runtime = Handle::current();
            Ok(Self { http, runtime })
        }
    }

    #[async_trait]
    impl HttpClient for OtlpClient {
        /// Sends a request. The body of the response is not read: only its status and headers count.
        async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let (http, request) = (self.http.clone(), request.try_into()?);
            let sent = async move { http.execute(request).await };
            let received = self.runtime.spawn(sent).await??;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = received.status();
            *response.headers_mut() = received.headers().clone();
            Ok(response)
        }
    }
}
