//! DNS over HTTPS: queries share one HTTP/2 connection (RFC 8484).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tracing::debug;

use super::{Pulse, Received};
use crate::dial::{PING_AFTER, PING_TIMEOUT};
use crate::error::Failure;
use crate::message::Query;
use crate::request::Template;
use crate::response::receive;
use crate::server::Server;
use crate::upstream::IN_FLIGHT;
use crate::wire::{Heard, Wire};

/// Room for one answer of any size in a stream.
const STREAM_WINDOW: u32 = 65_535;

/// Room for many answers in a connection; h2 also takes half of it as the number of bytes that
/// small frames may waste before it says goodbye, hence at least 1 MiB.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Response headers of a resolver fill a few hundred bytes.
const MAX_HEADERS: u32 = 8 * 1024;

/// How long late frames of a query that was given up are known as such; after that they would end
/// the connection.
const REMEMBER_RESETS: Duration = Duration::from_secs(10);

/// One HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    template: Arc<Template>,
    heard: Heard,
}

impl Link {
    /// Speaks HTTP/2 over a fresh connection and starts the task that drives it until either side
    /// closes it.
    pub(crate) async fn open(wire: Wire, server: Arc<Server>) -> Result<Self, Failure> {
        let heard = wire.heard();
        let template = Arc::new(Template::new(&server));
        let (sender, connection) =
            settings().handshake(TokioIo::new(wire)).await.map_err(Failure::from_http)?;
        tokio::spawn(async move {
            match connection.await {
                Ok(()) => debug!(%server, "connection closed"),
                Err(error) => debug!(%server, %error, "connection broke"),
            }
        });
        Ok(Self { sender, template, heard })
    }

    pub(crate) async fn exchange(&self, query: &Query) -> Result<Received, Failure> {
        let request = self.template.post(query.wire());
        let response = self.sender.clone().send_request(request).await;
        receive(response.map_err(Failure::from_http)?).await
    }

    pub(crate) fn pulse(&self) -> Pulse {
        Pulse {
            is_open: !self.sender.is_closed(),
            heard_at: self.heard.at(),
            owed_since: None,
            in_flight: 0,
            capacity: IN_FLIGHT,
        }
    }
}

fn settings() -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(false)
        .max_concurrent_reset_streams(IN_FLIGHT)
        .max_local_error_reset_streams(None)
        .reset_stream_duration(REMEMBER_RESETS);
    settings
}
