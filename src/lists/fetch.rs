//! A list's URL goes in, its bytes come out, or why there are none.
//!
//! A host that has nothing newer than our copy says so instead of sending it again. What it sends
//! goes to a spool piece by piece, so that a list never lies in memory as a whole.

use std::{
    io,
    time::{Duration, SystemTime},
};

use reqwest::{
    Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        LAST_MODIFIED, RETRY_AFTER,
    },
};

use super::{
    client::{Patience, REDIRECTS, client, private_literal},
    pipe::{self, Inlet, Outlet},
    record::Validators,
    spool::{Arrived, Spool},
    unpack::{Packing, TooLarge, too_large},
};
use crate::{
    config::{List, UpstreamSettings},
    upstream::{Upstream, UpstreamError},
};

/// Ways of packing that we understand, the better one for lists first.
const ENCODINGS: &str = "zstd, gzip";

/// Downloads lists; names are resolved through our own upstream, never through getaddrinfo.
pub(super) struct Fetcher {
    upstream: Upstream,
    patience: Patience,
}

/// What is asked for.
pub(super) struct Request<'a> {
    /// The list.
    pub(super) list: &'a List,
    /// Its URL.
    pub(super) url: &'a str,
    /// Further roots of trust.
    pub(super) upstream: &'a UpstreamSettings,
    /// What is known of the copy at hand; empty where there is none.
    pub(super) known: Validators,
}

/// What a host answered.
pub(super) enum Fetched {
    /// The copy at hand is current.
    Same,
    /// This text.
    Other(Arrived, Validators),
}

/// Why a list's text could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FetchError {
    /// The text is larger than the list allows.
    #[error("{0}")]
    TooLarge(TooLarge),
    /// The URL or a redirect leads into a private network.
    #[error("`{0}` leads to a private address; allow_private = true permits that")]
    Private(String),
    /// It goes from one host to the next.
    #[error("it is redirected more than {REDIRECTS} times")]
    Redirects,
    /// A redirect leaves what nobody on the way can change.
    #[error("it is redirected from https:// to http:// at `{0}`, where anyone can change it")]
    Downgrade(String),
    /// The server answered with something other than the list.
    #[error("the server answered {status}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It is packed in a way that we did not ask for.
    #[error("it came packed as `{0}`, which was not asked for")]
    Encoding(String),
    /// It came, but cannot be unpacked or written.
    #[error("it cannot be taken in")]
    Intake(#[source] io::Error),
    /// The exchange failed.
    #[error("the download failed")]
    Http(#[source] reqwest::Error),
    /// `upstream.ca_file` is of no use.
    #[error("{0}")]
    Roots(#[from] UpstreamError),
    /// The TLS settings are of no use.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Fetcher {
    pub(super) fn new(upstream: Upstream, patience: Patience) -> Self {
        Self { upstream, patience }
    }

    /// Asks for a list and takes what comes into the spool.
    ///
    /// # Errors
    /// Where nothing comes, or not in time, or too much.
    ///
    /// # Cancel safety
    /// Safe: what has arrived is thrown away.
    pub(super) async fn fetch(
        &self,
        request: Request<'_>,
        spool: impl FnOnce() -> Spool,
    ) -> Result<Fetched, FetchError> {
        let response = self.ask(&request).await?;
        if response.status() == StatusCode::NOT_MODIFIED && !request.known.are_none() {
            return Ok(Fetched::Same);
        }
        if response.status() != StatusCode::OK {
            let retry_after = header(&response, &RETRY_AFTER).and_then(retry_after);
            return Err(FetchError::Status { status: response.status(), retry_after });
        }
        let encoding = header(&response, &CONTENT_ENCODING).unwrap_or_default();
        let packing = Packing::of_encoding(encoding)
            .ok_or_else(|| FetchError::Encoding(encoding.to_owned()))?;
        let validators =
            Validators::new(header(&response, &ETAG), header(&response, &LAST_MODIFIED));
        let arrived = receive(response, packing, spool(), request.list.max_bytes.0).await?;
        Ok(Fetched::Other(arrived, validators))
    }

    async fn ask(&self, request: &Request<'_>) -> Result<Response, FetchError> {
        let Request { list, url, upstream, known } = request;
        if let Some(host) = url.parse().ok().as_ref().and_then(private_literal)
            && !list.allow_private
        {
            return Err(FetchError::Private(host));
        }
        let client = client(list, upstream, self.upstream.clone(), self.patience)?;
        let mut question = client.get(*url);
        let headers = [
            (ACCEPT_ENCODING, Some(ENCODINGS)),
            (IF_NONE_MATCH, known.etag.as_deref()),
            (IF_MODIFIED_SINCE, known.last_modified.as_deref()),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                question = question.header(name, value);
            }
        }
        Ok(question.send().await?)
    }
}

/// Without its URL, which may hold a password; the list's name stands beside every error.
impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// Takes the body of a response into a spool, unpacked as the server has packed it.
async fn receive(
    mut response: Response,
    packing: Packing,
    spool: Spool,
    max_bytes: u64,
) -> Result<Arrived, FetchError> {
    let (inlet, outlet) = pipe::pipe();
    let writing = tokio::task::spawn_blocking(move || write(outlet, packing, spool, max_bytes));
    let pumped = pump(&mut response, inlet).await;
    let written = writing.await.map_err(|error| FetchError::Intake(io::Error::other(error)))?;
    // Where the connection broke, the writer only knows that nothing more came.
    pumped?;
    written.map_err(|error| match too_large(&error) {
        Some(bound) => FetchError::TooLarge(bound),
        None => FetchError::Intake(error),
    })
}

/// Hands on what arrives; stops where nobody reads any more.
async fn pump(response: &mut Response, inlet: Inlet) -> Result<(), FetchError> {
    while let Some(piece) = response.chunk().await? {
        if inlet.push(piece).await == pipe::Reader::Gone {
            return Ok(());
        }
    }
    inlet.end().await;
    Ok(())
}

fn write(
    outlet: Outlet,
    packing: Packing,
    mut spool: Spool,
    max_bytes: u64,
) -> io::Result<Arrived> {
    io::copy(&mut packing.unpack(outlet, max_bytes), &mut spool)?;
    spool.finish()
}

/// A header's text, where it has one.
fn header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// How long to wait: a number of seconds, or until a moment (RFC 9110 section 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = httpdate::parse_http_date(value).ok()?;
    moment.duration_since(SystemTime::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_seconds_or_as_a_moment() {
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));

        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert!((98..=100).contains(&retry_after(&soon).unwrap().as_secs()));
        for nothing in ["", "soon", "-5", "Sat, 21 Nov 2020 10:00:00 GMT"] {
            assert_eq!(retry_after(nothing), None, "{nothing}");
        }
    }
}
